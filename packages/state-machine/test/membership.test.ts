import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { epoch, incarnationId, slotName } from '@witan/core';
import {
  checkConfiguration,
  decodeMember,
  encodeMember,
  MEMBERS_MAX,
  nodeIdOf,
  StateMachine,
  StateMachineError,
  type MemberInfo,
} from '../src/index.ts';
import {
  cluster,
  foundedState,
  incarnationOf,
  newState,
  options,
  reopened,
  restored,
  slots,
} from '../testing/support.ts';

const [a, b, c] = [incarnationOf(0), incarnationOf(1), incarnationOf(2)];
const a2 = incarnationOf(0, 1);
const intruder = incarnationOf(3);
const everyone = [a, b, c, a2, intruder];
const ids = (...members: readonly MemberInfo[]): number[] => members.map(({ nodeId }) => nodeId);

describe('a configuration', () => {
  const check = (
    voters: readonly number[],
    votersOutgoing: readonly number[] = [],
    learners: readonly number[] = [],
    members: readonly MemberInfo[] = everyone,
  ) => checkConfiguration(slots, members, { voters, votersOutgoing, learners });

  it('may swap an incarnation jointly, with the newcomer as a learner before (I2)', () => {
    expect(check(ids(a, b, c))).toBeUndefined();
    expect(check(ids(a, b, c), [], ids(a2))).toBeUndefined();
    expect(check(ids(a2, b, c), ids(a, b, c))).toBeUndefined();
    expect(check(ids(a2, b, c))).toBeUndefined();
  });

  it('never holds two incarnations of one slot in either half (I2)', () => {
    const nodeIds = ids(a, a2);
    expect(check(ids(a, a2, b, c))).toEqual({
      kind: 'two-incarnations',
      slot: 'witan-0',
      half: 'voters',
      nodeIds,
    });
    expect(check(ids(b, c), ids(a, a2, b))).toEqual({
      kind: 'two-incarnations',
      slot: 'witan-0',
      half: 'votersOutgoing',
      nodeIds,
    });
  });

  it('never has a member from outside the genesis slots, so it cannot grow (I2)', () => {
    const violation = { kind: 'unknown-slot', nodeId: intruder.nodeId, slot: 'witan-3' };
    expect(check(ids(a, b, c, intruder))).toEqual(violation);
    expect(check(ids(a, b, c), ids(a, intruder))).toEqual(violation);
    expect(check(ids(a, b, c), [], ids(intruder))).toEqual(violation);
  });

  it('has no vote for an id that its incarnation does not own (I2)', () => {
    const posing = { ...a2, nodeId: b.nodeId };
    expect(check(ids(a, b), [], [], [a, posing])).toEqual({
      kind: 'node-id-mismatch',
      nodeId: b.nodeId,
      expected: a2.nodeId,
    });
    const zero = { ...a, nodeId: 0, incarnation: incarnationId('0'.repeat(64)) };
    expect(check([0], [], [], [zero])).toMatchObject({ kind: 'node-id-mismatch' });
  });

  it.each([
    ['no voters', [], [], [], { kind: 'no-voters' }],
    ['an id twice', ids(a, a), [], [], { kind: 'repeated-node', nodeId: a.nodeId }],
    ['a voting learner', ids(a, b), [], ids(b), { kind: 'learner-votes', nodeId: b.nodeId }],
    ['a leaving learner', ids(a), ids(b), ids(b), { kind: 'learner-votes', nodeId: b.nodeId }],
    ['a stranger', ids(a), [], [77], { kind: 'unknown-node', nodeId: 77 }],
    [
      'too many members',
      ids(a),
      [],
      Array.from({ length: MEMBERS_MAX }, (_, at) => at),
      { kind: 'too-many-members', expected: MEMBERS_MAX, found: MEMBERS_MAX + 1 },
    ],
  ])('with %s is refused', (_name, voters, outgoing, learners, violation) => {
    expect(check(voters, outgoing, learners)).toEqual(violation);
  });

  it('with an address that does not fit a status line is refused', () => {
    for (const address of ['', 'host\n:1', 'x'.repeat(301), 'h\u00f6st:1']) {
      expect(check(ids(a), [], [], [{ ...a, address }])).toMatchObject({ kind: 'bad-address' });
    }
  });

  it('that is accepted has at most one vote per genesis slot in each half (I2)', () => {
    const pool = [0, 1, 2, 3].flatMap((slot) => [incarnationOf(slot), incarnationOf(slot, 1)]);
    const subset = fc.subarray(pool).map((members) => ids(...members));
    fc.assert(
      fc.property(subset, subset, subset, (voters, outgoing, learners) => {
        const violation = check(voters, outgoing, learners, pool);
        const slotOf = (nodeId: number) => pool.find((one) => one.nodeId === nodeId)?.slot;
        const oncePerSlot = (half: readonly number[]) =>
          new Set(half.map(slotOf)).size === half.length;
        const expected =
          voters.length > 0 &&
          oncePerSlot(voters) &&
          oncePerSlot(outgoing) &&
          [...voters, ...outgoing, ...learners].every((id) => slotOf(id) !== 'witan-3') &&
          learners.every((id) => !voters.includes(id) && !outgoing.includes(id));
        expect(violation === undefined).toBe(expected);
      }),
      { numRuns: 1000 },
    );
  });
});

describe('members', () => {
  it('follow a swap from learner to voter, and the replaced one is gone (I2)', () => {
    const state = newState();
    const before = state.configuration;
    const joined = state.applyMembership(1, { ...before, learners: ids(a2), added: [a2] });
    expect(joined).toEqual({ added: [{ ...a2, role: 'learner' }], removed: [] });
    const joint = { voters: ids(b, a2, c), votersOutgoing: before.voters, learners: [] };
    expect(state.applyMembership(2, joint)).toEqual({ added: [], removed: [] });
    expect(state.members).toHaveLength(4);
    expect(state.members.every((member) => member.role === 'voter')).toBe(true);
    const left = state.applyMembership(3, { ...joint, votersOutgoing: [] });
    expect(left).toEqual({ added: [], removed: [{ ...a, role: 'voter' }] });
    expect(ids(...state.members)).toEqual(ids(a2, b, c).toSorted((x, y) => x - y));
    expect(state.appliedIndex).toBe(3);
    expect(restored(state).members).toEqual(state.members);
  });

  it('keep a record for exactly the ids of the configuration', () => {
    const state = newState();
    state.applyMembership(1, { ...state.configuration, added: [a2] });
    expect(state.members.some((member) => member.nodeId === a2.nodeId)).toBe(false);
  });

  it('in office are not renamed by a later change', () => {
    const state = newState();
    const renamed = { ...a, slot: slotName('witan-1'), address: 'evil:1' };
    state.applyMembership(1, { ...state.configuration, added: [renamed] });
    expect(state.members.find((member) => member.nodeId === a.nodeId)).toMatchObject(a);
  });

  it('are checked before a proposal, and a violation at apply ends the process (I2)', () => {
    const state = newState();
    const change = {
      voters: [...state.configuration.voters, a2.nodeId],
      votersOutgoing: [],
      learners: [],
      added: [a2],
    };
    expect(state.checkMembership(change)).toMatchObject({ kind: 'two-incarnations' });
    expect(() => state.applyMembership(1, change)).toThrow(/invariant violated/);
  });

  it('change for one slot at a time (I2)', () => {
    const state = newState();
    const b2 = incarnationOf(1, 1);
    const { voters } = state.configuration;
    state.applyMembership(1, { ...state.configuration, learners: ids(a2, b2), added: [a2, b2] });
    const both = { voters: ids(a2, b2, c), votersOutgoing: voters, learners: [] };
    expect(state.checkMembership(both)).toMatchObject({ kind: 'two-slots-at-once' });
    const gone = { voters: ids(c), votersOutgoing: voters, learners: ids(a2, b2) };
    expect(state.checkMembership(gone)).toMatchObject({ kind: 'two-slots-at-once' });
    const one = { voters: ids(a2, b, c), votersOutgoing: voters, learners: ids(b2) };
    expect(state.checkMembership(one)).toBeUndefined();
  });

  it('fill a slot that owners gave up in a recovery, one at a time and no other one (I2)', () => {
    const state = reopened(foundedState(), [incarnationOf(0, 1)]);
    const { voters } = state.configuration;
    const [newB, newC] = [incarnationOf(1, 2), incarnationOf(2, 2)];
    const waiting = { ...state.configuration, learners: ids(newB, newC), added: [newB, newC] };
    expect(state.checkMembership(waiting)).toBeUndefined();
    state.applyMembership(state.appliedIndex + 1, waiting);
    const both = { voters: [...voters, ...ids(newB, newC)], votersOutgoing: voters, learners: [] };
    expect(state.checkMembership(both)).toMatchObject({ kind: 'two-slots-at-once' });
    const first = { ...both, voters: [...voters, newB.nodeId], learners: ids(newC) };
    expect(state.checkMembership(first)).toBeUndefined();
    state.applyMembership(state.appliedIndex + 1, first);
    state.applyMembership(state.appliedIndex + 1, { ...first, votersOutgoing: [] });
    expect(restored(state).configuration.voters).toHaveLength(2);
    const foreign = { ...state.configuration, learners: ids(intruder), added: [intruder] };
    expect(state.checkMembership(foreign)).toMatchObject({ kind: 'unknown-slot' });
  });

  it('of a genesis obey the same rules', () => {
    const found =
      (members: readonly MemberInfo[], names = slots) =>
      () =>
        StateMachine.genesis(
          { clusterId: cluster, epoch: epoch(1), slots: names, members },
          options,
        );
    expect(found([a, a2])).toThrow(/I2/);
    expect(found([a, intruder])).toThrow(/I2/);
    expect(found([])).toThrow(/I2/);
    expect(found([a], [slots[0] ?? slotName('x'), slots[0] ?? slotName('x')])).toThrow(/I2/);
    expect(found([a], [slotName('witan-0')])().members).toEqual([{ ...a, role: 'voter' }]);
  });

  it('cannot be applied at an index twice', () => {
    const state = newState();
    state.advance(5);
    expect(() => state.applyMembership(5, state.configuration)).toThrow(/ascend/);
    expect(() => state.advance(4)).toThrow(/ascend/);
  });
});

describe('an encoded member', () => {
  it('reads back, with the node id that its incarnation gives', () => {
    expect(decodeMember(encodeMember(a))).toEqual(a);
    expect(decodeMember(encodeMember({ ...a, nodeId: 1 })).nodeId).toBe(nodeIdOf(a.incarnation));
  });

  it('with any byte changed reads back differently or is refused (I10)', () => {
    const bytes = encodeMember(a);
    fc.assert(
      fc.property(fc.nat(bytes.length - 1), fc.integer({ min: 1, max: 255 }), (at, flip) => {
        const hostile = bytes.with(at, (bytes[at] ?? 0) ^ flip);
        try {
          expect(encodeMember(decodeMember(hostile))).toEqual(hostile);
        } catch (error) {
          expect(error).toBeInstanceOf(StateMachineError);
          expect(error).toHaveProperty('code', 'MEMBER_MALFORMED');
        }
      }),
    );
  });
});
