/**
 * What a host finds on disks, in logs and in a core file of a running deployment: no plaintext of
 * manifest, secret, seed, recovery share or private key (I4). The seed is what the owners' opened
 * shares give, together with the header that every disk shows in the clear.
 */
import { execFileSync } from 'node:child_process';
import { createPrivateKey } from 'node:crypto';
import { mkdtemp, readFile, readdir, readlink, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { allServe, runInitializer, waitForStatuses } from '@witan/devcluster';
import { Secret } from '@witan/core';
import { decodeShareFile } from '@witan/keys';
import type { RecoveryHeader } from '@witan/manifest';
import { useDeployment } from '../support/deployment.ts';
import { combine, headerOnDisk, openShareOf } from '../support/shares.ts';

const CORE_BYTES_MAX = 1024 * 1024;
const WAIT_MS = 60_000;

const test = useDeployment({ recoveryOwners: { bob: 'p384', carol: 'p256' } });
let scratch = '';
/** What must not be found: a name for messages, and bytes. */
const needles: (readonly [string, Buffer])[] = [
  ['manifest: version', Buffer.from('witan.dev/v1')],
  ['manifest: workload', Buffer.from('"workloads"')],
  ['manifest: owner', Buffer.from('BEGIN PUBLIC KEY')],
  ['private key', Buffer.from('PRIVATE KEY')],
];

beforeAll(async () => {
  scratch = await mkdtemp(join(tmpdir(), 'witan-sealed-'));
  const output = join(scratch, 'workload');
  const { exit } = await runInitializer(test.current.cluster, {
    name: 'sealed',
    initdata: await test.current.initdata('orders'),
    endpoints: test.current.cluster.endpoints.slice(0, 1),
    output,
    args: ['--once'],
  });
  if (exit.exitCode !== 0) throw new Error('the initializer failed');
  for (const path of await filesBelow(output)) await addNeedles(path);
  await addSeedAndShares();
});

afterAll(async () => {
  await rm(scratch, { recursive: true, force: true });
});

/** Secrets and the private key that the workload received, in the forms that might leak. */
async function addNeedles(path: string): Promise<void> {
  const bytes = await readFile(path);
  if (path.includes('/secrets/')) addForms(path, bytes);
  if (!bytes.includes('PRIVATE KEY')) return;
  const { d } = createPrivateKey(bytes).export({ format: 'jwk' });
  addForms(path, Buffer.from(String(d), 'base64url'));
}

/** What owners open, and what two of them have together. */
async function addSeedAndShares(): Promise<void> {
  const directory = join(scratch, 'shares');
  const { witan, options, cluster } = test.current;
  await witan(['share', 'get', '--all', '--out', directory, ...options]);
  const opened: string[] = [];
  for (const owner of ['alice', 'bob', 'carol']) {
    const path = await openShareOf(test.current, owner, directory);
    opened.push(path);
    const share = decodeShareFile(new Secret(await readFile(path)));
    addForms(`share of ${owner}`, Buffer.from(share.value.expose()));
    needles.push([`file of ${owner}`, (await readFile(path)).subarray(-60)]);
  }
  let header: RecoveryHeader | undefined;
  await until(async () => {
    header = await headerOnDisk(test.current, cluster.slots[0]?.slot ?? '', scratch);
    return header !== undefined;
  });
  const seed = await combine(header ?? expect.fail(), opened.slice(1));
  addForms('seed', Buffer.from(seed.expose()));
}

function addForms(name: string, bytes: Buffer): void {
  needles.push([`${name}, raw`, bytes], [`${name}, hex`, Buffer.from(bytes.toString('hex'))]);
  needles.push([`${name}, base64`, Buffer.from(bytes.toString('base64').slice(0, 40))]);
}

async function filesBelow(directory: string): Promise<readonly string[]> {
  const entries = await readdir(directory, { recursive: true, withFileTypes: true });
  return entries
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name));
}

/** Names of the needles in these files. A file that is removed meanwhile holds nothing. */
async function foundIn(paths: readonly string[]): Promise<readonly string[]> {
  const found: string[] = [];
  for (const path of paths) {
    const bytes = await readFile(path).catch(() => Buffer.alloc(0));
    for (const [name, needle] of needles)
      if (bytes.includes(needle)) found.push(`${name}: ${path}`);
  }
  return found;
}

async function until(condition: () => Promise<boolean>): Promise<void> {
  const deadline = performance.now() + WAIT_MS;
  while (!(await condition())) {
    if (performance.now() > deadline) throw new Error('it did not come to pass');
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}

function logsOf(): readonly string[] {
  const { cluster } = test.current;
  return cluster.slots.map(({ slot }) => cluster.layout.log(slot));
}

describe('a host that searches everything', () => {
  it('would find what it searches for (planted violation)', async () => {
    expect(needles.length).toBeGreaterThan(8 + 4 * 3 + 3);
    for (const [at, [name, needle]] of needles.entries()) {
      const path = join(scratch, `planted-${at}`);
      await writeFile(path, Buffer.concat([Buffer.alloc(1000, 1), needle, Buffer.alloc(9, 2)]));
      expect(await foundIn([path])).toContain(`${name}: ${path}`);
    }
  });

  it('finds nothing on disks and in logs, also after a replacement renewed keys', async () => {
    const { cluster } = test.current;
    const [, , slot] = cluster.slots;
    await cluster.killSlot(slot?.slot ?? '');
    await cluster.startSlot(slot?.slot ?? '');
    await waitForStatuses(cluster, 'all slots vote', (all) => allServe(cluster, all));
    await until(async () => {
      const logs = await Promise.all(logsOf().map((path) => readFile(path, 'utf8')));
      return logs.filter((log) => log.includes('sealing keys renewed')).length >= 2;
    });
    const disks = cluster.slots.map(({ slot: name }) => filesBelow(cluster.layout.data(name)));
    const files = (await Promise.all(disks)).flat();
    expect(files.length).toBeGreaterThan(3);
    expect(await foundIn([...files, ...logsOf()])).toEqual([]);
  });

  it('finds nothing in a core file: it holds registers and no memory', async () => {
    const { cluster } = test.current;
    const pid = cluster.slots[0]?.pid ?? 0;
    const filter = await readFile(`/proc/${pid}/coredump_filter`, 'utf8');
    expect(Number.parseInt(filter, 16)).toBe(0);
    const pattern = (await readFile('/proc/sys/kernel/core_pattern', 'utf8')).trim();
    // Elsewhere a program of the host takes core files; the filter above holds for it as well.
    if (pattern !== 'core') return;
    const directory = await readlink(`/proc/${pid}/cwd`);
    const isCore = (name: string): boolean => name === 'core' || name === `core.${pid}`;
    expect((await readdir(directory)).filter(isCore)).toEqual([]);
    execFileSync('prlimit', ['--core=unlimited:unlimited', '--pid', String(pid)]);
    process.kill(pid, 'SIGABRT');
    let core = '';
    await until(async () => {
      core = (await readdir(directory)).find(isCore) ?? '';
      return core !== '' && (await stat(`/proc/${pid}`).catch(() => undefined)) === undefined;
    });
    const path = join(directory, core);
    try {
      expect((await stat(path)).size).toBeLessThan(CORE_BYTES_MAX);
      expect(await foundIn([path])).toEqual([]);
    } finally {
      await rm(path);
    }
  });
});
