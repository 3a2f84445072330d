/** Which services a connection sees, by the role of its other end. */
import type { Role, ServiceRegistration } from '@witan/transport';
import type { PeerClaims } from '../evidence/rules.ts';
import { approvalService } from './approvals.ts';
import { auditService } from './audit.ts';
import { clusterService } from './cluster.ts';
import type { ServiceContext } from './context.ts';
import { leadService } from './lead.ts';
import { peerService } from './peer.ts';
import { recoveryService } from './recovery.ts';
import { rotationService } from './rotation.ts';
import { userService } from './user.ts';
import { workloadService } from './workload.ts';

/** Made once: each holds what its connections share. */
export function servicesByRole(
  context: ServiceContext,
): Readonly<Record<Role, readonly ServiceRegistration<PeerClaims>[]>> {
  return {
    replica: [peerService(context), leadService(context)],
    initializer: [workloadService(context)],
    client: [
      userService(context),
      auditService(context),
      clusterService(context),
      recoveryService(context),
      rotationService(context),
      approvalService(context),
    ],
  };
}
