/** For replicas that are never recovered: those of simulations, benchmarks and tests. */
import { ReplicaError } from '../errors.ts';
import type { RecoveryPorts } from './ports.ts';

/** Nothing on disk, and nobody who could hand in a share. */
export function withoutRecovery(): RecoveryPorts {
  return {
    shares: {
      learn: () => undefined,
      headers: () => [],
      add: () => {
        throw nothingToRecover();
      },
      shares: () => [],
      count: () => ({ received: 0, threshold: 0, owners: [], missing: [] }),
      seeds: () => [],
      authorisers: () => undefined,
      wipe: () => undefined,
    },
    disks: { claims: () => Promise.resolve([]), open: () => Promise.resolve([]) },
    sign: () => {
      throw nothingToRecover();
    },
    nowMs: () => 0,
  };
}

function nothingToRecover(): ReplicaError {
  return new ReplicaError('REPLICA_NOT_RECOVERING', 'this replica is never recovered');
}
