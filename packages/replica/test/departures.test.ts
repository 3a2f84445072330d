/** Who leaves when owners have removed slots (I2), and when nobody may. */
import { expect, it } from 'vitest';
import { incarnationId, slotName } from '@witan/core';
import { nextDeparture, type DepartureFacts } from '../src/life/departures.ts';

const FIVE = [0, 1, 2, 3, 4].map((number) => ({
  slot: slotName(`witan-${number}`),
  nodeId: number + 1,
  incarnation: incarnationId(String(number).repeat(64)),
  address: `witan-${number}:1`,
}));

function facts(
  slots: readonly number[],
  change: Partial<DepartureFacts> & { readonly dead?: readonly number[] } = {},
): DepartureFacts {
  const { dead = [], ...rest } = change;
  return {
    slots: slots.map((number) => slotName(`witan-${number}`)),
    members: FIVE,
    configuration: { voters: [1, 2, 3, 4, 5], votersOutgoing: [], learners: [] },
    self: 1,
    isReady: (nodeId) => !dead.includes(nodeId - 1),
    ...rest,
  };
}

const takenOut = (number: number, votes = true) => ({
  kind: 'take-out',
  peer: { slot: `witan-${number}` },
  votes,
});

it('nobody while all slots are in force', () => {
  expect(nextDeparture(facts([0, 1, 2, 3, 4]))).toEqual({ kind: 'none' });
});

it('learners first, then voters that are not heard, then the others', () => {
  const configuration = { voters: [1, 2, 3, 4], votersOutgoing: [], learners: [5] };
  expect(nextDeparture(facts([0, 1, 2], { configuration }))).toMatchObject(takenOut(4, false));
  expect(nextDeparture(facts([0, 1, 2], { dead: [4] }))).toMatchObject(takenOut(4));
  expect(nextDeparture(facts([0, 1, 2], { dead: [3] }))).toMatchObject(takenOut(3));
  expect(nextDeparture(facts([0, 1, 2]))).toMatchObject(takenOut(3));
});

it('not the leader before somebody else leads', () => {
  expect(nextDeparture(facts([1, 2, 3]))).toMatchObject(takenOut(4));
  const configuration = { voters: [1, 2, 3, 4], votersOutgoing: [], learners: [] };
  const members = FIVE.slice(0, 4);
  expect(nextDeparture(facts([1, 2, 3], { configuration, members }))).toEqual({
    kind: 'step-down',
  });
});

it('nobody whom those who stay need for their quorum', () => {
  // 0 leads, 1 and 2 are away: without 3, only 0 and 4 of four would be left.
  expect(nextDeparture(facts([0, 1, 2], { dead: [1, 2] }))).toEqual({
    kind: 'wait',
    for: ['witan-1', 'witan-2'],
  });
  expect(nextDeparture(facts([0, 1, 2], { dead: [1] }))).toMatchObject(takenOut(3));
  const configuration = { voters: [1, 2, 3], votersOutgoing: [], learners: [] };
  const members = FIVE.slice(0, 3);
  expect(nextDeparture(facts([0], { configuration, members, dead: [2] }))).toMatchObject(
    takenOut(2),
  );
});
