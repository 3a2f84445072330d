/**
 * A cluster whose measured configuration names a sealing provider, and that loses every process: no
 * owner takes part in its recovery. Against a transit service that is written after the published
 * interface and really encrypts.
 */
import { mkdtemp, readFile, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startTransitServer, type TransitServer } from '@witan/coordinator/testing';
import {
  allServe,
  startDeployment,
  statusesOf,
  waitForStatuses,
  type Deployment,
} from '@witan/devcluster';
import { runWitan } from '../support/deployment.ts';

let directory = '';
let service: TransitServer;
let current: Deployment;

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'witan-provider-'));
  service = await startTransitServer();
  service.createKey('witan');
  const tokenFile = join(directory, 'token');
  await writeFile(tokenFile, service.token);
  const { address, certificateAuthorities } = service;
  current = await startDeployment(directory, {
    sealing: {
      provider: 'vault-transit',
      address,
      certificateAuthorities,
      key: 'witan',
      tokenFile,
    },
  });
});

afterAll(async () => {
  await current.cluster.shutdown();
  await service.close();
  await rm(directory, { recursive: true, force: true });
});

function slots(): readonly string[] {
  return current.cluster.slots.map(({ slot }) => slot);
}

async function until(what: string, condition: () => Promise<boolean>): Promise<void> {
  const deadline = performance.now() + 30_000;
  while (!(await condition())) {
    if (performance.now() > deadline) throw new Error(`in vain: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}

async function logsHold(text: string, count = 1): Promise<boolean> {
  const logs = slots().map((slot) => readFile(current.cluster.layout.log(slot), 'utf8'));
  return (await Promise.all(logs)).every((log) => log.split(text).length > count);
}

async function startAll(): Promise<void> {
  for (const slot of slots()) await current.cluster.startSlot(slot);
}

describe('a sealing provider', () => {
  it('has wrapped a key for each replica, and never seen a seed (I1)', async () => {
    await until('all seeds wrapped', () => logsHold('seed wrapped'));
    expect(service.plaintexts).toHaveLength(3);
    for (const slot of slots()) {
      const data = current.cluster.layout.data(slot);
      const names = await readdir(data, { recursive: true, withFileTypes: true });
      const files = names.filter((name) => name.isFile());
      const disk = Buffer.concat(
        await Promise.all(files.map((name) => readFile(join(name.parentPath, name.name)))),
      );
      expect(disk.includes('vault:v1:')).toBe(true);
      for (const key of service.plaintexts) expect(disk.includes(key)).toBe(false);
      const log = await readFile(current.cluster.layout.log(slot), 'utf8');
      expect(log).not.toContain(service.token);
    }
  });

  it('opens nothing while a slot of the last configuration has not answered', async () => {
    for (const slot of slots()) await current.cluster.killSlot(slot);
    for (const slot of slots().slice(0, 2)) await current.cluster.startSlot(slot);
    await until('unwrapped', async () => {
      const statuses = await statusesOf(current.cluster);
      const codes = statuses.map(({ recovery }) => recovery?.obstacle?.code);
      return codes.length === 2 && codes.every((code) => code === 'STATE_MISSING');
    });
    const statuses = await statusesOf(current.cluster);
    expect(statuses.map(({ phase }) => phase)).toEqual(['sealed', 'sealed']);
  });

  it('brings the cluster back without an owner once all have answered (I4, I7, I8)', async () => {
    const { cluster, options, manifestFile } = current;
    service.sealed = true;
    for (const slot of slots().slice(0, 2)) await cluster.killSlot(slot);
    await startAll();
    await until('asked in vain', () => logsHold('COORDINATOR_SEALING_SERVICE_SEALED'));
    const shut = await statusesOf(cluster);
    expect(shut.every(({ phase }) => phase === 'sealed')).toBe(true);
    service.sealed = false;
    await waitForStatuses(
      cluster,
      'all slots vote in epoch 2',
      (all) => allServe(cluster, all) && all.every(({ epoch }) => epoch === 2),
    );
    const verified = await runWitan('verify', '--manifest', manifestFile, ...options);
    expect(verified.code, verified.stderr).toBe(0);
    expect(verified.stdout).toContain('provider');
    await until('wrapped again', () => logsHold('seed wrapped', 2));
  });

  it('leaves disks that newcomers of the new epoch reuse', async () => {
    const { cluster } = current;
    await cluster.killSlot('witan-2');
    await cluster.startSlot('witan-2');
    const all = await waitForStatuses(cluster, 'all slots vote', (found) =>
      allServe(cluster, found),
    );
    const counters = all.find(({ slot }) => slot === 'witan-2')?.counters;
    expect(counters?.['reused_index']).toBeGreaterThan(0);
    expect(counters?.['snapshot_bytes_received']).toBe(0);
  });
});
