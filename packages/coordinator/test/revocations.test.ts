/** What replicas say of certificates that count no longer, however many there are (I10). */
import { describe, expect, it } from 'vitest';
import { Secret } from '@witan/core';
import { nodeCrypto } from '@witan/keys';
import { makeRevocations, type Revocations } from '../src/services/revocations.ts';
import { LeaderState } from './support/state.ts';

async function listed(
  { seed, machine, nowMs: now }: LeaderState,
  bytesMax?: number,
): Promise<Revocations & { readonly sizes: readonly number[] }> {
  const cluster = { seed: new Secret(seed.expose()), state: { machine } as never };
  const options = { now, crypto: nodeCrypto, ...(bytesMax === undefined ? {} : { bytesMax }) };
  const made = makeRevocations(cluster, options);
  return { ...made, sizes: made.lists.map(({ byteLength }) => byteLength) };
}

/** Generation 3, after a workload that had 20 certificates and one that had 2. */
async function flooded(): Promise<LeaderState> {
  const leader = new LeaderState();
  await leader.must('manifest-set', leader.set({ web: {}, flood: {}, db: {} }));
  for (let at = 0; at < 20; at += 1) await leader.must('issued', leader.issue('flood'));
  await leader.must('manifest-set', leader.set({ web: {}, db: {} }));
  for (let at = 0; at < 2; at += 1) await leader.must('issued', leader.issue('db'));
  await leader.must('manifest-set', leader.set({ web: {} }));
  await leader.must('issued', leader.issue('web'));
  return leader;
}

describe('revocation lists', () => {
  it('are made for the root and for each mesh CA whose certificates may be met', async () => {
    const made = await listed(await flooded());
    expect(made).toMatchObject({ listsLeftOut: 0, revokedCount: 22 });
    expect(made.sizes).toHaveLength(4);
    expect(made.revoked.map(({ workload }) => workload).toSorted()).toEqual([
      ...Array.from({ length: 2 }, () => 'db'),
      ...Array.from({ length: 20 }, () => 'flood'),
    ]);
  });

  it('leave out the CA that a flood came from, and neither the others nor the bound', async () => {
    const leader = await flooded();
    const all = await listed(leader);
    const some = await listed(leader, 1800);
    expect(some).toMatchObject({ listsLeftOut: 1, revokedCount: 22 });
    expect(some.sizes).toHaveLength(3);
    expect(Math.max(...some.sizes)).toBeLessThan(Math.max(...all.sizes));
    expect(some.sizes.reduce((sum, size) => sum + size, 0)).toBeLessThanOrEqual(1800);
    // The lists of the root and of the manifest in force have no entries, and always fit.
    const least = await listed(leader, 800);
    expect(least.sizes).toHaveLength(2);
  });

  it('come as before once what was revoked has expired', async () => {
    const leader = await flooded();
    leader.nowMs += 25 * 3_600_000;
    expect(await listed(leader)).toMatchObject({ listsLeftOut: 0, revokedCount: 0, revoked: [] });
  });
});
