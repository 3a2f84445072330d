/**
 * When a new generation of sealing keys is due: after a member has left, when an epoch begins, and
 * when owners ask for one.
 * The leader proposes it, sealed like any command, and every replica takes it up in the order of
 * the log. Who left does not receive what begins it, so its disk opens nothing sealed later.
 *
 * A generation counts for a departure only if it was drawn after that departure was applied: one
 * that was drawn before may have reached the disk of the member that left.
 */
import { describeError } from '@witan/core';
import type { KeyGenerations } from '../ports.ts';
import type { CommandOutcome } from './cluster-state.ts';

/** What the desk needs of the replica. */
export interface RekeyingOptions {
  /** Absent where nothing is sealed. */
  readonly generations: KeyGenerations | undefined;
  /** Whether an epoch above the first begins here. */
  readonly isNewEpoch: boolean;
  readonly propose: (command: Uint8Array) => Promise<unknown>;
  readonly onEvent: (event: string, fields: Readonly<Record<string, string | number>>) => void;
}

/** See the head of this file. */
export class Rekeying {
  readonly #options: RekeyingOptions;
  /** Where a member last left, by log index. */
  #leftAt: number;
  /** Up to where departures are covered by the newest generation. */
  #coveredUpTo = 0;
  #proposing = false;

  constructor(options: RekeyingOptions) {
    this.#options = options;
    this.#leftAt = options.isNewEpoch ? 1 : 0;
  }

  /** Whether a generation is still to begin. */
  get isDue(): boolean {
    return this.#options.generations !== undefined && this.#leftAt > this.#coveredUpTo;
  }

  /** Owners may want one, by a step of a rotation. */
  applied(outcome: CommandOutcome): void {
    if (outcome.kind === 'applied' && outcome.rekeys) this.memberLeft(outcome.index);
  }

  /** A member left at this index; or a snapshot was taken up, which does not say. */
  memberLeft(index: number): void {
    this.#leftAt = Math.max(this.#leftAt, index);
  }

  /** Takes up a command that begins a generation. @returns false for any other command */
  take(command: Uint8Array): boolean {
    const begun = this.#options.generations?.take(command);
    if (begun === undefined) return false;
    this.#coveredUpTo = Math.max(this.#coveredUpTo, begun.afterIndex);
    this.#options.onEvent('sealing keys renewed', { generation: begun.generation });
    return true;
  }

  /** To be called now and then on the leader, outside of a joint configuration. */
  async beat(appliedIndex: number): Promise<void> {
    const { generations, propose, onEvent } = this.#options;
    if (generations === undefined || this.#proposing) return;
    if (this.#leftAt <= this.#coveredUpTo) return;
    this.#proposing = true;
    try {
      await propose(generations.begin(appliedIndex));
    } catch (error) {
      onEvent('sealing keys not renewed yet', { error: describeError(error) });
    } finally {
      this.#proposing = false;
    }
  }
}
