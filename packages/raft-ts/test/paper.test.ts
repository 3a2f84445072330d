/**
 * The behaviours that the Raft paper (extended version) describes in section 5, one test each.
 * Bootstrap puts entry 1 of term 1 into every log.
 */
import { describe, expect, it } from 'vitest';
import {
  MemoryStorage,
  RawNode,
  makeMessage,
  nodeId,
  type Entry,
  type Message,
  type MessageType,
} from '../src/index.ts';
import { bytes, confStateOf, seededInt, text } from './support/ids.ts';
import { Network } from './support/network.ts';

const roleOf = (network: Network, id: number): string => network.raw(id).basicStatus().role;
const termOf = (network: Network, id: number): number => network.raw(id).basicStatus().term;
const entry = (term: number, index: number, data = ''): Entry => ({
  term,
  index,
  type: 'EntryNormal',
  data: bytes(data),
});
const message = (
  type: MessageType,
  from: number,
  to: number,
  fields: Partial<Message> = {},
): Message => makeMessage({ type, from: nodeId(from), to: nodeId(to), ...fields });

/** A single node of three with a given log. */
function loneNode(log: readonly Entry[], term: number): { raw: RawNode; storage: MemoryStorage } {
  const storage = new MemoryStorage();
  storage.bootstrap(confStateOf([1, 2, 3]));
  storage.append(log);
  storage.setHardState({ term, vote: nodeId(1), commit: 1 });
  const raw = new RawNode({
    id: nodeId(1),
    electionTicks: 10,
    heartbeatTicks: 1,
    storage,
    randomInt: () => 0,
    preVote: false,
    checkQuorum: false,
  });
  return { raw, storage };
}

function answerTo(raw: RawNode, input: Message): Message | undefined {
  raw.step(input);
  const { messages } = raw.ready();
  raw.advance();
  return messages.at(-1);
}

describe('5.1 terms', () => {
  it.each(['follower', 'candidate', 'leader'])(
    'a %s that sees a higher term adopts it and becomes a follower',
    (role) => {
      const network = new Network(3);
      if (role === 'leader') network.elect(1);
      if (role === 'candidate') network.raw(1).campaign();
      network.raw(1).step(message('MsgApp', 2, 1, { term: 9, logTerm: 1, index: 1 }));
      expect(network.raw(1).basicStatus()).toMatchObject({
        term: 9,
        role: 'StateFollower',
        lead: 2,
      });
    },
  );

  it('a message of an older term is rejected', () => {
    const network = new Network(3);
    network.elect(1);
    const stale = message('MsgApp', 3, 2, {
      term: 1,
      logTerm: 1,
      index: 1,
      entries: [entry(1, 2, 'stale')],
    });
    network.raw(2).step(stale);
    expect(network.raw(2).hasReady()).toBe(false);
    expect(network.raw(2).basicStatus().lead).toBe(1);
  });
});

describe('5.2 leader election', () => {
  it('nodes start as followers', () => {
    expect(roleOf(new Network(3), 1)).toBe('StateFollower');
  });

  it('a leader sends heartbeats to everybody, each heartbeat interval', () => {
    const network = new Network(3, { heartbeatTicks: 2 });
    network.elect(1);
    network.raw(1).tick();
    expect(network.flush(1)).toEqual([]);
    network.raw(1).tick();
    const sent = network.flush(1).map((sentMessage) => [sentMessage.type, sentMessage.to]);
    expect(sent).toEqual([
      ['MsgHeartbeat', 2],
      ['MsgHeartbeat', 3],
    ]);
  });

  it('a follower that hears nothing starts an election in the next term', () => {
    const network = new Network(3);
    for (let i = 0; i < 19; i += 1) network.raw(1).tick();
    expect(network.raw(1).basicStatus()).toMatchObject({
      role: 'StateCandidate',
      term: 2,
      vote: 1,
    });
    expect(network.flush(1).map((sent) => sent.type)).toEqual(['MsgVote', 'MsgVote']);
  });

  it('a follower that hears from a leader does not', () => {
    const network = new Network(3);
    network.elect(1);
    for (let i = 0; i < 100; i += 1) {
      network.raw(1).tick();
      network.raw(2).tick();
      network.settle();
    }
    expect([roleOf(network, 1), roleOf(network, 2)]).toEqual(['StateLeader', 'StateFollower']);
  });

  it.each([
    [1, [], 'StateLeader'],
    [3, [true], 'StateLeader'],
    [3, [true, true], 'StateLeader'],
    [5, [true, true], 'StateLeader'],
    [5, [true], 'StateCandidate'],
    [5, [], 'StateCandidate'],
    [3, [false, false], 'StateFollower'],
    [5, [false, false, false], 'StateFollower'],
  ])('of %i nodes, with answers %j, a candidate becomes %s', (size, answers, role) => {
    const network = new Network(size);
    network.raw(1).campaign();
    network.flush(1);
    for (const [position, granted] of answers.entries()) {
      const fields = { term: 2, reject: !granted };
      network.raw(1).step(message('MsgVoteResp', position + 2, 1, fields));
    }
    expect(roleOf(network, 1)).toBe(role);
  });

  it('a node votes once per term, first come first served', () => {
    const { raw } = loneNode([], 1);
    const ask = (from: number): Message | undefined =>
      answerTo(raw, message('MsgVote', from, 1, { term: 2, index: 1, logTerm: 1 }));
    expect(ask(2)).toMatchObject({ type: 'MsgVoteResp', reject: false });
    expect(ask(3)).toMatchObject({ type: 'MsgVoteResp', reject: true });
    expect(ask(2)).toMatchObject({ reject: false });
  });

  it('a candidate that hears from a leader of its term follows it', () => {
    const network = new Network(3);
    network.raw(1).campaign();
    network.raw(1).step(message('MsgApp', 2, 1, { term: 2, logTerm: 1, index: 1 }));
    expect(network.raw(1).basicStatus()).toMatchObject({ role: 'StateFollower', lead: 2, term: 2 });
  });

  it('election timeouts are spread over [electionTicks, 2 * electionTicks - 1]', () => {
    const seen = new Set<number>();
    const randomInt = seededInt(1);
    const network = new Network(3, { randomInt });
    for (let run = 0; run < 400; run += 1) {
      const before = termOf(network, 1);
      let ticks = 0;
      while (termOf(network, 1) === before) {
        network.raw(1).tick();
        ticks += 1;
      }
      network.flush(1);
      network.queue = [];
      seen.add(ticks);
    }
    expect([...seen].toSorted((left, right) => left - right)).toEqual([
      10, 11, 12, 13, 14, 15, 16, 17, 18, 19,
    ]);
  });

  it('a new election starts if one ends without a leader', () => {
    const network = new Network(3);
    for (let i = 0; i < 19; i += 1) network.raw(1).tick();
    network.flush(1);
    for (let i = 0; i < 19; i += 1) network.raw(1).tick();
    expect(network.raw(1).basicStatus()).toMatchObject({ role: 'StateCandidate', term: 3 });
  });
});

describe('5.3 log replication', () => {
  it('a leader appends a proposal and sends it with the entry before it', () => {
    const network = new Network(3);
    network.elect(1);
    network.raw(1).propose(bytes('x'));
    const sent = network.flush(1).filter((sentMessage) => sentMessage.type === 'MsgApp');
    expect(sent).toHaveLength(2);
    expect(sent[0]).toMatchObject({ index: 2, logTerm: 2, commit: 2 });
    expect(sent[0]?.entries).toMatchObject([{ term: 2, index: 3 }]);
  });

  it.each([
    [1, 0],
    [3, 1],
    [5, 2],
    [7, 3],
  ])('of %i nodes an entry needs %i acknowledgements', (size, needed) => {
    const network = new Network(size);
    network.elect(1);
    network.raw(1).propose(bytes('x'));
    network.flush(1);
    for (let acks = 0; acks < needed; acks += 1) {
      expect(network.raw(1).basicStatus().commit).toBe(2);
      network.raw(1).step(message('MsgAppResp', acks + 2, 1, { term: 2, index: 3 }));
    }
    network.flush(1);
    expect(network.raw(1).basicStatus().commit).toBe(3);
  });

  it('a leader that commits an entry commits those of earlier leaders before it', () => {
    const network = new Network(3);
    network.elect(1);
    network.raw(1).propose(bytes('from 1'));
    network.settle((sent) => sent.type === 'MsgApp');
    expect(network.raw(2).basicStatus().commit).toBe(2);
    network.elect(2);
    const applied = network.node(2).applied.map((each) => [each.term, text(each.data)]);
    expect(applied).toEqual([
      [2, ''],
      [2, 'from 1'],
      [3, ''],
    ]);
  });

  it('followers learn the commit index and apply in log order', () => {
    const network = new Network(3);
    network.elect(1);
    for (const data of ['a', 'b', 'c']) network.raw(1).propose(bytes(data));
    network.settle();
    for (const id of [1, 2, 3]) {
      const applied = network.node(id).applied.map((each) => text(each.data));
      expect(applied).toEqual(['', 'a', 'b', 'c']);
    }
  });

  it.each([
    ['the entry before is missing', { index: 5, logTerm: 2 }, true],
    ['the entry before has another term', { index: 2, logTerm: 3 }, true],
    ['the entry before is there', { index: 2, logTerm: 2 }, false],
  ])('an append when %s is rejected: %j', (_name, fields, reject) => {
    const { raw } = loneNode([entry(2, 2)], 3);
    const answer = answerTo(raw, message('MsgApp', 2, 1, { term: 3, ...fields }));
    expect(answer).toMatchObject({ type: 'MsgAppResp', reject });
  });

  it.each<[string, Entry[], Entry[], [number, number][]]>([
    [
      'extends a shorter log',
      [entry(2, 2)],
      [entry(3, 3)],
      [
        [2, 2],
        [3, 3],
      ],
    ],
    [
      'replaces a conflict and all after it',
      [entry(2, 2), entry(2, 3), entry(2, 4)],
      [entry(3, 3)],
      [
        [2, 2],
        [3, 3],
      ],
    ],
    [
      'keeps a tail that agrees',
      [entry(2, 2), entry(3, 3), entry(3, 4)],
      [entry(3, 3)],
      [
        [2, 2],
        [3, 3],
        [3, 4],
      ],
    ],
  ])('an append %s', (_name, log, appended, expected) => {
    const { raw, storage } = loneNode(log, 3);
    const fields = { term: 3, index: 2, logTerm: 2, entries: appended };
    raw.step(message('MsgApp', 2, 1, fields));
    storage.append(raw.ready().entries);
    raw.advance();
    const found = storage.entries(2, storage.lastIndex() + 1, 1e6);
    expect(found.map((each) => [each.term, each.index])).toEqual(expected);
  });
});

describe('5.4 safety', () => {
  it.each([
    ['a later last term', { logTerm: 3, index: 2 }, false],
    ['the same term and a longer log', { logTerm: 2, index: 4 }, false],
    ['the same log', { logTerm: 2, index: 3 }, false],
    ['the same term and a shorter log', { logTerm: 2, index: 2 }, true],
    ['an earlier last term and a longer log', { logTerm: 1, index: 9 }, true],
  ])('a candidate with %s is refused: %s', (_name, fields, reject) => {
    const { raw } = loneNode([entry(2, 2), entry(2, 3)], 3);
    const answer = answerTo(raw, message('MsgVote', 2, 1, { term: 4, ...fields }));
    expect(answer).toMatchObject({ type: 'MsgVoteResp', reject });
  });

  it('a leader commits by counting only in its own term', () => {
    const { raw, storage } = loneNode([entry(2, 2), entry(3, 3)], 3);
    const flush = (): void => {
      storage.append(raw.ready().entries);
      raw.advance();
    };
    raw.campaign();
    flush();
    raw.step(message('MsgVoteResp', 2, 1, { term: 4 }));
    expect(raw.basicStatus().role).toBe('StateLeader');
    const acknowledge = (index: number): void => {
      raw.step(message('MsgAppResp', 2, 1, { term: 4, index }));
    };
    flush();
    acknowledge(2);
    acknowledge(3);
    expect(raw.basicStatus().commit).toBe(1);
    acknowledge(4);
    expect(raw.basicStatus().commit).toBe(4);
  });
});
