/**
 * One node of an interaction script: a RawNode, its storage, a state machine that concatenates
 * bytes, and the work lists of its storage threads.
 */
import {
  EMPTY_SNAPSHOT,
  MemoryStorage,
  RawNode,
  RaftError,
  decodeConfChange,
  decodeConfChangeV2,
  isEmptySnapshot,
  makeMessage,
  type Config,
  type ConfState,
  type Entry,
  type HardState,
  type Index,
  type InitialState,
  type Message,
  type Snapshot,
  type Storage,
  type Term,
} from '../src/index.ts';

/** Everything of a Config but the storage, which each node makes for itself. */
export type NodeSettings = Omit<Config, 'storage' | 'applied'>;

export class ScriptNode {
  readonly settings: NodeSettings;
  readonly storage: MemoryStorage = new MemoryStorage();
  raw: RawNode;
  /** The state after each applied entry; the last one is what raft gets as snapshot. */
  history: Snapshot[];
  appendWork: Message[] = [];
  applyWork: Message[] = [];

  constructor(settings: NodeSettings, bootstrap: Snapshot) {
    this.settings = settings;
    this.history = [bootstrap];
    if (!isEmptySnapshot(bootstrap)) this.storage.applySnapshot(bootstrap);
    this.raw = this.#start();
  }

  get isAsync(): boolean {
    return this.settings.asyncStorageWrites === true;
  }

  #start(): RawNode {
    const storage = new HistoryStorage(this.storage, () => this.history.at(-1) ?? EMPTY_SNAPSHOT);
    const applied = this.history.at(-1)?.metadata.index ?? 0;
    return new RawNode({ ...this.settings, storage, applied });
  }

  /** Power loss: only what storage holds remains. The state machine starts from its snapshot. */
  restart(): void {
    this.appendWork = [];
    this.applyWork = [];
    this.history = [this.storage.snapshot()];
    this.raw = this.#start();
  }

  /** Writes to stable storage what a Ready or a MsgStorageAppend asks for. */
  append(
    hardState: HardState | undefined,
    entries: readonly Entry[],
    snapshot: Snapshot | undefined,
  ): void {
    if (hardState !== undefined) this.storage.setHardState(hardState);
    if (snapshot !== undefined) {
      this.storage.applySnapshot(snapshot);
      this.history = [snapshot];
    }
    this.storage.append(entries);
  }

  /** Applies committed entries to the state machine. */
  apply(entries: readonly Entry[]): void {
    for (const entry of entries) {
      const before = this.history.at(-1) ?? EMPTY_SNAPSHOT;
      const { confState, update } = this.#applyOne(entry, before.metadata.confState);
      const data = new Uint8Array([...before.data, ...update]);
      const metadata = { index: entry.index, term: entry.term, confState };
      this.history.push({ data, metadata });
    }
  }

  #applyOne(
    entry: Entry,
    confState: ConfState,
  ): { readonly confState: ConfState; readonly update: Uint8Array } {
    if (entry.type === 'EntryNormal') return { confState, update: entry.data };
    const change =
      entry.type === 'EntryConfChange'
        ? decodeConfChange(entry.data, 1 << 20)
        : decodeConfChangeV2(entry.data, 1 << 20);
    try {
      return { confState: this.raw.applyConfChange(change), update: change.context };
    } catch (error) {
      const refused = error instanceof RaftError && error.code === 'RAFT_CONF_CHANGE_INVALID';
      if (!refused) throw error;
      return { confState, update: change.context };
    }
  }

  /** Discards entries up to `index`; the state at that index becomes the stored snapshot. */
  compact(index: Index): void {
    const state = this.history.find((snapshot) => snapshot.metadata.index === index);
    if (state !== undefined && index > this.storage.snapshot().metadata.index) {
      this.storage.createSnapshot(index, state.metadata.confState, state.data);
    }
    this.storage.compact(index);
  }
}

/** A message as the append thread sees it. */
export function hardStateOf(message: Message): HardState | undefined {
  const { term, vote, commit } = message;
  return term === 0 ? undefined : { term, vote, commit };
}

/** The message without what is delivered afterwards. */
export function withoutResponses(message: Message): Message {
  return makeMessage({ ...message, responses: [] });
}

/** Storage whose snapshot is always the newest applied state. */
class HistoryStorage implements Storage {
  readonly #inner: MemoryStorage;
  readonly #newest: () => Snapshot;

  constructor(inner: MemoryStorage, newest: () => Snapshot) {
    this.#inner = inner;
    this.#newest = newest;
  }

  initialState(): InitialState {
    return this.#inner.initialState();
  }

  entries(lo: Index, hi: Index, maxBytes: number): readonly Entry[] {
    return this.#inner.entries(lo, hi, maxBytes);
  }

  term(index: Index): Term {
    return this.#inner.term(index);
  }

  firstIndex(): Index {
    return this.#inner.firstIndex();
  }

  lastIndex(): Index {
    return this.#inner.lastIndex();
  }

  snapshot(): Snapshot {
    return this.#newest();
  }
}
