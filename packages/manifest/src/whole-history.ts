/**
 * What takes more than the chain of transitions to check: that recoveries went on from it, and that
 * the owners of each manifest approved the one after it (I6, I7).
 */
import type { ClusterId, Crypto, Epoch, Generation, Sha256Hex } from '@witan/core';
import { approvalBytes, checkApprovalsAt, type ApprovalRules } from './approvals.ts';
import { ManifestError } from './errors.ts';
import type { Floor, FloorVerdict } from './high-water-mark.ts';
import type { VerifiedHistory } from './history.ts';
import { itemPath } from './path.ts';
import { NO_TRANSITION } from './records.ts';
import type { HistoryKeys } from './seed-link.ts';
import { recoveryHash, verifyRecoveries, type Recovery, type SignedRecovery } from './recovery.ts';

/** Recoveries whose links, signatures and place in the history were checked. */
export interface VerifiedRecoveries {
  /** Oldest first. */
  readonly recoveries: readonly Recovery[];
  /** The hash of each, at the same index. */
  readonly hashes: readonly Sha256Hex[];
}

/** A recovery that a client has seen, as it keeps it beside its floor. */
export interface SeenRecovery {
  readonly epoch: Epoch;
  /** SHA-256 of `recoveryBytes`. */
  readonly hash: Sha256Hex;
}

/**
 * Checks the chain of recoveries, and each against the transitions: it went on from one of them,
 * those up to it are of an earlier epoch, and those after it are not.
 *
 * @param history verified, of the same cluster and under the same keys
 * @param current the epoch of the mark that vouches for both
 * @throws ManifestError as `verifyRecoveries`; RECOVERY_OFF_HISTORY, RECOVERY_EPOCH_DIFFERS
 */
export function verifyRecoveriesOf(
  history: VerifiedHistory,
  recoveries: readonly SignedRecovery[],
  current: { readonly clusterId: ClusterId; readonly epoch: Epoch },
  keys: Uint8Array | HistoryKeys,
  crypto: Crypto,
): VerifiedRecoveries {
  verifyRecoveries(recoveries, current.clusterId, keys, crypto);
  for (const [index, { recovery }] of recoveries.entries()) {
    checkPlace(history, recovery, itemPath('recoveries', index));
  }
  const newest = recoveries.at(-1)?.recovery.epoch ?? 1;
  if (newest !== current.epoch) {
    const fields = { path: 'recoveries', expected: current.epoch, found: newest };
    throw new ManifestError('RECOVERY_EPOCH_DIFFERS', fields);
  }
  return {
    recoveries: recoveries.map(({ recovery }) => recovery),
    hashes: recoveries.map(({ recovery }) => recoveryHash(recovery, crypto)),
  };
}

function checkPlace(history: VerifiedHistory, recovery: Recovery, path: string): void {
  const { from, epoch } = recovery;
  const found = from.generation === 0 ? NO_TRANSITION : history.hashes[from.generation - 1];
  if (found !== from.transitionHash) {
    const fields = { path, expected: from.transitionHash, found: found ?? 'no such transition' };
    throw new ManifestError('RECOVERY_OFF_HISTORY', fields);
  }
  const misplaced = history.transitions.find((transition) =>
    transition.generation <= from.generation
      ? transition.epoch > from.epoch
      : transition.epoch < epoch,
  );
  if (misplaced === undefined) return;
  throw new ManifestError('RECOVERY_OFF_HISTORY', {
    path,
    expected: `epochs up to ${from.epoch} in generation ${from.generation}, then from ${epoch}`,
    found: `generation ${misplaced.generation} of epoch ${misplaced.epoch}`,
  });
}

/**
 * Whether verified recoveries go on from what a client saw last. Finds what two marks alone cannot
 * show: another recovery of the same epoch, and one that began below the floor and has grown since.
 */
export function compareRecoveriesToFloor(
  { recoveries, hashes }: VerifiedRecoveries,
  floor: Floor,
  seen: SeenRecovery | undefined,
): FloorVerdict {
  if (seen !== undefined) {
    const at = recoveries.findIndex(({ epoch }) => epoch === seen.epoch);
    const found = hashes[at] ?? 'no recovery of that epoch';
    if (found !== seen.hash) return { kind: 'fork', expected: seen.hash, found };
  }
  const next = recoveries.find(({ epoch }) => epoch > floor.epoch)?.from;
  if (next === undefined || next.epoch > floor.epoch) return { kind: 'ok' };
  if (next.epoch < floor.epoch) {
    return { kind: 'lower-epoch', expected: floor.epoch, found: next.epoch };
  }
  if (next.index < floor.commitIndex) {
    return { kind: 'lower-index', expected: floor.commitIndex, found: next.index };
  }
  return { kind: 'ok' };
}

/** What is needed of a manifest to judge approvals of the next one. */
export type Approvers = ApprovalRules;

/**
 * Checks every approval that can be: of the first manifest by its own owners, of each later one by
 * those of the manifest before it.
 *
 * @param manifestOf the manifest of a generation; undefined where it is no longer kept
 * @returns the generations that could not be checked, ascending
 * @throws ManifestError as `checkApprovals`, with the generation in its path
 */
export function checkApprovalsOfHistory(
  history: VerifiedHistory,
  manifestOf: (generation: number) => Approvers | undefined,
  crypto: Crypto,
): readonly Generation[] {
  return history.transitions.flatMap((transition) => {
    const { generation, clusterId, previous, manifestDigest, approvals, timeMs } = transition;
    const isFirst = generation === 1;
    const inForce = manifestOf(isFirst ? 1 : generation - 1);
    if (inForce === undefined) return [generation];
    const subject = { clusterId, previousTransition: previous, manifestDigest };
    const check = { inForce, isFirst, approvals, timeMs, crypto };
    checkApprovalsAt(itemPath('transitions', generation - 1), approvalBytes(subject), check);
    return [];
  });
}
