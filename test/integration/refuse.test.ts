/**
 * Who and what is refused: attested by the wrong measurement or configuration, out of date, or
 * malformed. The log names the check, the wire a coarse code.
 */
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { run } from '@witan/cli';
import {
  clientOf,
  EXAMPLE,
  freePorts,
  LOAD_PROGRAM,
  runInitializer,
  statusesOf,
} from '@witan/devcluster';
import { REPOSITORY_ROOT } from '@witan/tee-sim';
import { useDeployment } from '../support/deployment.ts';

const test = useDeployment();
/** As many as make it sure that asking again does not help. */
const REFUSALS = 4;
let scratch = '';

beforeAll(async () => {
  scratch = await mkdtemp(join(tmpdir(), 'witan-refuse-'));
});

afterAll(async () => {
  await rm(scratch, { recursive: true, force: true });
});

async function witan(...argv: readonly string[]): Promise<{
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}> {
  let stdout = '';
  let stderr = '';
  const code = await run({
    argv: [...argv],
    env: {},
    stdout: (text) => {
      stdout += text;
    },
    stderr: (text) => {
      stderr += text;
    },
  });
  return { code, stdout, stderr };
}

async function logsOf(): Promise<string> {
  const { cluster } = test.current;
  const logs = cluster.slots.map(({ slot }) => readFile(cluster.layout.log(slot), 'utf8'));
  return (await Promise.all(logs)).join('');
}

/** How often a channel was refused, by all logs. */
async function refusals(): Promise<number> {
  return (await logsOf()).split('channel refused').length - 1;
}

describe('a workload is refused', () => {
  it('when its program is another, by the name of the check in the log alone (I10)', async () => {
    const { cluster } = test.current;
    const { exit, log } = await runInitializer(cluster, {
      name: 'other-program',
      initdata: await test.current.initdata('orders'),
      endpoints: cluster.endpoints.slice(0, 1),
      output: join(scratch, 'other-program'),
      args: ['--once'],
      // The same files, another program: a measurement that no manifest lists.
      program: {
        ...LOAD_PROGRAM,
        name: 'impostor',
        entry: 'packages/tee-sim/src/guests/initializer.ts',
        files: [...LOAD_PROGRAM.files, 'packages/initializer/src', 'packages/telemetry/src'],
      },
    });
    expect(exit.exitCode).toBe(3);
    expect(log).not.toContain('SNP_MEASUREMENT');
    expect(await logsOf()).toContain('SNP_MEASUREMENT');
  });

  it('when its configuration is another', async () => {
    const { cluster } = test.current;
    const initdata = await test.current.initdata('orders');
    const changed = Buffer.from(initdata).toString('utf8').replace('orders', 'order5');
    const { exit } = await runInitializer(cluster, {
      name: 'other-initdata',
      initdata: new Uint8Array(Buffer.from(changed)),
      endpoints: cluster.endpoints.slice(0, 1),
      output: join(scratch, 'other-initdata'),
      args: ['--once'],
    });
    expect(exit.exitCode).not.toBe(0);
    expect(await logsOf()).toContain('SNP_HOST_DATA');
  });
});

describe('a replica is refused', () => {
  it('when it runs other code: it neither joins nor learns the seed (I1)', async () => {
    const { cluster } = test.current;
    const before = await refusals();
    const [port = 0] = await freePorts(1);
    const [victim] = cluster.slots;
    const slot = victim?.slot ?? '';
    const impostor = await cluster.tee.launch({
      program: {
        name: 'coordinator-with-other-code',
        entry: 'packages/tee-sim/src/guests/coordinator.ts',
        files: ['packages', 'package-lock.json'],
        root: REPOSITORY_ROOT,
      },
      initdata: new Uint8Array(await readFile(cluster.layout.initdata)),
      chip: 'chip-impostor',
      env: {
        WITAN_SLOT: slot,
        WITAN_LISTEN: `127.0.0.1:${port}`,
        WITAN_PEERS: cluster.slots.map((item) => `${item.slot}=${item.address}`).join(','),
        WITAN_DATA: join(scratch, 'impostor'),
      },
      stdoutPath: join(scratch, 'impostor.log'),
    });
    // Refused again and again.
    const isRefused = async (): Promise<boolean> => (await refusals()) >= before + REFUSALS;
    await vi.waitUntil(isRefused, { timeout: 60_000, interval: 50 });
    await cluster.tee.signal(impostor.guestId, 'SIGKILL');
    const log = await readFile(join(scratch, 'impostor.log'), 'utf8');
    expect(log).not.toContain('admitted');
    expect(await logsOf()).toContain('channel refused');
    const statuses = await statusesOf(cluster);
    expect(statuses.map(({ members }) => members.length)).toEqual([3, 3, 3]);
  });
});

describe('an owner’s update', () => {
  it('is a conflict when it builds on an older transition, and names both', async () => {
    const { manifestFile, ownerKeyFile, options } = test.current;
    const stale = '11'.repeat(32);
    const keys = ['--manifest', manifestFile, '--owner-key', ownerKeyFile];
    const { code, stdout } = await witan('set', ...keys, '--previous', stale, ...options, '--json');
    expect(code).toBe(4);
    const { error } = JSON.parse(stdout) as {
      readonly error: { readonly code: string; readonly fields: Readonly<Record<string, string>> };
    };
    expect(error.code).toBe('CLI_TRANSITION_STALE');
    expect(error.fields['found']).toBe(stale);
    expect(error.fields['expected']).toMatch(/^[0-9a-f]{64}$/);
  });

  it('has exactly one winner when two race', async () => {
    const { manifestFile, ownerKeyFile, options, cluster } = test.current;
    const manifest = JSON.parse(await readFile(manifestFile, 'utf8')) as {
      readonly workloads: Readonly<Record<string, { certificateLifetimeSeconds: number }>>;
    };
    const generations = (await statusesOf(cluster)).map(({ generation }) => generation);
    const files = await Promise.all(
      [3600, 7200].map(async (lifetime) => {
        const changed = structuredClone(manifest);
        for (const workload of Object.values(changed.workloads)) {
          workload.certificateLifetimeSeconds = lifetime;
        }
        const file = join(scratch, `manifest-${lifetime}.json`);
        await writeFile(file, JSON.stringify(changed));
        return file;
      }),
    );
    const client = await clientOf(cluster);
    const deployment = await client.getDeployment();
    client.close();
    const outcomes = await Promise.all(
      files.map((file) =>
        witan(
          'set',
          '--manifest',
          file,
          '--owner-key',
          ownerKeyFile,
          ...options,
          '--json',
          '--previous',
          deployment.transitionHash,
        ),
      ),
    );
    expect(outcomes.map(({ code }) => code).toSorted((a, b) => a - b)).toEqual([0, 4]);
    const after = (await statusesOf(cluster)).map(({ generation }) => generation);
    expect(Math.max(...after)).toBe(Math.max(...generations) + 1);
  });

  it('is refused from somebody who is no owner, before anything is sent', async () => {
    const { manifestFile, options } = test.current;
    await witan('owner', 'create', '--name', 'mallory', '--out', scratch);
    const key = join(scratch, 'mallory.key.pem');
    const { code, stderr } = await witan(
      'set',
      '--manifest',
      manifestFile,
      '--owner-key',
      key,
      ...options,
    );
    expect(code).toBe(2);
    expect(stderr).toContain('CLI_KEY_NOT_AN_OWNER');
  });

  it('is refused when it lists no Coordinator that is there', async () => {
    const { manifestFile, ownerKeyFile, options } = test.current;
    const manifest = JSON.parse(await readFile(manifestFile, 'utf8')) as {
      readonly coordinators: { measurement: string[] }[];
    };
    for (const entry of manifest.coordinators) entry.measurement = ['ee'.repeat(48)];
    const file = join(scratch, 'lock-out.json');
    await writeFile(file, JSON.stringify(manifest));
    const { code, stderr } = await witan(
      'set',
      '--manifest',
      file,
      '--owner-key',
      ownerKeyFile,
      ...options,
    );
    expect(code).not.toBe(0);
    expect(stderr).toMatch(/COORDINATOR_NOT_LISTED|CLIENT_/);
  });
});

describe('a data owner', () => {
  it('is told when the manifest in force is another', async () => {
    const { options } = test.current;
    const { manifestFile, cluster } = test.current;
    const [generation] = (await statusesOf(cluster)).map((status) => status.generation);
    // The race above has set another manifest than the first.
    expect(generation).toBeGreaterThan(1);
    const { code, stdout } = await witan('verify', '--manifest', manifestFile, ...options);
    expect(code).toBe(3);
    expect(stdout).toContain('NOT VERIFIED');
    expect(stdout).toContain('SIMULATED TEE');
  });

  it('sees an unbroken history, and every replica in status', async () => {
    const { options } = test.current;
    const history = await witan('history', ...options, '--json');
    expect(history.code).toBe(0);
    const { transitions } = JSON.parse(history.stdout) as {
      readonly transitions: readonly { readonly generation: number; readonly previous: string }[];
    };
    expect(transitions.map(({ generation }) => generation)).toEqual([1, 2]);
    const status = await witan('status', ...options);
    expect(status.code).toBe(0);
    for (const slot of ['witan-0', 'witan-1', 'witan-2']) expect(status.stdout).toContain(slot);
  });

  it('is told when nobody is there', async () => {
    const { options } = test.current;
    const config = options.slice(options.indexOf('--config-dir'));
    const { code } = await witan(
      'verify',
      '--endpoint',
      '127.0.0.1:1',
      '--timeout',
      '2',
      ...config,
    );
    expect(code).not.toBe(0);
  });
});

it('keeps no plaintext of manifest, seed or secret on any disk (I4)', async () => {
  const { cluster } = test.current;
  const { readdir } = await import('node:fs/promises');
  for (const { slot } of cluster.slots) {
    const data = cluster.layout.data(slot);
    for (const name of await readdir(data, { recursive: true })) {
      const bytes = await readFile(join(data, name)).catch(() => Buffer.alloc(0));
      for (const word of ['witan.dev/v1', 'storefront', 'PUBLIC KEY', 'BEGIN']) {
        expect(bytes.includes(word), `${word} in ${name}`).toBe(false);
      }
    }
  }
  expect(EXAMPLE).toContain('shop.yaml');
});
