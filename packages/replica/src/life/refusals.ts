/**
 * Who was refused, and why: each kind is one constant message in the log, once for each
 * incarnation, since whoever is refused asks again and again. A clone, a zombie and an impostor
 * look alike to their channel, where the same measured code answers.
 */
import type { IncarnationId, SlotName } from '@witan/core';

/** The messages by kind; the Coordinator counts them. */
export const REFUSAL_EVENTS = {
  /** A second process for a slot, whose incarnation was heard after the second one had asked. */
  clone: 'clone refused: a live incarnation is not displaced',
  /** A replaced incarnation speaks, or asks to be let in. */
  zombie: 'messages of a replaced incarnation refused',
  /** A newcomer for a slot that the cluster has not, or under another name than its channel's. */
  slot: 'newcomer of another slot refused',
  /** An attested replica speaks for another cluster. */
  cluster: 'messages of another cluster refused',
  /** An attested replica speaks for another epoch of this cluster. */
  epoch: 'messages of another epoch refused',
  /** A newcomer's build cannot apply what the cluster uses. */
  version: 'newcomer of an older state version refused',
} as const;

/** Why somebody was refused. */
export type RefusalKind = keyof typeof REFUSAL_EVENTS;

/** More than ever live at once; beyond it the notes begin anew (I10). */
const NOTED_MAX = 1024;

/** Notes each refusal once. */
export class Refusals {
  readonly #onEvent: (event: string, fields: Readonly<Record<string, string | number>>) => void;
  readonly #noted = new Set<string>();

  constructor(onEvent: (event: string, fields: Readonly<Record<string, string | number>>) => void) {
    this.#onEvent = onEvent;
  }

  note(
    kind: RefusalKind,
    peer: { readonly slot: SlotName; readonly incarnation: IncarnationId },
    fields: Readonly<Record<string, string | number>> = {},
  ): void {
    const key = `${kind} ${peer.incarnation}`;
    if (this.#noted.has(key)) return;
    if (this.#noted.size >= NOTED_MAX) this.#noted.clear();
    this.#noted.add(key);
    const { slot, incarnation } = peer;
    this.#onEvent(REFUSAL_EVENTS[kind], { peer: slot, incarnation, ...fields });
  }
}
