/**
 * The world of one script: its nodes, and one queue of messages in flight. Drives the public
 * interface of the core only.
 */
import {
  RaftError,
  isLocalThread,
  type Message,
  type NodeId,
  type RaftEvent,
  type Snapshot,
  type TraceEvent,
} from '../src/index.ts';
import { CommandError } from './command-error.ts';
import { describeMessage, describeReady } from './describe.ts';
import { Output } from './output.ts';
import { ScriptNode, hardStateOf, withoutResponses, type NodeSettings } from './script-node.ts';

/** Two nodes that contradict each other may exchange messages for ever. */
const STABILIZE_ROUNDS_MAX = 1000;

/** Whose messages to deliver, or to drop. */
export type Recipient = { readonly id: number; readonly drop: boolean };

/** What watches a script from outside. */
export type EnvironmentOptions = {
  /** Receives the trace of every node, in order. */
  readonly onTrace?: ((event: TraceEvent) => void) | undefined;
};

export class Environment {
  readonly #options: EnvironmentOptions;
  readonly output: Output = new Output();
  readonly nodes: ScriptNode[] = [];
  messages: Message[] = [];
  /** Messages that a script keeps back, to be released later. */
  held: Message[] = [];

  constructor(options: EnvironmentOptions = {}) {
    this.#options = options;
  }

  addNode(settings: Omit<NodeSettings, 'id' | 'onEvent' | 'onTrace'>, bootstrap: Snapshot): void {
    const id = (this.nodes.length + 1) as NodeId;
    const onEvent = (event: RaftEvent): void => this.#logEvent(id, event);
    const { onTrace } = this.#options;
    this.nodes.push(new ScriptNode({ ...settings, id, onEvent, onTrace }, bootstrap));
  }

  node(id: number): ScriptNode {
    const node = this.nodes[id - 1];
    if (node === undefined) throw new CommandError(`no node ${id}`);
    return node;
  }

  processReady(id: number): void {
    const node = this.node(id);
    const ready = node.raw.ready();
    this.output.print(describeReady(ready));
    if (!node.isAsync) {
      node.append(ready.hardState, ready.entries, ready.snapshot);
      node.apply(ready.committedEntries);
    }
    for (const message of ready.messages) {
      if (message.type === 'MsgStorageAppend') node.appendWork.push(message);
      else if (message.type === 'MsgStorageApply') node.applyWork.push(message);
      else this.messages.push(message);
    }
    if (!node.isAsync) node.raw.advance();
  }

  processAppendThread(id: number): void {
    const node = this.node(id);
    const message = node.appendWork.shift();
    if (message === undefined) return this.output.print('no append work to perform');
    this.#describeWork(message);
    node.append(hardStateOf(message), message.entries, message.snapshot);
    this.messages.push(...message.responses);
  }

  processApplyThread(id: number): void {
    const node = this.node(id);
    const message = node.applyWork.shift();
    if (message === undefined) return this.output.print('no apply work to perform');
    this.#describeWork(message);
    node.apply(message.entries);
    this.messages.push(...message.responses);
  }

  #describeWork(message: Message): void {
    this.output.print('Processing:');
    this.output.print(describeMessage(withoutResponses(message)));
    this.output.print('Responses:');
    for (const response of message.responses) this.output.print(describeMessage(response));
  }

  /** @returns how many messages were delivered or dropped */
  deliver(recipients: readonly Recipient[], type: string | undefined): number {
    let count = 0;
    for (const { id, drop } of recipients) {
      const taken = this.take((message) => {
        if (message.to !== id || (drop && isLocal(message))) return false;
        return type === undefined || message.type === type;
      });
      count += taken.length;
      for (const message of taken) this.#deliverOne(message, drop);
    }
    return count;
  }

  /** Removes and returns the messages that `matches` accepts, in queue order. */
  take(matches: (message: Message) => boolean): readonly Message[] {
    const taken = this.messages.filter(matches);
    this.messages = this.messages.filter((message) => !matches(message));
    return taken;
  }

  #deliverOne(message: Message, drop: boolean): void {
    const text = describeMessage(message);
    if (drop) return this.output.print(`dropped: ${text}`);
    this.output.print(text);
    const node = this.node(message.to);
    try {
      node.raw.step(message);
    } catch (error) {
      if (!(error instanceof RaftError)) throw error;
      this.output.print(describeRefusal(error));
    }
  }

  /** Runs the nodes until none of them has anything to do. */
  stabilize(ids: readonly number[]): void {
    let rounds = 0;
    for (let busy = true; busy; rounds += 1) {
      if (rounds > STABILIZE_ROUNDS_MAX) throw new CommandError('the nodes do not come to rest');
      busy = false;
      const round = (what: string, has: (id: number) => boolean, work: (id: number) => void) => {
        for (const id of ids) {
          if (!has(id)) continue;
          busy = true;
          this.output.print(`> ${id} ${what}`);
          this.output.indented(() => work(id));
        }
      };
      round(
        'handling Ready',
        (id) => this.node(id).raw.hasReady(),
        (id) => this.processReady(id),
      );
      round(
        'receiving messages',
        (id) => this.messages.some((message) => message.to === id),
        (id) => void this.deliver([{ id, drop: false }], undefined),
      );
      round(
        'processing append thread',
        (id) => this.node(id).appendWork.length > 0,
        (id) => {
          while (this.node(id).appendWork.length > 0) this.processAppendThread(id);
        },
      );
      round(
        'processing apply thread',
        (id) => this.node(id).applyWork.length > 0,
        (id) => {
          while (this.node(id).applyWork.length > 0) this.processApplyThread(id);
        },
      );
    }
  }

  #logEvent(id: NodeId, event: RaftEvent): void {
    const { kind, ...fields } = event;
    const quiet = kind === 'message-ignored' || kind === 'append-rejected';
    const text = Object.entries(fields).map(([name, value]) => {
      return `${name}=${typeof value === 'object' ? JSON.stringify(value) : String(value)}`;
    });
    this.output.log(quiet ? 'debug' : 'info', [`${id} ${kind}`, ...text].join(' '));
  }
}

function isLocal(message: Message): boolean {
  return message.from === message.to || isLocalThread(message.from) || isLocalThread(message.to);
}

/** The words that the recorded files use for refusals; the code where they have none. */
export function describeRefusal(error: RaftError): string {
  switch (error.code) {
    case 'RAFT_PEER_NOT_FOUND':
      return 'raft: cannot step as peer not found';
    case 'RAFT_LOCAL_MESSAGE':
      return 'raft: cannot step raft local message';
    case 'RAFT_PROPOSAL_DROPPED':
      return 'raft proposal dropped';
    case 'RAFT_COMPACTED':
      return 'requested index is unavailable due to compaction';
    case 'RAFT_SNAPSHOT_OUT_OF_DATE':
      return 'requested index is older than the existing snapshot';
    case 'RAFT_UNAVAILABLE':
      return 'requested entry at index is unavailable';
    default:
      return `refused: ${error.code}`;
  }
}
