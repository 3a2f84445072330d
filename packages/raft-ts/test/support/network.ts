/** A few nodes in synchronous mode, and all their messages in one queue that the test controls. */
import {
  MemoryStorage,
  RawNode,
  nodeId,
  type Config,
  type Entry,
  type Message,
  type ReadState,
} from '../../src/index.ts';
import { confStateOf } from './ids.ts';

export type NetworkNode = {
  readonly raw: RawNode;
  readonly storage: MemoryStorage;
  readonly applied: Entry[];
  readonly reads: ReadState[];
};

export class Network {
  readonly nodes: ReadonlyMap<number, NetworkNode>;
  queue: Message[] = [];

  constructor(size: number, config: Partial<Config> = {}) {
    const voters = Array.from({ length: size }, (_, position) => position + 1);
    this.nodes = new Map(voters.map((id) => [id, makeNode(id, voters, config)]));
  }

  node(id: number): NetworkNode {
    const node = this.nodes.get(id);
    if (node === undefined) throw new Error(`no node ${id}`);
    return node;
  }

  raw(id: number): RawNode {
    return this.node(id).raw;
  }

  /** Carries out all Readies of a node, without delivering anything. */
  flush(id: number): readonly Message[] {
    const { raw, storage, applied, reads } = this.node(id);
    const sent: Message[] = [];
    while (raw.hasReady()) {
      const ready = raw.ready();
      if (ready.hardState !== undefined) storage.setHardState(ready.hardState);
      if (ready.snapshot !== undefined) storage.applySnapshot(ready.snapshot);
      storage.append(ready.entries);
      sent.push(...ready.messages);
      applied.push(...ready.committedEntries);
      reads.push(...ready.readStates);
      raw.advance();
    }
    this.queue.push(...sent);
    return sent;
  }

  /** Runs everything until nothing is left; messages that `keep` rejects are lost. */
  settle(keep: (message: Message) => boolean = () => true): void {
    for (let round = 0; round < 100; round += 1) {
      for (const id of this.nodes.keys()) this.flush(id);
      const batch = this.queue.filter(keep);
      this.queue = [];
      if (batch.length === 0) return;
      for (const message of batch) this.node(message.to).raw.step(message);
    }
    throw new Error('the network did not come to rest');
  }

  elect(id: number): void {
    this.raw(id).campaign();
    this.settle();
  }
}

function makeNode(id: number, voters: readonly number[], config: Partial<Config>): NetworkNode {
  const storage = new MemoryStorage();
  storage.bootstrap(confStateOf(voters));
  const raw = new RawNode({
    id: nodeId(id),
    electionTicks: 10,
    heartbeatTicks: 1,
    storage,
    applied: 1,
    randomInt: (bound) => bound - 1,
    preVote: false,
    checkQuorum: false,
    ...config,
  });
  return { raw, storage, applied: [], reads: [] };
}
