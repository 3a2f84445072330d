/**
 * Where a client keeps what it has verified: one record per cluster. The floor in it must never go
 * down (I6), which every store has to see to itself.
 */
import type { ClusterId } from '@witan/core';
import { compareToFloor, type Floor } from '@witan/manifest';
import { ClientError } from '../errors.ts';

/** A deployment that was verified once and is recognised from then on. */
export interface PinnedDeployment {
  readonly clusterId: ClusterId;
  /** DER. The same for the life of the cluster (I8). */
  readonly rootCertificate: Uint8Array;
  /** DER SubjectPublicKeyInfo. */
  readonly historyPublicKey: Uint8Array;
  /** The newest manifest that was verified, byte for byte. */
  readonly manifest: Uint8Array;
  readonly floor: Floor;
}

/** Port; see `memoryFloorStore` and `fileFloorStore`. */
export interface FloorStore {
  /** @throws ClientError CLIENT_STORE_FAILED, CLIENT_STORE_DAMAGED */
  list(): Promise<readonly PinnedDeployment[]>;
  /** @throws ClientError CLIENT_STORE_FAILED, CLIENT_STORE_DAMAGED */
  load(clusterId: ClusterId): Promise<PinnedDeployment | undefined>;
  /**
   * Keeps a deployment, or keeps the stored one where that is newer.
   *
   * @throws ClientError CLIENT_PIN_MISMATCH, CLIENT_HISTORY_FORKED, CLIENT_STORE_FAILED,
   *   CLIENT_STORE_DAMAGED
   */
  save(deployment: PinnedDeployment): Promise<void>;
}

/**
 * Which of two records of one cluster to keep: the newer one.
 *
 * @throws ClientError CLIENT_HISTORY_FORKED when they contradict each other
 */
export function newer(
  stored: PinnedDeployment | undefined,
  offered: PinnedDeployment,
): PinnedDeployment {
  if (stored === undefined) return offered;
  const verdict = compareToFloor(offered.floor, stored.floor);
  if (verdict.kind === 'ok') return offered;
  if (compareToFloor(stored.floor, offered.floor).kind === 'ok') return stored;
  const { expected, found } = verdict;
  throw new ClientError('CLIENT_HISTORY_FORKED', { check: verdict.kind, expected, found });
}

/** A store that ends with the process. */
export function memoryFloorStore(initial: readonly PinnedDeployment[] = []): FloorStore {
  const records = new Map(initial.map((record) => [record.clusterId, record]));
  return {
    list: () => Promise.resolve([...records.values()]),
    load: (clusterId) => Promise.resolve(records.get(clusterId)),
    save: async (deployment) => {
      const { clusterId } = deployment;
      records.set(clusterId, await Promise.resolve(newer(records.get(clusterId), deployment)));
    },
  };
}
