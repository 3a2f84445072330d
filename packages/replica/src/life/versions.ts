/**
 * The leader's side of state versions: what each member announced on its attested channel, and the
 * rule that nothing is proposed that some member could not apply (decision record 0076).
 *
 * A version is brought into use by a command that lists all members. It does nothing where the list
 * is not of the members at its place in the log. So a newcomer is either on the list, or comes in
 * behind it: and then it was let in by a leader that knew of it. `floor` is what this one knows of:
 * also a version that it has proposed and not applied yet.
 */
import type { IncarnationId, SlotName } from '@witan/core';
import {
  encodeCommand,
  STATE_VERSION_MAX,
  type CommandResult,
  type VersionsView,
} from '@witan/state-machine';
import type { ConsensusEngine } from '../engine.ts';
import { ReplicaError } from '../errors.ts';
import type { PeerIdentity } from '../standing.ts';

/** What the gate works with. */
export interface VersionGateOptions {
  readonly self: PeerIdentity;
  readonly engine: Pick<ConsensusEngine, 'readBarrier' | 'status'>;
  /** Members as applied here. */
  readonly members: () => readonly PeerIdentity[];
  /** What the state says. */
  readonly versions: () => VersionsView;
  /** Orders a command and resolves with what it did; undefined where that is not to be read. */
  readonly propose: (command: Uint8Array) => Promise<CommandResult | undefined>;
  /** Runs while no change of members is ordered. @returns undefined where one is under way */
  readonly exclusively: <Value>(run: () => Promise<Value>) => Promise<Value> | undefined;
  readonly timeoutMs: number;
  /** Waits a moment for members to speak. */
  readonly pause: () => Promise<void>;
  readonly onEvent: (event: string, fields: Readonly<Record<string, string | number>>) => void;
}

/** A member that holds up what is newer. */
export interface Lagging {
  readonly slot: SlotName;
  /** Undefined where it has not been heard, so that nobody knows. */
  readonly found: number | undefined;
  readonly needed: number;
}

/** Pauses in which a new leader waits for the first word of a member. */
const PAUSES_MAX = 15;

/** See the head of this file. */
export class VersionGate {
  readonly #options: VersionGateOptions;
  /** By the word of each on its own channel; members and newcomers alone, so it stays small. */
  #heard = new Map<IncarnationId, number>();
  #proposed: { readonly term: number; readonly version: number } | undefined;

  constructor(options: VersionGateOptions) {
    this.#options = options;
  }

  /** Notes what an attested peer says of itself. */
  heard({ incarnation, version = 0 }: PeerIdentity): void {
    if (this.#heard.get(incarnation) === version) return;
    const members = new Set(this.#options.members().map((member) => member.incarnation));
    if (!members.has(incarnation)) return;
    const kept = [...this.#heard].filter(([known]) => members.has(known));
    this.#heard = new Map([...kept, [incarnation, Math.min(version, STATE_VERSION_MAX)]]);
  }

  /** What a member applies; undefined where nobody knows. */
  versionOf({ incarnation }: PeerIdentity): number | undefined {
    const { self, versions } = this.#options;
    if (incarnation === self.incarnation) return self.version ?? 0;
    return this.#heard.get(incarnation) ?? versions().of(incarnation);
  }

  /** What a newcomer has to apply. */
  get floor(): number {
    return Math.max(this.#options.versions().inUse, this.#proposed?.version ?? 0);
  }

  /**
   * To be called behind a ReadIndex round of this term: whatever earlier terms ordered was applied.
   *
   * @param term of before the round
   */
  settle(term: number): void {
    const isSame = this.#options.engine.status().term === term;
    if (isSame && (this.#proposed?.term ?? term) < term) this.#proposed = undefined;
  }

  /**
   * Sees to it that a version is in use before something is proposed that takes it.
   *
   * @returns the member that does not have it; undefined where it is in use
   * @throws ReplicaError where no leader could do so now: ask again
   */
  async require(version: number): Promise<Lagging | undefined> {
    if (this.#options.versions().inUse >= version) return undefined;
    // A leader that has just been elected hears from everybody who lives within a few beats.
    for (let paused = 0; paused < PAUSES_MAX && this.#isUnheard; paused += 1) {
      await this.#options.pause();
    }
    return await this.#exclusively(async () => {
      const { engine, versions, timeoutMs } = this.#options;
      const { term } = engine.status();
      await engine.readBarrier({ timeoutMs });
      this.settle(term);
      if (versions().inUse >= version) return undefined;
      const lagging = this.#lagging(version);
      if (lagging === undefined) await this.#use(version);
      return lagging;
    });
  }

  /** To be called at even intervals on a leader: notes the versions of those who came in since. */
  async beat(): Promise<void> {
    const { versions, members } = this.#options;
    const { inUse } = versions();
    if (inUse === 0) return;
    const isNoted = members().every(({ incarnation }) => versions().of(incarnation) !== undefined);
    if (isNoted || this.#lagging(inUse) !== undefined) return;
    await this.#exclusively(() => this.#use(inUse)).catch((error: unknown) => {
      if (!(error instanceof ReplicaError)) throw error;
    });
  }

  get #isUnheard(): boolean {
    return this.#options.members().some((member) => this.versionOf(member) === undefined);
  }

  #lagging(needed: number): Lagging | undefined {
    for (const member of this.#options.members()) {
      const found = this.versionOf(member);
      if ((found ?? 0) < needed) return { slot: member.slot, found, needed };
    }
    return undefined;
  }

  async #use(version: number): Promise<void> {
    const { engine, members, propose, onEvent } = this.#options;
    const list = members().map((member) => ({
      incarnation: member.incarnation,
      version: this.versionOf(member) ?? 0,
    }));
    const before = this.#proposed;
    const { term } = engine.status();
    this.#proposed = { term, version: Math.max(version, before?.version ?? 0) };
    const result = await propose(encodeCommand({ kind: 'use-version', version, members: list }));
    // Only an outcome that is known says that it is not in the log any more.
    this.#proposed = before;
    if (result?.kind !== 'version-in-use') throw busy();
    onEvent('state version in use', { version: result.version });
  }

  #exclusively<Value>(run: () => Promise<Value>): Promise<Value> {
    return this.#options.exclusively(run) ?? Promise.reject(busy());
  }
}

function busy(): ReplicaError {
  const fields = { code: 'MEMBERS_CHANGE' };
  const message = 'members change while a state version comes into use';
  return new ReplicaError('REPLICA_BUSY', message, { fields });
}
