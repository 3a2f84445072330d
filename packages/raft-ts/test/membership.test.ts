/** Membership changes: properties of raft.md's quick checks, and every refusal. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  EMPTY_TRACKER,
  RaftError,
  adoptTracker,
  applyChange,
  enterJoint,
  leaveJoint,
  restoreTracker,
  simpleChange,
  toConfState,
  type ConfChangeSingle,
  type ConfState,
  type Tracker,
} from '../src/index.ts';
import { confStateOf, ids } from './support/ids.ts';

const context = { lastIndex: 7, inflight: { messagesMax: 8, bytesMax: 0 } };

const single = fc.record({
  type: fc.constantFrom('add-voter', 'add-learner', 'remove', 'update'),
  nodeId: fc.integer({ min: 0, max: 6 }),
}) as fc.Arbitrary<ConfChangeSingle>;

const start = (voters: readonly number[], learners: readonly number[] = []): Tracker =>
  adoptTracker(restoreTracker(confStateOf(voters, learners), context));

function reasonOf(action: () => unknown): unknown {
  try {
    action();
    return undefined;
  } catch (error) {
    if (error instanceof RaftError && error.code === 'RAFT_CONF_CHANGE_INVALID') {
      return error.fields['reason'];
    }
    throw error;
  }
}

describe('a joint change', () => {
  it('arrives where the same changes one by one arrive', () => {
    fc.assert(
      fc.property(fc.array(single, { maxLength: 6 }), (changes) => {
        const initial = start([1, 2, 3], [4]);
        let oneByOne = initial;
        let possible = true;
        for (const change of changes) {
          const reason = reasonOf(() => {
            oneByOne = adoptTracker(simpleChange(oneByOne, context, [change]));
          });
          if (reason !== undefined) possible = false;
        }
        // A step on the way may remove the last voter, where the whole change does not.
        fc.pre(possible);
        const joint = adoptTracker(enterJoint(initial, context, true, changes));
        const left = adoptTracker(leaveJoint(joint));
        expect(toConfState(left.membership)).toEqual(toConfState(oneByOne.membership));
        expect([...left.progress.keys()]).toEqual([...oneByOne.progress.keys()]);
        for (const [id, progress] of left.progress) {
          expect(progress.isLearner).toBe(oneByOne.progress.get(id)?.isLearner);
        }
      }),
      { numRuns: 1000 },
    );
  });

  it('keeps the old voters voting, and the flow control of those that stay', () => {
    const initial = start([1, 2, 3]);
    const before = initial.progress.get(ids(2)[0] as never);
    const joint = enterJoint(initial, context, false, [
      { type: 'add-learner', nodeId: ids(2)[0] as never },
      { type: 'add-voter', nodeId: ids(5)[0] as never },
    ]);
    expect(toConfState(joint.membership)).toEqual({
      voters: ids(1, 3, 5),
      votersOutgoing: ids(1, 2, 3),
      learners: [],
      learnersNext: ids(2),
      autoLeave: false,
    });
    expect(joint.progress.get(ids(2)[0] as never)).toBe(before);
  });
});

describe('restoring', () => {
  const confState = fc
    .array(single, { minLength: 1, maxLength: 8 })
    .map((changes): ConfState | undefined => {
      let found: ConfState | undefined;
      reasonOf(() => {
        found = toConfState(enterJoint(start([1, 2, 3], [4]), context, true, changes).membership);
      });
      return found;
    })
    .filter((state) => state !== undefined);

  it('a ConfState yields the same ConfState', () => {
    fc.assert(
      fc.property(confState, (state) => {
        expect(toConfState(restoreTracker(state, context).membership)).toEqual(state);
      }),
      { numRuns: 1000 },
    );
  });

  it.each<[string, ConfState, string]>([
    ['a voter twice', confStateOf([1, 1]), 'a member is listed twice'],
    ['a voter that is a learner', confStateOf([1], [1]), 'a voter is a learner'],
    [
      'an outgoing half without an incoming one',
      { ...confStateOf([]), votersOutgoing: ids(1) },
      'removed all voters',
    ],
    [
      'a next learner that does not vote',
      { ...confStateOf([1]), votersOutgoing: ids(1), learnersNext: ids(2) },
      'a next learner is not an outgoing voter',
    ],
    [
      'a next learner that stays a voter',
      { ...confStateOf([1]), votersOutgoing: ids(1), learnersNext: ids(1) },
      'a next learner is an incoming voter',
    ],
    [
      'autoleave outside of joint',
      { ...confStateOf([1]), autoLeave: true },
      'autoleave without joint',
    ],
  ])('refuses %s', (_name, state, reason) => {
    expect(reasonOf(() => restoreTracker(state, context))).toBe(reason);
  });
});

describe('refusals', () => {
  it('leave the membership as it was', () => {
    fc.assert(
      fc.property(fc.array(single, { maxLength: 6 }), (changes) => {
        const initial = start([1, 2], [3]);
        const before = toConfState(initial.membership);
        reasonOf(() => simpleChange(initial, context, changes));
        expect(toConfState(initial.membership)).toEqual(before);
        expect([...initial.progress.keys()]).toEqual([1, 2, 3]);
        const learners = [...initial.progress.values()].map((member) => member.isLearner);
        expect(learners).toEqual([false, false, true]);
      }),
    );
  });

  it('never let two voters change without joint consensus', () => {
    const two: readonly ConfChangeSingle[] = ids(8, 9).map((nodeId) => ({
      type: 'add-voter',
      nodeId,
    }));
    expect(reasonOf(() => simpleChange(start([1]), context, two))).toBe(
      'more than one voter changed without entering joint config',
    );
    const none = new Uint8Array(0);
    const joint = applyChange(start([1]), context, {
      transition: 'auto',
      changes: two,
      context: none,
    });
    expect(joint.membership.autoLeave).toBe(true);
  });

  it('name what is wrong with entering and leaving', () => {
    expect(reasonOf(() => leaveJoint(start([1])))).toBe("can't leave a non-joint config");
    expect(reasonOf(() => enterJoint(EMPTY_TRACKER, context, false, []))).toBe(
      "can't make a zero-voter config joint",
    );
    const joint = enterJoint(start([1]), context, false, []);
    expect(reasonOf(() => enterJoint(joint, context, false, []))).toBe('config is already joint');
    expect(reasonOf(() => simpleChange(joint, context, []))).toBe(
      "can't apply simple config change in joint config",
    );
  });
});
