/** Access to a directive's arguments by position or by name. */
import type { MessageType } from '../src/index.ts';
import { CommandError } from './command-error.ts';
import type { Recipient } from './environment.ts';
import type { Argument } from './script.ts';

const TRUE_WORDS: readonly string[] = ['1', 't', 'T', 'true', 'TRUE', 'True'];
const FALSE_WORDS: readonly string[] = ['0', 'f', 'F', 'false', 'FALSE', 'False'];

const MESSAGE_TYPES: readonly MessageType[] = [
  'MsgApp',
  'MsgAppResp',
  'MsgHeartbeat',
  'MsgHeartbeatResp',
  'MsgPreVote',
  'MsgPreVoteResp',
  'MsgProp',
  'MsgReadIndex',
  'MsgReadIndexResp',
  'MsgSnap',
  'MsgStorageAppend',
  'MsgStorageAppendResp',
  'MsgStorageApply',
  'MsgStorageApplyResp',
  'MsgTimeoutNow',
  'MsgTransferLeader',
  'MsgVote',
  'MsgVoteResp',
];

export class Arguments {
  readonly #all: readonly Argument[];

  constructor(all: readonly Argument[]) {
    this.#all = all;
  }

  /** The bare arguments, as node ids. */
  ids(): readonly number[] {
    return this.#all.filter((arg) => arg.values.length === 0).map((arg) => toId(arg.key));
  }

  id(position = 0): number {
    return toId(this.word(position));
  }

  word(position: number): string {
    const word = this.#all[position]?.key;
    if (word === undefined) throw new CommandError(`argument ${position + 1} is missing`);
    return word;
  }

  /** The first list of that name that is there. */
  list(...keys: readonly string[]): readonly string[] | undefined {
    return this.#all.find((arg) => keys.includes(arg.key))?.values;
  }

  text(...keys: readonly string[]): string | undefined {
    return this.list(...keys)?.[0];
  }

  number(...keys: readonly string[]): number | undefined {
    const text = this.text(...keys);
    if (text === undefined) return undefined;
    const value = Number(text);
    if (!Number.isSafeInteger(value) || value < 0) {
      throw new CommandError(`${keys[0]} is no whole number: ${text}`);
    }
    return value;
  }

  /** @param fallback what it is if it is not given */
  flag(key: string, fallback = false): boolean {
    const text = this.text(key);
    if (text === undefined) return fallback;
    if (TRUE_WORDS.includes(text)) return true;
    if (FALSE_WORDS.includes(text)) return false;
    throw new CommandError(`${key} is neither true nor false: ${text}`);
  }

  messageType(): MessageType | undefined {
    const text = this.text('type');
    if (text === undefined) return undefined;
    const type = MESSAGE_TYPES.find((name) => name === text);
    if (type === undefined) throw new CommandError(`unknown message type ${text}`);
    return type;
  }

  /** In the order written: bare ids are delivered to, those of `drop=` are dropped. */
  recipients(): readonly Recipient[] {
    return this.#all.flatMap((arg): readonly Recipient[] => {
      if (arg.key === 'drop') return arg.values.map((id) => ({ id: toId(id), drop: true }));
      return arg.values.length === 0 ? [{ id: toId(arg.key), drop: false }] : [];
    });
  }
}

function toId(text: string): number {
  if (!/^\d+$/.test(text)) throw new CommandError(`not the number of a node: ${text}`);
  return Number(text);
}
