/**
 * What owners have authorised in a recovery. Replicas tell each other all of it, in any order and
 * as often as they like: what is known only grows, so that all come to know the same.
 */
import type { Sha256Hex } from '@witan/core';
import type { Floor } from '@witan/manifest';
import type { Authorisation } from './decide-recovery.ts';

/** As many as a cluster can have owners with shares. */
const AUTHORISATIONS_MAX = 64;
/** As many as a cluster can have slots. */
const SLOTS_MAX = 64;

/** See the head of this file. */
export class Authorisations {
  readonly #byOwner = new Map<Sha256Hex, Authorisation>();

  /** An owner's word, or more of it: of two floors the higher one counts. */
  add({ owner, floor, acceptMissing }: Authorisation): void {
    const before = this.#byOwner.get(owner);
    if (before === undefined && this.#byOwner.size >= AUTHORISATIONS_MAX) return;
    const slots = new Set([...(before?.acceptMissing ?? []), ...acceptMissing]);
    this.#byOwner.set(owner, {
      owner,
      floor: higherFloor(before?.floor, floor),
      acceptMissing: [...slots].slice(0, SLOTS_MAX),
    });
  }

  all(): readonly Authorisation[] {
    return [...this.#byOwner.values()];
  }

  clear(): void {
    this.#byOwner.clear();
  }
}

/** An owner who has seen two states has seen the later one. */
function higherFloor(left: Floor | undefined, right: Floor | undefined): Floor | undefined {
  if (left === undefined || right === undefined) return left ?? right;
  const order = right.epoch - left.epoch || right.commitIndex - left.commitIndex;
  return order > 0 ? right : left;
}
