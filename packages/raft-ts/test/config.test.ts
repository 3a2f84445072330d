/** Settings, starting from storage, and the list of error codes. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import {
  MemoryStorage,
  RaftError,
  RawNode,
  nodeId,
  validateConfig,
  type Config,
} from '../src/index.ts';
import { bytes, confStateOf } from './support/ids.ts';
import { Network } from './support/network.ts';

const base: Config = {
  id: nodeId(1),
  electionTicks: 10,
  heartbeatTicks: 1,
  storage: new MemoryStorage(),
  randomInt: () => 0,
};

function errorOf(action: () => unknown): RaftError | undefined {
  try {
    action();
    return undefined;
  } catch (error) {
    if (error instanceof RaftError) return error;
    throw error;
  }
}

describe('settings', () => {
  it('default to the safe choices', () => {
    expect(validateConfig(base)).toMatchObject({
      preVote: true,
      checkQuorum: true,
      readOnly: 'safe',
      stepDownOnRemoval: true,
      disableConfChangeValidation: false,
      asyncStorageWrites: false,
    });
  });

  it.each<[string, Partial<Config>]>([
    ['electionTicks', { electionTicks: 1 }],
    ['electionTicks', { electionTicks: 5, heartbeatTicks: 5 }],
    ['heartbeatTicks', { heartbeatTicks: 0 }],
    ['id', { id: 0 as never }],
    ['maxInflightMessages', { maxInflightMessages: 0 }],
    ['maxInflightBytes', { maxInflightBytes: 10, maxSizePerMessageBytes: 11 }],
    ['maxCommittedSizePerReadyBytes', { maxCommittedSizePerReadyBytes: 0 }],
    ['maxUncommittedEntriesBytes', { maxUncommittedEntriesBytes: -1 }],
    ['maxPendingReads', { maxPendingReads: 0 }],
    ['applied', { applied: 0.5 }],
    ['readOnly', { readOnly: 'lease-based', checkQuorum: false }],
    ['readOnly', { readOnly: 'leased' as never }],
    ['preVote', { preVote: 'yes' as never }],
    ['randomInt', { randomInt: undefined as never }],
    ['onTrace', { onTrace: 'file' as never }],
    ['storage', { storage: undefined as never }],
    ['id', { id: undefined as never }],
  ])('a wrong %s is refused: %j', (field, change) => {
    const error = errorOf(() => validateConfig({ ...base, ...change }));
    expect([error?.code, error?.fields['field']]).toEqual(['RAFT_CONFIG_INVALID', field]);
  });

  it('node ids are integers from 1', () => {
    for (const value of [0, -1, 1.5, Number.NaN, Number.MAX_SAFE_INTEGER]) {
      expect(errorOf(() => nodeId(value))?.code).toBe('RAFT_NODE_ID_INVALID');
    }
  });
});

describe('starting', () => {
  it('refuses a commit or applied index that the stored log does not have', () => {
    const storage = new MemoryStorage();
    storage.bootstrap(confStateOf([1]));
    storage.setHardState({ term: 1, vote: nodeId(1), commit: 9 });
    expect(errorOf(() => new RawNode({ ...base, storage }))?.code).toBe('RAFT_STORAGE_INVALID');
    storage.setHardState({ term: 1, vote: nodeId(1), commit: 1 });
    const applied = { ...base, storage, applied: 2 };
    expect(errorOf(() => new RawNode(applied))?.code).toBe('RAFT_STORAGE_INVALID');
  });

  it('keeps term and vote', () => {
    const storage = new MemoryStorage();
    storage.bootstrap(confStateOf([1, 2, 3]));
    storage.setHardState({ term: 5, vote: nodeId(2), commit: 1 });
    const raw = new RawNode({ ...base, storage });
    expect(raw.basicStatus()).toMatchObject({ term: 5, vote: 2, role: 'StateFollower', lead: 0 });
    expect(raw.hasReady()).toBe(false);
  });
});

describe('the loop around a node', () => {
  it('must call advance between two Readies', () => {
    const network = new Network(1);
    network.raw(1).campaign();
    network.raw(1).ready();
    expect(() => network.raw(1).ready()).toThrow('advance follows each ready');
  });

  it('needs a sync for entries, terms and votes, and for nothing else', () => {
    const network = new Network(3);
    network.raw(1).campaign();
    expect(network.raw(1).ready().mustSync).toBe(true);
    network.raw(1).advance();
    network.elect(1);
    network.raw(1).propose(bytes('x'));
    network.settle();
    network.raw(1).tick();
    expect(network.raw(1).ready().mustSync).toBe(false);
  });

  it('releases a vote only together with the hard state that remembers it', () => {
    const network = new Network(3);
    network.raw(1).campaign();
    network.flush(1);
    for (const message of network.queue) network.raw(message.to).step(message);
    const ready = network.raw(2).ready();
    expect(ready.messages.map((message) => message.type)).toEqual(['MsgVoteResp']);
    expect(ready.hardState).toMatchObject({ term: 2, vote: 1 });
    expect(ready.mustSync).toBe(true);
  });
});

describe('error codes', () => {
  it('are listed in errors.json, each with a sentence, and nothing else is', () => {
    const read = (path: string): string =>
      readFileSync(join(import.meta.dirname, '..', path), 'utf8');
    const union = /export type RaftErrorCode =([^;]*);/.exec(read('src/errors.ts'))?.[1] ?? '';
    const codes = [...union.matchAll(/'(\w+)'/g)].map((match) => match[1] ?? '');
    const listed = JSON.parse(read('errors.json')) as Record<string, string>;
    expect(Object.keys(listed).toSorted()).toEqual(codes.toSorted());
    for (const sentence of Object.values(listed)) expect(sentence).toMatch(/^[A-Z].*\.$/);
  });
});
