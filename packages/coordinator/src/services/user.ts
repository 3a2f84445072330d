/** The user service: what owners and operators ask. Any replica answers. */
import { parseReferenceValues, type ReferenceValues } from '@witan/attestation';
import { CodedError, fromHex, sha256Hex, toHex } from '@witan/core';
import {
  encodeRecoveryHeader,
  ManifestError,
  parseManifest,
  type ValidatedManifest,
} from '@witan/manifest';
import { UserService, type SetManifestRequest } from '@witan/protocol';
import type { Cluster } from '@witan/replica';
import { requestKey, type CommandResult, type StateView } from '@witan/state-machine';
import { PublicError, serviceRegistration, type ServiceRegistration } from '@witan/transport';
import type { PeerClaims } from '../evidence/rules.ts';
import { isSimulated, type Operation } from '../operations.ts';
import { approvalFromWire } from '../peers/wire.ts';
import {
  bestMark,
  clusterIdBytes,
  clusterOf,
  currentView,
  publicly,
  READ_MS,
  recoveryNow,
  signedMark,
  transitionToWire,
  WRITE_MS,
  type ServiceContext,
} from './context.ts';
import { historyOf } from './whole-history.ts';
import { refusalOf } from './refusals.ts';
import { statusOf } from './status.ts';
import { rootLinksOf } from './trust.ts';

const APPROVALS_MAX = 64;
/** How long a status waits for a quorum to confirm its mark: it is to answer in any case. */
const STATUS_MARK_MS = 500;

export function userService(context: ServiceContext): ServiceRegistration<PeerClaims> {
  return serviceRegistration<typeof UserService, PeerClaims>(UserService, {
    setManifest: async (request) => {
      const cluster = clusterOf(context);
      const { operation, manifest } = readSetManifest(context, request);
      await refuseForeignCoordinators(context, manifest);
      if (request.noForward) refuseToForward(cluster);
      const { index, result } = await publicly(context.writer.execute(operation, WRITE_MS));
      const number = acceptedGeneration(result);
      await publicly(cluster.engine.waitApplied(index, { timeoutMs: READ_MS }));
      const view = cluster.state.machine;
      const signed = view.transitions[number - 1];
      if (signed === undefined) throw new Error('an applied transition is in the history');
      context.counters.count('manifests_set');
      return {
        transition: transitionToWire(signed),
        rootCertificate: view.rootCertificate ?? new Uint8Array(0),
        meshCaCertificate: view.meshCaCertificate ?? new Uint8Array(0),
        historyPublicKey: view.historyPublicKey ?? new Uint8Array(0),
        highWaterMark: signedMark(context, cluster),
        recoveryHeader: recoveryHeaderOf(view),
      };
    },

    getDeployment: async () => {
      const view = await currentView(context);
      const cluster = clusterOf(context);
      const { manifest } = view;
      const recovery = view.recoveries.at(-1);
      return {
        clusterId: clusterIdBytes(cluster),
        epoch: BigInt(view.epoch),
        generation: BigInt(view.generation),
        manifest: manifest?.bytes ?? new Uint8Array(0),
        rootCertificate: view.rootCertificate ?? new Uint8Array(0),
        meshCaCertificate: view.meshCaCertificate ?? new Uint8Array(0),
        historyPublicKey: view.historyPublicKey ?? new Uint8Array(0),
        transitionHash: fromHex(view.head),
        recoveryHeader: recoveryHeaderOf(view),
        rootLinks: rootLinksOf(view),
        simulated: context.simulatedSelf || (manifest !== undefined && isSimulated(manifest)),
        ...(recovery === undefined ? {} : { recovery: recoveryNow(cluster, recovery) }),
        ...(manifest === undefined ? {} : { highWaterMark: signedMark(context, cluster) }),
      };
    },

    getHistory: (request) => historyOf(context, request),

    getStatus: async () => statusOf(context, await bestMark(context, STATUS_MARK_MS)),
  });
}

/** Nothing in it is secret but what is encrypted to owners; every disk shows it to the host. */
function recoveryHeaderOf({ shares }: Pick<StateView<unknown>, 'shares'>): Uint8Array {
  return shares.header === undefined ? new Uint8Array(0) : encodeRecoveryHeader(shares.header);
}

interface ReadRequest {
  readonly operation: Operation;
  readonly manifest: ValidatedManifest<ReferenceValues>;
}

function readSetManifest(context: ServiceContext, request: SetManifestRequest): ReadRequest {
  try {
    const manifest = parseManifest(request.manifest, {
      parseReferenceValues,
      crypto: context.crypto,
    });
    return {
      manifest,
      operation: {
        kind: 'set-manifest',
        requestKey: requestKey(request.requestKey),
        manifest: request.manifest,
        previousTransition: sha256Hex(toHex(request.previousTransition)),
        approvals: request.approvals.slice(0, APPROVALS_MAX).map(approvalFromWire),
      },
    };
  } catch (error) {
    if (!(error instanceof CodedError)) throw error;
    const code = error instanceof ManifestError ? error.code : 'REQUEST_INVALID';
    const message = 'the request is not acceptable';
    throw new PublicError('INVALID_ARGUMENT', code, message, error.fields, error);
  }
}

/** A manifest that this very replica does not meet would lock every Coordinator out. */
export async function refuseForeignCoordinators(
  context: ServiceContext,
  manifest: ValidatedManifest<ReferenceValues>,
): Promise<void> {
  const result = await context.rules.meetsOwn(manifest);
  if (result.kind === 'accepted') return;
  // The entry that came closest; one for another TEE says nothing.
  const closest = result.refusals.find(({ code }) => code === result.code);
  const fields = { check: result.code, ...closest?.detail };
  const message = 'no Coordinator entry of the manifest fits this replica';
  throw new PublicError('FAILED_PRECONDITION', 'COORDINATOR_NOT_LISTED', message, fields);
}

function refuseToForward(cluster: Cluster<ReferenceValues>): void {
  if (cluster.status().role === 'leader') return;
  const leader = cluster.leader();
  const fields = { slot: leader?.slot ?? '', address: leader?.address ?? '' };
  throw new PublicError('UNAVAILABLE', 'NOT_LEADER', 'another replica leads', fields);
}

function acceptedGeneration(result: CommandResult): number {
  if (result.kind === 'manifest-set') return result.generation;
  throw refusalOf(result);
}
