/**
 * What every consensus engine must do, as a suite that runs on the fake and on each real one. A new
 * engine (an external store, say) is done when it passes.
 */
import { expect, it } from 'vitest';
import { utf8 } from '@witan/core';
import type { Configuration, ConsensusEngine, StateSubscriber } from '@witan/replica';

/** A subscriber that keeps what it is fed. Its state is the list of commands. */
export class RecordingSubscriber implements StateSubscriber {
  commands: string[] = [];
  readonly indexes: number[] = [];
  readonly memberships: { readonly configuration: Configuration; readonly context: string }[] = [];
  restores = 0;

  apply(index: number, command: Uint8Array): unknown {
    this.indexes.push(index);
    this.commands.push(Buffer.from(command).toString());
    return `applied ${this.commands.length}`;
  }

  advance(index: number): void {
    this.indexes.push(index);
  }

  applyMembership(index: number, configuration: Configuration, context: Uint8Array): void {
    this.indexes.push(index);
    this.memberships.push({ configuration, context: Buffer.from(context).toString() });
  }

  restore(index: number, _configuration: Configuration, snapshot: Uint8Array): void {
    this.restores += 1;
    this.indexes.push(index);
    this.commands = JSON.parse(Buffer.from(snapshot).toString()) as string[];
  }

  snapshot(): Uint8Array {
    return utf8(JSON.stringify(this.commands));
  }
}

/** One engine of the group with what it was fed. */
export interface EngineMember {
  readonly nodeId: number;
  readonly engine: ConsensusEngine;
  readonly subscriber: RecordingSubscriber;
}

/** A running group of engines, as the suite sees it. */
export interface EngineGroup {
  readonly members: readonly EngineMember[];
  /** Starts one more engine that is no member yet. */
  add(nodeId: number): EngineMember;
  /** Lets time pass until the promise settles, and gives its outcome. */
  settle<Value>(promise: Promise<Value>): Promise<Value>;
  /** Lets time pass until the condition holds; false when it never does. */
  until(condition: () => boolean): Promise<boolean>;
  stop(): Promise<void>;
}

const WAIT = { timeoutMs: 5_000 };
const PROPOSE = { ...WAIT, opensJournal: true };

function leaderOf(group: EngineGroup): EngineMember {
  const leader = group.members.find(({ engine }) => engine.status().role === 'leader');
  if (leader === undefined) throw new Error('no leader');
  return leader;
}

/** One demand on an engine. */
interface Demand {
  readonly title: string;
  readonly body: (group: EngineGroup) => Promise<void>;
}

const demandGivesTheProposer: Demand = {
  title: 'gives the proposer its outcome, after it was applied here',
  body: async (group) => {
    const { engine, subscriber } = leaderOf(group);
    const applied = await group.settle(engine.propose(utf8('a'), PROPOSE));
    expect(applied.outcome).toBe('applied 1');
    expect(subscriber.commands).toEqual(['a']);
    expect(engine.status().appliedIndex).toBeGreaterThanOrEqual(applied.index);
  },
};

const demandAppliesTheSame: Demand = {
  title: 'applies the same commands in the same order everywhere, without a gap',
  body: async (group) => {
    const { engine } = leaderOf(group);
    const names = Array.from({ length: 50 }, (_, number) => `c${number}`);
    await group.settle(Promise.all(names.map((name) => engine.propose(utf8(name), PROPOSE))));
    const all = (): boolean => group.members.every((m) => m.subscriber.commands.length === 50);
    expect(await group.until(all)).toBe(true);
    for (const { subscriber } of group.members) {
      expect(subscriber.commands).toEqual(names);
      const { indexes } = subscriber;
      expect(indexes.every((index, at) => at === 0 || index === (indexes[at - 1] ?? 0) + 1)).toBe(
        true,
      );
    }
  },
};

const demandRefusesProposalsAnd: Demand = {
  title: 'refuses proposals and changes where it does not lead',
  body: async (group) => {
    const follower = group.members.find((member) => !isLeader(member));
    const propose = follower?.engine.propose(utf8('x'), PROPOSE);
    await expect(group.settle<unknown>(propose ?? Promise.resolve())).rejects.toMatchObject({
      code: 'REPLICA_NOT_LEADER',
    });
    const none = { addLearners: [9], promote: [], remove: [], context: utf8('') };
    const change = follower?.engine.changeMembership(none, WAIT) ?? Promise.resolve();
    await expect(group.settle(change)).rejects.toMatchObject({ code: 'REPLICA_NOT_LEADER' });
    for (const { subscriber } of group.members) expect(subscriber.commands).toEqual([]);
  },
};

const demandShowsEverythingAcknowledged: Demand = {
  title: 'shows everything acknowledged behind a read barrier, anywhere (I5)',
  body: async (group) => {
    const { engine } = leaderOf(group);
    for (let number = 0; number < 5; number += 1) {
      const { index } = await group.settle(engine.propose(utf8(`n${number}`), PROPOSE));
      for (const member of group.members) {
        const barrier = await group.settle(member.engine.readBarrier(WAIT));
        expect(barrier).toBeGreaterThanOrEqual(index);
        expect(member.subscriber.commands).toHaveLength(number + 1);
      }
    }
  },
};

const demandTimesOutOn: Demand = {
  title: 'times out on an index that never comes',
  body: async (group) => {
    const { engine } = leaderOf(group);
    const never = engine.waitApplied(1_000_000, { timeoutMs: 50 });
    await expect(group.settle(never)).rejects.toMatchObject({ code: 'REPLICA_TIMED_OUT' });
  },
};

const demandBringsANewcomer: Demand = {
  title: 'brings a newcomer in as a learner and swaps it for a voter (I2)',
  body: async (group) => {
    const leader = leaderOf(group);
    await group.settle(leader.engine.propose(utf8('before'), PROPOSE));
    const gone = group.members.find((member) => member !== leader);
    const change = { addLearners: [4], promote: [], remove: [], context: utf8('four') };
    await group.settle(leader.engine.changeMembership(change, WAIT));
    const newcomer = group.add(4);
    expect(await group.until(() => newcomer.subscriber.commands.includes('before'))).toBe(true);
    expect(newcomer.engine.status().role).toBe('learner');
    const swap = { addLearners: [], promote: [4], remove: [gone?.nodeId ?? 0], context: utf8('') };
    await group.settle(leader.engine.changeMembership(swap, WAIT));
    const settled = (): boolean => {
      const { voters, votersOutgoing } = leader.engine.status().configuration;
      return voters.includes(4) && votersOutgoing.length === 0;
    };
    expect(await group.until(settled)).toBe(true);
    expect(leader.engine.status().configuration.voters).toHaveLength(3);
    expect(leader.subscriber.memberships[0]).toMatchObject({ context: 'four' });
    await group.settle(leader.engine.propose(utf8('after'), PROPOSE));
    expect(await group.until(() => newcomer.subscriber.commands.includes('after'))).toBe(true);
  },
};

const demandHandsLeadershipOver: Demand = {
  title: 'hands leadership over and tells its listeners',
  body: async (group) => {
    const leader = leaderOf(group);
    const next = group.members.find((member) => member !== leader);
    let changes = 0;
    next?.engine.onChange(() => {
      changes += 1;
    });
    leader.engine.transferLeadership(next?.nodeId ?? 0);
    expect(await group.until(() => next?.engine.status().role === 'leader')).toBe(true);
    expect(changes).toBeGreaterThan(0);
    await group.settle(next?.engine.propose(utf8('new leader'), PROPOSE) ?? Promise.reject());
  },
};

const demandCarriesACommand: Demand = {
  title: 'carries a command of one mebibyte and one of no bytes',
  body: async (group) => {
    const { engine, subscriber } = leaderOf(group);
    await group.settle(engine.propose(new Uint8Array(1024 * 1024).fill(65), PROPOSE));
    await group.settle(engine.propose(new Uint8Array(0), PROPOSE));
    expect(subscriber.commands.map(({ length }) => length)).toEqual([1024 * 1024, 0]);
  },
};

const demandRefusesEverythingOnce: Demand = {
  title: 'refuses everything once stopped',
  body: async (group) => {
    const { engine } = leaderOf(group);
    await engine.stop();
    const calls = [engine.propose(utf8('x'), PROPOSE), engine.readBarrier(WAIT)];
    for (const call of calls) {
      await expect(group.settle<unknown>(call)).rejects.toMatchObject({ code: 'REPLICA_STOPPED' });
    }
  },
};

const DEMANDS: readonly Demand[] = [
  demandGivesTheProposer,
  demandAppliesTheSame,
  demandRefusesProposalsAnd,
  demandShowsEverythingAcknowledged,
  demandTimesOutOn,
  demandBringsANewcomer,
  demandHandsLeadershipOver,
  demandCarriesACommand,
  demandRefusesEverythingOnce,
];

const isLeader = ({ engine }: EngineMember): boolean => engine.status().role === 'leader';

/** Registers the suite. @param create starts engines with these node ids, all of them voters */
export function engineCompliance(
  create: (nodeIds: readonly number[]) => Promise<EngineGroup>,
): void {
  it.each(DEMANDS)('$title', async ({ body }) => {
    const group = await create([1, 2, 3]);
    try {
      expect(await group.until(() => group.members.some(isLeader))).toBe(true);
      await body(group);
    } finally {
      await group.stop();
    }
  });
}
