/** The commands of interaction scripts, and the interpreter that runs a whole script. */
import {
  EMPTY_SNAPSHOT,
  describeProgress,
  makeMessage,
  nodeId,
  type ConfChangeTransition,
  type MessageType,
  type NodeId,
  type Snapshot,
} from '../src/index.ts';
import { describeEntry, describeMessage, parseChanges } from './describe.ts';
import { Environment, type Recipient } from './environment.ts';
import { parseLogLevel } from './output.ts';
import type { Argument, Directive } from './script.ts';

type Command = (env: Environment, args: Arguments, input: string) => void;

/** Access to a directive's arguments by position or by name. */
class Arguments {
  readonly #all: readonly Argument[];

  constructor(all: readonly Argument[]) {
    this.#all = all;
  }

  /** The bare arguments, as node ids. */
  ids(): readonly number[] {
    return this.#all.filter((arg) => arg.values.length === 0).map((arg) => Number(arg.key));
  }

  id(position = 0): number {
    return Number(this.word(position));
  }

  word(position: number): string {
    const word = this.#all[position]?.key;
    if (word === undefined) throw new Error(`argument ${position} is missing`);
    return word;
  }

  list(key: string): readonly string[] | undefined {
    return this.#all.find((arg) => arg.key === key)?.values;
  }

  text(key: string): string | undefined {
    return this.list(key)?.[0];
  }

  number(key: string): number | undefined {
    const text = this.text(key);
    return text === undefined ? undefined : Number(text);
  }

  flag(key: string): boolean {
    return this.text(key) === 'true';
  }

  /** In the order written: bare ids are delivered to, those of `drop=` are dropped. */
  recipients(): readonly Recipient[] {
    return this.#all.flatMap((arg): readonly Recipient[] => {
      if (arg.key === 'type') return [];
      if (arg.key === 'drop') return arg.values.map((id) => ({ id: Number(id), drop: true }));
      return [{ id: Number(arg.key), drop: false }];
    });
  }
}

const UNLIMITED = Number.MAX_SAFE_INTEGER;

function addNodes(env: Environment, args: Arguments): void {
  const bootstrap = bootstrapOf(args);
  const settings = {
    electionTicks: 3,
    heartbeatTicks: 1,
    // The longest timeout: no node campaigns unless the script makes it.
    randomInt: (bound: number) => bound - 1,
    maxSizePerMessageBytes: args.number('max-size-per-msg') ?? UNLIMITED,
    maxCommittedSizePerReadyBytes: args.number('max-committed-size-per-ready') ?? UNLIMITED,
    maxUncommittedEntriesBytes: args.number('max-uncommitted') ?? 0,
    maxInflightMessages: args.number('inflight') ?? 2 ** 31 - 1,
    maxInflightBytes: args.number('inflight-bytes') ?? 0,
    asyncStorageWrites: args.flag('async-storage-writes'),
    preVote: args.flag('prevote'),
    checkQuorum: args.flag('checkquorum'),
    disableConfChangeValidation: args.flag('disable-conf-change-validation'),
    disableProposalForwarding: args.flag('disable-proposal-forwarding'),
    readOnly:
      args.text('read-only') === 'lease-based' ? ('lease-based' as const) : ('safe' as const),
    stepDownOnRemoval: args.flag('step-down-on-removal'),
  };
  for (let i = 0; i < args.id(); i += 1) env.addNode(settings, bootstrap);
}

function bootstrapOf(args: Arguments): Snapshot {
  const keys = ['voters', 'learners', 'index', 'content'];
  if (keys.every((key) => args.list(key) === undefined)) return EMPTY_SNAPSHOT;
  const ids = (key: string): readonly NodeId[] =>
    (args.list(key) ?? []).map((id) => nodeId(Number(id)));
  const index = args.number('index') ?? 0;
  if (index <= 1) throw new Error('index must be specified as > 1 due to bootstrap');
  return {
    data: new TextEncoder().encode(args.text('content') ?? ''),
    metadata: {
      index,
      term: 1,
      confState: {
        voters: ids('voters'),
        votersOutgoing: [],
        learners: ids('learners'),
        learnersNext: [],
        autoLeave: false,
      },
    },
  };
}

function proposeConfChange(env: Environment, args: Arguments, input: string): void {
  const changes = parseChanges(input);
  const context = new Uint8Array(0);
  const [single] = changes;
  const { raw } = env.node(args.id());
  if (args.flag('v1') && single !== undefined) {
    return env.attempt(() => raw.proposeConfChange({ ...single, context }));
  }
  const transition = (args.text('transition') ?? 'auto') as ConfChangeTransition;
  env.attempt(() => raw.proposeConfChange({ transition, changes, context }));
}

/** Several nodes get headings and indentation, a single one does not. */
function forEachNode(
  env: Environment,
  args: Arguments,
  what: string,
  work: (id: number) => void,
): void {
  const ids = args.ids();
  for (const id of ids) {
    if (ids.length === 1) {
      work(id);
      continue;
    }
    env.output.print(`> ${id} ${what}`);
    env.output.indented(() => work(id));
  }
}

function stabilize(env: Environment, args: Arguments): void {
  const before = env.output.level;
  const level = args.text('log-level');
  if (level !== undefined) env.output.level = parseLogLevel(level);
  const ids = args.ids();
  env.stabilize(ids.length > 0 ? ids : env.nodes.map((_, position) => position + 1));
  env.output.level = before;
}

function deliverMessages(env: Environment, args: Arguments): void {
  const count = env.deliver(args.recipients(), args.text('type'));
  if (count === 0) env.output.print('no messages');
}

function ticks(env: Environment, id: number, count: number): void {
  for (let i = 0; i < count; i += 1) env.node(id).raw.tick();
}

function raftLog(env: Environment, id: number): void {
  const { storage } = env.node(id);
  const first = storage.firstIndex();
  const last = storage.lastIndex();
  if (last < first) {
    env.output.print(`log is empty: first index=${first}, last index=${last}`);
    return;
  }
  const entries = storage.entries(first, last + 1, UNLIMITED);
  env.output.print(entries.map(describeEntry).join('\n'));
}

function raftState(env: Environment): void {
  for (const [position, node] of env.nodes.entries()) {
    const { role, term, lead, confState, id } = node.raw.status();
    const votes = confState.voters.includes(id) || confState.votersOutgoing.includes(id);
    const kind = votes ? 'Voter' : 'Non-Voter';
    env.output.print(`${position + 1}: ${role} (${kind}) Term:${term} Lead:${lead}`);
  }
}

function sendSnapshot(env: Environment, args: Arguments): void {
  const from = args.id(0);
  const node = env.node(from);
  const message = makeMessage({
    type: 'MsgSnap',
    to: nodeId(args.id(1)),
    from: nodeId(from),
    term: node.raw.basicStatus().term,
    snapshot: node.history.at(-1),
  });
  env.messages.push(message);
  env.output.print(describeMessage(message));
}

function forEachRecipientMessage(
  env: Environment,
  args: Arguments,
  change: (taken: readonly ReturnType<typeof makeMessage>[]) => void,
): void {
  const ids = new Set(args.ids());
  const type = args.text('type');
  const from = args.number('from');
  const taken = env.take(
    (message) =>
      ids.has(message.to) &&
      (type === undefined || message.type === type) &&
      (from === undefined || message.from === from),
  );
  change(taken);
  env.output.print(taken.length === 0 ? 'no messages' : `${taken.length} messages`);
}

function injectMessage(env: Environment, args: Arguments): void {
  const message = makeMessage({
    type: args.text('type') as MessageType,
    to: nodeId(args.number('to') ?? 0),
    from: nodeId(args.number('from') ?? 0),
    term: args.number('term') ?? 0,
    index: args.number('index') ?? 0,
    logTerm: args.number('log-term') ?? 0,
    commit: args.number('commit') ?? 0,
    reject: args.flag('reject'),
    rejectHint: args.number('hint') ?? 0,
    vote: (args.number('vote') ?? 0) as NodeId,
  });
  env.messages.push(message);
  env.output.print(describeMessage(message));
}

const COMMANDS: Readonly<Record<string, Command>> = {
  _breakpoint: () => undefined,
  'add-nodes': addNodes,
  campaign: (env, args) => env.attempt(() => env.node(args.id()).raw.campaign()),
  compact: (env, args) => {
    env.node(args.id()).compact(args.id(1));
    raftLog(env, args.id());
  },
  'deliver-msgs': deliverMessages,
  'duplicate-msgs': (env, args) =>
    forEachRecipientMessage(env, args, (taken) => env.messages.push(...taken, ...taken)),
  'forget-leader': (env, args) => env.node(args.id()).raw.forgetLeader(),
  'hold-msgs': (env, args) =>
    forEachRecipientMessage(env, args, (taken) => env.held.push(...taken)),
  'inject-msg': injectMessage,
  'log-level': (env, args) => {
    env.output.level = parseLogLevel(args.word(0));
  },
  'process-append-thread': (env, args) =>
    forEachNode(env, args, 'processing append thread', (id) => env.processAppendThread(id)),
  'process-apply-thread': (env, args) =>
    forEachNode(env, args, 'processing apply thread', (id) => env.processApplyThread(id)),
  'process-ready': (env, args) =>
    forEachNode(env, args, 'handling Ready', (id) => env.processReady(id)),
  propose: (env, args) => {
    const data = new TextEncoder().encode(args.word(1));
    env.attempt(() => env.node(args.id()).raw.propose(data));
  },
  'propose-conf-change': proposeConfChange,
  'raft-log': (env, args) => raftLog(env, args.id()),
  'raft-state': raftState,
  'read-index': (env, args) => {
    const context = new TextEncoder().encode(args.word(1));
    env.attempt(() => env.node(args.id()).raw.readIndex(context));
  },
  'release-msgs': (env) => {
    env.messages.push(...env.held);
    env.held = [];
  },
  'reorder-msgs': (env, args) =>
    forEachRecipientMessage(env, args, (taken) => env.messages.push(...taken.toReversed())),
  'report-snapshot': (env, args) => {
    env.node(args.id()).raw.reportSnapshot(nodeId(args.id(1)), args.word(2) === 'ok');
  },
  'report-unreachable': (env, args) => {
    env.node(args.id()).raw.reportUnreachable(nodeId(args.id(1)));
  },
  restart: (env, args) => env.node(args.id()).restart(),
  'send-snapshot': sendSnapshot,
  'set-randomized-election-timeout': (env, args) => {
    env.node(args.id()).raw.setElectionTimeoutTicks(args.number('timeout') ?? 0);
  },
  stabilize,
  status: (env, args) => {
    for (const [id, progress] of env.node(args.id()).raw.status().progress) {
      env.output.print(`${id}: ${describeProgress(progress)}`);
    }
  },
  'tick-election': (env, args) => ticks(env, args.id(), 3),
  'tick-heartbeat': (env, args) => ticks(env, args.id(), 1),
  'transfer-leadership': (env, args) => {
    const to = nodeId(args.number('to') ?? 0);
    env.node(args.number('from') ?? 0).raw.transferLeader(to);
  },
};

/** Runs every directive in a fresh environment. @returns the output of each, in order */
export function runScript(directives: readonly Directive[]): readonly string[] {
  const env = new Environment();
  return directives.map((directive) => {
    const command = COMMANDS[directive.command];
    if (command === undefined) {
      throw new Error(`line ${directive.line}: unknown command ${directive.command}`);
    }
    command(env, new Arguments(directive.args), directive.input);
    return env.output.take();
  });
}
