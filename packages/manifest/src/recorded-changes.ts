/**
 * Rotations and changes of slots, as a cluster recorded them: each one again against the owners who
 * were in force then, so that nobody has to believe a replica that they approved it (I6).
 */
import type { ClusterId, Crypto, Epoch, Sha256Hex, SlotName, UnixMillis } from '@witan/core';
import { epoch } from '@witan/core';
import { checkApprovalsAt, type Approval, type ApprovalRules } from './approvals.ts';
import { ManifestError } from './errors.ts';
import type { VerifiedHistory } from './history.ts';
import { itemPath } from './path.ts';
import type { Recovery } from './recovery.ts';
import { rotationBytes, type RotationStep } from './rotation.ts';
import { slotChangeBytes } from './slot-change.ts';

/** What both kinds of record say. */
interface RecordedBase {
  /** 1 for the first of its kind, then one more each. */
  readonly number: number;
  /** Hash of the transition that was in force. */
  readonly transition: Sha256Hex;
  readonly approvals: readonly Approval[];
  /** The leader's clock. */
  readonly timeMs: UnixMillis;
  /** Log index of the record. */
  readonly index: number;
}

/** A step of a rotation, or a change of slots. */
export type RecordedChange = RecordedBase &
  (
    | { readonly kind: 'rotation'; readonly step: RotationStep }
    | {
        readonly kind: 'slots';
        readonly from: readonly SlotName[];
        readonly to: readonly SlotName[];
      }
  );

/** What the records are held to; all of it verified. */
export interface ChangesCheck {
  readonly clusterId: ClusterId;
  readonly history: VerifiedHistory;
  /** Oldest first. */
  readonly recoveries: readonly Recovery[];
  /** The manifest of a generation; undefined where it is no longer kept. */
  readonly manifestOf: (generation: number) => ApprovalRules | undefined;
  readonly crypto: Crypto;
}

/**
 * Checks records of one kind, oldest first, and every approval that can be.
 *
 * @returns how many could not be checked, because their owners' manifest is not kept
 * @throws ManifestError CHANGE_OUT_OF_ORDER, CHANGE_OFF_HISTORY; as `checkApprovalsOf`, with the
 *   record in its path
 */
export function checkRecordedChanges(
  changes: readonly RecordedChange[],
  check: ChangesCheck,
): number {
  let unchecked = 0;
  for (const [at, change] of changes.entries()) {
    const path = itemPath(change.kind === 'rotation' ? 'rotations' : 'slotChanges', at);
    checkOrder(change, changes[at - 1], at, path);
    const generation = generationOf(change, check, path);
    const inForce = check.manifestOf(generation);
    if (inForce === undefined) unchecked += 1;
    else checkOne(change, inForce, check, path);
  }
  return unchecked;
}

function checkOrder(
  change: RecordedChange,
  before: RecordedChange | undefined,
  at: number,
  path: string,
): void {
  const isNext = change.number === at + 1 && change.index > (before?.index ?? 0);
  const follows =
    change.kind !== 'slots' || before?.kind !== 'slots' || before.to.join() === change.from.join();
  if (isNext && follows) return;
  const expected = `number ${at + 1}, behind and going on from the one before`;
  const found = `number ${change.number} at index ${change.index}`;
  throw new ManifestError('CHANGE_OUT_OF_ORDER', { path, expected, found });
}

/** The manifest that was in force, by its place in the history. */
function generationOf(
  { transition, index }: RecordedChange,
  { history }: ChangesCheck,
  path: string,
): number {
  const at = history.hashes.indexOf(transition);
  if (at >= 0) return at + 1;
  const fields = { path, expected: 'a transition of the history', found: `${transition} ${index}` };
  throw new ManifestError('CHANGE_OFF_HISTORY', fields);
}

function checkOne(
  change: RecordedChange,
  inForce: ApprovalRules,
  { clusterId, recoveries, crypto }: ChangesCheck,
  path: string,
): void {
  const { transition: previousTransition, approvals, timeMs } = change;
  const number = change.number - 1;
  const place = { clusterId, epoch: epochAt(change.index, recoveries), previousTransition, number };
  const isRotation = change.kind === 'rotation';
  const content = isRotation
    ? rotationBytes({ ...place, step: change.step })
    : slotChangeBytes({ ...place, from: change.from, to: change.to });
  const action = isRotation ? 'update' : 'membership';
  checkApprovalsAt(path, content, { inForce, isFirst: false, action, approvals, timeMs, crypto });
}

/** A recovery takes one index behind the state that it went on from; its epoch comes after that. */
function epochAt(index: number, recoveries: readonly Recovery[]): Epoch {
  return recoveries.findLast(({ from }) => from.index < index)?.epoch ?? epoch(1);
}
