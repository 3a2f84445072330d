/** Parts of a history that is longer than a message (I10). */
import { expect, it } from 'vitest';
import { historyPage } from '../src/services/history.ts';
import { LeaderState } from './support/state.ts';

const ALL = { fromGeneration: 0n, toGeneration: 0n, withManifests: false };

it('is given as far as it fits, and at least by one record', async () => {
  const leader = new LeaderState();
  const { machine } = leader;
  for (let at = 0; at < 6; at += 1) {
    await leader.must('manifest-set', leader.set({ web: { dnsNames: [`n${at}`] } }));
  }
  const whole = historyPage(machine, ALL);
  expect(whole).toHaveLength(6);
  const bytes = whole[0]?.transition?.transition?.byteLength ?? 0;
  expect(historyPage(machine, ALL, 2 * bytes + 1)).toHaveLength(3);
  expect(historyPage(machine, ALL, 1)).toEqual(whole.slice(0, 1));
  // Whoever goes on behind the last one gets all of it.
  const parts = whole.map((_record, at) =>
    historyPage(machine, { ...ALL, fromGeneration: BigInt(at + 1) }, 1),
  );
  expect(parts.flat()).toEqual(whole);
});

it('counts manifests in, where they were asked for', async () => {
  const leader = new LeaderState();
  const { machine } = leader;
  for (let at = 0; at < 3; at += 1) {
    await leader.must('manifest-set', leader.set({ web: { dnsNames: [`n${at}`] } }));
  }
  const request = { ...ALL, withManifests: true };
  const size = machine.manifest?.bytes.byteLength ?? 0;
  const some = historyPage(machine, request, size);
  expect(some).toHaveLength(1);
  expect(some[0]?.manifest).toEqual(machine.manifestBytes(1 as never));
  const range = { ...request, fromGeneration: 2n, toGeneration: 99n };
  expect(historyPage(machine, range)).toHaveLength(2);
  expect(historyPage(machine, { ...request, fromGeneration: 9n })).toEqual([]);
});
