/**
 * Full recovery of real processes: owners with shares, a survivor without, disks that are gone or
 * old. Nothing that a workload holds changes (I8), every recovery is on record (I7), and nothing
 * opens below what an owner has seen (I6).
 */
import { cp, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import type { ReplicaStatus } from '@witan/client';
import { allServe, runInitializer, statusesOf, waitForStatuses } from '@witan/devcluster';
import { runWitan, useDeployment } from '../support/deployment.ts';

const OWNERS = ['alice', 'bob', 'carol'] as const;
type Owner = (typeof OWNERS)[number];

const test = useDeployment();

/** What the workload had before anything was lost. */
let before: Readonly<Record<string, string>>;

function path(...parts: readonly string[]): string {
  return join(test.directory, ...parts);
}

function slots(): readonly string[] {
  return test.current.cluster.slots.map(({ slot }) => slot);
}

beforeAll(async () => {
  const { witan, manifestFile, ownerKeyFile, options } = test.current;
  await writeFile(path('alice.key.pem'), await readFile(ownerKeyFile));
  await writeFile(
    path('alice.pub.pem'),
    await readFile(ownerKeyFile.replace('.key.pem', '.pub.pem')),
  );
  for (const name of OWNERS.slice(1)) {
    await witan(['owner', 'create', '--name', name, '--out', test.directory]);
  }
  const manifest = JSON.parse(await readFile(manifestFile, 'utf8')) as Record<string, unknown>;
  const owners = OWNERS.map(async (name) => ({
    name,
    publicKey: await readFile(path(`${name}.pub.pem`), 'utf8'),
    roles: name === 'alice' ? ['update', 'recovery'] : ['recovery'],
  }));
  const next = { ...manifest, owners: await Promise.all(owners), recoveryThreshold: 2 };
  await writeFile(path('manifest.json'), JSON.stringify(next));
  const files = ['--manifest', path('manifest.json'), '--owner-key', ownerKeyFile];
  await witan(['set', ...files, ...options]);
  await fetchShares();
  before = await credentials('before');
});

/** Each owner's share, encrypted, as the cluster hands it out. */
async function fetchShares(): Promise<void> {
  await test.current.witan([
    'share',
    'get',
    '--all',
    '--out',
    test.directory,
    ...test.current.options,
  ]);
}

/** What an initializer receives now. */
async function credentials(name: string): Promise<Readonly<Record<string, string>>> {
  const { cluster } = test.current;
  const output = path(`credentials-${name}`);
  const initdata = await test.current.initdata('orders');
  const { endpoints } = cluster;
  const args = ['--once'];
  const { exit, log } = await runInitializer(cluster, { name, initdata, endpoints, output, args });
  expect(exit.exitCode, log).toBe(0);
  const files = { root: 'ca.pem', mesh: 'mesh-ca.pem', own: 'cert.pem' };
  const read = Object.entries(files).map(async ([key, file]) => [
    key,
    await readFile(join(output, file), 'utf8'),
  ]);
  return Object.fromEntries(await Promise.all(read)) as Record<string, string>;
}

async function killAll(): Promise<void> {
  for (const slot of slots()) await test.current.cluster.killSlot(slot);
}

async function startAll(): Promise<void> {
  for (const slot of slots()) await test.current.cluster.startSlot(slot);
}

async function sealed(): Promise<void> {
  await waitForStatuses(
    test.current.cluster,
    'all know their disks',
    (all) =>
      all.length === 3 &&
      all.every(
        ({ phase, recovery }) => phase === 'sealed' && (recovery?.shares.threshold ?? 0) > 0,
      ),
  );
}

async function serving(epoch: number): Promise<readonly ReplicaStatus[]> {
  const { cluster } = test.current;
  return waitForStatuses(
    cluster,
    `all slots vote in epoch ${epoch}`,
    (all) => allServe(cluster, all) && all.every((status) => status.epoch === epoch),
  );
}

/** An owner hands in a share at one replica. */
async function recover(owner: Owner, at: number, ...more: readonly string[]) {
  const { cluster, options } = test.current;
  const share = ['--share', path(`${owner}.share.jwe`), '--key', path(`${owner}.key.pem`)];
  const [, , ...config] = options;
  const { code, stdout, stderr } = await runWitan(
    'recover',
    ...share,
    '--endpoint',
    cluster.endpoints[at] ?? '',
    ...config,
    '--json',
    ...more,
  );
  return { code, stderr, said: JSON.parse(stdout) as Readonly<Record<string, unknown>> };
}

describe('a cluster that lost its majority', () => {
  it('opens with two shares of three, given to two replicas, through a kill (I7, I8)', async () => {
    const { cluster, options } = test.current;
    await killAll();
    for (const slot of slots()) {
      await cp(cluster.layout.data(slot), path('old', slot), { recursive: true });
    }
    await startAll();
    await sealed();
    const first = await recover('bob', 1, '--wait', '0');
    expect(first.code, first.stderr).toBe(6);
    expect(first.said).toMatchObject({ ok: false, open: false });
    // The others have it too, so the loss of the one that took it loses nothing.
    await waitForStatuses(cluster, 'all have the share', (all) =>
      all.every(({ recovery }) => recovery?.shares.received === 1),
    );
    await cluster.killSlot('witan-1');
    await cluster.startSlot('witan-1');
    await sealed();
    const second = await recover('carol', 2, '--wait', '30');
    expect(second.code, second.stderr).toBe(0);
    expect(second.said).toMatchObject({ ok: true, open: true, epoch: 2, generation: 2 });
    await serving(2);
    const verified = await runWitan('verify', '--manifest', path('manifest.json'), ...options);
    expect(verified.code, verified.stderr).toBe(0);
    expect(verified.stdout).toMatch(/bob, carol|carol, bob/);
    const after = await credentials('after');
    expect({ root: after['root'], mesh: after['mesh'] }).toEqual({
      root: before['root'],
      mesh: before['mesh'],
    });
    const again = await recover('alice', 0, '--wait', '5');
    expect(again.code).toBe(0);
    expect(again.stderr).toContain('nothing to recover');
  });

  it('opens without any share while one process has the seed in memory', async () => {
    const { cluster, options } = test.current;
    const survivor = (await statusesOf(cluster)).find(({ slot }) => slot === 'witan-0');
    for (const slot of ['witan-1', 'witan-2']) await cluster.killSlot(slot);
    for (const slot of ['witan-1', 'witan-2']) await cluster.startSlot(slot);
    const all = await serving(3);
    expect(all.find(({ slot }) => slot === 'witan-0')?.incarnation).toBe(survivor?.incarnation);
    const verified = await runWitan('verify', '--manifest', path('manifest.json'), ...options);
    expect(verified.code, verified.stderr).toBe(0);
    expect(verified.stdout).toContain('memory');
  });

  it('stays shut on disks that were put back to where they were, and says so (I6)', async () => {
    const { cluster } = test.current;
    await killAll();
    for (const slot of slots()) {
      await cp(cluster.layout.data(slot), path('new', slot), { recursive: true });
      await rm(cluster.layout.data(slot), { recursive: true });
      await cp(path('old', slot), cluster.layout.data(slot), { recursive: true });
    }
    await startAll();
    await sealed();
    await recover('alice', 0, '--wait', '0');
    const refused = await recover('bob', 1);
    expect(refused.code).toBe(6);
    expect(refused.said).toMatchObject({
      progress: { obstacle: { code: 'BELOW_FLOOR', expected: 'epoch 3', found: 'epoch 1' } },
    });
    expect((await statusesOf(cluster)).map(({ phase }) => phase)).toEqual([
      'sealed',
      'sealed',
      'sealed',
    ]);
    await killAll();
    for (const slot of slots()) {
      await rm(cluster.layout.data(slot), { recursive: true });
      await cp(path('new', slot), cluster.layout.data(slot), { recursive: true });
    }
  });

  it('waits for a disk that is gone until enough owners give it up', async () => {
    const { cluster, options } = test.current;
    await rm(cluster.layout.data('witan-2'), { recursive: true });
    await startAll();
    await waitForStatuses(
      cluster,
      'two disks',
      (all) => all.filter(({ recovery }) => (recovery?.shares.threshold ?? 0) > 0).length >= 2,
    );
    await recover('alice', 0, '--wait', '0');
    const waiting = await recover('bob', 1);
    expect(waiting.code).toBe(6);
    expect(waiting.said).toMatchObject({
      progress: { obstacle: { code: 'STATE_MISSING', slots: ['witan-2'] } },
    });
    const one = await recover('alice', 0, '--wait', '3', '--accept-missing', 'witan-2');
    expect(one.code).toBe(6);
    const both = await recover('carol', 1, '--wait', '30', '--accept-missing', 'witan-2');
    expect(both.code, both.stderr).toBe(0);
    const epoch = Number(both.said['epoch']);
    await serving(epoch);
    const verified = await runWitan('verify', '--manifest', path('manifest.json'), ...options);
    expect(verified.code, verified.stderr).toBe(0);
    expect(verified.stdout).toMatch(/witan-2 *$/m);
    const after = await credentials('last');
    expect(after['mesh']).toBe(before['mesh']);
  });
});
