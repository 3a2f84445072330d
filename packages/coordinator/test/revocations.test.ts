/** What replicas say of certificates that count no longer, however many there are (I10). */
import { describe, expect, it } from 'vitest';
import { Secret } from '@witan/core';
import { nodeCrypto } from '@witan/keys';
import { MANIFESTS_KEPT_MAX } from '@witan/state-machine';
import { makeRevocations, type Revocations } from '../src/services/revocations.ts';
import { LeaderState } from './support/state.ts';

function listed(
  { seed, machine, nowMs: now }: LeaderState,
  bytesMax?: number,
): Revocations & { readonly sizes: readonly number[] } {
  const seeds = { of: () => new Secret(seed.expose()) } as never;
  const cluster = { seeds, state: { machine } as never };
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
    const made = listed(await flooded());
    expect(made).toMatchObject({ listsLeftOut: 0, revokedCount: 22 });
    expect(made.sizes).toHaveLength(4);
    expect(made.revoked.map(({ workload }) => workload).toSorted()).toEqual([
      ...Array.from({ length: 2 }, () => 'db'),
      ...Array.from({ length: 20 }, () => 'flood'),
    ]);
  });

  it('leave out the CA that a flood came from, and neither the others nor the bound', async () => {
    const leader = await flooded();
    const all = listed(leader);
    const some = listed(leader, 1800);
    expect(some).toMatchObject({ listsLeftOut: 1, revokedCount: 22 });
    expect(some.sizes).toHaveLength(3);
    expect(Math.max(...some.sizes)).toBeLessThan(Math.max(...all.sizes));
    expect(some.sizes.reduce((sum, size) => sum + size, 0)).toBeLessThanOrEqual(1800);
    // The lists of the root and of the manifest in force have no entries, and always fit.
    const least = listed(leader, 800);
    expect(least.sizes).toHaveLength(2);
  });

  it('come as before once what was revoked has expired', async () => {
    const leader = await flooded();
    leader.nowMs += 25 * 3_600_000;
    expect(listed(leader)).toMatchObject({ listsLeftOut: 0, revokedCount: 0, revoked: [] });
  });

  it('name who holds a name or an address that was taken from the workload', async () => {
    const leader = new LeaderState();
    const web = { dnsNames: ['shop.example', 'web'], ipAddresses: ['192.0.2.7', '2001:db8::1'] };
    // A name that every object has, if one asks carelessly.
    const workloads = { web, constructor: { dnsNames: ['other'] } };
    await leader.must('manifest-set', leader.set(workloads));
    await leader.must('issued', leader.issue('web'));
    await leader.must('issued', leader.issue('constructor'));
    const revoked = (): readonly string[] => listed(leader).revoked.map((one) => one.workload);

    const more = { ...web, dnsNames: [...web.dnsNames, 'more'].toReversed() };
    await leader.must('manifest-set', leader.set({ ...workloads, web: more }));
    expect(revoked()).toEqual([]);
    const taken = [
      { ...web, dnsNames: ['web'] },
      { ...web, ipAddresses: ['192.0.2.7'] },
      { dnsNames: web.dnsNames },
    ];
    for (const fewer of taken) {
      await leader.must('manifest-set', leader.set({ ...workloads, web: fewer }));
      expect(revoked()).toEqual(['web']);
    }
    const [entry] = listed(leader).revoked;
    expect(entry?.revokedAt).toBe(leader.machine.transitions[1]?.transition.timeMs);
    // What is issued from now on has no such name.
    await leader.must('issued', leader.issue('web'));
    expect(revoked()).toEqual(['web']);
    await leader.must('manifest-set', leader.set(workloads));
    expect(revoked()).toEqual([]);
  });

  it('name certificates of manifests that are too old to be known', async () => {
    const leader = new LeaderState();
    await leader.must('manifest-set', leader.set({ web: {}, db: {} }));
    await leader.must('issued', leader.issue('web'));
    for (let at = 0; at < MANIFESTS_KEPT_MAX; at += 1) {
      expect(listed(leader).revokedCount).toBe(0);
      await leader.must('manifest-set', leader.set({ web: {}, db: { dnsNames: [`n${at}`] } }));
    }
    expect(listed(leader).revokedCount).toBe(1);
  });
});
