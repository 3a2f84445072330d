/**
 * Which recovery shares the cluster has given out. The leader deals them, because that takes the
 * seed and random numbers; every replica checks here that it did so exactly when the manifest's
 * recovery owners or their threshold change, for those owners, under the next number. The shares
 * themselves are encrypted to their owners, and whether they open the seed only owners can tell.
 */
import type { CanonicalReader, CanonicalWriter, ClusterId } from '@witan/core';
import {
  decodeRecoveryHeaderUnverified,
  encodeRecoveryHeader,
  isDealtTo,
  ManifestError,
  RECOVERY_HEADER_BYTES_MAX,
  shareHolders,
  type ManifestContent,
  type RecoveryHeader,
  type ShareHolders,
} from '@witan/manifest';
import { badValue } from './codec.ts';
import { refused, type Refused } from './results.ts';

/** What the state knows of shares. */
export interface GivenShares {
  /** Number of the newest set ever dealt, 0 before the first. Never falls. */
  readonly resharing: number;
  /** The set in force; undefined while the manifest has no recovery owners. */
  readonly header: RecoveryHeader | undefined;
}

/** Before the first manifest with recovery owners. */
export const NO_SHARES: GivenShares = { resharing: 0, header: undefined };

type Owners = Pick<ManifestContent<unknown>, 'owners' | 'recoveryThreshold'>;

/**
 * The shares in force with the next manifest.
 *
 * @param headerBytes what the leader dealt, if anything
 * @param isSeedNew whether a seed comes into force, of which nobody has a share yet
 */
export function nextShares(
  cluster: ClusterId,
  given: GivenShares,
  manifest: Owners,
  headerBytes: Uint8Array | undefined,
  isSeedNew = false,
): GivenShares | Refused {
  const { resharing, header } = given;
  const holders = shareHolders(manifest);
  const isDue =
    holders !== undefined && (isSeedNew || header === undefined || !isDealtTo(header, holders));
  if (isDue && headerBytes !== undefined) {
    return dealt(headerBytes, { clusterId: cluster, resharing: resharing + 1 }, holders);
  }
  if (isDue) return refused('RECOVERY_HEADER_MISSING', PATH, 'shares for new owners', 'nothing');
  if (headerBytes !== undefined) {
    const expected = 'nothing, as recovery owners and threshold stay';
    return refused('RECOVERY_HEADER_UNDUE', PATH, expected, 'a header');
  }
  return { resharing, header: holders === undefined ? undefined : header };
}

const PATH = 'recoveryHeader';

function dealt(
  bytes: Uint8Array,
  expected: Pick<RecoveryHeader, 'clusterId' | 'resharing'>,
  holders: ShareHolders,
): GivenShares | Refused {
  const unfit = (what: string, wanted: string | number, found: string | number): Refused =>
    refused('RECOVERY_HEADER_UNFIT', `${PATH}.${what}`, wanted, found);
  const header = readHeader(bytes);
  if (header === undefined) return unfit('encoding', 'a recovery header', 'other bytes');
  const { clusterId, resharing } = header;
  if (clusterId !== expected.clusterId) return unfit('clusterId', expected.clusterId, clusterId);
  if (resharing !== expected.resharing) return unfit('resharing', expected.resharing, resharing);
  if (!isDealtTo(header, holders)) {
    const { owners, threshold } = holders;
    const found = `${header.threshold} of ${header.shares.length}, or other owners`;
    return unfit('shares', `${threshold} of the ${owners.length} recovery owners`, found);
  }
  return { resharing, header };
}

function readHeader(bytes: Uint8Array): RecoveryHeader | undefined {
  try {
    return decodeRecoveryHeaderUnverified(bytes);
  } catch (error) {
    if (!(error instanceof ManifestError)) throw error;
    return undefined;
  }
}

/** Appends what `readShares` reads. */
export function writeShares(writer: CanonicalWriter, { resharing, header }: GivenShares): void {
  writer.u32(resharing);
  writer.optional(header, (to, present) => to.bytes(encodeRecoveryHeader(present)));
}

/**
 * Reads shares, and demands that they are for exactly the manifest's recovery owners.
 *
 * @param reader undefined for a snapshot of a version that knew no shares
 * @param manifest in force
 * @throws CanonicalError, ManifestError
 */
export function readShares(
  reader: CanonicalReader | undefined,
  cluster: ClusterId,
  manifest: Owners,
): GivenShares {
  const given = reader === undefined ? NO_SHARES : readGiven(reader);
  const { resharing, header } = given;
  const holders = shareHolders(manifest);
  if (holders === undefined && header === undefined) return given;
  if (holders === undefined || header === undefined || !isDealtTo(header, holders)) {
    throw badValue('shares for other owners than those of the manifest');
  }
  if (header.clusterId !== cluster || header.resharing !== resharing) {
    throw badValue('shares of another cluster or number');
  }
  return given;
}

function readGiven(reader: CanonicalReader): GivenShares {
  const resharing = reader.u32();
  const bytes = reader.optional((from) => from.bytes(RECOVERY_HEADER_BYTES_MAX));
  const header = bytes === undefined ? undefined : decodeRecoveryHeaderUnverified(bytes);
  return { resharing, header };
}
