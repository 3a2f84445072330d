/** Rotations and changes of slots with their approvals, as a replica recorded them. */
import { sha256Hex, slotName, toHex, unixMillis } from '@witan/core';
import { rotationOfText, type RecordedChange } from '@witan/manifest';
import { AuditService, type GetApprovedChangesResponse_Change as Change } from '@witan/protocol';
import { RemoteError } from '@witan/transport';
import type { Anchors } from './anchors.ts';
import type { Attempt } from './connector.ts';
import { ClientError } from './errors.ts';
import { digestFromWire, markFromWire, plainText } from './wire.ts';

/** All of one replica, each kind oldest first; what they say is not checked yet. */
export interface RecordedChanges {
  readonly rotations: readonly RecordedChange[];
  readonly slotChanges: readonly RecordedChange[];
  /** Log index of the state that they were read from. */
  readonly asOfIndex: number;
}

/** Answers that all records may take. */
const PAGES_MAX = 10_000;
const TEXT_CHARS_MAX = 100;

/**
 * @param historyPublicKey the key that has to have signed the answers' marks
 * @returns undefined where the replica is of a build that does not give them
 * @throws ClientError; RemoteError, TransportError
 */
export async function fetchRecordedChanges(
  attempt: Attempt,
  anchors: Anchors,
  historyPublicKey: Uint8Array,
): Promise<RecordedChanges | undefined> {
  const { floor } = anchors.known;
  const rotations: RecordedChange[] = [];
  const slotChanges: RecordedChange[] = [];
  let asOfIndex: number | undefined;
  for (let page = 0; page < PAGES_MAX; page += 1) {
    const wire = await pageOf(attempt, rotations.length + 1, slotChanges.length + 1);
    if (wire === undefined) return undefined;
    const signed = markFromWire(wire.highWaterMark);
    const { clusterId } = signed.mark;
    const mark = anchors.check({ clusterId, historyPublicKey, mark: signed }, floor);
    // Whatever came in between two pages is for the next time.
    asOfIndex ??= mark.commitIndex;
    rotations.push(...wire.rotations.map(rotationFromWire));
    slotChanges.push(...wire.slotChanges.map(slotsFromWire));
    const isWhole =
      rotations.length >= wire.rotationCount && slotChanges.length >= wire.slotChangeCount;
    if (isWhole) return { rotations, slotChanges, asOfIndex };
    if (wire.rotations.length + wire.slotChanges.length === 0) break;
  }
  const counts = `${rotations.length} and ${slotChanges.length}`;
  const fields = { part: 'approved changes', expected: 'all of them', found: counts };
  throw new ClientError('CLIENT_ANSWER_MALFORMED', fields);
}

async function pageOf({ connection, timeoutMs }: Attempt, rotations: number, slots: number) {
  const request = { rotationsFrom: BigInt(rotations), slotsFrom: BigInt(slots) };
  try {
    return await connection.unary(AuditService.method.getApprovedChanges, request, { timeoutMs });
  } catch (error) {
    // A build of before has no such question; its measurement was judged like any other's.
    if (error instanceof RemoteError && error.status === 'UNIMPLEMENTED') return undefined;
    throw error;
  }
}

function rotationFromWire(wire: Change): RecordedChange {
  const step = rotationOfText(wire.step);
  if (step !== undefined) return { kind: 'rotation', step, ...commonOf(wire) };
  const found = plainText(wire.step, TEXT_CHARS_MAX);
  const fields = { part: 'step of a rotation', expected: 'one that this build knows', found };
  throw new ClientError('CLIENT_ANSWER_MALFORMED', fields);
}

function slotsFromWire(wire: Change): RecordedChange {
  const [from, to] = [wire.fromSlots.map(slotName), wire.toSlots.map(slotName)];
  return { kind: 'slots', from, to, ...commonOf(wire) };
}

function commonOf({ number, transitionHash, approvals, timeMs, index }: Change) {
  return {
    number: Number(number),
    transition: digestFromWire('transition hash', transitionHash),
    approvals: approvals.map(({ ownerFingerprint, signature }) => ({
      ownerFingerprint: sha256Hex(toHex(ownerFingerprint)),
      signature,
    })),
    timeMs: unixMillis(Number(timeMs)),
    index: Number(index),
  };
}
