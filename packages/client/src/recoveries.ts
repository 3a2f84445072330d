/** The newest full recovery, as an answer shows it beside its mark (I7). */
import type { Crypto } from '@witan/core';
import {
  isRecoverySignatureValid,
  recoveryHash,
  type HighWaterMark,
  type SeenRecovery,
} from '@witan/manifest';
import type { SignedRecovery as WireRecovery } from '@witan/protocol';
import { ClientError } from './errors.ts';
import type { Expectations } from './options.ts';
import { recoveryFromWire } from './wire.ts';

/**
 * Checks that the epoch of a mark was begun by the recovery that comes with it, and by the one that
 * was seen before.
 *
 * @param mark verified
 * @returns undefined in the first epoch
 * @throws ClientError CLIENT_ANSWER_INCONSISTENT, CLIENT_HISTORY_FORKED, CLIENT_ANSWER_MALFORMED
 */
export function checkNewestRecovery(
  wire: WireRecovery | undefined,
  mark: HighWaterMark,
  known: Expectations,
  historyPublicKey: Uint8Array,
  crypto: Crypto,
): SeenRecovery | undefined {
  const part = 'recovery';
  if (wire === undefined) {
    if (mark.epoch === 1) return undefined;
    const expected = `the recovery that began epoch ${mark.epoch}`;
    throw new ClientError('CLIENT_ANSWER_INCONSISTENT', { part, expected, found: 'none' });
  }
  const signed = recoveryFromWire(wire);
  const { clusterId, epoch } = signed.recovery;
  if (clusterId !== mark.clusterId || epoch !== mark.epoch) {
    const expected = `epoch ${mark.epoch} of ${mark.clusterId}`;
    const fields = { part, expected, found: `epoch ${epoch} of ${clusterId}` };
    throw new ClientError('CLIENT_ANSWER_INCONSISTENT', fields);
  }
  if (!isRecoverySignatureValid(signed, historyPublicKey, crypto)) {
    const fields = { part, expected: 'a signature by the history key', found: 'another' };
    throw new ClientError('CLIENT_ANSWER_INCONSISTENT', fields);
  }
  const seen = { epoch, hash: recoveryHash(signed.recovery, crypto) };
  const before = known.recovery;
  if (before?.epoch === epoch && before.hash !== seen.hash) {
    const fields = { check: 'recoveries', expected: before.hash, found: seen.hash };
    throw new ClientError('CLIENT_HISTORY_FORKED', fields);
  }
  return seen;
}
