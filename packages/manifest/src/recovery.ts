/**
 * Recovery records: the signed, hash-linked account of every full recovery (I7). The replica that
 * opens the cluster again makes it before anything is acknowledged in the new epoch. It says from
 * which state the cluster went on, who authorised that, and which replicas took part.
 */
import {
  CanonicalWriter,
  clusterId,
  epoch,
  generation,
  incarnationId,
  sha256Hex,
  slotName,
  toHex,
  unixMillis,
  type CanonicalReader,
  type ClusterId,
  type Crypto,
  type Epoch,
  type Generation,
  type IncarnationId,
  type Sha256Hex,
  type SlotName,
  type UnixMillis,
} from '@witan/core';
import { ManifestError } from './errors.ts';
import { RECOVERIES_MAX, RECOVERY_MEMBERS_MAX, SIGNED_RECOVERY_BYTES_MAX } from './limits.ts';
import { itemPath } from './path.ts';
import {
  decodeRecord,
  expectLabel,
  NO_TRANSITION,
  readDigest,
  SIGNATURE_BYTES,
  writeDigest,
} from './records.ts';
import { HistoryKeys } from './seed-link.ts';

const RECOVERY_LABEL = 'witan/recovery/v1';
const SLOT_BYTES_MAX = 63;

/** Where the seed came from. */
export type RecoveryKey =
  /** A surviving incarnation still had it in attested memory: no share was needed. */
  | 'memory'
  /** A threshold of owners handed in their shares. */
  | 'shares'
  /** A sealing provider opened it: nobody took part. */
  | 'provider';

const KEYS: readonly RecoveryKey[] = ['memory', 'shares', 'provider'];

/** One full recovery. */
export interface Recovery {
  readonly clusterId: ClusterId;
  /** The epoch that begins; above the one before. */
  readonly epoch: Epoch;
  /** Hash of the recovery record before; `NO_TRANSITION` in the first. */
  readonly previous: Sha256Hex;
  /** The state that the cluster goes on from. */
  readonly from: {
    readonly epoch: Epoch;
    readonly term: number;
    readonly index: number;
    readonly generation: Generation;
    readonly transitionHash: Sha256Hex;
  };
  readonly key: RecoveryKey;
  /** SHA-256 of the public keys of the owners who authorised it; ascending, each once. */
  readonly owners: readonly Sha256Hex[];
  /** The replicas that took part; they are the first voters of the epoch. Ascending by slot. */
  readonly participants: readonly {
    readonly slot: SlotName;
    readonly incarnation: IncarnationId;
  }[];
  /**
   * Slots of the last configuration whose state did not answer, by the owners' explicit wish. Their
   * replicas may take part all the same, with nothing on their disks.
   */
  readonly acceptedMissing: readonly SlotName[];
  /** The opening replica's clock. Informative. */
  readonly timeMs: UnixMillis;
}

/** A recovery under the cluster's history key. */
export interface SignedRecovery {
  readonly recovery: Recovery;
  /** ECDSA P-256 with SHA-256 over `recoveryBytes`, r || s, 64 bytes. */
  readonly signature: Uint8Array;
}

/** The canonical encoding: what is hashed and signed. */
export function recoveryBytes(recovery: Recovery): Uint8Array {
  const writer = new CanonicalWriter();
  writeRecovery(writer, recovery);
  return writer.finish();
}

/** SHA-256 of `recoveryBytes`. */
export function recoveryHash(recovery: Recovery, crypto: Crypto): Sha256Hex {
  return sha256Hex(toHex(crypto.hash('sha256', recoveryBytes(recovery))));
}

/** Whether the signature is the history key's. Says nothing about links; see `verifyRecoveries`. */
export function isRecoverySignatureValid(
  { recovery, signature }: SignedRecovery,
  historyPublicKey: Uint8Array,
  crypto: Crypto,
): boolean {
  const data = recoveryBytes(recovery);
  const publicKey = historyPublicKey;
  return crypto.verify({ algorithm: 'ecdsa-p256-sha256', publicKey, data, signature });
}

/** Canonical encoding of a recovery and its signature. */
export function encodeSignedRecovery(signed: SignedRecovery): Uint8Array {
  const writer = new CanonicalWriter();
  writeRecovery(writer, signed.recovery);
  return writer.bytes(signed.signature).finish();
}

/** @throws ManifestError RECORD_MALFORMED */
export function decodeSignedRecovery(bytes: Uint8Array): SignedRecovery {
  return decodeRecord('signed recovery', bytes, SIGNED_RECOVERY_BYTES_MAX, (reader) => ({
    recovery: readRecovery(reader),
    signature: reader.bytes(SIGNATURE_BYTES),
  }));
}

/**
 * Checks that recoveries are one unbroken, signed chain in which the epoch rises and no recovery
 * goes on from an earlier state than the one before it.
 *
 * @param recoveries of one cluster, oldest first
 * @param history DER SubjectPublicKeyInfo; or several keys, of which each has its time
 * @returns the hash of the newest; `NO_TRANSITION` for none
 * @throws ManifestError RECOVERY_LINK_BROKEN, RECOVERY_GOES_BACK, RECOVERY_SIGNATURE_INVALID,
 *   RECOVERIES_TOO_MANY
 */
export function verifyRecoveries(
  recoveries: readonly SignedRecovery[],
  cluster: ClusterId,
  history: Uint8Array | HistoryKeys,
  crypto: Crypto,
): Sha256Hex {
  const keys = history instanceof HistoryKeys ? history : HistoryKeys.single(history);
  if (recoveries.length > RECOVERIES_MAX) {
    const fields = { path: 'recoveries', expected: RECOVERIES_MAX, found: recoveries.length };
    throw new ManifestError('RECOVERIES_TOO_MANY', fields);
  }
  let head = NO_TRANSITION;
  for (const [index, { recovery, signature }] of recoveries.entries()) {
    const path = itemPath('recoveries', index);
    checkLink(recovery, recoveries[index - 1]?.recovery, cluster, head, path);
    const publicKey = keys.ofRecovery(recovery.epoch);
    if (!isRecoverySignatureValid({ recovery, signature }, publicKey, crypto)) {
      const fields = { path, expected: 'a signature by the history key', found: 'another' };
      throw new ManifestError('RECOVERY_SIGNATURE_INVALID', fields);
    }
    head = recoveryHash(recovery, crypto);
  }
  return head;
}

function checkLink(
  recovery: Recovery,
  before: Recovery | undefined,
  cluster: ClusterId,
  head: Sha256Hex,
  path: string,
): void {
  const { from, epoch: next } = recovery;
  if (recovery.clusterId !== cluster || recovery.previous !== head) {
    const [expected, found] =
      recovery.clusterId === cluster ? [head, recovery.previous] : [cluster, recovery.clusterId];
    throw new ManifestError('RECOVERY_LINK_BROKEN', { path, expected, found });
  }
  const least = before === undefined ? 1 : before.epoch;
  const goesBack =
    from.epoch < least ||
    next <= from.epoch ||
    (before !== undefined &&
      (from.index <= before.from.index || from.generation < before.from.generation));
  if (goesBack) {
    const expected = `above epoch ${least} and index ${before?.from.index ?? 0}`;
    const found = `epoch ${next} from epoch ${from.epoch} and index ${from.index}`;
    throw new ManifestError('RECOVERY_GOES_BACK', { path, expected, found });
  }
}

function writeRecovery(writer: CanonicalWriter, recovery: Recovery): void {
  const { from } = recovery;
  writer.text(RECOVERY_LABEL);
  writeDigest(writer, recovery.clusterId);
  writer.u64(recovery.epoch);
  writeDigest(writer, recovery.previous);
  writer.u64(from.epoch).u64(from.term).u64(from.index).u64(from.generation);
  writeDigest(writer, from.transitionHash);
  writer.u8(KEYS.indexOf(recovery.key));
  writer.list(recovery.owners, writeDigest);
  writer.list(recovery.participants, (to, { slot, incarnation }) => {
    writeDigest(to.text(slot), incarnation);
  });
  writer.list(recovery.acceptedMissing, (to, slot) => to.text(slot)).u64(recovery.timeMs);
}

function readRecovery(reader: CanonicalReader): Recovery {
  expectLabel(reader, RECOVERY_LABEL);
  const head = {
    clusterId: clusterId(readDigest(reader)),
    epoch: epoch(reader.u64()),
    previous: sha256Hex(readDigest(reader)),
    from: {
      epoch: epoch(reader.u64()),
      term: reader.u64(),
      index: reader.u64(),
      generation: generation(reader.u64()),
      transitionHash: sha256Hex(readDigest(reader)),
    },
  };
  const key = KEYS[reader.u8()];
  if (key === undefined) throw malformed('key', KEYS.join(' or '), 'another value');
  const recovery: Recovery = {
    ...head,
    key,
    owners: reader.list(RECOVERY_MEMBERS_MAX, (from) => sha256Hex(readDigest(from))),
    participants: reader.list(RECOVERY_MEMBERS_MAX, (from) => ({
      slot: slotName(from.text(SLOT_BYTES_MAX)),
      incarnation: incarnationId(readDigest(from)),
    })),
    acceptedMissing: reader.list(RECOVERY_MEMBERS_MAX, (from) =>
      slotName(from.text(SLOT_BYTES_MAX)),
    ),
    timeMs: unixMillis(reader.u64()),
  };
  checkLists(recovery);
  return recovery;
}

/** Each list is a set in ascending order. */
function checkLists({ owners, participants, acceptedMissing }: Recovery): void {
  const slots = participants.map(({ slot }) => slot);
  for (const [name, list] of Object.entries({ owners, participants: slots, acceptedMissing })) {
    if (list.some((item, at) => at > 0 && item <= (list[at - 1] ?? ''))) {
      throw malformed(name, 'ascending, each once', 'another order');
    }
  }
  if (participants.length === 0) throw malformed('participants', 'at least one', 0);
}

function malformed(part: string, expected: string, found: string | number): ManifestError {
  return new ManifestError('RECORD_MALFORMED', { path: `recovery.${part}`, expected, found });
}
