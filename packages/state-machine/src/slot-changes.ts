/**
 * Changes of the slots: the only way in which the voter set may grow or shrink (I2). Owners approve
 * the exact list that follows; who did is recorded. What the list means for members happens later:
 * newcomers fill slots that were added, and members of removed ones are taken out one by one.
 */
import {
  sha256Hex,
  slotName,
  unixMillis,
  type CanonicalReader,
  type CanonicalWriter,
  type Crypto,
  type Sha256Hex,
  type SlotName,
  type UnixMillis,
} from '@witan/core';
import {
  APPROVALS_MAX,
  checkApprovalsOf,
  ManifestError,
  readApproval,
  slotChangeBytes,
  writeApproval,
  type Approval,
} from '@witan/manifest';
import { contentOf, proposalId, refuseWithdrawn } from './approval-content.ts';
import { badValue, readHex, writeHex } from './codec.ts';
import type { ChangeSlotsCommand } from './commands.ts';
import * as limits from './limits.ts';
import type { ProposalTable } from './proposals.ts';
import { refused, type CommandResult, type Refused } from './results.ts';
import type { StateView } from './view.ts';

/** One change, as it is kept. */
export interface SlotChange {
  /** 1 for the first, then one more each. */
  readonly number: number;
  readonly from: readonly SlotName[];
  /** The slots from then on. */
  readonly slots: readonly SlotName[];
  /** The transition that was in force. */
  readonly transition: Sha256Hex;
  /** One per owner, in ascending order of fingerprints. */
  readonly approvals: readonly Approval[];
  /** The leader's clock. Informative. */
  readonly timeMs: UnixMillis;
  /** Log index of the command. */
  readonly index: number;
}

/** Numbers of slots that a cluster may have: even ones bear no more failures than one slot less. */
const SLOT_COUNTS: readonly number[] = [1, 3, 5, 7];

type View = Pick<
  StateView<unknown>,
  'clusterId' | 'epoch' | 'head' | 'manifest' | 'members' | 'slotChanges' | 'slots'
>;

/** Decides without changing anything. */
export function decideChangeSlots(
  view: View,
  table: ProposalTable,
  command: ChangeSlotsCommand,
  index: number,
  crypto: Crypto,
): { readonly result: CommandResult; readonly change?: SlotChange } {
  const { slots, previousTransition, timeMs } = command;
  if (previousTransition !== view.head) {
    const found = previousTransition;
    return { result: { kind: 'conflict', expected: view.head, found } };
  }
  const refusal = refuseSlots(view, command) ?? withdrawn(view, table, command, crypto);
  if (refusal !== undefined) return { result: refusal };
  try {
    const approvals = approvedBy(view, command, crypto);
    const number = view.slotChanges.length + 1;
    const change = {
      number,
      from: view.slots,
      slots,
      transition: view.head,
      approvals,
      timeMs,
      index,
    };
    return { result: { kind: 'slots-changed', number, slots }, change };
  } catch (error) {
    if (!(error instanceof ManifestError)) throw error;
    const { path, expected, found } = error.fields;
    return { result: refused(error.code, path, expected, found) };
  }
}

/** @throws ManifestError for whatever the approvals lack */
function approvedBy(
  view: View,
  { slots: to, approvals, timeMs }: ChangeSlotsCommand,
  crypto: Crypto,
): readonly Approval[] {
  const { clusterId, epoch, head: previousTransition, slots: from, slotChanges, manifest } = view;
  const owners = { owners: [], updateThreshold: 0 };
  const number = slotChanges.length;
  const subject = { clusterId, epoch, previousTransition, number, from, to };
  const data = slotChangeBytes(subject);
  return checkApprovalsOf(data, {
    inForce: manifest ?? owners,
    isFirst: false,
    action: 'membership',
    approvals,
    timeMs,
    crypto,
  });
}

function withdrawn(
  view: View,
  table: ProposalTable,
  { number, slots, approvals }: ChangeSlotsCommand,
  crypto: Crypto,
): Refused | undefined {
  const content = contentOf(view, { kind: 'slots', number, slots }, crypto);
  return refuseWithdrawn(table, approvals, proposalId(content, crypto));
}

/** Why the list may not follow the one in force, whoever approves it. */
export function refuseSlots(
  view: View,
  command: Pick<ChangeSlotsCommand, 'number' | 'slots'>,
): Refused | undefined {
  const { slots: to } = command;
  const { slots: from, slotChanges, members, manifest } = view;
  if (manifest === undefined) {
    return refused('SLOTS_NEED_MANIFEST', 'manifest', 'a manifest in force', 'none');
  }
  if (slotChanges.length >= limits.SLOT_CHANGES_MAX) {
    const { SLOT_CHANGES_MAX } = limits;
    return refused('SLOT_CHANGES_FULL', 'slots', SLOT_CHANGES_MAX, SLOT_CHANGES_MAX + 1);
  }
  if (command.number !== slotChanges.length) {
    return refused('SLOTS_NUMBER_STALE', 'number', slotChanges.length, command.number);
  }
  const leaving = members.filter(({ slot }) => !from.includes(slot)).map(({ slot }) => slot);
  if (leaving.length > 0) {
    return refused('SLOTS_CHANGE_UNDER_WAY', 'slots', 'no member that leaves', leaving.join());
  }
  if (!SLOT_COUNTS.includes(to.length)) {
    return refused('SLOTS_COUNT_REFUSED', 'slots', SLOT_COUNTS.join(', '), to.length);
  }
  if (isExtension(from, to) || isExtract(from, to)) return undefined;
  const expected = `slots behind, or some less than, ${from.join()}`;
  return refused('SLOTS_CHANGE_MIXED', 'slots', expected, to.join());
}

function isExtension(from: readonly SlotName[], to: readonly SlotName[]): boolean {
  const isLonger = to.length > from.length && new Set(to).size === to.length;
  return isLonger && from.every((slot, at) => to[at] === slot);
}

function isExtract(from: readonly SlotName[], to: readonly SlotName[]): boolean {
  const kept = from.filter((slot) => to.includes(slot));
  return to.length < from.length && kept.join() === to.join();
}

/** Appends a change. */
export function writeSlotChange(writer: CanonicalWriter, change: SlotChange): void {
  writer.u64(change.number);
  writer.list(change.from, (to, slot) => to.text(slot));
  writer.list(change.slots, (to, slot) => to.text(slot));
  writeHex(writer, change.transition);
  writer.list(change.approvals, writeApproval).u64(change.timeMs).u64(change.index);
}

/** Reads what `writeSlotChange` wrote. */
export function readSlotChange(reader: CanonicalReader): SlotChange {
  const readSlots = () => reader.list(limits.SLOTS_MAX, (from) => slotName(from.text(63)));
  return {
    number: reader.u64(),
    from: readSlots(),
    slots: readSlots(),
    transition: sha256Hex(readHex(reader, 32)),
    approvals: reader.list(APPROVALS_MAX, readApproval),
    timeMs: unixMillis(reader.u64()),
    index: reader.u64(),
  };
}

/** Each change goes on from the one before, and the newest gives the slots in force. */
export function checkSlotChanges(changes: readonly SlotChange[], slots: readonly SlotName[]): void {
  for (const [at, { number, from, approvals }] of changes.entries()) {
    const before = changes[at - 1];
    const follows = before === undefined || before.slots.join() === from.join();
    if (number !== at + 1 || !follows) throw badValue('a change of slots out of order');
    if (approvals.length === 0) throw badValue('a change of slots that nobody approved');
  }
  const newest = changes.at(-1);
  if (newest !== undefined && newest.slots.join() !== slots.join()) {
    throw badValue('slots that no change gave');
  }
}
