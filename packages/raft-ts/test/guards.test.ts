/** Guards that scripts and random clusters rarely hit: each test fails if its guard is removed. */
import { describe, expect, it } from 'vitest';
import {
  MemoryStorage,
  RawNode,
  encodeConfChange,
  makeMessage,
  nodeId,
  type Entry,
} from '../src/index.ts';
import { numberToBytes } from '../src/bytes.ts';
import { bytes, confStateOf } from './support/ids.ts';
import { Network } from './support/network.ts';

describe('a node does not campaign', () => {
  const make = (voters: readonly number[], learners: readonly number[]): RawNode => {
    const storage = new MemoryStorage();
    storage.bootstrap(confStateOf(voters, learners));
    return new RawNode({
      id: nodeId(1),
      electionTicks: 3,
      heartbeatTicks: 1,
      storage,
      randomInt: () => 0,
      preVote: false,
    });
  };

  it('as a learner, neither asked nor by time', () => {
    const raw = make([2, 3], [1]);
    raw.campaign();
    for (let i = 0; i < 20; i += 1) raw.tick();
    expect(raw.basicStatus()).toMatchObject({ role: 'StateFollower', term: 1 });
  });

  it('while a snapshot is not in use yet', () => {
    const raw = make([1, 2, 3], []);
    const metadata = { index: 9, term: 1, confState: confStateOf([1, 2, 3]) };
    const snapshot = { data: bytes(''), metadata };
    raw.step(makeMessage({ type: 'MsgSnap', to: nodeId(1), from: nodeId(2), term: 2, snapshot }));
    raw.campaign();
    expect(raw.basicStatus()).toMatchObject({ role: 'StateFollower', term: 2, commit: 9 });
    raw.ready();
    raw.advance();
    raw.campaign();
    expect(raw.basicStatus()).toMatchObject({ role: 'StateCandidate', term: 3 });
  });
});

it('a leader that hears from no quorum for an election timeout steps down (CheckQuorum)', () => {
  const network = new Network(3, { checkQuorum: true });
  network.elect(1);
  for (let i = 0; i < 20; i += 1) network.raw(1).tick();
  expect(network.raw(1).basicStatus()).toMatchObject({ role: 'StateFollower', term: 2, lead: 0 });
});

it('a vote given within a term needs a sync of its own', () => {
  const network = new Network(3);
  network
    .raw(1)
    .step(makeMessage({ type: 'MsgHeartbeat', to: nodeId(1), from: nodeId(2), term: 2 }));
  network.raw(1).forgetLeader();
  network.flush(1);
  const fields = { term: 2, index: 1, logTerm: 1 };
  network.raw(1).step(makeMessage({ type: 'MsgVote', to: nodeId(1), from: nodeId(3), ...fields }));
  const ready = network.raw(1).ready();
  expect(ready.hardState).toMatchObject({ term: 2, vote: 3 });
  expect(ready.mustSync).toBe(true);
});

it('a leader commits an old entry by counting only together with one of its own term', () => {
  const network = new Network(3);
  network.elect(1);
  network.raw(1).propose(bytes('old'));
  network.flush(1);
  network.queue = network.queue.filter((message) => message.to === 2);
  for (const message of network.queue) network.raw(2).step(message);
  network.flush(2);
  network.queue = [];
  // 2 has the entry at 3 without knowing that it is on a majority; it leads term 3 with entry 4.
  network.raw(2).campaign();
  network.settle((message) => message.type === 'MsgVote' || message.type === 'MsgVoteResp');
  expect(network.raw(2).basicStatus().role).toBe('StateLeader');
  const acknowledge = (index: number): void => {
    const fields = { from: nodeId(3), term: 3, index };
    network.raw(2).step(makeMessage({ type: 'MsgAppResp', to: nodeId(2), ...fields }));
  };
  acknowledge(3);
  expect(network.raw(2).basicStatus().commit).toBe(2);
  acknowledge(4);
  expect(network.raw(2).basicStatus().commit).toBe(4);
});

describe('a refused vote that shows a committed membership change', () => {
  it('ends the candidacy, whose quorum may be the wrong one by now', () => {
    const change = { type: 'remove', nodeId: nodeId(3), context: bytes('') } as const;
    const network = new Network(3);
    const entry: Entry = {
      term: 1,
      index: 2,
      type: 'EntryConfChange',
      data: encodeConfChange(change),
    };
    const append = { from: nodeId(2), term: 2, index: 1, logTerm: 1, entries: [entry] };
    network.raw(1).step(makeMessage({ type: 'MsgApp', to: nodeId(1), ...append }));
    network.flush(1);
    network.raw(1).campaign();
    network.flush(1);
    const context = new Uint8Array(16);
    context.set([2, 0, 0, 0, 0, 0, 0, 0, 1], 0);
    const refusal = { from: nodeId(2), term: 3, reject: true, context };
    network.raw(1).step(makeMessage({ type: 'MsgVoteResp', to: nodeId(1), ...refusal }));
    expect(network.raw(1).basicStatus()).toMatchObject({ role: 'StateFollower', commit: 2 });
    const late = { from: nodeId(3), term: 3 };
    network.raw(1).step(makeMessage({ type: 'MsgVoteResp', to: nodeId(1), ...late }));
    expect(network.raw(1).basicStatus().role).toBe('StateFollower');
  });
});

it('a change handed out before a snapshot arrived does not alter its membership', () => {
  const network = new Network(3);
  const metadata = { index: 9, term: 2, confState: confStateOf([1, 2]) };
  const snapshot = { data: bytes(''), metadata };
  network
    .raw(1)
    .step(makeMessage({ type: 'MsgSnap', to: nodeId(1), from: nodeId(2), term: 2, snapshot }));
  const late = { type: 'add-voter', nodeId: nodeId(3), context: bytes('') } as const;
  expect(network.raw(1).applyConfChange(late).voters).toEqual([1, 2]);
  expect(network.raw(1).status().confState.voters).toEqual([1, 2]);
});

it('a snapshot older than the commit index is answered with it, and not taken', () => {
  const network = new Network(3);
  const send = (index: number): void => {
    const metadata = { index, term: 1, confState: confStateOf([1, 2, 3]) };
    const snapshot = { data: bytes(''), metadata };
    network
      .raw(1)
      .step(makeMessage({ type: 'MsgSnap', to: nodeId(1), from: nodeId(2), term: 2, snapshot }));
  };
  send(9);
  network.flush(1);
  // The log below 9 is gone here, so that only the commit index can tell that 5 is old.
  send(5);
  const answers = network.flush(1);
  expect(answers).toMatchObject([{ type: 'MsgAppResp', index: 9, reject: false }]);
  expect(network.node(1).storage.snapshot().metadata.index).toBe(9);
});

describe('a refused vote that names a commit index', () => {
  /** Node 2 holds one entry more than is committed, and asks for votes. */
  const candidate = (): Network => {
    const network = new Network(3);
    network.elect(1);
    network.raw(1).propose(bytes('a'));
    network.settle(({ type, to }) => type === 'MsgApp' && to === 2);
    network.raw(2).campaign();
    network.flush(2);
    expect(network.raw(2).basicStatus()).toMatchObject({ role: 'StateCandidate', commit: 2 });
    return network;
  };

  const refuse = (network: Network, index: number, term: number): void => {
    const context = new Uint8Array([...numberToBytes(index), ...numberToBytes(term)]);
    const fields = { to: nodeId(2), from: nodeId(3), term: 3, reject: true, context };
    network.raw(2).step(makeMessage({ type: 'MsgVoteResp', ...fields }));
  };

  it('commits what the log holds under the same term', () => {
    const network = candidate();
    refuse(network, 3, 2);
    expect(network.raw(2).basicStatus().commit).toBe(3);
  });

  it('commits nothing where the entry is another one', () => {
    const network = candidate();
    refuse(network, 3, 3);
    refuse(network, 4, 2);
    expect(network.raw(2).basicStatus().commit).toBe(2);
  });
});

it.each([
  [true, 1],
  [false, 9],
])('with snapshotsForMembersOnly=%s, a node that is not listed is at index %i', (only, commit) => {
  const network = new Network(3, { snapshotsForMembersOnly: only });
  const metadata = { index: 9, term: 1, confState: confStateOf([1, 2]) };
  const snapshot = { data: bytes(''), metadata };
  const fields = { to: nodeId(3), from: nodeId(1), term: 2, snapshot };
  network.raw(3).step(makeMessage({ type: 'MsgSnap', ...fields }));
  expect(network.raw(3).basicStatus().commit).toBe(commit);
});
