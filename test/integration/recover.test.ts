/**
 * Full recovery of real processes: owners with shares, a survivor without, disks that are gone or
 * old. Nothing that a workload holds changes (I8), every recovery is on record (I7), and nothing
 * opens below what an owner has seen (I6).
 */
import { X509Certificate } from 'node:crypto';
import { cp, readFile, readdir, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { beforeAll, describe, expect, it, vi } from 'vitest';
import type { ReplicaStatus } from '@witan/client';
import { Secret } from '@witan/core';
import { allServe, clientOf, runInitializer, statusesOf, waitForStatuses } from '@witan/devcluster';
import { decodeShareFile } from '@witan/keys';
import { runWitan, useDeployment } from '../support/deployment.ts';
import { openShareOf } from '../support/shares.ts';

const test = useDeployment({ recoveryOwners: { bob: 'p384', carol: 'rsa3072' } });
type Owner = 'alice' | 'bob' | 'carol';

/** Where the encrypted shares are that setting the manifest has written. */
let shares = '';
/** What the workload had before anything was lost. */
let before: Readonly<Record<string, string>>;

function path(...parts: readonly string[]): string {
  return join(test.directory, ...parts);
}

function slots(): readonly string[] {
  return test.current.cluster.slots.map(({ slot }) => slot);
}

beforeAll(async () => {
  const [status] = await statusesOf(test.current.cluster);
  shares = path('config', 'shares', status?.clusterId ?? '');
  before = await credentials('before');
});

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

/** Whether the cluster knows a certificate that it issued. */
async function isRecorded(pem: string): Promise<boolean> {
  const serial = new X509Certificate(pem).serialNumber.toLowerCase().padStart(32, '0');
  const client = await clientOf(test.current.cluster);
  const found = await client.getIdentities([serial]);
  client.close();
  return found.length === 1;
}

/** Runs `witan receipt`, which has to be content. */
async function receipt(...argv: readonly string[]): Promise<unknown> {
  const ran = await runWitan('receipt', ...argv, '--json');
  expect(ran.code, ran.stderr).toBe(0);
  return JSON.parse(ran.stdout);
}

/** The secret inside of an owner's share. */
async function valueOf(owner: Owner): Promise<Buffer> {
  const file = await openShareOf(test.current, owner, shares);
  const share = decodeShareFile(new Secret(await readFile(file)));
  return Buffer.from(share.value.expose());
}

async function filesBelow(directory: string): Promise<readonly string[]> {
  const entries = await readdir(directory, { recursive: true, withFileTypes: true });
  return entries
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name));
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

/** An opening that is interrupted is made again, one epoch higher. */
async function serving(least: number): Promise<readonly ReplicaStatus[]> {
  const { cluster } = test.current;
  return waitForStatuses(cluster, `all slots vote in epoch ${least} or a later one`, (all) => {
    const epochs = new Set(all.map(({ epoch }) => epoch));
    return allServe(cluster, all) && epochs.size === 1 && Math.min(...epochs) >= least;
  });
}

/** An owner hands in a share at one replica. */
async function recover(owner: Owner, at: number, ...more: readonly string[]) {
  const { cluster, options, ownerKeyFile } = test.current;
  const key = join(dirname(ownerKeyFile), `${owner}.key.pem`);
  const share = ['--share', join(shares, `${owner}.share.jwe`), '--key', key];
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
    const held = new X509Certificate(before['own'] ?? '').serialNumber.toLowerCase();
    const receipts = { earlier: path('earlier.json'), later: path('later.json') };
    await receipt('get', held, '--out', receipts.earlier, ...options);
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
    expect(second.said).toMatchObject({ ok: true, open: true, generation: 1 });
    await serving(2);
    const verified = await runWitan('verify', '--manifest', test.current.manifestFile, ...options);
    expect(verified.code, verified.stderr).toBe(0);
    expect(verified.stdout).toMatch(/bob, carol|carol, bob/);
    const after = await credentials('after');
    expect({ root: after['root'], mesh: after['mesh'] }).toEqual({
      root: before['root'],
      mesh: before['mesh'],
    });
    expect(await isRecorded(before['own'] ?? '')).toBe(true);
    // Receipts hold across it, old ones and new ones of what was before; it has its own (I7).
    const config = options.slice(2);
    await receipt('get', held, '--out', receipts.later, ...options);
    for (const file of Object.values(receipts)) {
      const checked = await receipt('verify', file, ...config);
      expect(checked).toMatchObject({ leaf: { kind: 'issuance', serial: held, epoch: 1 } });
    }
    const file = path('recovery.json');
    await receipt('get', '--recovery', '2', '--out', file, ...options);
    expect(await receipt('verify', file, ...config)).toMatchObject({
      leaf: { kind: 'recovery', epoch: 2, key: 'shares' },
    });
    const asked = await runWitan('receipt', 'get', '--recovery', '3', ...options, '--json');
    expect(JSON.parse(asked.stdout)).toMatchObject({
      error: { fields: { remoteCode: 'LEAF_UNKNOWN' } },
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
    const verified = await runWitan('verify', '--manifest', test.current.manifestFile, ...options);
    expect(verified.code, verified.stderr).toBe(0);
    expect(verified.stdout).toContain('memory');
  });

  it('learns from a survivor whose word counts, when all disks are gone', async () => {
    const { cluster } = test.current;
    const gone = ['witan-1', 'witan-2'];
    for (const slot of gone) {
      await cluster.killSlot(slot);
      await rm(cluster.layout.data(slot), { recursive: true });
    }
    for (const slot of gone) await cluster.startSlot(slot);
    await waitForStatuses(cluster, 'the survivor tells of the shares', (all) =>
      all.some(({ recovery }) => recovery?.seed === 'memory' && recovery.shares.threshold === 2),
    );
    const word = ['--accept-missing', ...gone] as const;
    expect((await recover('alice', 0, '--wait', '0', ...word)).code).toBe(6);
    const opened = await recover('carol', 0, '--wait', '30', ...word);
    expect(opened.code, opened.stderr).toBe(0);
    await serving(4);
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
      progress: { obstacle: { code: 'BELOW_FLOOR', found: 'epoch 1' } },
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
    await serving(5);
    const verified = await runWitan('verify', '--manifest', test.current.manifestFile, ...options);
    expect(verified.code, verified.stderr).toBe(0);
    expect(verified.stdout).toMatch(/witan-2 *$/m);
    const after = await credentials('last');
    expect(after['mesh']).toBe(before['mesh']);
  });

  it('opens with shares of the seed in force, and none of the former one (I4, I8)', async () => {
    const { options, ownerKeyFile } = test.current;
    const former = path('shares-of-the-former-seed');
    await cp(shares, former, { recursive: true });
    const rotate = (...words: readonly string[]) =>
      runWitan('rotate', 'seed', ...words, '--owner-key', ownerKeyFile, ...options, '--json');
    expect((await rotate('prepare')).code).toBe(0);
    await vi.waitUntil(async () => (await rotate('activate')).code === 0, {
      timeout: 30_000,
      interval: 200,
    });
    await killAll();
    await startAll();
    await sealed();
    const dealt = await readFile(join(shares, 'bob.share.jwe'));
    expect(dealt).not.toEqual(await readFile(join(former, 'bob.share.jwe')));
    // Nobody fetched the new ones while the cluster worked: they are on its disks.
    const next = path('shares-of-the-next-seed');
    const got = ['--owner', 'bob', '--owner', 'carol', '--out', next, '--timeout', '3'];
    const fetched = await runWitan('share', 'get', ...got, ...options);
    expect(fetched.code, fetched.stderr).toBe(0);
    expect(fetched.stderr).toContain('waits for a recovery');
    expect(await readFile(join(next, 'bob.share.jwe'))).toEqual(dealt);
    shares = former;
    const refused = await recover('bob', 0, '--wait', '0');
    expect(refused.stderr).toContain('KEYS_SHARE_WRONG_RESHARING');
    shares = next;
    expect((await recover('bob', 0, '--wait', '0')).code).toBe(6);
    const opened = await recover('carol', 1, '--wait', '30');
    expect(opened.code, opened.stderr).toBe(0);
    await serving(6);
    const verified = await runWitan('verify', '--manifest', test.current.manifestFile, ...options);
    expect(verified.code, verified.stderr).toBe(0);
    const status = await runWitan('rotate', 'status', ...options, '--json');
    expect(JSON.parse(status.stdout)).toMatchObject({ seed: { phase: 'activated', number: 2 } });
    const after = await credentials('of-the-next-seed');
    expect(after['mesh']).toBe(before['mesh']);
    shares = former;
  });

  it('leaves no share in logs or on disks, however often owners hand theirs in (I4)', async () => {
    const needles = await Promise.all((['alice', 'bob', 'carol'] as const).map(valueOf));
    const { layout } = test.current.cluster;
    const logs = slots().map((slot) => layout.log(slot));
    const disks = await Promise.all(slots().map((slot) => filesBelow(layout.data(slot))));
    for (const file of [...logs, ...disks.flat()]) {
      const bytes = await readFile(file);
      for (const value of needles) {
        for (const form of [value, value.toString('hex'), value.toString('base64').slice(0, 40)]) {
          expect(bytes.includes(form), file).toBe(false);
        }
      }
    }
  });
});
