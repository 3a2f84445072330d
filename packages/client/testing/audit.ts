/** The audit log of a test cluster, and the service that answers from it. */
import { fromHex } from '@witan/core';
import { nodeCrypto } from '@witan/keys';
import {
  LOG_LIMITS,
  leafBytes,
  leafHash,
  ManifestError,
  MerkleLog,
  type LogLeaf,
  type LogLimits,
} from '@witan/manifest';
import {
  AuditService,
  type GetApprovedChangesResponse_ChangeSchema,
  type GetConsistencyResponseSchema,
  type GetLeavesRequest,
  type GetLeavesResponseSchema,
} from '@witan/protocol';
import { PublicError, serviceRegistration, type ServiceRegistration } from '@witan/transport';
import type { MessageInitShape, MessageShape } from '@bufbuild/protobuf';
import type { Claims } from '@witan/attestation';
import type { TestCluster } from './cluster.ts';
import type { Faults } from './replica.ts';

/** A rotation or change of slots as it travels. */
export type ApprovedChange = Exclude<
  MessageInitShape<typeof GetApprovedChangesResponse_ChangeSchema>,
  MessageShape<typeof GetApprovedChangesResponse_ChangeSchema>
>;

/** Leaves, all of which are kept unless a test drops some. */
export class TestLog {
  readonly tree: MerkleLog;
  readonly leaves: Uint8Array[] = [];
  /** Leaves before this one are no longer given out. */
  keptFrom = 0;
  /** Leaves in one answer. */
  pageMax = 4096;

  constructor(limits: LogLimits = LOG_LIMITS) {
    this.tree = new MerkleLog(nodeCrypto, limits);
  }

  append(...leaves: readonly LogLeaf[]): void {
    for (const leaf of leaves) {
      const bytes = leafBytes(leaf);
      this.leaves.push(bytes);
      this.tree.append(leafHash(bytes, nodeCrypto));
    }
  }

  /** As a Coordinator gives them. */
  page({ from: wanted, size: upTo }: Pick<GetLeavesRequest, 'from' | 'size'>) {
    const size = Math.min(Number(upTo) || this.tree.size, this.tree.size);
    const from = Math.min(Math.max(Number(wanted), this.keptFrom), size);
    return {
      from: BigInt(from),
      size: BigInt(size),
      leaves: this.leaves.slice(from, Math.min(size, from + this.pageMax)),
      frontier: [...this.tree.frontier(from)],
    };
  }
}

export function auditService(
  cluster: TestCluster,
  faults: Faults,
  enter: (method: string) => Promise<void>,
): ServiceRegistration<Claims> {
  const vouched = () => ({
    highWaterMark: cluster.mark(),
    historyPublicKey: cluster.historyPublicKey,
  });
  return serviceRegistration<typeof AuditService, Claims>(AuditService, {
    getIdentities: () => Promise.resolve({ identities: [] }),
    getReceipt: async (request) => {
      await enter('getReceipt');
      const log = logOf(cluster);
      const index = Number(request.leaf.case === 'index' ? request.leaf.value : 0n);
      const path = proved(() => [...log.tree.inclusionProof(index)]);
      return { leaf: log.leaves[index] ?? fromHex(''), index: BigInt(index), path, ...vouched() };
    },
    getLeaves: async (request): Promise<MessageInitShape<typeof GetLeavesResponseSchema>> => {
      await enter('getLeaves');
      const answer = { ...proved(() => logOf(cluster).page(request)), ...vouched() };
      return faults.leaves?.(answer) ?? answer;
    },
    getConsistency: async ({
      size,
    }): Promise<MessageInitShape<typeof GetConsistencyResponseSchema>> => {
      await enter('getConsistency');
      const path = proved(() => [...logOf(cluster).tree.consistencyProof(Number(size))]);
      const answer = { path, ...vouched() };
      return faults.consistency?.(answer) ?? answer;
    },
    getApprovedChanges: async (request) => {
      await enter('getApprovedChanges');
      const { rotations, slotChanges, changesPageMax: most } = cluster;
      const pageOf = (all: readonly ApprovedChange[], from: bigint) =>
        from === 0n ? [] : all.slice(Number(from) - 1, Number(from) - 1 + most);
      const answer = {
        rotations: pageOf(rotations, request.rotationsFrom),
        slotChanges: pageOf(slotChanges, request.slotsFrom),
        rotationCount: BigInt(rotations.length),
        slotChangeCount: BigInt(slotChanges.length),
        highWaterMark: cluster.mark(),
      };
      return faults.changes?.(answer) ?? answer;
    },
  });
}

function logOf({ log }: TestCluster): TestLog {
  if (log !== undefined) return log;
  throw new PublicError('FAILED_PRECONDITION', 'NO_MANIFEST', 'no log yet');
}

function proved<Value>(prove: () => Value): Value {
  try {
    return prove();
  } catch (error) {
    if (!(error instanceof ManifestError)) throw error;
    throw new PublicError('FAILED_PRECONDITION', error.code, 'no proof', error.fields, error);
  }
}
