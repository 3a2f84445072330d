/**
 * Keys grow old while workloads talk: every rotation on a real cluster, the seed's around all
 * others, with two workloads whose initializers renew, one handshake after the other between them,
 * and a leader that dies between two steps. Then a workload is taken out of the manifest.
 */
import { readFile, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { connect, createServer, type Server, type TLSSocket } from 'node:tls';
import { afterAll, describe, expect, it, vi } from 'vitest';
import { allServe, waitForStatuses } from '@witan/devcluster';
import { runWitan, useDeployment } from '../support/deployment.ts';

const test = useDeployment();
/** More than one with `npm run rotation:mesh`. */
const ROUNDS = Number(process.env['WITAN_ROTATION_ROUNDS'] ?? '1');
const guests: string[] = [];
let mesh: Mesh | undefined;

/** A mutual TLS handshake after the other, each with what the two directories hold right then. */
class Mesh {
  readonly failures: string[] = [];
  handshakes = 0;
  readonly #serving: string;
  readonly #calling: string;
  readonly #name: string;
  #server: Server | undefined;
  #port = 0;
  #stopped = false;
  #loop: Promise<void> = Promise.resolve();

  constructor(serving: string, calling: string, name: string) {
    this.#serving = serving;
    this.#calling = calling;
    this.#name = name;
  }

  async start(): Promise<void> {
    const server = createServer({
      ...(await filesIn(this.#serving)),
      requestCert: true,
      rejectUnauthorized: true,
      minVersion: 'TLSv1.3',
    });
    server.on('secureConnection', (socket) => {
      socket.on('error', () => socket.destroy());
      socket.pipe(socket);
    });
    server.on('tlsClientError', (error) => this.failures.push(`server: ${error.message}`));
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    this.#server = server;
    const address = server.address();
    this.#port = typeof address === 'object' && address !== null ? address.port : 0;
    this.#loop = this.#run(server);
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    await this.#loop;
    this.#server?.close();
  }

  async #run(server: Server): Promise<void> {
    while (!this.#stopped) {
      // As a server that watches its files does.
      server.setSecureContext(await filesIn(this.#serving));
      await this.#echo().then(
        () => {
          this.handshakes += 1;
        },
        (error: unknown) => this.failures.push(`client: ${String(error)}`),
      );
      await new Promise((resolve) => setTimeout(resolve, 25));
    }
  }

  async #echo(): Promise<void> {
    const files = await filesIn(this.#calling);
    const options = { host: '127.0.0.1', port: this.#port, servername: this.#name };
    const socket: TLSSocket = connect({ ...files, ...options, minVersion: 'TLSv1.3' });
    try {
      await new Promise<void>((resolve, reject) => {
        socket.setTimeout(10_000, () => socket.destroy(new Error('no answer in time')));
        socket.once('error', reject);
        socket.once('close', () => {
          reject(new Error('closed'));
        });
        socket.once('data', () => {
          resolve();
        });
        socket.write('hello\n');
      });
    } finally {
      socket.destroy();
    }
  }
}

/** What a workload loads; lists of what is revoked have to be there for every CA. */
async function filesIn(directory: string) {
  const names = ['key.pem', 'cert.pem', 'ca.pem', 'crl.pem'] as const;
  const [key, cert, ca, crl] = await Promise.all(
    names.map((name) => readFile(join(directory, name))),
  );
  if (key === undefined || cert === undefined || ca === undefined || crl === undefined) {
    throw new Error('four files');
  }
  return { key, cert, ca, crl };
}

async function namesIn(directory: string): Promise<readonly string[]> {
  return await readdir(directory).catch(() => []);
}

const output = (workload: string): string => join(test.directory, `out-${workload}`);

async function startRenewing(workload: string): Promise<void> {
  const { cluster } = test.current;
  const log = join(test.directory, `${workload}.log`);
  const guest = await cluster.tee.launch({
    tee: 'snp',
    program: 'initializer',
    initdata: await test.current.initdata(workload),
    chip: `chip-${workload}`,
    args: ['--renew', '--check', '1'],
    env: { WITAN_ENDPOINTS: cluster.endpoints.join(','), WITAN_OUTPUT: output(workload) },
    stdoutPath: log,
    stderrPath: log,
  });
  guests.push(guest.guestId);
  const isThere = async (): Promise<boolean> =>
    (await namesIn(output(workload))).includes('cert.pem');
  await vi.waitUntil(isThere, { timeout: 60_000, interval: 50 });
}

async function witan(...argv: readonly string[]) {
  const ran = await runWitan(...argv, ...test.current.options, '--json');
  return { ...ran, json: JSON.parse(ran.stdout) as Record<string, unknown> };
}

const rotate = (...words: readonly string[]) =>
  witan('rotate', ...words, '--owner-key', test.current.ownerKeyFile);

/** What a step waits for: workloads that renew, and members that are handed the next seed. */
const WAITS = [
  'ROTATION_HOLDERS_LEFT',
  'CLI_SEED_NOT_PREPARED',
  'ROTATION_SEED_HOLDERS_MISSING',
] as const;

/** Takes a step as soon as nobody would be left behind. */
async function rotated(...words: readonly string[]): Promise<void> {
  let last = '';
  await vi
    .waitUntil(
      async () => {
        const { code, stderr } = await rotate(...words);
        last = stderr;
        if (code !== 0 && !WAITS.some((one) => stderr.includes(one))) throw new Error(stderr);
        return code === 0;
      },
      { timeout: 60_000, interval: 200 },
    )
    .catch((error: unknown) => {
      throw new Error(`${words.join(' ')}: ${last}`, { cause: error });
    });
}

/** Every rotation once; the leader dies in the middle of the last one, and is replaced. */
async function rotateAll(): Promise<void> {
  const { cluster } = test.current;
  await rotated('seed', 'prepare');
  await rotated('seed', 'activate');
  await rotated('sealing');
  await rotated('mesh-ca', 'prepare');
  await rotated('mesh-ca', 'activate');
  await rotated('mesh-ca', 'retire');
  await rotated('root', 'prepare');
  const members = await witan('cluster', 'members');
  const list = members.json['members'] as readonly { slot: string; role: string }[];
  const leader = list.find(({ role }) => role === 'leader')?.slot ?? '';
  await cluster.killSlot(leader);
  await rotated('root', 'activate');
  await cluster.startSlot(leader);
  await rotated('root', 'retire');
  // A second death before the successor votes would be the loss of a majority.
  await waitForStatuses(cluster, 'all serve', (all) => allServe(cluster, all));
  await retireSeed();
}

/** The former seed goes once nothing that is given out derives from it. */
async function retireSeed(): Promise<void> {
  const early = await rotate('seed', 'retire');
  expect(early.stderr).toContain('ROTATION_SEED_NEEDED');
  const status = await witan('rotate', 'status');
  const { neededBy } = status.json['seed'] as { readonly neededBy: readonly string[] };
  for (const words of neededBy) await rotated(...words.split(' '));
  await rotated('seed', 'retire');
}

afterAll(async () => {
  await mesh?.stop();
  for (const guest of guests) {
    await test.current.cluster.tee.signal(guest, 'SIGTERM').catch(() => undefined);
  }
});

describe('a mesh of workloads', () => {
  it(
    'talks through every rotation, and a leader’s death, without a failed handshake',
    async () => {
      await Promise.all([startRenewing('orders'), startRenewing('storefront')]);
      mesh = new Mesh(output('orders'), output('storefront'), 'orders');
      await mesh.start();
      const ca = () => readFile(join(output('storefront'), 'ca.pem'), 'utf8');
      const before = await ca();
      for (let round = 0; round < ROUNDS; round += 1) await rotateAll();
      await vi.waitUntil(async () => (await ca()).split('BEGIN').length === 2, { timeout: 60_000 });
      expect(await ca()).not.toBe(before);
      expect(mesh.failures).toEqual([]);
      expect(mesh.handshakes).toBeGreaterThan(20);
      const status = await witan('rotate', 'status');
      const records = status.json['records'] as readonly { step: string; approvedBy: string[] }[];
      const once = ['mesh-ca', 'root'].flatMap((target) =>
        ['prepare', 'activate', 'retire'].map((step) => `${target} ${step}`),
      );
      const round = ['seed prepare', 'seed activate', 'sealing', ...once, 'seed retire'];
      const all = Array.from({ length: ROUNDS }, () => round).flat();
      const steps = records.map(({ step }) => step.replace(/ [0-9a-f]{64}$/, ''));
      expect(steps.filter((step) => !step.startsWith('secret'))).toEqual(all);
      expect(records.every(({ approvedBy }) => approvedBy.length === 1)).toBe(true);
      expect(status.json).toMatchObject({
        root: { phase: 'idle', active: ROUNDS },
        seed: { phase: 'idle', number: ROUNDS + 1, neededBy: [] },
      });
      // The owner pinned the former root and the former history key, and follows their links.
      expect((await witan('verify')).code).toBe(0);
    },
    120_000 * ROUNDS,
  );

  it('gets the next version of a secret, and keeps the one before', async () => {
    const secrets = join(output('orders'), 'secrets');
    const [name = ''] = await readdir(secrets);
    // Each rotation of the seed raised it once, and once more to be rid of what came before.
    const version = 1 + 2 * ROUNDS;
    const has = (of: number) => async () => (await readdir(secrets)).includes(`${name}.v${of}`);
    await vi.waitUntil(has(version - 1), { timeout: 60_000 });
    const former = await readFile(join(secrets, name));
    expect((await rotate('secret', name)).json).toMatchObject({ ok: true, version: version + 1 });
    await vi.waitUntil(has(version), { timeout: 60_000 });
    expect(await readFile(join(secrets, `${name}.v${version}`))).toEqual(former);
    expect(await readFile(join(secrets, name))).not.toEqual(former);
    expect(await rotate('secret', 'unheard-of')).toMatchObject({ code: 2 });
    expect((await rotate('secret', 'unheard-of')).stderr).toContain('CLI_SECRET_UNKNOWN');
  });
});
