/** Who was heard, how often and when: what liveness is judged by. */
import type { EngineStatus } from '../engine.ts';

/** What came from one peer. */
export interface Heard {
  /** When its last message came, in milliseconds; minus infinity before the first. */
  readonly lastMs: number;
  readonly count: number;
}

const NOTHING: Heard = { lastMs: Number.NEGATIVE_INFINITY, count: 0 };
/** More peers than any configuration has; beyond it the oldest are forgotten (I10). */
const PEERS_MAX = 256;

export class Hearing {
  readonly #heard = new Map<number, Heard>();

  note(nodeId: number, nowMs: number): void {
    const { count } = this.from(nodeId);
    this.#heard.delete(nodeId);
    this.#heard.set(nodeId, { lastMs: nowMs, count: count + 1 });
    if (this.#heard.size <= PEERS_MAX) return;
    const [oldest] = this.#heard.keys();
    if (oldest !== undefined) this.#heard.delete(oldest);
  }

  /** The leader's view of each member, and what was heard of it. */
  progressOf(progress: ReadonlyMap<number, { readonly match: number }>): EngineStatus['progress'] {
    const rows = [...progress].map(([nodeId, { match }]) => {
      const { lastMs, count } = this.from(nodeId);
      return [nodeId, { matchIndex: match, lastHeardMs: lastMs, heard: count }] as const;
    });
    return new Map(rows);
  }

  from(nodeId: number): Heard {
    return this.#heard.get(nodeId) ?? NOTHING;
  }
}
