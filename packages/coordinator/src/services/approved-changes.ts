/** Rotations and changes of slots with their approvals, for whoever checks them again. */
import { fromHex } from '@witan/core';
import type { MessageInitShape } from '@bufbuild/protobuf';
import { rotationText } from '@witan/manifest';
import type { GetApprovedChangesRequest, GetApprovedChangesResponseSchema } from '@witan/protocol';
import type { RotationRecord, SlotChange } from '@witan/state-machine';
import { approvalToWire, toNumber } from '../peers/wire.ts';
import { clusterOf, currentView, signedMark, type ServiceContext } from './context.ts';

type Answer = MessageInitShape<typeof GetApprovedChangesResponseSchema>;
type Change = NonNullable<Answer['rotations']>[number];

/** Signatures in one answer, in bytes; one record more than that at most. */
const ANSWER_BYTES_MAX = 1024 * 1024;

/** Answers as a page of each kind. */
export async function approvedChangesOf(
  context: ServiceContext,
  request: GetApprovedChangesRequest,
): Promise<Answer> {
  const view = await currentView(context);
  const { rotations, slotChanges, manifest } = view;
  return {
    rotations: pageOf(rotations.records, request.rotationsFrom).map(rotationToWire),
    slotChanges: pageOf(slotChanges, request.slotsFrom).map(slotsToWire),
    rotationCount: BigInt(rotations.records.length),
    slotChangeCount: BigInt(slotChanges.length),
    ...(manifest === undefined ? {} : { highWaterMark: signedMark(context, clusterOf(context)) }),
  };
}

function pageOf<Recorded extends RotationRecord | SlotChange>(
  records: readonly Recorded[],
  from: bigint,
): readonly Recorded[] {
  if (from === 0n) return [];
  const page: Recorded[] = [];
  let bytes = 0;
  for (const record of records.slice(toNumber(from) - 1)) {
    if (bytes > ANSWER_BYTES_MAX) break;
    page.push(record);
    bytes += record.approvals.reduce((sum, { signature }) => sum + signature.byteLength + 64, 256);
  }
  return page;
}

function rotationToWire(record: RotationRecord): Change {
  return { ...commonOf(record), step: rotationText(record.step) };
}

function slotsToWire(change: SlotChange): Change {
  return { ...commonOf(change), fromSlots: [...change.from], toSlots: [...change.slots] };
}

function commonOf({ number, transition, approvals, timeMs, index }: RotationRecord | SlotChange) {
  return {
    number: BigInt(number),
    transitionHash: fromHex(transition),
    approvals: approvals.map(approvalToWire),
    timeMs: BigInt(timeMs),
    index: BigInt(index),
  };
}
