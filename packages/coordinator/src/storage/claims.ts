/**
 * What a disk says about itself in the clear: the last configuration and transition that its
 * replica knew. Replicas compare such claims when nobody has the seed yet. Until somebody does, a
 * claim is the host's word: it may be old, foreign or invented. The seed only shows that a replica
 * of the cluster once wrote it, never that nothing newer exists (I4).
 */
import {
  CanonicalReader,
  CanonicalWriter,
  generation,
  incarnationId,
  sha256Hex,
  slotName,
  toHex,
  type Generation,
  type IncarnationId,
  type Sha256Hex,
  type SlotName,
} from '@witan/core';
import { nodeCrypto } from '@witan/keys';
import { RECOVERY_HEADER_BYTES_MAX } from '@witan/manifest';
import { WRAPPED_BYTES_MAX } from '../sealing/envelope.ts';

const LABEL = 'witan/disk-claims/v1';
/** The same with wrapped seeds behind it; written only where there are some. */
const LABEL_WITH_WRAPPED = 'witan/disk-claims/v2';
const WRAPPED_MAX = 4;
const SLOTS_MAX = 64;
const SLOT_BYTES_MAX = 63;

/** See the head of this file. */
export interface DiskClaims {
  /** Log index that the claims stand for. */
  readonly appliedIndex: number;
  /** Every slot of the cluster. */
  readonly slots: readonly SlotName[];
  /** Who voted, also in the leaving half of a joint configuration. */
  readonly voters: readonly { readonly slot: SlotName; readonly incarnation: IncarnationId }[];
  readonly generation: Generation;
  /** Hash of the newest transition. */
  readonly transition: Sha256Hex;
  /** The wrapped seed and the shares; empty where there are none. See `keys`, recovery header. */
  readonly recoveryHeader: Uint8Array;
  /** The seed as sealing providers have wrapped it; see sealing/envelope.ts. At most 4. */
  readonly wrappedSeeds?: readonly Uint8Array[];
}

/** The canonical bytes of claims. */
export function encodeClaims(claims: DiskClaims): Uint8Array {
  const wrapped = claims.wrappedSeeds ?? [];
  const label = wrapped.length === 0 ? LABEL : LABEL_WITH_WRAPPED;
  const writer = new CanonicalWriter().text(label).u64(claims.appliedIndex);
  writeConfiguration(writer, claims);
  writer.u64(claims.generation).text(claims.transition).bytes(claims.recoveryHeader);
  if (wrapped.length > 0) writer.list(wrapped, (to, bytes) => to.bytes(bytes));
  return writer.finish();
}

/** @throws CanonicalError or IdError for anything that `encodeClaims` did not write */
export function decodeClaims(bytes: Uint8Array): DiskClaims | undefined {
  const reader = new CanonicalReader(bytes);
  const label = reader.text(64);
  if (label !== LABEL && label !== LABEL_WITH_WRAPPED) return undefined;
  const claims = {
    appliedIndex: reader.u64(),
    slots: reader.list(SLOTS_MAX, (from) => slotName(from.text(SLOT_BYTES_MAX))),
    voters: reader.list(SLOTS_MAX * 2, (from) => ({
      slot: slotName(from.text(SLOT_BYTES_MAX)),
      incarnation: incarnationId(from.text(64)),
    })),
    generation: generation(reader.u64()),
    transition: sha256Hex(reader.text(64)),
    recoveryHeader: reader.bytes(RECOVERY_HEADER_BYTES_MAX),
  };
  const wrappedSeeds =
    label === LABEL ? [] : reader.list(WRAPPED_MAX, (from) => from.bytes(WRAPPED_BYTES_MAX));
  reader.end();
  // A list without anything in it is written under the first label.
  if (label === LABEL_WITH_WRAPPED && wrappedSeeds.length === 0) return undefined;
  return wrappedSeeds.length === 0 ? claims : { ...claims, wrappedSeeds };
}

/** One digest for a configuration, so that claims of several disks are compared at a glance. */
export function configurationDigest(claims: DiskClaims): Sha256Hex {
  const writer = new CanonicalWriter().text('witan/disk-configuration/v1');
  writeConfiguration(writer, claims);
  return sha256Hex(toHex(nodeCrypto.hash('sha256', writer.finish())));
}

function writeConfiguration(writer: CanonicalWriter, claims: DiskClaims): void {
  writer.list(claims.slots, (to, slot) => to.text(slot));
  writer.list(claims.voters, (to, { slot, incarnation }) => to.text(slot).text(incarnation));
}
