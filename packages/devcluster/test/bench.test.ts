import { expect, it } from 'vitest';
import { isSwapOf, parsed } from '../src/bench/logged.ts';

it('tells when a slot’s newcomer was swapped in, and no other line', () => {
  const line = (fields: object): string => JSON.stringify(fields);
  const isIt = (text: string, slot: string): boolean => isSwapOf(parsed(text) ?? {}, slot);
  const swap = line({ msg: 'newcomer swapped in', peer: 'witan-1' });
  expect(isIt(swap, 'witan-1')).toBe(true);
  expect(isIt(line({ msg: 'vacant slot filled', peer: 'witan-1' }), 'witan-1')).toBe(true);
  expect(isIt(swap, 'witan-2')).toBe(false);
  expect(isIt(line({ msg: 'joined', peer: 'witan-1' }), 'witan-1')).toBe(false);
  expect(isIt(swap.slice(0, -5), 'witan-1')).toBe(false);
  expect(isIt('witan-coordinator: COORDINATOR_USAGE', 'witan-1')).toBe(false);
});
