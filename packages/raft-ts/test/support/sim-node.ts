/**
 * One node of the random cluster: the real RawNode, a disk that can lose writes that were not
 * synced, storage threads that can lag behind, and a state machine that hashes what it applies.
 */
import {
  RaftError,
  RawNode,
  decodeConfChange,
  decodeConfChangeV2,
  type Config,
  type ConfState,
  type Entry,
  type HardState,
  type MemoryStorage,
  type Message,
  type Ready,
  type Snapshot,
} from '../../src/index.ts';
import { bytes, text } from './ids.ts';

export type SimSettings = Omit<Config, 'storage' | 'applied'>;

/** What the checkers learn from a node. */
export type Observer = {
  /** The node was given this Ready, before it is carried out. */
  readonly ready: (node: SimNode, ready: Ready) => void;
  /** Entries were applied; `state` is the digest of everything applied so far. */
  readonly applied: (node: SimNode, entry: Entry, state: string) => void;
};

/** FNV-1a over the previous digest and the entry: equal digests mean equal histories. */
export function digest(previous: string, entry: Entry): string {
  let hash = 0x811c9dc5;
  const input = `${previous}|${entry.term}|${entry.index}|${entry.type}|${text(entry.data)}`;
  for (let i = 0; i < input.length; i += 1) {
    hash = Math.imul(hash ^ input.charCodeAt(i), 0x01000193) >>> 0;
  }
  return hash.toString(16);
}

export class SimNode {
  readonly settings: SimSettings;
  readonly storage: MemoryStorage;
  readonly #observer: Observer;
  /** Hard state as of the last sync; commit-only changes after it may be lost. */
  #syncedHardState: HardState;
  raw: RawNode;
  isUp = true;
  appliedIndex = 0;
  appliedTerm = 0;
  state = '';
  confState: ConfState;
  appendWork: Message[] = [];
  applyWork: Message[] = [];
  outbox: Message[] = [];
  restarts = 0;

  constructor(settings: SimSettings, storage: MemoryStorage, observer: Observer) {
    this.settings = settings;
    this.storage = storage;
    this.#observer = observer;
    this.#syncedHardState = storage.initialState().hardState;
    this.confState = storage.initialState().confState;
    this.raw = this.#start();
  }

  get id(): number {
    return this.settings.id;
  }

  #start(): RawNode {
    const snapshot = this.storage.snapshot();
    this.#load(snapshot);
    const applied = snapshot.metadata.index;
    return new RawNode({ ...this.settings, storage: this.storage, applied });
  }

  #load(snapshot: Snapshot): void {
    this.appliedIndex = snapshot.metadata.index;
    this.appliedTerm = snapshot.metadata.term;
    this.confState = snapshot.metadata.confState;
    this.state = text(snapshot.data);
  }

  crash(): void {
    this.isUp = false;
    this.appendWork = [];
    this.applyWork = [];
    this.outbox = [];
    // Only what was synced survives for certain: here the rest is always lost.
    this.storage.setHardState(this.#syncedHardState);
  }

  restart(): void {
    this.isUp = true;
    this.restarts += 1;
    this.raw = this.#start();
  }

  /** Takes one Ready, if there is one, and does what the driver has to do. */
  handleReady(): void {
    if (!this.raw.hasReady()) return;
    const ready = this.raw.ready();
    this.#observer.ready(this, ready);
    if (this.settings.asyncStorageWrites !== true) {
      this.#store(ready.hardState, ready.entries, ready.snapshot, ready.mustSync);
      this.#apply(ready.committedEntries);
    }
    for (const message of ready.messages) {
      if (message.type === 'MsgStorageAppend') this.appendWork.push(message);
      else if (message.type === 'MsgStorageApply') this.applyWork.push(message);
      else this.outbox.push(message);
    }
    if (this.settings.asyncStorageWrites !== true) this.raw.advance();
  }

  runAppendThread(): void {
    const work = this.appendWork.shift();
    if (work === undefined) return;
    const { term, vote, commit } = work;
    const hardState = term === 0 ? undefined : { term, vote, commit };
    this.#store(hardState, work.entries, work.snapshot, work.responses.length > 0);
    this.#respond(work.responses);
  }

  runApplyThread(): void {
    const work = this.applyWork.shift();
    if (work === undefined) return;
    this.#apply(work.entries);
    this.#respond(work.responses);
  }

  #respond(responses: readonly Message[]): void {
    for (const response of responses) {
      if (response.to !== this.id) this.outbox.push(response);
      else this.stepQuietly(response);
    }
  }

  /** Delivers a message; refusals are normal here. */
  stepQuietly(message: Message): void {
    try {
      this.raw.step(message);
    } catch (error) {
      if (!(error instanceof RaftError)) throw error;
      const expected = ['RAFT_PEER_NOT_FOUND', 'RAFT_PROPOSAL_DROPPED'];
      if (!expected.includes(error.code)) throw error;
    }
  }

  #store(
    hardState: HardState | undefined,
    entries: readonly Entry[],
    snapshot: Snapshot | undefined,
    mustSync: boolean,
  ): void {
    if (hardState !== undefined) this.storage.setHardState(hardState);
    if (snapshot !== undefined) {
      this.storage.applySnapshot(snapshot);
      this.#load(snapshot);
    }
    this.storage.append(entries);
    const synced = mustSync || entries.length > 0 || snapshot !== undefined;
    if (synced) this.#syncedHardState = this.storage.initialState().hardState;
  }

  #apply(entries: readonly Entry[]): void {
    for (const entry of entries) {
      // A snapshot may have overtaken the apply thread.
      if (entry.index <= this.appliedIndex) continue;
      if (entry.type !== 'EntryNormal') this.#applyChange(entry);
      this.state = digest(this.state, entry);
      this.appliedIndex = entry.index;
      this.appliedTerm = entry.term;
      this.#observer.applied(this, entry, this.state);
    }
  }

  #applyChange(entry: Entry): void {
    const change =
      entry.type === 'EntryConfChange'
        ? decodeConfChange(entry.data, 1 << 16)
        : decodeConfChangeV2(entry.data, 1 << 16);
    this.confState = this.raw.applyConfChange(change);
  }

  /** Takes a snapshot of the state machine and discards the log before it. */
  compact(): void {
    const index = this.appliedIndex;
    if (index <= this.storage.snapshot().metadata.index) return;
    if (index > this.storage.lastIndex() || index < this.storage.firstIndex()) return;
    // A snapshot ahead of the durable commit index would make the next start impossible.
    this.#syncedHardState = this.storage.initialState().hardState;
    if (this.#syncedHardState.commit < index) return;
    this.storage.createSnapshot(index, this.confState, bytes(this.state));
    this.storage.compact(index);
  }
}
