/** Renewal, and versions of secrets, against real attested servers with simulated hardware. */
import { X509Certificate, createHash, createPrivateKey } from 'node:crypto';
import { mkdtemp, readFile, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { COORDINATOR, Scene, makeHardware, type Hardware } from '@witan/client/testing';
import { PublicError } from '@witan/transport';
import { run } from '../src/index.ts';

const MEASUREMENT = 'ab'.repeat(48);
let hardware: Hardware;
let scene: Scene;
let directory: string;
let initdata: string;

beforeAll(() => {
  hardware = makeHardware();
}, 60_000);

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'witan-initializer-'));
  scene = new Scene(hardware);
  await scene.start();
  await generate();
});

afterEach(async () => {
  await scene.close();
  await rm(directory, { recursive: true });
});

/** Initdata in the form that `witan generate` writes. */
async function generate(): Promise<void> {
  const referenceValues = [hardware.referenceValues(COORDINATOR)];
  const endpoints = scene.replicas.map(({ address }) => address);
  const settings = {
    apiVersion: 'witan.dev/v1',
    coordinator: { endpoints, referenceValues },
    kind: 'Workload',
    workload: 'web',
  };
  initdata =
    'version = "0.1.0"\nalgorithm = "sha256"\n\n[data]\n' +
    `"policy.json" = '''\n{\n  "pod": {}\n}\n'''\n` +
    `"witan.json" = '''\n${JSON.stringify(settings, null, 2)}\n'''\n`;
  await writeFile(join(directory, 'initdata'), initdata);
}

function launch(): { measurement: string; hostData: string } {
  return {
    measurement: MEASUREMENT,
    hostData: createHash('sha256').update(initdata).digest('hex'),
  };
}

async function setManifest(): Promise<void> {
  const entry = {
    referenceValues: [hardware.referenceValues(launch())],
    dnsNames: ['web'],
    secrets: ['database'],
  };
  await scene.set(scene.client(), scene.manifest({ workloads: { web: entry } }));
}

interface Result {
  readonly code: number;
  readonly stderr: string;
}

async function initialize(
  argv: readonly string[] = ['--once'],
  options: { readonly signal?: AbortSignal } = {},
): Promise<Result> {
  let stderr = '';
  const code = await run({
    argv,
    env: { WITAN_INITDATA: join(directory, 'initdata'), WITAN_OUTPUT: join(directory, 'witan') },
    evidenceProvider: hardware.provider(launch()),
    profile: 'development',
    stdout: () => undefined,
    stderr: (text) => {
      stderr += text;
    },
    ...options,
  });
  return { code, stderr };
}

async function output(name: string): Promise<Buffer> {
  return await readFile(join(directory, 'witan', name));
}

async function written(): Promise<readonly string[]> {
  return await readdir(join(directory, 'witan')).catch(() => []);
}

function callCount(): number {
  const calls = scene.replicas.flatMap((replica) => replica.calls);
  return calls.filter((name) => name === 'issueCredentials').length;
}

describe('an initializer that renews', () => {
  /** Runs until `until` holds of what it wrote, then stops it. */
  async function renewing(until: () => Promise<boolean>, change: () => void): Promise<Result> {
    const stop = new AbortController();
    const running = initialize(['--renew', '--check', '1'], { signal: stop.signal });
    try {
      await vi.waitUntil(async () => (await written()).includes('cert.pem'), { timeout: 10_000 });
      change();
      await vi.waitUntil(until, { timeout: 10_000, interval: 50 });
    } finally {
      stop.abort();
    }
    return await running;
  }

  it('gets another certificate for the same key before the first one expires', async () => {
    await setManifest();
    for (const { faults } of scene.replicas) faults.lifetimeMs = 3_000;
    const first = { cert: '', key: '' };
    const read = async (name: string): Promise<string> => (await output(name)).toString();
    const { code } = await renewing(
      async () => {
        first.cert ||= await read('cert.pem');
        first.key ||= await read('key.pem');
        return (await read('cert.pem')) !== first.cert && callCount() >= 3;
      },
      () => undefined,
    );
    expect(code).toBe(0);
    expect(await read('key.pem')).toBe(first.key);
    const leaf = new X509Certificate(await read('cert.pem'));
    expect(leaf.checkPrivateKey(createPrivateKey(first.key))).toBe(true);
  });

  it('comes at once when the cluster has changed something', async () => {
    await setManifest();
    const { code } = await renewing(
      () => Promise.resolve(callCount() >= 2),
      () => {
        for (const { faults } of scene.replicas) {
          const trust = { version: 2n };
          faults.trust = (answer) => ({ ...answer, trust });
          faults.issue = (answer) => ({ ...answer, trust });
        }
      },
    );
    expect(code).toBe(0);
  });

  it('keeps what it has, and says until when, while it is refused', async () => {
    await setManifest();
    let refusals = 0;
    const { code, stderr } = await renewing(
      () => Promise.resolve(refusals >= 2),
      () => {
        for (const { faults } of scene.replicas) {
          faults.before = () => {
            refusals += 1;
            throw new PublicError('PERMISSION_DENIED', 'EVIDENCE_REFUSED', 'no longer listed');
          };
        }
      },
    );
    expect(code).toBe(0);
    expect(stderr).toMatch(/not renewed, valid until 20.*CLIENT_REQUEST_REFUSED/);
    expect(await written()).toContain('cert.pem');
  });

  it.each(['0', 'often', '100000'])('refuses to ask every %s seconds', async (check) => {
    const { code, stderr } = await initialize(['--renew', '--check', check]);
    expect(code).toBe(2);
    expect(stderr).toContain('INITIALIZER_USAGE');
  });
});

describe('versions of a secret', () => {
  it('are written as long as they are given out, the current one under the name', async () => {
    const entry = {
      referenceValues: [hardware.referenceValues(launch())],
      secrets: [{ name: 'database', kind: 'shared', keep: 2 }],
    };
    await scene.set(scene.client(), scene.manifest({ workloads: { web: entry } }));
    const give = (...versions: readonly number[]): void => {
      for (const { faults } of scene.replicas) {
        const value = (version: number) => new Uint8Array(32).fill(version);
        const secrets = versions.map((version) => ({
          name: 'database',
          version,
          value: value(version),
        }));
        faults.issue = (answer) => ({ ...answer, secrets });
      }
    };
    const names = async (): Promise<readonly string[]> =>
      (await readdir(join(directory, 'witan', 'secrets'))).toSorted();
    give(3, 2, 1);
    expect(await initialize()).toMatchObject({ code: 0 });
    expect(await names()).toEqual(['database', 'database.v1', 'database.v2']);
    expect((await output('secrets/database'))[0]).toBe(3);
    give(4, 3);
    expect(await initialize()).toMatchObject({ code: 0 });
    expect(await names()).toEqual(['database', 'database.v3']);
    give(4, 2);
    expect(await initialize()).toMatchObject({ code: 3 });
  });
});
