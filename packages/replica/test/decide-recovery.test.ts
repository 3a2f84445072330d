import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { clusterId, epoch, generation, incarnationId, sha256Hex, slotName } from '@witan/core';
import { NO_TRANSITION, type Floor } from '@witan/manifest';
import { nodeIdOf } from '@witan/state-machine';
import {
  decideRecovery,
  nextEpoch,
  type Authorisation,
  type HeldState,
  type RecoveryFacts,
  type RecoveryReport,
  type Voter,
} from '../src/recovery/decide-recovery.ts';

const cluster = clusterId('c1'.repeat(32));
const hash = sha256Hex('11'.repeat(32));
const slots = [0, 1, 2].map((number) => slotName(`witan-${number}`));
const owners = ['aa', 'bb', 'cc', 'dd', 'ee', 'ff'].map((byte) => sha256Hex(byte.repeat(32)));

/** The `life`-th incarnation of a slot. */
function voter(slot: number, life = 0): Voter {
  const digits = `${slot}${life}`.padEnd(4, '7');
  return {
    slot: slotName(`witan-${slot}`),
    incarnation: incarnationId(digits.repeat(16)),
  };
}

const lastVoters = [voter(0), voter(1), voter(2)];

function held(slot: number, change: Partial<HeldState> = {}): HeldState {
  return {
    incarnation: voter(slot).incarnation,
    clusterId: cluster,
    epoch: epoch(1),
    opening: NO_TRANSITION,
    term: 4,
    index: 100,
    generation: generation(2),
    transitionHash: hash,
    voters: lastVoters,
    votersOutgoing: [],
    ...change,
  };
}

/** A successor of each slot, with what its disk holds. */
function report(slot: number, ...states: HeldState[]): RecoveryReport {
  const { slot: name, incarnation } = voter(slot, 9);
  const self = { slot: name, incarnation, nodeId: nodeIdOf(incarnation), address: 'localhost:1' };
  return { self, held: states, promised: epoch(2) };
}

function authorisation(owner: number, change: Partial<Authorisation> = {}): Authorisation {
  return { owner: owners[owner] ?? hash, floor: undefined, acceptMissing: [], ...change };
}

const floor: Floor = {
  clusterId: cluster,
  epoch: epoch(1),
  commitIndex: 100,
  generation: generation(2),
  transitionHash: hash,
};

function decide(change: Partial<RecoveryFacts> = {}) {
  return decideRecovery({
    reports: [0, 1, 2].map((slot) => report(slot, held(slot))),
    authorisations: [authorisation(0), authorisation(1)],
    unproven: [],
    shareThreshold: 2,
    seedInMemory: false,
    ...change,
  });
}

const obstacle = (change: Partial<RecoveryFacts>) => {
  const decision = decide(change);
  return decision.kind === 'wait' ? decision.obstacle : expect.fail('opened');
};

describe('a cluster that lost its majority', () => {
  it('opens by itself when every voter of the last configuration answers with its state', () => {
    const decision = decide();
    expect(decision).toMatchObject({ kind: 'open', at: 'witan-0', acceptedMissing: [] });
    if (decision.kind !== 'open') return;
    expect(decision.members.map(({ slot }) => slot)).toEqual(slots);
    expect(decision.owners).toEqual(owners.slice(0, 2));
  });

  it('opens at the highest epoch, then term, then index', () => {
    const further = [
      held(1, { index: 101 }),
      held(1, { term: 5, index: 90 }),
      held(1, { epoch: epoch(2), term: 1, index: 1 }),
    ];
    for (const state of further.slice(0, 2)) {
      const reports = [report(0, held(0)), report(1, state), report(2, held(2))];
      expect(decide({ reports })).toMatchObject({ kind: 'open', at: 'witan-1', best: state });
    }
    const reports = [report(0, held(0)), report(1, ...further), report(2, held(2))];
    // The later epoch wins, and its other voters have not answered with anything of it.
    expect(obstacle({ reports })).toEqual({ code: 'STATE_MISSING', slots: [slots[0], slots[2]] });
  });

  it('stays shut below the threshold of distinct owners, and says how many there are', () => {
    const twice = [authorisation(0), authorisation(0)];
    expect(obstacle({ authorisations: twice })).toEqual({
      code: 'SHARES_MISSING',
      expected: 2,
      found: 1,
    });
    expect(decide({ authorisations: [], seedInMemory: true }).kind).toBe('open');
  });

  it('names the slots whose state is missing, however many shares there are', () => {
    const authorisations = [0, 1, 2].map((owner) => authorisation(owner));
    const reports = [report(0, held(0)), report(2)];
    const missing = { code: 'STATE_MISSING', slots: [slots[1], slots[2]] };
    expect(obstacle({ reports, authorisations })).toEqual(missing);
    expect(obstacle({ reports, authorisations: [], seedInMemory: true })).toEqual(missing);
  });

  it('does not take what an earlier incarnation left for the state of the voter (I2, I4)', () => {
    const old = held(1, { incarnation: voter(1, 3).incarnation, index: 100 });
    const reports = [report(0, held(0)), report(1, old), report(2, held(2))];
    expect(obstacle({ reports })).toEqual({ code: 'STATE_MISSING', slots: [slots[1]] });
  });

  it('gives a slot up only when as many owners as open the seed name it', () => {
    const reports = [report(0, held(0)), report(1, held(1))];
    const acceptMissing = slots.slice(2);
    const one = [authorisation(0, { acceptMissing }), authorisation(1)];
    expect(obstacle({ reports, authorisations: one })).toMatchObject({ code: 'STATE_MISSING' });
    const two = [0, 1].map((owner) => authorisation(owner, { acceptMissing }));
    expect(decide({ reports, authorisations: two })).toMatchObject({
      kind: 'open',
      acceptedMissing: acceptMissing,
    });
    const other = [0, 1].map((owner) => authorisation(owner, { acceptMissing: slots.slice(0, 1) }));
    expect(obstacle({ reports, authorisations: other })).toMatchObject({ code: 'STATE_MISSING' });
    // With the seed in memory the rules of freshness stay the same.
    expect(obstacle({ reports, authorisations: one, seedInMemory: true })).toMatchObject({
      code: 'STATE_MISSING',
    });
  });

  it('listens to owners whose shares prove nothing only about what they have seen (I6)', () => {
    const reports = [report(0, held(0)), report(1, held(1))];
    const acceptMissing = slots.slice(2);
    const unproven = [3, 4, 5].map((owner) => authorisation(owner, { acceptMissing }));
    const missing = { code: 'STATE_MISSING', slots: acceptMissing };
    expect(obstacle({ reports, unproven })).toEqual(missing);
    expect(obstacle({ reports, unproven, authorisations: [], seedInMemory: true })).toEqual(
      missing,
    );
    expect(obstacle({ authorisations: [], unproven })).toMatchObject({ code: 'SHARES_MISSING' });
    const above = [authorisation(3, { floor: { ...floor, commitIndex: 101 } })];
    expect(obstacle({ unproven: above, authorisations: [], seedInMemory: true })).toMatchObject({
      code: 'BELOW_FLOOR',
    });
    expect(decide({ unproven })).toMatchObject({ kind: 'open', owners: owners.slice(0, 2) });
  });

  it.each<[string, Partial<Floor>, string]>([
    ['index', { commitIndex: 101 }, 'lower-index'],
    ['epoch', { epoch: epoch(2) }, 'lower-epoch'],
    ['generation', { generation: generation(3) }, 'lower-generation'],
    ['transition', { transitionHash: sha256Hex('22'.repeat(32)) }, 'fork'],
    ['cluster', { clusterId: clusterId('c2'.repeat(32)) }, 'other-cluster'],
  ])('does not open below the %s that one owner has seen (I6)', (_name, change, kind) => {
    const authorisations = [
      authorisation(0, { floor }),
      authorisation(1, { floor: { ...floor, ...change } }),
    ];
    expect(obstacle({ authorisations })).toMatchObject({
      code: 'BELOW_FLOOR',
      owner: owners[1],
      verdict: { kind },
    });
  });

  it('does not mix clusters, and opens nothing where nobody holds anything', () => {
    const foreign = held(1, { clusterId: clusterId('c2'.repeat(32)) });
    const reports = [report(0, held(0)), report(1, foreign), report(2, held(2))];
    expect(obstacle({ reports })).toMatchObject({ code: 'CLUSTERS_DIFFER' });
    const empty = slots.map((_, slot) => report(slot));
    expect(obstacle({ reports: empty })).toEqual({ code: 'NO_STATE' });
  });
});

describe('a log under a former seed', () => {
  it('does not go before one under the seed in force, however far it claims to reach (I4)', () => {
    const rotated = { seedNumber: 2, appliedSeed: 2 };
    // The host knows the former seed: it can make two disks that agree, with voters of its own.
    const forged = { seedNumber: 1, term: 900, index: 9_000, voters: [voter(1, 5), voter(2, 5)] };
    const made = [1, 2].map((slot) =>
      report(slot, held(slot, { ...forged, incarnation: voter(slot, 5).incarnation })),
    );
    expect(obstacle({ reports: [report(0, held(0, rotated)), ...made] })).toEqual({
      code: 'STATE_MISSING',
      slots: ['witan-1', 'witan-2'],
    });
    const reports = [0, 1, 2].map((slot) => report(slot, held(slot, rotated)));
    const old = report(0, held(0, rotated), held(0, { ...forged, epoch: epoch(7) }));
    const decision = decide({ reports: [old, ...reports.slice(1)] });
    expect(decision.kind === 'open' ? decision.best.seedNumber : 'shut').not.toBe(1);
  });
});

describe('a step that put a seed into force', () => {
  const bestOf = (...states: readonly Partial<HeldState>[]): HeldState | undefined =>
    decide({ reports: states.map((state, slot) => report(slot, held(slot, state))) }).best;

  it('does not go before a later term where nobody had applied it (I3)', () => {
    // A leader that was cut off wrote it; the others elected another one and went on.
    const lost = { seedNumber: 2, appliedSeed: 1, term: 5, index: 100 };
    const later = { seedNumber: 1, appliedSeed: 1, term: 6, index: 150 };
    expect(bestOf(lost, later, later)).toMatchObject(later);
  });

  it('leaves Raft’s order to the logs that have it (I3)', () => {
    // The second one was told late that it was committed, and holds more.
    const applied = { seedNumber: 2, appliedSeed: 2, term: 5, index: 100 };
    const behind = { seedNumber: 2, appliedSeed: 1, term: 5, index: 150 };
    expect(bestOf(applied, behind, applied)).toMatchObject(behind);
  });
});

describe('in a joint configuration', () => {
  const joint = { voters: [voter(0), voter(1), voter(2, 1)], votersOutgoing: lastVoters };

  it('the incarnation that is being replaced may be gone with its disk', () => {
    const newcomer = held(2, { ...joint, incarnation: voter(2, 1).incarnation });
    const reports = [report(0, held(0, joint)), report(1, held(1, joint)), report(2, newcomer)];
    expect(decide({ reports }).kind).toBe('open');
    const without = [report(0, held(0, joint)), report(1, held(1, joint)), report(2, held(2))];
    expect(obstacle({ reports: without })).toEqual({ code: 'STATE_MISSING', slots: [slots[2]] });
  });

  it('a half that lost a majority of its voters is missing', () => {
    const swap = { voters: [voter(0), voter(1, 1), voter(2, 1)], votersOutgoing: lastVoters };
    const reports = [
      report(0, held(0, swap)),
      report(1, held(1, { ...swap, incarnation: voter(1, 1).incarnation })),
      report(2, held(2, { ...swap, incarnation: voter(2, 1).incarnation })),
    ];
    expect(obstacle({ reports })).toEqual({
      code: 'STATE_MISSING',
      slots: [slots[1], slots[2]],
    });
  });
});

describe('whatever a majority held', () => {
  it('is in the state that opens, when each slot answers with the voter’s state (I3)', () => {
    const logs = fc.tuple(...slots.map(() => fc.record({ term: fc.nat(5), index: fc.nat(50) })));
    fc.assert(
      fc.property(logs, (positions) => {
        const reports = positions.map((at, slot) => report(slot, held(slot, at)));
        const decision = decide({ reports });
        if (decision.kind !== 'open') return false;
        const { term, index } = decision.best;
        return positions.every((at) => at.term < term || (at.term === term && at.index <= index));
      }),
    );
  });
});

describe('who has promised what', () => {
  it('is part of the opening: all promise the epoch that begins, above every one before', () => {
    const at = (promised: number, slot: number, ...states: HeldState[]): RecoveryReport => ({
      ...report(slot, ...states),
      promised: epoch(promised),
    });
    const later = held(1, { epoch: epoch(1) });
    const reports = [at(4, 0, held(0)), at(4, 1, later), at(4, 2, held(2))];
    expect(decide({ reports })).toMatchObject({ kind: 'open', epoch: 4 });
    const late = [at(4, 0, held(0)), at(3, 1, later), at(4, 2, held(2))];
    expect(obstacle({ reports: late })).toEqual({ code: 'PROMISES_MISSING', slots: [slots[1]] });
    const above = [at(2, 0, held(0)), at(2, 1, later), at(2, 2, held(2, { epoch: epoch(7) }))];
    expect(nextEpoch(above)).toBe(8);
  });

  it('lets the voter itself stand for what it never accepted', () => {
    const opened = { epoch: epoch(2), opening: sha256Hex('22'.repeat(32)), term: 1, index: 101 };
    const self = (slot: number): RecoveryReport => ({
      self: { ...voter(slot), nodeId: nodeIdOf(voter(slot).incarnation), address: 'localhost:1' },
      held: [],
      promised: epoch(3),
    });
    const opener = { ...report(0, held(0, opened)), promised: epoch(3) };
    expect(decide({ reports: [opener, self(1), self(2)] })).toMatchObject({
      kind: 'open',
      epoch: 3,
      at: 'witan-0',
      best: opened,
    });
    const reports = [opener, { ...report(1), promised: epoch(3) }, self(2)];
    expect(obstacle({ reports })).toEqual({ code: 'STATE_MISSING', slots: [slots[1]] });
  });
});

describe('an epoch that was opened twice', () => {
  const first = { epoch: epoch(2), opening: sha256Hex('21'.repeat(32)), term: 9, index: 300 };
  const second = { epoch: epoch(2), opening: sha256Hex('22'.repeat(32)), term: 2, index: 105 };

  it('goes on from the opening whose voters have answered, however far the other got', () => {
    const voters = [voter(1), voter(2)];
    const reports = [
      report(0, held(0, first)),
      report(1, held(1, { ...second, voters })),
      report(2, held(2, { ...second, voters })),
    ].map((item) => ({ ...item, promised: epoch(3) }));
    expect(decide({ reports })).toMatchObject({ kind: 'open', best: second, at: 'witan-1' });
  });

  it('stays shut when neither is complete, or both are', () => {
    const openings = [first.opening, second.opening];
    const reports = [report(0, held(0, first)), report(1, held(1, second)), report(2)];
    expect(obstacle({ reports })).toEqual({ code: 'OPENINGS_DIFFER', openings });
    const alone = (slot: number, life: object): HeldState =>
      held(slot, { ...life, voters: [voter(slot)] });
    const both = [report(0, alone(0, first)), report(1, alone(1, second)), report(2)];
    expect(obstacle({ reports: both })).toEqual({ code: 'OPENINGS_DIFFER', openings });
  });
});
