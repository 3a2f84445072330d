/** Quorum arithmetic against definitions that are too slow to ship. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  jointCommittedIndex,
  jointVoteResult,
  majorityCommittedIndex,
  majorityVoteResult,
  type NodeId,
} from '../src/index.ts';
import { ids } from './support/ids.ts';

const nodeSet = fc.uniqueArray(fc.integer({ min: 1, max: 9 }), { maxLength: 7 });
const acks = fc.dictionary(fc.integer({ min: 1, max: 9 }).map(String), fc.nat({ max: 20 }));
const votes = fc.dictionary(fc.integer({ min: 1, max: 9 }).map(String), fc.boolean());

const setOf = (values: readonly number[]): ReadonlySet<NodeId> => new Set(ids(...values));

describe('committed index', () => {
  it('is the largest index that a majority has reached', () => {
    fc.assert(
      fc.property(nodeSet, acks, (members, acked) => {
        const found = majorityCommittedIndex(setOf(members), (id) => acked[String(id)]);
        const reaching = (index: number): number =>
          members.filter((id) => (acked[String(id)] ?? 0) >= index).length;
        if (members.length === 0) {
          expect(found).toBe(Number.POSITIVE_INFINITY);
          return;
        }
        expect(reaching(found)).toBeGreaterThan(members.length / 2);
        expect(reaching(found + 1)).toBeLessThanOrEqual(members.length / 2);
      }),
    );
  });

  it('of a joint configuration is the smaller of both, in either order', () => {
    fc.assert(
      fc.property(nodeSet, nodeSet, acks, (incoming, outgoing, acked) => {
        const of = (id: NodeId): number | undefined => acked[String(id)];
        const joint = { incoming: setOf(incoming), outgoing: setOf(outgoing) };
        const swapped = { incoming: joint.outgoing, outgoing: joint.incoming };
        const both = [joint.incoming, joint.outgoing].map((half) =>
          majorityCommittedIndex(half, of),
        );
        expect(jointCommittedIndex(joint, of)).toBe(Math.min(...both));
        expect(jointCommittedIndex(swapped, of)).toBe(jointCommittedIndex(joint, of));
      }),
    );
  });

  it('does not change when an index below it falls', () => {
    fc.assert(
      fc.property(nodeSet, acks, (members, acked) => {
        const of = (id: NodeId): number | undefined => acked[String(id)];
        const found = majorityCommittedIndex(setOf(members), of);
        const lowered = majorityCommittedIndex(setOf(members), (id) => {
          const index = of(id) ?? 0;
          return index < found ? 0 : index;
        });
        expect(lowered).toBe(found);
      }),
    );
  });
});

describe('vote result', () => {
  it('is final exactly when no further vote can change it', () => {
    fc.assert(
      fc.property(nodeSet, votes, (members, cast) => {
        const result = majorityVoteResult(setOf(members), (id) => cast[String(id)]);
        const yes = members.filter((id) => cast[String(id)] === true).length;
        const no = members.filter((id) => cast[String(id)] === false).length;
        const wins = (count: number): boolean => count > members.length / 2;
        if (members.length === 0 || wins(yes)) expect(result).toBe('VoteWon');
        else expect(result).toBe(wins(members.length - no) ? 'VotePending' : 'VoteLost');
      }),
    );
  });

  it('of a joint configuration needs both halves', () => {
    fc.assert(
      fc.property(nodeSet, nodeSet, votes, (incoming, outgoing, cast) => {
        const of = (id: NodeId): boolean | undefined => cast[String(id)];
        const joint = { incoming: setOf(incoming), outgoing: setOf(outgoing) };
        const halves = [joint.incoming, joint.outgoing].map((half) => majorityVoteResult(half, of));
        const result = jointVoteResult(joint, of);
        expect(result === 'VoteWon').toBe(halves.every((half) => half === 'VoteWon'));
        expect(result === 'VoteLost').toBe(halves.includes('VoteLost'));
      }),
    );
  });
});
