/** The recovery header of an answer, held to the manifest that the same answer is about. */
import type { ClusterId } from '@witan/core';
import {
  ManifestError,
  decodeRecoveryHeaderUnverified,
  isDealtTo,
  shareHolders,
  type ManifestContent,
  type RecoveryHeader,
} from '@witan/manifest';
import { ClientError } from './errors.ts';

/**
 * Reads a recovery header. Its shares are for exactly the manifest's recovery owners; that they
 * open the seed only a threshold of those can tell.
 *
 * @param bytes empty where no owner holds a share
 * @throws ClientError CLIENT_ANSWER_MALFORMED, CLIENT_ANSWER_INCONSISTENT
 */
export function recoveryHeaderFromWire(
  bytes: Uint8Array,
  cluster: ClusterId,
  manifest: Pick<ManifestContent<unknown>, 'owners' | 'recoveryThreshold'>,
): RecoveryHeader | undefined {
  const holders = shareHolders(manifest);
  const header = bytes.byteLength === 0 ? undefined : decode(bytes);
  if (holders === undefined && header === undefined) return undefined;
  const shares = (of: number, all: number): string => `${of} of ${all} shares`;
  const expected =
    holders === undefined ? 'no shares' : shares(holders.threshold, holders.owners.length);
  const found =
    header === undefined
      ? 'no shares'
      : `${shares(header.threshold, header.shares.length)}, not for these owners`;
  const fits =
    header !== undefined &&
    holders !== undefined &&
    header.clusterId === cluster &&
    isDealtTo(header, holders);
  if (fits) return header;
  const fields = { part: 'recovery header', expected, found };
  throw new ClientError('CLIENT_ANSWER_INCONSISTENT', fields);
}

function decode(bytes: Uint8Array): RecoveryHeader {
  try {
    return decodeRecoveryHeaderUnverified(bytes);
  } catch (cause) {
    if (!(cause instanceof ManifestError)) throw cause;
    throw new ClientError('CLIENT_ANSWER_MALFORMED', { part: 'recovery header' }, cause);
  }
}
