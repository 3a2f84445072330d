/** Verification of a whole history, from the first manifest on (I6). */
import type { Crypto, Sha256Hex } from '@witan/core';
import { ManifestError, type ManifestErrorCode } from './errors.ts';
import type { Floor, FloorVerdict } from './high-water-mark.ts';
import { TRANSITIONS_MAX } from './limits.ts';
import { itemPath } from './path.ts';
import { NO_TRANSITION } from './records.ts';
import { HistoryKeys } from './seed-link.ts';
import {
  isTransitionSignatureValid,
  transitionHash,
  type SignedTransition,
  type Transition,
} from './transition.ts';

/** A history whose links, numbers and signatures were checked. */
export interface VerifiedHistory {
  /** The transition of generation n is at index n-1. */
  readonly transitions: readonly Transition[];
  /** The hash of each transition, at the same index. */
  readonly hashes: readonly Sha256Hex[];
  /** Hash of the newest; `NO_TRANSITION` for an empty history. */
  readonly head: Sha256Hex;
}

/**
 * Checks that the transitions are one unbroken chain from generation 1, each under the history key
 * of its time. Does not check approvals, because that takes the manifests: the replicas did it
 * before they signed.
 *
 * @param history DER SubjectPublicKeyInfo, obtained over an attested channel; or several keys
 * @throws ManifestError with one of the HISTORY_ codes
 */
export function verifyHistory(
  transitions: readonly SignedTransition[],
  history: Uint8Array | HistoryKeys,
  crypto: Crypto,
): VerifiedHistory {
  const keys = history instanceof HistoryKeys ? history : HistoryKeys.single(history);
  if (transitions.length > TRANSITIONS_MAX) {
    const fields = { path: 'transitions', expected: TRANSITIONS_MAX, found: transitions.length };
    throw new ManifestError('HISTORY_TOO_LONG', fields);
  }
  const hashes: Sha256Hex[] = [];
  let head = NO_TRANSITION;
  for (const [index, signed] of transitions.entries()) {
    const path = itemPath('transitions', index);
    checkLink(signed.transition, transitions[index - 1]?.transition, index + 1, head, path);
    if (!isTransitionSignatureValid(signed, keys.ofGeneration(index + 1), crypto)) {
      const fields = { path, expected: 'a signature by the history key', found: 'another' };
      throw new ManifestError('HISTORY_SIGNATURE_INVALID', fields);
    }
    head = transitionHash(signed.transition, crypto);
    hashes.push(head);
  }
  return { transitions: transitions.map((signed) => signed.transition), hashes, head };
}

function checkLink(
  transition: Transition,
  before: Transition | undefined,
  generation: number,
  head: Sha256Hex,
  path: string,
): void {
  const refuse = (
    code: ManifestErrorCode,
    expected: string | number,
    found: string | number,
  ): ManifestError => new ManifestError(code, { path, expected, found });
  if (before !== undefined && transition.clusterId !== before.clusterId) {
    throw refuse('HISTORY_CLUSTER_DIFFERS', before.clusterId, transition.clusterId);
  }
  if (transition.generation !== generation) {
    throw refuse('HISTORY_GENERATION_GAP', generation, transition.generation);
  }
  if (before !== undefined && transition.epoch < before.epoch) {
    throw refuse('HISTORY_EPOCH_DECREASES', before.epoch, transition.epoch);
  }
  if (transition.previous !== head) {
    throw refuse('HISTORY_LINK_BROKEN', head, transition.previous);
  }
}

/**
 * Whether a verified history still contains what the client saw last. Finds the fork that two marks
 * alone cannot show: a higher generation that does not build on the floor's transition.
 */
export function compareHistoryToFloor(history: VerifiedHistory, floor: Floor): FloorVerdict {
  if (floor.generation === 0) return { kind: 'ok' };
  const first = history.transitions[0];
  if (first !== undefined && first.clusterId !== floor.clusterId) {
    return { kind: 'other-cluster', expected: floor.clusterId, found: first.clusterId };
  }
  const found = history.hashes[floor.generation - 1];
  if (found === undefined) {
    const newest = history.transitions.length;
    return { kind: 'lower-generation', expected: floor.generation, found: newest };
  }
  if (found !== floor.transitionHash) {
    return { kind: 'fork', expected: floor.transitionHash, found };
  }
  return { kind: 'ok' };
}
