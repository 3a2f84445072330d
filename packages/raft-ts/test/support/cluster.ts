/**
 * A cluster under a seeded random schedule: loss, duplication, reordering, partitions, crashes with
 * lost writes, lagging storage threads, membership changes, transfers, snapshots, reads.
 */
import {
  MemoryStorage,
  RaftError,
  nodeId,
  type ConfChangeSingle,
  type Message,
  type TraceEvent,
} from '../../src/index.ts';
import { Checkers } from './checkers.ts';
import { bytes, confStateOf, ids, seededInt, text } from './ids.ts';
import { SimNode } from './sim-node.ts';

const NODES = 5;
const FLIGHT_MAX = 400;

type Action = { readonly weight: number; readonly run: () => void };

export type ClusterOptions = {
  readonly seed: number;
  readonly asyncStorageWrites: boolean;
  readonly preVote: boolean;
  readonly checkQuorum: boolean;
  /** Receives the trace of all nodes, which then keep to what etcd's model knows. */
  readonly onTrace?: ((event: TraceEvent) => void) | undefined;
};

export class Cluster {
  readonly checkers: Checkers = new Checkers();
  readonly nodes: readonly SimNode[];
  readonly #int: (boundExclusive: number) => number;
  readonly #actions: readonly Action[];
  #flight: Message[] = [];
  /** Pairs that cannot talk, as `from>to`; one direction may work alone. */
  #cut = new Set<string>();
  /** Reads by context: the least index that the answer must have. */
  readonly #reads = new Map<string, number>();
  #counter = 0;
  readsAnswered = 0;
  trace = '';

  constructor(options: ClusterOptions) {
    this.#int = seededInt(options.seed);
    const initial = confStateOf([1, 2, 3]);
    this.nodes = Array.from({ length: NODES }, (_, position) => {
      const storage = new MemoryStorage();
      if (position < 3) storage.bootstrap(initial);
      const settings = {
        id: nodeId(position + 1),
        electionTicks: 6,
        heartbeatTicks: 1,
        randomInt: this.#int,
        asyncStorageWrites: options.asyncStorageWrites,
        preVote: options.preVote,
        checkQuorum: options.checkQuorum,
        maxSizePerMessageBytes: [0, 60, 4096][this.#int(3)] ?? 0,
        maxCommittedSizePerReadyBytes: [1, 4096][this.#int(2)] ?? 1,
        maxInflightMessages: 1 + this.#int(8),
        maxUncommittedEntriesBytes: 500,
        coalesceAppends: options.seed % 4 === 3,
        onTrace: options.onTrace,
        commitHints: options.onTrace === undefined,
        snapshotsForMembersOnly: options.onTrace !== undefined,
      };
      return new SimNode(settings, storage, this.#observer());
    });
    this.#actions = this.#allActions();
  }

  #observer(): ConstructorParameters<typeof SimNode>[2] {
    return {
      ready: (node, ready) => {
        this.checkers.ready(node, ready);
        for (const read of ready.readStates) this.#checkRead(read.index, read.requestContext);
      },
      applied: (node, entry, state) => this.checkers.applied(node, entry, state),
    };
  }

  /** A linearizable read sees everything that was applied anywhere before it started. */
  #checkRead(index: number, context: Uint8Array): void {
    const least = this.#reads.get(text(context));
    if (least === undefined) throw new Error('an answer to a read that nobody asked');
    if (index < least) throw new Error(`stale read: ${index}, but ${least} was applied before`);
    this.readsAnswered += 1;
  }

  #allActions(): readonly Action[] {
    const onNode = (work: (node: SimNode) => void) => () => {
      const node = this.#anyNode();
      if (node.isUp) work(node);
    };
    return [
      { weight: 30, run: onNode((node) => node.raw.tick()) },
      { weight: 60, run: onNode((node) => node.handleReady()) },
      { weight: 40, run: onNode((node) => node.runAppendThread()) },
      { weight: 30, run: onNode((node) => node.runApplyThread()) },
      { weight: 120, run: () => this.#deliver(true) },
      { weight: 8, run: () => this.#flight.splice(this.#int(this.#flight.length + 1), 1) },
      { weight: 8, run: () => this.#deliver(false) },
      { weight: 12, run: onNode((node) => this.#propose(node)) },
      { weight: 6, run: onNode((node) => this.#read(node)) },
      { weight: 2, run: onNode((node) => node.raw.campaign()) },
      { weight: 1, run: onNode((node) => this.#crash(node)) },
      { weight: 4, run: () => this.#restartOne() },
      { weight: 3, run: onNode((node) => this.#changeMembers(node)) },
      { weight: 2, run: onNode((node) => node.compact()) },
      { weight: 2, run: onNode((node) => node.raw.transferLeader(nodeId(this.#int(NODES) + 1))) },
      { weight: 1, run: onNode((node) => node.raw.forgetLeader()) },
      { weight: 2, run: onNode((node) => node.raw.reportUnreachable(nodeId(this.#int(5) + 1))) },
      { weight: 4, run: onNode((node) => this.#reportSnapshots(node)) },
      { weight: 1, run: () => this.#cut.add(this.#anyPair()) },
      { weight: 3, run: () => this.#cut.delete(this.#anyPair()) },
    ];
  }

  /** One random event, and every check. */
  event(): void {
    const total = this.#actions.reduce((sum, action) => sum + action.weight, 0);
    let at = this.#int(total);
    for (const [position, action] of this.#actions.entries()) {
      at -= action.weight;
      if (at >= 0) continue;
      this.trace += String.fromCharCode(97 + position);
      action.run();
      break;
    }
    this.#collect();
    this.check();
  }

  check(): void {
    for (const node of this.nodes) if (node.isUp) this.checkers.checkNode(node, this.nodes);
  }

  #collect(): void {
    for (const node of this.nodes) {
      for (const message of node.outbox) {
        if (this.#flight.length < FLIGHT_MAX) this.#flight.push(message);
      }
      node.outbox = [];
    }
  }

  #anyNode(): SimNode {
    return this.nodes[this.#int(NODES)] as SimNode;
  }

  #anyPair(): string {
    return `${this.#int(NODES) + 1}>${this.#int(NODES) + 1}`;
  }

  /** Mostly in order, so that progress is made; any message may still overtake. */
  #deliver(remove: boolean): void {
    const last = this.#flight.length;
    const at = this.#int(4) === 0 ? this.#int(last + 1) : 0;
    const message = this.#flight[at];
    if (message === undefined) return;
    if (remove) this.#flight.splice(at, 1);
    const target = this.nodes[message.to - 1];
    const cut = this.#cut.has(`${message.from}>${message.to}`);
    if (target?.isUp === true && !cut) target.stepQuietly(message);
  }

  #quietly(action: () => void): void {
    try {
      action();
    } catch (error) {
      if (!(error instanceof RaftError)) throw error;
    }
  }

  #propose(node: SimNode): void {
    this.#counter += 1;
    this.#quietly(() => node.raw.propose(bytes(`p${this.#counter}`)));
  }

  #read(node: SimNode): void {
    this.#counter += 1;
    const context = `r${this.#counter}`;
    this.#reads.set(context, this.checkers.appliedMax);
    this.#quietly(() => node.raw.readIndex(bytes(context)));
  }

  #crash(node: SimNode): void {
    // Two nodes at most are down, so that the rest can go on now and then.
    if (this.nodes.filter((other) => !other.isUp).length >= 2) return;
    node.crash();
    this.checkers.forgetMemory(node);
  }

  #restartOne(): void {
    const down = this.nodes.filter((node) => !node.isUp);
    if (down.length > 0) down[this.#int(down.length)]?.restart();
  }

  #changeMembers(node: SimNode): void {
    const types = ['add-voter', 'add-voter', 'add-learner', 'remove'] as const;
    const changes: ConfChangeSingle[] = [];
    for (let i = this.#int(4); i > 0; i -= 1) {
      const type = types[this.#int(4)] ?? 'add-voter';
      changes.push({ type, nodeId: nodeId(this.#int(NODES) + 1) });
    }
    const transition = (['auto', 'auto', 'implicit', 'explicit'] as const)[this.#int(4)] ?? 'auto';
    const context = new Uint8Array(0);
    this.#quietly(() => node.raw.proposeConfChange({ transition, changes, context }));
  }

  #reportSnapshots(node: SimNode): void {
    for (const [id, progress] of node.raw.status().progress) {
      if (progress.state === 'StateSnapshot') node.raw.reportSnapshot(id, this.#int(2) === 0);
    }
  }

  /** Heals everything and runs until the group agrees. @returns whether it did */
  settle(roundsMax: number): boolean {
    this.#cut = new Set();
    for (const node of this.nodes) if (!node.isUp) node.restart();
    for (let round = 0; round < roundsMax; round += 1) {
      for (const node of this.nodes) {
        if (round % 3 === 0) node.raw.tick();
        this.#drain(node);
      }
      this.#collect();
      const batch = this.#flight;
      this.#flight = [];
      for (const message of batch) {
        this.nodes[message.to - 1]?.stepQuietly(message);
        this.check();
      }
      for (const node of this.nodes) this.#reportSnapshots(node);
      if (round > 60 && this.#agrees()) return true;
      if (round % 30 === 29) this.#nudge();
    }
    return false;
  }

  #drain(node: SimNode): void {
    for (let i = 0; i < 50; i += 1) {
      node.handleReady();
      node.runAppendThread();
      this.check();
      node.runApplyThread();
      this.check();
    }
  }

  /** An explicit joint configuration is left by the application; a fresh entry must commit. */
  #nudge(): void {
    for (const node of this.nodes) {
      if (node.raw.basicStatus().role !== 'StateLeader') continue;
      const change = { transition: 'auto', changes: [], context: new Uint8Array(0) } as const;
      if (node.confState.votersOutgoing.length > 0) {
        this.#quietly(() => node.raw.proposeConfChange(change));
      }
      this.#propose(node);
    }
  }

  /** Whether one leader leads every member, and all members have applied the same. */
  #agrees(): boolean {
    const leaders = this.nodes.filter((node) => node.raw.basicStatus().role === 'StateLeader');
    const terms = leaders.map((node) => node.raw.basicStatus().term);
    const leader = leaders[terms.indexOf(Math.max(...terms))];
    if (leader === undefined) return false;
    const { voters, votersOutgoing, learners } = leader.confState;
    if (votersOutgoing.length > 0 || leader.appliedTerm !== Math.max(...terms)) return false;
    return ids(...new Set([...voters, ...learners])).every((id) => {
      const node = this.nodes[id - 1] as SimNode;
      return node.appliedIndex === leader.appliedIndex && node.state === leader.state;
    });
  }
}
