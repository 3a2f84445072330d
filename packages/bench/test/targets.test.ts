/** Targets are judged by the figures: a missed one is caught. */
import { expect, it } from 'vitest';
import { judge, type Measured } from '../src/targets.ts';
import type { Cell } from '../src/throughput.ts';

const cell = (system: Cell['system'], clients: number, perSecond: number, p50Ms: number): Cell => ({
  system,
  clients,
  perSecond,
  p50Ms,
  p99Ms: 1,
  failed: 0,
  runs: [],
});

const good: Measured = {
  cells: [
    cell('witan', 1, 500, 2),
    cell('etcd', 1, 500, 2),
    cell('witan', 64, 1_500, 1),
    cell('etcd', 64, 1_000, 1),
  ],
  kills: { witan: [{ gapMs: 999, repeated: 0 }] },
  transfers: { witan: [{ gapMs: 50, repeated: 0 }] },
  durability: { acknowledged: 10, lost: [] },
  snapshot: undefined,
  soak: undefined,
};

it.each<readonly [string, Partial<Measured>]>([
  ['throughput', { cells: [cell('witan', 64, 1_499, 1), cell('etcd', 64, 1_000, 1)] }],
  ['latency of one client', { cells: [cell('witan', 1, 1, 2.1), cell('etcd', 1, 1, 2)] }],
  ['the gap after a kill', { kills: { witan: [{ gapMs: 1_001, repeated: 0 }] } }],
  ['the gap of a transfer', { transfers: { witan: [{ gapMs: 51, repeated: 0 }] } }],
  ['a lost write', { durability: { acknowledged: 1, lost: ['key'] } }],
])('misses %s', (_, change) => {
  expect(judge(good).every(({ met }) => met)).toBe(true);
  expect(judge(good)).toHaveLength(5);
  expect(judge({ ...good, ...change }).filter(({ met }) => !met)).toHaveLength(1);
});
