/** The commands of interaction scripts, and the interpreter that runs a whole script. */
import {
  RaftError,
  describeProgress,
  makeMessage,
  nodeId,
  type ConfChangeTransition,
  type NodeId,
} from '../src/index.ts';
import { addNodes } from './add-nodes.ts';
import { Arguments } from './arguments.ts';
import { CommandError } from './command-error.ts';
import { describeEntry, describeMessage, parseChanges } from './describe.ts';
import { Environment, describeRefusal, type EnvironmentOptions } from './environment.ts';
import { parseLogLevel } from './output.ts';
import type { Directive } from './script.ts';

type Command = (env: Environment, args: Arguments, input: string) => void;

const UNLIMITED = Number.MAX_SAFE_INTEGER;

const TRANSITIONS: readonly ConfChangeTransition[] = ['auto', 'implicit', 'explicit'];

function proposeConfChange(env: Environment, args: Arguments, input: string): void {
  const changes = parseChanges(input);
  const context = new Uint8Array(0);
  const { raw } = env.node(args.id());
  const word = args.text('transition') ?? 'auto';
  const transition = TRANSITIONS.find((name) => name === word);
  if (transition === undefined) throw new CommandError(`unknown transition ${word}`);
  if (!args.flag('v1')) return raw.proposeConfChange({ transition, changes, context });
  const [single] = changes;
  if (single === undefined || changes.length > 1 || transition !== 'auto') {
    throw new CommandError('v1 conf change can only have one operation and no transition');
  }
  raw.proposeConfChange({ ...single, context });
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
  try {
    env.stabilize(ids.length > 0 ? ids : env.nodes.map((_, position) => position + 1));
  } finally {
    env.output.level = before;
  }
}

function deliverMessages(env: Environment, args: Arguments): void {
  const count = env.deliver(args.recipients(), args.messageType());
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
  const type = args.messageType();
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
  const type = args.messageType();
  if (type === undefined) throw new CommandError('inject-msg needs type=');
  const message = makeMessage({
    type,
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
  campaign: (env, args) => env.node(args.id()).raw.campaign(),
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
    env.node(args.id()).raw.propose(data);
  },
  'propose-conf-change': proposeConfChange,
  'raft-log': (env, args) => raftLog(env, args.id()),
  'raft-state': raftState,
  'read-index': (env, args) => {
    const context = new TextEncoder().encode(args.word(1));
    env.node(args.id()).raw.readIndex(context);
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

/** Whether a command is one of interaction scripts. */
export function isInteractionCommand(command: string): boolean {
  return Object.hasOwn(COMMANDS, command);
}

/** Runs every directive in a fresh environment. @returns the output of each, in order */
export function runScript(
  directives: readonly Directive[],
  options: EnvironmentOptions = {},
): readonly string[] {
  const env = new Environment(options);
  return directives.map((directive) => {
    try {
      if (!isInteractionCommand(directive.command)) throw new CommandError('unknown command');
      COMMANDS[directive.command]?.(env, new Arguments(directive.args), directive.input);
    } catch (error) {
      // A refusal is output, at every log level. Anything else is a mistake of this program.
      if (error instanceof RaftError) env.output.printError(describeRefusal(error));
      else if (error instanceof CommandError) env.output.printError(error.message);
      else throw error;
    }
    return env.output.take();
  });
}
