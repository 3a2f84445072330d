/** The text forms of entries, messages, snapshots and Readies that scripts record. */
import {
  LocalAppendThread,
  LocalApplyThread,
  NO_NODE,
  decodeConfChange,
  decodeConfChangeV2,
  isEmptySnapshot,
  type ConfChangeSingle,
  type ConfChangeType,
  type ConfState,
  type Entry,
  type HardState,
  type Message,
  type NodeId,
  type Ready,
  type Snapshot,
} from '../src/index.ts';
import { CommandError } from './command-error.ts';
import { quote } from './quote.ts';

const CHANGE_LETTERS: Readonly<Record<ConfChangeType, string>> = {
  'add-voter': 'v',
  'add-learner': 'l',
  remove: 'r',
  update: 'u',
};

const TYPES_BY_LETTER: ReadonlyMap<string, ConfChangeType> = new Map(
  Object.entries(CHANGE_LETTERS).map(([type, letter]) => [letter, type as ConfChangeType]),
);

/** Parses `v3 l4 r5 u6`. */
export function parseChanges(text: string): readonly ConfChangeSingle[] {
  const words = text.split(/\s+/).filter((word) => word !== '');
  return words.map((word) => {
    const type = TYPES_BY_LETTER.get(word.charAt(0));
    if (type === undefined) throw new CommandError(`unknown input: ${word}`);
    if (!/^\d+$/.test(word.slice(1))) throw new CommandError(`unknown token ${word}`);
    return { type, nodeId: Number(word.slice(1)) as NodeId };
  });
}

function describeChanges(changes: readonly ConfChangeSingle[]): string {
  return changes.map((change) => `${CHANGE_LETTERS[change.type]}${change.nodeId}`).join(' ');
}

export function describeEntry(entry: Entry): string {
  const head = `${entry.term}/${entry.index} ${entry.type}`;
  const body = describeBody(entry);
  return body === '' ? head : `${head} ${body}`;
}

function describeBody(entry: Entry): string {
  switch (entry.type) {
    case 'EntryNormal':
      return quote(entry.data);
    case 'EntryConfChange':
      return describeChanges([decodeConfChange(entry.data, 1 << 20)]);
    case 'EntryConfChangeV2':
      return describeChanges(decodeConfChangeV2(entry.data, 1 << 20).changes);
  }
}

export function describeConfState(state: ConfState): string {
  const list = (ids: readonly NodeId[]): string => `[${ids.join(' ')}]`;
  return (
    `Voters:${list(state.voters)} VotersOutgoing:${list(state.votersOutgoing)} ` +
    `Learners:${list(state.learners)} LearnersNext:${list(state.learnersNext)} ` +
    `AutoLeave:${state.autoLeave}`
  );
}

export function describeSnapshot(snapshot: Snapshot): string {
  const { index, term, confState } = snapshot.metadata;
  return `Index:${index} Term:${term} ConfState:${describeConfState(confState)}`;
}

function describeHardState(state: HardState): string {
  const vote = state.vote === 0 ? '' : ` Vote:${state.vote}`;
  return `Term:${state.term}${vote} Commit:${state.commit}`;
}

function describeEndpoint(id: NodeId): string {
  if (id === LocalAppendThread) return 'AppendThread';
  if (id === LocalApplyThread) return 'ApplyThread';
  if (id === NO_NODE) return 'None';
  return id.toString(16);
}

/** Usually one line; several entries, a snapshot or responses follow on lines of their own. */
export function describeMessage(message: Message, indent = ''): string {
  const { entries, snapshot, responses } = message;
  let text =
    `${indent}${describeEndpoint(message.from)}->${describeEndpoint(message.to)} ` +
    `${message.type} Term:${message.term} Log:${message.logTerm}/${message.index}`;
  if (message.reject) text += ` Rejected (Hint: ${message.rejectHint})`;
  if (message.commit !== 0) text += ` Commit:${message.commit}`;
  if (message.vote !== 0) text += ` Vote:${message.vote}`;
  const [only] = entries;
  if (entries.length === 1 && only !== undefined) {
    text += ` Entries:[${describeEntry(only)}]`;
  } else if (entries.length > 1) {
    const lines = entries.map((entry) => `\n${indent}  ${describeEntry(entry)}`);
    text += ` Entries:[${lines.join('')}\n${indent}]`;
  }
  if (snapshot !== undefined && !isEmptySnapshot(snapshot)) {
    text += `\n${indent}  Snapshot: ${describeSnapshot(snapshot)}`;
  }
  if (responses.length > 0) {
    const lines = responses.map((response) => `\n${describeMessage(response, `${indent}  `)}`);
    text += ` Responses:[${lines.join('')}\n${indent}]`;
  }
  return text;
}

export function describeReady(ready: Ready): string {
  const lines: string[] = [];
  const { softState, hardState, readStates, snapshot } = ready;
  if (softState !== undefined) lines.push(`Lead:${softState.lead} State:${softState.role}`);
  if (hardState !== undefined) lines.push(`HardState ${describeHardState(hardState)}`);
  if (readStates.length > 0) {
    const reads = readStates.map((read) => `{${read.index} [${read.requestContext.join(' ')}]}`);
    lines.push(`ReadStates [${reads.join(' ')}]`);
  }
  if (ready.entries.length > 0) lines.push('Entries:', ...ready.entries.map(describeEntry));
  if (snapshot !== undefined) lines.push(`Snapshot ${describeSnapshot(snapshot)}`);
  if (ready.committedEntries.length > 0) {
    lines.push('CommittedEntries:', ...ready.committedEntries.map(describeEntry));
  }
  if (ready.messages.length > 0) {
    lines.push('Messages:', ...ready.messages.map((message) => describeMessage(message)));
  }
  if (lines.length === 0) return '<empty Ready>';
  return [`Ready MustSync=${ready.mustSync}:`, ...lines].join('\n');
}
