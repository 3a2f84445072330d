/**
 * What owners sign to change the number of a cluster's slots. It names the place in one history:
 * cluster, epoch, transition in force, and the slots as they are with the number of their list. So
 * an approval is good for one change, and neither elsewhere nor later for another.
 */
import {
  CanonicalWriter,
  type ClusterId,
  type Epoch,
  type Sha256Hex,
  type SlotName,
} from '@witan/core';
import { writeDigest } from './records.ts';

const SLOT_CHANGE_LABEL = 'witan/slots-approval/v1';

/** A change of the slots, from one list to another. */
export interface SlotChangeSubject {
  readonly clusterId: ClusterId;
  readonly epoch: Epoch;
  /** Hash of the transition in force. */
  readonly previousTransition: Sha256Hex;
  /** How often the slots were changed before; 0 for the founding's. */
  readonly number: number;
  /** The slots as they are, in the state's order. */
  readonly from: readonly SlotName[];
  /** The slots as they shall be, all of them. */
  readonly to: readonly SlotName[];
}

/** The exact bytes that owners sign with ECDSA P-256 and SHA-256. */
export function slotChangeBytes(subject: SlotChangeSubject): Uint8Array {
  const writer = new CanonicalWriter().text(SLOT_CHANGE_LABEL);
  writeDigest(writer, subject.clusterId);
  writer.u64(subject.epoch);
  writeDigest(writer, subject.previousTransition);
  return writer
    .u64(subject.number)
    .list(subject.from, (to, slot) => to.text(slot))
    .list(subject.to, (to, slot) => to.text(slot))
    .finish();
}
