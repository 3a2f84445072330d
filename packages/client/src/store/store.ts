/**
 * Where a client keeps what it has verified: one record per cluster. The floor in it must never go
 * down (I6), which every store has to see to itself.
 */
import { bytesEqual, toHex, type ClusterId } from '@witan/core';
import { compareToFloor, type Floor, type SeenRecovery, type TreeHead } from '@witan/manifest';
import { ClientError } from '../errors.ts';
import { leadsTo, type RootLink } from '../root-links.ts';

/** A deployment that was verified once and is recognised from then on. */
export interface PinnedDeployment {
  readonly clusterId: ClusterId;
  /** DER. The same for the life of the cluster (I8). */
  readonly rootCertificate: Uint8Array;
  /** How it came from the roots before it, where that is known; not kept. */
  readonly rootLinks?: readonly RootLink[];
  /** DER SubjectPublicKeyInfo. */
  readonly historyPublicKey: Uint8Array;
  /** Those before it, oldest first, which owners have replaced. */
  readonly formerHistoryKeys?: readonly Uint8Array[];
  /** The newest manifest that was verified, byte for byte. */
  readonly manifest: Uint8Array;
  readonly floor: Floor;
  /** The newest full recovery that was seen; absent in the first epoch (I7). */
  readonly recovery?: SeenRecovery;
  /** The head of the audit log that was verified last (I6). */
  readonly log?: TreeHead;
  /**
   * Under which addresses it was met, newest last. They carry no trust: they only say which record
   * is meant when somebody asks for an address again.
   */
  readonly endpoints: readonly string[];
}

/** Port; see `memoryFloorStore` and `fileFloorStore`. */
export interface FloorStore {
  /** @throws ClientError CLIENT_STORE_FAILED, CLIENT_STORE_DAMAGED */
  list(): Promise<readonly PinnedDeployment[]>;
  /** @throws ClientError CLIENT_STORE_FAILED, CLIENT_STORE_DAMAGED */
  load(clusterId: ClusterId): Promise<PinnedDeployment | undefined>;
  /**
   * Keeps a deployment, or keeps the stored one where that is newer. Its endpoints lead to it from
   * now on, and no longer to another record.
   *
   * @throws ClientError CLIENT_PIN_MISMATCH, CLIENT_HISTORY_FORKED, CLIENT_STORE_FAILED,
   *   CLIENT_STORE_DAMAGED
   */
  save(deployment: PinnedDeployment): Promise<void>;
}

/**
 * Which of two records of one cluster to keep: the newer one, with the later recovery of both.
 *
 * @throws ClientError CLIENT_HISTORY_FORKED when they contradict each other
 */
export function newer(
  stored: PinnedDeployment | undefined,
  offered: PinnedDeployment,
): PinnedDeployment {
  if (stored === undefined) return offered;
  const recovery = laterRecovery(stored.recovery, offered.recovery);
  const log = laterLog(stored.log, offered.log);
  const newest = { ...(recovery && { recovery }), ...(log && { log }) };
  const verdict = compareToFloor(offered.floor, stored.floor);
  if (verdict.kind === 'ok') return { ...offered, ...newest };
  if (compareToFloor(stored.floor, offered.floor).kind === 'ok') return { ...stored, ...newest };
  const { expected, found } = verdict;
  throw new ClientError('CLIENT_HISTORY_FORKED', { check: verdict.kind, expected, found });
}

function laterLog(
  stored: TreeHead | undefined,
  offered: TreeHead | undefined,
): TreeHead | undefined {
  if (stored === undefined || offered === undefined) return stored ?? offered;
  if (stored.size === offered.size && !bytesEqual(stored.root, offered.root)) {
    const fields = { check: 'log', expected: toHex(stored.root), found: toHex(offered.root) };
    throw new ClientError('CLIENT_HISTORY_FORKED', fields);
  }
  return offered.size > stored.size ? offered : stored;
}

function laterRecovery(
  stored: SeenRecovery | undefined,
  offered: SeenRecovery | undefined,
): SeenRecovery | undefined {
  if (stored === undefined || offered === undefined) return stored ?? offered;
  if (stored.epoch === offered.epoch && stored.hash !== offered.hash) {
    const fields = { check: 'recoveries', expected: stored.hash, found: offered.hash };
    throw new ClientError('CLIENT_HISTORY_FORKED', fields);
  }
  return offered.epoch > stored.epoch ? offered : stored;
}

/** Endpoints in one record. */
const ENDPOINTS_MAX = 64;

/**
 * The records to write when a deployment is kept: itself, joined with its stored record, and those
 * that lose an endpoint to it.
 *
 * @throws ClientError CLIENT_PIN_MISMATCH, CLIENT_HISTORY_FORKED
 */
export function recordsToWrite(
  stored: readonly PinnedDeployment[],
  offered: PinnedDeployment,
): readonly PinnedDeployment[] {
  const own = stored.find(({ clusterId }) => clusterId === offered.clusterId);
  if (own !== undefined) checkAnchors(own, offered);
  const taken = new Set(offered.endpoints);
  const kept = (own?.endpoints ?? []).filter((endpoint) => !taken.has(endpoint));
  const endpoints = [...kept, ...offered.endpoints].slice(-ENDPOINTS_MAX);
  const losers = stored
    .filter((record) => record !== own && record.endpoints.some((one) => taken.has(one)))
    .map((record) => ({ ...record, endpoints: record.endpoints.filter((one) => !taken.has(one)) }));
  const { rootLinks: _, ...record } = newer(own, offered);
  return [{ ...record, endpoints }, ...losers];
}

function checkAnchors(stored: PinnedDeployment, offered: PinnedDeployment): void {
  const pairs = [
    ['root certificate', stored.rootCertificate, offered.rootCertificate],
    ['history key', stored.historyPublicKey, offered.historyPublicKey],
  ] as const;
  for (const [anchor, left, right] of pairs) {
    if (bytesEqual(left, right)) continue;
    const isLater =
      anchor === 'root certificate'
        ? leadsTo(left, right, offered.rootLinks ?? [])
        : isFormer(left, offered) || isFormer(right, stored);
    if (!isLater) throw new ClientError('CLIENT_PIN_MISMATCH', { anchor });
  }
}

/** Whoever keeps the record has followed the owners from that key to the one in it. */
function isFormer(key: Uint8Array, { formerHistoryKeys = [] }: PinnedDeployment): boolean {
  return formerHistoryKeys.some((former) => bytesEqual(former, key));
}

/** A store that ends with the process. */
export function memoryFloorStore(initial: readonly PinnedDeployment[] = []): FloorStore {
  const records = new Map(initial.map((record) => [record.clusterId, record]));
  return {
    list: () => Promise.resolve([...records.values()]),
    load: (clusterId) => Promise.resolve(records.get(clusterId)),
    // What is thrown in here rejects the promise.
    save: (deployment) =>
      new Promise((resolve) => {
        for (const record of recordsToWrite([...records.values()], deployment)) {
          records.set(record.clusterId, record);
        }
        resolve();
      }),
  };
}
