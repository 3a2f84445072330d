/**
 * More behaviours of section 5 of the Raft paper: what a vote request says, timeouts that keep
 * candidates apart, and a leader that makes each log of figure 7 its own.
 */
import { describe, expect, it } from 'vitest';
import {
  MemoryStorage,
  RawNode,
  nodeId,
  type Entry,
  type Message,
  type NodeId,
} from '../src/index.ts';
import { confStateOf, seededInt } from './support/ids.ts';

type Started = { readonly raw: RawNode; readonly storage: MemoryStorage };

/** A log by the terms of its entries from index 2 on; bootstrap made entry 1, of term 1. */
function start(
  id: number,
  voters: readonly number[],
  terms: readonly number[],
  randomInt: (bound: number) => number = (bound) => bound - 1,
  term: number = terms.at(-1) ?? 1,
): Started {
  const storage = new MemoryStorage();
  storage.bootstrap(confStateOf(voters));
  const entries = terms.map((term, at): Entry => {
    return { term, index: at + 2, type: 'EntryNormal', data: new Uint8Array(0) };
  });
  storage.append(entries);
  storage.setHardState({ term, vote: 0 as NodeId, commit: 1 });
  const raw = new RawNode({
    id: nodeId(id),
    electionTicks: 10,
    heartbeatTicks: 1,
    storage,
    applied: 1,
    randomInt,
    preVote: false,
    checkQuorum: false,
  });
  return { raw, storage };
}

function flush({ raw, storage }: Started): readonly Message[] {
  const sent: Message[] = [];
  while (raw.hasReady()) {
    const ready = raw.ready();
    if (ready.hardState !== undefined) storage.setHardState(ready.hardState);
    storage.append(ready.entries);
    sent.push(...ready.messages);
    raw.advance();
  }
  return sent;
}

const termsOf = ({ storage }: Started): readonly number[] =>
  storage.entries(2, storage.lastIndex() + 1, 1e9).map(({ term }) => term);

describe('5.2 elections', () => {
  it('a vote request names the next term and the end of the log, to every other voter', () => {
    const node = start(2, [1, 2, 3, 4], [1, 3, 3]);
    node.raw.campaign();
    const expected = { type: 'MsgVote', term: 4, index: 4, logTerm: 3, from: 2 };
    expect(flush(node)).toMatchObject([1, 3, 4].map((to) => ({ ...expected, to })));
  });

  it('a candidate, too, waits for a random time before it tries again', () => {
    const node = start(1, [1, 2, 3], [], seededInt(7));
    node.raw.campaign();
    const seen = new Set<number>();
    for (let run = 0; run < 300; run += 1) {
      const { term } = node.raw.basicStatus();
      let ticks = 0;
      for (; node.raw.basicStatus().term === term; ticks += 1) node.raw.tick();
      flush(node);
      seen.add(ticks);
    }
    expect([...seen].toSorted((left, right) => left - right)).toEqual([
      10, 11, 12, 13, 14, 15, 16, 17, 18, 19,
    ]);
  });

  it.each([
    ['followers', false],
    ['candidates', true],
  ])('%s seldom time out together, so that votes are seldom split', (_name, campaigning) => {
    const randomInt = seededInt(11);
    let together = 0;
    for (let run = 0; run < 300; run += 1) {
      const nodes = [1, 2, 3, 4, 5].map((id) => start(id, [1, 2, 3, 4, 5], [], randomInt));
      const before = campaigning ? 2 : 1;
      for (const node of nodes) if (campaigning) node.raw.campaign();
      let due: readonly Started[] = [];
      while (due.length === 0) {
        for (const node of nodes) node.raw.tick();
        due = nodes.filter(({ raw }) => raw.basicStatus().term > before);
      }
      if (due.length > 1) together += 1;
    }
    // With five nodes and ten possible times the first two meet in about 42 of 100 elections.
    expect(together / 300).toBeLessThan(0.5);
  });
});

describe('5.3 a leader makes the logs of figure 7 its own', () => {
  const leaderLog = [1, 1, 4, 4, 5, 5, 6, 6, 6];
  it.each([
    ['a: one entry is missing', [1, 1, 4, 4, 5, 5, 6, 6]],
    ['b: most entries are missing', [1, 1, 4]],
    ['c: one entry too many', [1, 1, 4, 4, 5, 5, 6, 6, 6, 6]],
    ['d: entries of a later term', [1, 1, 4, 4, 5, 5, 6, 6, 6, 7, 7]],
    ['e: entries missing and wrong', [1, 1, 4, 4, 4, 4]],
    ['f: a long wrong tail', [1, 1, 2, 2, 2, 3, 3, 3, 3, 3]],
  ])('%s', (_name, log) => {
    const term = 8;
    const leader = start(1, [1, 2, 3], leaderLog, undefined, term - 1);
    const follower = start(2, [1, 2, 3], log);
    const helper = start(3, [1, 2, 3], []);
    const nodes = new Map([leader, follower, helper].map((node, at) => [at + 1, node]));
    leader.raw.campaign();
    let probes = 0;
    for (let round = 0; round < 60; round += 1) {
      const sent = [...nodes.values()].flatMap(flush);
      probes += sent.filter(({ type, to }) => type === 'MsgApp' && to === 2).length;
      for (const message of sent) nodes.get(message.to)?.raw.step(message);
    }
    expect(termsOf(leader)).toEqual([...leaderLog, term]);
    expect(termsOf(follower)).toEqual([...leaderLog, term]);
    // One probe for each term that differs, and a few appends; not one for each entry.
    expect(probes).toBeLessThanOrEqual(8);
  });
});
