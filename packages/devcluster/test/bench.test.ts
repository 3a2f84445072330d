import { expect, it } from 'vitest';
import { swappedMs } from '../src/bench/swap.ts';

it('tells when a slot’s newcomer was swapped in, and no other line', () => {
  const time = '2026-11-28T18:00:00.250Z';
  const line = (fields: object): string => JSON.stringify({ time, ...fields });
  const swap = line({ msg: 'newcomer swapped in', peer: 'witan-1' });
  expect(swappedMs(swap, 'witan-1')).toBe(Date.parse(time));
  expect(swappedMs(line({ msg: 'vacant slot filled', peer: 'witan-1' }), 'witan-1')).toBeDefined();
  expect(swappedMs(swap, 'witan-2')).toBeUndefined();
  expect(swappedMs(line({ msg: 'joined', peer: 'witan-1' }), 'witan-1')).toBeUndefined();
  expect(swappedMs(swap.slice(0, -5), 'witan-1')).toBeUndefined();
});
