/** The initializer against real attested servers, with simulated hardware. */
import { X509Certificate, createHash, createPrivateKey } from 'node:crypto';
import { mkdir, mkdtemp, readFile, readdir, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { COORDINATOR, Scene, makeHardware, type Hardware } from '@witan/client/testing';
import { amdAnswersOf, startMirror } from '@witan/endorsements/testing';
import {
  configIdOf,
  inProcessTdxProvider,
  loadOrCreateTdxRoot,
  tdMeasurements,
} from '@witan/tee-sim';
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
async function generate(
  referenceValues: readonly unknown[] = [hardware.referenceValues(COORDINATOR)],
  rootCertificatePem?: string,
): Promise<void> {
  const endpoints = scene.replicas.map(({ address }) => address);
  const settings = {
    apiVersion: 'witan.dev/v1',
    coordinator: { endpoints, referenceValues, rootCertificatePem },
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

async function setManifest(of: Scene = scene): Promise<void> {
  const entry = {
    referenceValues: [hardware.referenceValues(launch())],
    dnsNames: ['web'],
    secrets: ['database'],
  };
  await of.set(of.client(), of.manifest({ workloads: { web: entry } }));
}

interface Result {
  readonly code: number;
  readonly stderr: string;
}

async function initialize(
  argv: readonly string[] = ['--once'],
  options: {
    readonly profile?: 'production' | 'development';
    readonly hostData?: string;
    readonly evidenceProvider?: Parameters<typeof run>[0]['evidenceProvider'];
    readonly signal?: AbortSignal;
    readonly env?: Readonly<Record<string, string>>;
  } = {},
): Promise<Result> {
  let stderr = '';
  const hostData = options.hostData ?? launch().hostData;
  const code = await run({
    argv,
    env: {
      WITAN_INITDATA: join(directory, 'initdata'),
      WITAN_OUTPUT: join(directory, 'witan'),
      WITAN_FLOOR: join(directory, 'floor'),
      ...options.env,
    },
    evidenceProvider: options.evidenceProvider ?? hardware.provider({ ...launch(), hostData }),
    profile: options.profile ?? 'development',
    stdout: () => undefined,
    stderr: (text) => {
      stderr += text;
    },
    ...(options.signal === undefined ? {} : { signal: options.signal }),
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

describe('endorsements that the host does not hand out', () => {
  const bare = (): ReturnType<typeof hardware.provider> => {
    const provider = hardware.provider(launch());
    return {
      ...provider,
      collect: async (data, options) => ({
        ...(await provider.collect(data, options)),
        endorsements: {},
      }),
    };
  };

  it('come from a mirror into a directory, and from there without any network', async () => {
    await setManifest();
    const complete = await hardware.provider(launch()).collect(new Uint8Array(64));
    const mirror = await startMirror(amdAnswersOf('Milan', [complete]));
    const evidenceProvider = bare();
    const cache = ['--once', '--endorsements', join(directory, 'cache')];
    const without = await initialize(['--once'], { evidenceProvider });
    expect(without.code).toBe(3);
    const source = ['--endorsements-mirror', `kds=${mirror.url}`];
    expect((await initialize([...cache, ...source], { evidenceProvider })).code).toBe(0);
    await mirror.close();
    await rm(join(directory, 'witan'), { recursive: true });
    const env = { WITAN_ENDORSEMENTS_OFFLINE: 'true' };
    expect((await initialize(cache, { evidenceProvider, env })).code).toBe(0);
    expect(await written()).toContain('cert.pem');
    await rm(join(directory, 'witan'), { recursive: true });
    const elsewhere = { ...env, WITAN_ENDORSEMENTS: join(directory, 'empty') };
    expect((await initialize(['--once'], { evidenceProvider, env: elsewhere })).code).toBe(3);
  });

  it.each([
    [['--endorsements-mirror', 'amd=http://127.0.0.1:1'], {}, 'endorsements-mirror'],
    [['--endorsements-max-age', '0'], {}, 'endorsements-max-age'],
    [[], { WITAN_ENDORSEMENTS_OFFLINE: 'yes' }, 'WITAN_ENDORSEMENTS_OFFLINE'],
    [[], { WITAN_ENDORSEMENTS_MIRROR: 'kds=http://a.test,kds=http://b.test' }, 'once for each'],
  ])('settings that are wrong are refused: %j %j', async (argv, env, found) => {
    const { code, stderr } = await initialize(['--once', ...argv], { env });
    expect(code).toBe(2);
    expect(stderr).toContain('INITIALIZER_USAGE');
    expect(stderr).toContain(found);
  });
});

describe('a pod that the manifest lists', () => {
  it('gets key, chain, anchors and secrets, and says SIMULATED (I11)', async () => {
    await setManifest();
    const { code, stderr } = await initialize();
    expect(stderr).toContain('SIMULATED TEE');
    expect(code).toBe(0);
    expect((await written()).toSorted()).toEqual([
      'ca.pem',
      'cert.pem',
      'key.pem',
      'mesh-ca.pem',
      'secrets',
    ]);
    const modes = { 'key.pem': 0o400, 'cert.pem': 0o444, 'secrets/database': 0o400 };
    for (const [name, mode] of Object.entries(modes)) {
      expect((await stat(join(directory, 'witan', name))).mode & 0o777).toBe(mode);
    }
    const chain = (await output('cert.pem')).toString().split(/(?=-----BEGIN)/);
    const [leaf, mesh] = chain.map((pem) => new X509Certificate(pem));
    const root = new X509Certificate(await output('ca.pem'));
    expect(leaf?.checkPrivateKey(createPrivateKey(await output('key.pem')))).toBe(true);
    expect(mesh !== undefined && leaf?.verify(mesh.publicKey)).toBe(true);
    expect(mesh?.verify(root.publicKey)).toBe(true);
    expect(leaf?.subjectAltName).toContain('DNS:web');
    expect(await output('secrets/database')).toHaveLength(32);
    expect(stderr).not.toContain((await output('secrets/database')).toString('hex'));
  });

  it('reads its initdata from the annotation that Kubernetes hands over', async () => {
    await setManifest();
    const annotation = gzipSync(initdata).toString('base64');
    await writeFile(join(directory, 'initdata'), annotation);
    expect(await initialize()).toMatchObject({ code: 0 });
  });

  it('gets the same secrets again after a restart, and another key', async () => {
    await setManifest();
    await initialize();
    const [secret, key] = [await output('secrets/database'), await output('key.pem')];
    expect(await initialize()).toMatchObject({ code: 0 });
    expect(await output('secrets/database')).toEqual(secret);
    expect((await output('key.pem')).equals(key)).toBe(false);
  });

  it('waits for the manifest when it comes later', async () => {
    const running = initialize(['--timeout', '20']);
    await new Promise((resolve) => setTimeout(resolve, 200));
    await setManifest();
    expect(await running).toMatchObject({ code: 0 });
  });

  it('goes to other endpoints when its environment names them', async () => {
    await setManifest();
    const second = await scene.start();
    await scene.replicas[0]?.close();
    expect(await initialize(['--once', '--endpoint', second.address])).toMatchObject({ code: 0 });
  });

  it('notices a rollback across restarts by its floor (I6)', async () => {
    await setManifest();
    await initialize();
    scene.cluster.index -= 1;
    const { code, stderr } = await initialize();
    expect(code).toBe(3);
    expect(stderr).toContain('CLIENT_BELOW_FLOOR');
  });

  it('refuses a genuine cluster beside the one that its floor names (I6)', async () => {
    await setManifest();
    expect(await initialize()).toMatchObject({ code: 0 });
    const other = new Scene(hardware);
    const { address } = await other.start();
    await setManifest(other);
    const { code, stderr } = await initialize(['--once', '--endpoint', address]);
    await other.close();
    expect(stderr).toContain('CLIENT_OTHER_CLUSTER');
    expect(code).toBe(3);
  });
});

describe('a pod gets nothing, and nothing is written,', () => {
  it.each([
    ['when the manifest does not list it', 'unlisted', 3],
    ['when the Coordinator is an imposter', 'imposter', 3],
    ['when the pinned root is another one', 'pin', 3],
    ['when the answer fails a check', 'answer', 3],
    ['when nobody answers in time', 'dead', 1],
    ['when the cluster is short of a quorum', 'quorum', 1],
  ] as const)('%s', async (_what, fault, expected) => {
    const foreign = { ...COORDINATOR, measurement: 'ee'.repeat(48) };
    const argv = ['--once', '--timeout', '2'];
    if (fault === 'imposter') await generate([hardware.referenceValues(foreign)]);
    if (fault === 'pin') await generate(undefined, await rootOfAnotherCluster());
    if (fault !== 'unlisted') await setManifest();
    for (const { faults } of scene.replicas) {
      if (fault === 'answer') faults.issue = (answer) => ({ ...answer, secrets: [] });
      if (fault === 'quorum') {
        faults.before = () => {
          throw new PublicError('UNAVAILABLE', 'REPLICA_TIMED_OUT', 'no quorum');
        };
      }
    }
    if (fault === 'dead') argv.push('--endpoint', '127.0.0.1:1');
    const { code, stderr } = await initialize(argv);
    expect(stderr).toContain('CLIENT_');
    expect(code).toBe(expected);
    expect(await written()).toEqual([]);
    if (fault === 'imposter') expect(callCount()).toBe(0);
  });

  it('on a simulated TEE in a production build, whatever initdata lists (I11)', async () => {
    await setManifest();
    expect(await initialize(['--once'], { profile: 'production' })).toMatchObject({ code: 3 });
    expect(await written()).toEqual([]);
  });

  it('when the host exchanged the initdata: its own evidence says so', async () => {
    await setManifest();
    const { code, stderr } = await initialize(['--once'], { hostData: '00'.repeat(32) });
    expect(code).toBe(2);
    expect(stderr).toContain('INITIALIZER_INITDATA_NOT_MEASURED');
    expect(callCount()).toBe(0);
  });

  it('when the host exchanged initdata on TDX, whatever quote it hands out', async () => {
    await setManifest();
    const digest = new Uint8Array(createHash('sha256').update(initdata).digest());
    const measured = { ...tdMeasurements(new Uint8Array(48), 1), mrConfigId: configIdOf(digest) };
    const other = configIdOf(new Uint8Array(32).fill(9));
    const root = loadOrCreateTdxRoot(directory);
    // A quote that says so; then a genuine quote of another guest, which the guest's own module
    // contradicts.
    for (const guest of [
      { ...measured, mrConfigId: other },
      { ...measured, mrConfigId: other, overrides: { mrConfigId: configIdOf(digest) } },
    ]) {
      const evidenceProvider = inProcessTdxProvider(root, guest);
      const { code, stderr } = await initialize(['--once'], { evidenceProvider });
      expect(stderr).toContain('INITIALIZER_INITDATA_NOT_MEASURED');
      expect(code).toBe(2);
    }
    expect(callCount()).toBe(0);
    // A kernel that cannot tell: the initializer goes on, and says that only the host vouches.
    const older = inProcessTdxProvider(root, { ...measured, withoutLocalMeasurements: true });
    const { stderr } = await initialize(['--once'], { evidenceProvider: older });
    expect(stderr).toContain('does not show MRCONFIGID');
    expect(stderr).not.toContain('NOT_MEASURED');
  });

  it('when it is told to stop while it waits', async () => {
    const abort = new AbortController();
    const running = initialize([], { signal: abort.signal });
    setTimeout(() => abort.abort(), 300);
    expect(await running).toMatchObject({ code: 1 });
    expect(await written()).toEqual([]);
  });

  it('when it was told to stop before', async () => {
    expect(await initialize([], { signal: AbortSignal.abort() })).toMatchObject({ code: 1 });
  });

  it('when the output directory cannot be written', async () => {
    await setManifest();
    await writeFile(join(directory, 'witan'), '');
    const { code, stderr } = await initialize();
    expect(code).toBe(1);
    expect(stderr).toContain('INITIALIZER_OUTPUT_FAILED');
  });

  it('and what an earlier run wrote is kept, when a later one cannot write', async () => {
    await setManifest();
    await initialize();
    const before = await output('key.pem');
    await rm(join(directory, 'witan', 'secrets'), { recursive: true });
    await mkdir(join(directory, 'witan', 'ca.pem.d'));
    await writeFile(join(directory, 'witan', 'secrets'), 'in the way');
    expect(await initialize()).toMatchObject({ code: 1 });
    expect((await output('key.pem')).equals(before)).toBe(true);
    expect((await written()).filter((name) => name.startsWith('.new'))).toEqual([]);
  });
});

async function rootOfAnotherCluster(): Promise<string> {
  const other = new Scene(hardware);
  await other.start();
  await other.set(other.client(), other.manifest());
  await other.close();
  return new X509Certificate(other.cluster.root?.certificateDer ?? new Uint8Array()).toString();
}

describe('settings are refused (exit 2):', () => {
  it.each([
    ['an unknown option', ['--nonsense'], 'INITIALIZER_USAGE'],
    ['an argument', ['nonsense'], 'INITIALIZER_USAGE'],
    ['a timeout that is none', ['--timeout', 'soon'], 'INITIALIZER_USAGE'],
    ['a missing initdata file', ['--initdata', '/nonexistent'], 'INITIALIZER_INITDATA_UNREADABLE'],
    ['an endpoint that is none', ['--endpoint', 'nonsense'], 'CLIENT_ENDPOINTS_INVALID'],
  ])('%s', async (_what, argv, expected) => {
    const { code, stderr } = await initialize(argv);
    expect(code).toBe(2);
    expect(stderr).toContain(expected);
  });

  it('shows its help', async () => {
    expect(await initialize(['--help'])).toEqual({ code: 0, stderr: '' });
  });

  it.each([
    ['nothing', () => ''],
    ['another order', (text: string) => text.split('\n').toReversed().join('\n')],
    ['something behind it', (text: string) => `${text}"x" = '''\n'''\n`],
    ['its settings twice', (text: string) => text + text],
    ['another kind', (text: string) => text.replace('"Workload"', '"Coordinator"')],
    ['another version', (text: string) => text.replaceAll('witan.dev/v1', 'witan.dev/v9')],
    [
      'no Coordinators',
      (text: string) => text.replace(/"referenceValues": \[[^]*?\n {4}\]/, '"referenceValues": []'),
    ],
    ['a bad fingerprint', (text: string) => text.replace(/"hostData": "../, '"hostData": "zz')],
    ['broken compression', () => `H4sI${'A'.repeat(40)}`],
    ['no base64', () => 'H4sI!'],
  ])('initdata with %s', async (_what, change: (text: string) => string) => {
    const text = change(initdata);
    await writeFile(join(directory, 'initdata'), text);
    const hostData = createHash('sha256').update(text).digest('hex');
    const { code, stderr } = await initialize(['--once'], { hostData });
    expect(stderr).toMatch(/INITIALIZER_INITDATA_INVALID/);
    expect(code).toBe(2);
  });
});
