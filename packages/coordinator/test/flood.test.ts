/** A workload that asks for certificates without end (I10). */
import { expect, it } from 'vitest';
import { LeaderState } from './support/state.ts';

const DAY_MS = 86_400_000;

async function issueAll(leader: LeaderState, workload: string, count: number): Promise<void> {
  for (let at = 0; at < count; at += 1) await leader.must('issued', leader.issue(workload));
}

it('leaves half of all places to the other workloads', async () => {
  const leader = new LeaderState();
  leader.issuedMax = 12;
  await leader.must('manifest-set', leader.set({ web: {}, flood: {} }));
  const [first, key] = [leader.issue('web'), leader.newKey()];
  await leader.must('issued', first);
  const known = leader.issue('flood', key);
  await leader.must('issued', known);
  await issueAll(leader, 'flood', 5);
  expect(await leader.issue('flood')).toEqual({ kind: 'issued-full', expected: 6 });
  // A retry of what was issued takes no place.
  expect(await leader.issue('flood', key)).toEqual(await known);
  await issueAll(leader, 'web', 5);
  expect(await leader.issue('web')).toEqual({ kind: 'issued-full', expected: 6 });
});

it('has its places back when its certificates have expired, without anybody else', async () => {
  const leader = new LeaderState();
  leader.issuedMax = 8;
  await leader.must('manifest-set', leader.set({ web: {}, flood: {} }));
  await issueAll(leader, 'flood', 2);
  leader.nowMs += DAY_MS / 2;
  await issueAll(leader, 'flood', 2);
  await leader.must('issued-full', leader.issue('flood'));
  // A certificate lives for a day, and its record for one day more.
  leader.nowMs += DAY_MS * 1.75;
  await issueAll(leader, 'flood', 2);
  expect(leader.machine.issuedCount).toBe(6);
});

it('has all places where no other workload is listed', async () => {
  const leader = new LeaderState();
  leader.issuedMax = 4;
  await leader.must('manifest-set', leader.set({ web: {} }));
  await issueAll(leader, 'web', 4);
  expect(await leader.issue('web')).toEqual({ kind: 'issued-full', expected: 4 });
});
