/**
 * SEV-SNP and TDX in one cluster, and machines that are not as they should be: each is refused by
 * the check that is about it. The replica's log and the verifying user learn which check, what it
 * expected and found, and what to do; the refused guest gets a coarse code.
 */
import { mkdtemp, readFile, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { parseReferenceValues } from '@witan/attestation';
import { run } from '@witan/cli';
import { createClient, type ReplicaStatus } from '@witan/client';
import {
  allServe,
  freePorts,
  LOAD_PROGRAM,
  readReferenceValues,
  runInitializer,
  statusesOf,
  upCluster,
  waitForStatuses,
  type DevCluster,
  type Tee,
} from '@witan/devcluster';
import type { HardwarePlan, ProgramSpec } from '@witan/tee-sim';
import { useDeployment } from '../support/deployment.ts';
import { startSimulatedVendor } from '../support/simulated-vendor.ts';

/** Founded on SEV-SNP, with a manifest that lists both kinds. */
const test = useDeployment({ tee: 'mixed' });
let scratch = '';
let count = 0;
/** A second cluster, which starts while the tests of the first one run. */
let onTdx: Promise<DevCluster>;

beforeAll(async () => {
  scratch = await mkdtemp(join(tmpdir(), 'witan-hardware-'));
  const directory = join(scratch, 'tdx');
  onTdx = upCluster({ directory, slotCount: 3, tee: 'tdx', exitWithParent: true });
  onTdx.catch(() => undefined);
});

afterAll(async () => {
  await onTdx.then((cluster) => cluster.shutdown());
  await rm(scratch, { recursive: true, force: true });
});

function freshPath(): string {
  count += 1;
  return join(scratch, `run-${count}`);
}

async function witan(...argv: readonly string[]): Promise<{ code: number; text: string }> {
  let text = '';
  const write = (more: string): void => {
    text += more;
  };
  const code = await run({ argv, env: {}, stdout: write, stderr: write });
  return { code, text };
}

async function logOf(slot: string): Promise<string> {
  const { cluster } = test.current;
  return await readFile(cluster.layout.log(slot), 'utf8');
}

const OLD_TCB = { bootloader: 1, tee: 0, snp: 1, microcode: 1 };
const TOLERANT_TDX = { tcbStatuses: ['UpToDate', 'OutOfDate'], outOfDateGraceDays: 3650 };
/** What a replica logs when another one gave it the seed. */
const ADMITTED = /admitted as a learner|journal opened/;
const MA = new Uint8Array(32).fill(1);

interface BadGuest {
  readonly hardware: HardwarePlan;
  /** Whether its host gave it another configuration. */
  readonly otherConfiguration?: true;
  readonly program?: ProgramSpec;
}

const IMPOSTOR: ProgramSpec = {
  ...LOAD_PROGRAM,
  name: 'impostor',
  entry: 'packages/tee-sim/src/guests/initializer.ts',
  files: [...LOAD_PROGRAM.files, 'packages/initializer/src', 'packages/telemetry/src'],
};

/**
 * By the check that refuses it, which is another one for each, so that their lines in a replica's
 * log are told apart. The rules' own test (`rules-refusals`) has every such machine.
 */
const BAD_GUESTS: ReadonlyMap<string, BadGuest> = new Map<string, BadGuest>([
  ['SNP_TCB_BELOW_MINIMUM', { hardware: { overrides: { tcb: OLD_TCB } } }],
  ['SNP_POLICY_DEBUG', { hardware: { overrides: { policy: 0xb0000n } } }],
  ['SNP_MIGRATION_AGENT', { hardware: { overrides: { reportIdMigrationAgent: MA } } }],
  ['SNP_CRL_VALIDITY', { hardware: { collateral: { expired: ['crl'] } } }],
  ['SNP_HOST_DATA', { hardware: {}, otherConfiguration: true }],
  ['TDX_TCB_STATUS', { hardware: { tee: 'tdx', collateral: { tcbStatus: 'OutOfDate' } } }],
  ['TDX_DEBUG', { hardware: { tee: 'tdx', overrides: { tdAttributes: 0x1000_0001n } } }],
  ['TDX_ATTRIBUTES', { hardware: { tee: 'tdx', overrides: { tdAttributes: 0x3000_0000n } } }],
  ['TDX_TCB_INFO_VALIDITY', { hardware: { tee: 'tdx', collateral: { expired: ['tcbInfo'] } } }],
  ['TDX_CONFIG_ID', { hardware: { tee: 'tdx' }, otherConfiguration: true }],
  ['TDX_RTMR', { hardware: { tee: 'tdx' }, program: IMPOSTOR }],
]);

/** The line of a replica's log about this check. */
function lineAbout(log: string, code: string): string {
  return log.split('\n').find((line) => line.includes(`verifierCode=${code}`)) ?? '';
}

describe('workloads', () => {
  it('on both kinds get their credentials, and at the same time bad ones are refused', async () => {
    const { cluster } = test.current;
    const initdata = await test.current.initdata('orders');
    const text = Buffer.from(initdata).toString('utf8');
    const other = new Uint8Array(Buffer.from(text.replace('orders', 'order5')));
    const [{ slot, address } = { slot: '', address: '' }] = cluster.slots;
    const good = (['snp', 'tdx'] as const).map(async (tee) => {
      const output = freshPath();
      const { endpoints } = cluster;
      const name = `good-${tee}`;
      return await runInitializer(cluster, {
        name,
        initdata,
        endpoints,
        output,
        hardware: { tee },
      });
    });
    const bad = [...BAD_GUESTS].map(async ([code, guest]) => {
      const run = await runInitializer(cluster, {
        name: `bad-${code}`,
        initdata: guest.otherConfiguration === true ? other : initdata,
        endpoints: [address],
        output: freshPath(),
        args: ['--once'],
        hardware: guest.hardware,
        ...(guest.program === undefined ? {} : { program: guest.program }),
      });
      return { code, ...run };
    });
    for (const { exit, log } of await Promise.all(good)) {
      expect(log).toContain('certificate of generation 1');
      expect(exit.exitCode).toBe(0);
    }
    const refused = await Promise.all(bad);
    const said = await logOf(slot);
    for (const { code, exit, log } of refused) {
      expect([code, exit.exitCode]).toEqual([code, 3]);
      // Only the replica's own log has the details.
      expect(log).not.toContain(code);
      expect(lineAbout(said, code)).toMatch(/expected .*found .*Next: /);
    }
    expect(lineAbout(said, 'TDX_RTMR')).not.toContain('TDX_MRTD');
  });
});

describe('a replica', () => {
  interface BadReplica {
    readonly address: string;
    readonly log: string;
    readonly data: string;
    readonly end: () => Promise<void>;
  }

  /** Starts another replica for the last slot, which is taken. */
  async function launchBad(hardware: HardwarePlan): Promise<BadReplica> {
    const { cluster } = test.current;
    const [port = 0] = await freePorts(1);
    const slot = cluster.slots.at(-1)?.slot ?? '';
    const data = freshPath();
    const log = `${data}.log`;
    const address = `127.0.0.1:${port}`;
    const guest = await cluster.tee.launch({
      ...hardware,
      program: 'coordinator',
      initdata: new Uint8Array(await readFile(cluster.layout.initdata)),
      chip: 'chip-bad',
      env: {
        WITAN_SLOT: slot,
        WITAN_LISTEN: address,
        WITAN_PEERS: cluster.slots.map((item) => `${item.slot}=${item.address}`).join(','),
        WITAN_DATA: data,
      },
      stdoutPath: log,
      stderrPath: log,
    });
    const end = async (): Promise<void> => {
      await cluster.tee.signal(guest.guestId, 'SIGKILL').catch(() => undefined);
      await cluster.tee.wait(guest.guestId);
    };
    return { address, log, data, end };
  }

  /** Waits for a pattern in a file; looks only at what comes behind `from`. */
  async function until(path: string, pattern: RegExp, from = 0): Promise<string> {
    const endMs = performance.now() + 30_000;
    for (;;) {
      const text = (await readFile(path, 'utf8').catch(() => '')).slice(from);
      if (pattern.test(text) || performance.now() > endMs) return text;
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }

  /** What a replica says of itself to a user who puts up with its platform. */
  async function statusOf(address: string): Promise<ReplicaStatus> {
    const { coordinators } = await readReferenceValues(test.current.cluster);
    const lenient = { snp: { minimumTcb: OLD_TCB }, tdx: TOLERANT_TDX };
    const values = coordinators.map((value, index) => {
      const { tee } = value as { readonly tee: Tee };
      return parseReferenceValues({ ...(value as object), ...lenient[tee] }, `values[${index}]`);
    });
    const client = createClient({ endpoints: [address], coordinators: values, timeoutMs: 15_000 });
    const [answer] = await client.getStatus();
    client.close();
    if (answer?.kind !== 'ok') throw new Error(`no status: ${JSON.stringify(answer)}`);
    return answer.status;
  }

  /** Files of a journal or snapshot, which only who has the seed can write. */
  async function sealedFiles(data: string): Promise<readonly string[]> {
    const entries = await readdir(data, { recursive: true, withFileTypes: true });
    const files = entries.filter((entry) => entry.isFile()).map(({ name }) => name);
    return files.filter((name) => name !== 'lock');
  }

  it.concurrent.each([
    ['SNP_POLICY_DEBUG', { overrides: { policy: 0xb0000n } }],
    ['TDX_PCK_REVOKED', { tee: 'tdx', collateral: { revoked: ['pck'] } }],
  ] as const)('does not even start on such a machine, and says why: %s', async (code, hardware) => {
    const { log, end } = await launchBad(hardware);
    const text = await until(log, /COORDINATOR_EVIDENCE_UNUSABLE/);
    await end();
    expect(text).toMatch(new RegExp(`COORDINATOR_EVIDENCE_UNUSABLE: .*${code} .*Next: `));
  });

  it.concurrent.each([
    ['SNP_TCB_BELOW_MINIMUM', { overrides: { tcb: OLD_TCB } }],
    ['TDX_TCB_STATUS', { tee: 'tdx', collateral: { tcbStatus: 'OutOfDate' } }],
  ] as const)('that the manifest refuses gets neither seat nor seed: %s', async (...row) => {
    const [code, hardware] = row;
    const { cluster } = test.current;
    // It asks all that have another slot than its own; each must have refused it.
    const logs = cluster.slots.slice(0, -1).map(({ slot }) => cluster.layout.log(slot));
    const before = await Promise.all(logs.map(async (path) => (await readFile(path)).byteLength));
    const { address, log, data, end } = await launchBad(hardware);
    const refused = new RegExp(`${code} .*expected .*found .*Next: `);
    for (const [index, path] of logs.entries()) {
      expect(await until(path, refused, before[index])).toMatch(refused);
    }
    const status = await statusOf(address);
    await end();
    expect(['discovering', 'joining']).toContain(status.phase);
    expect(status).toMatchObject({ clusterId: '', role: 'none', generation: 0, members: [] });
    const own = await readFile(log, 'utf8');
    expect(own).toContain('own evidence verified');
    expect(own).not.toMatch(ADMITTED);
    expect(await sealedFiles(data)).toEqual([]);
    // What is looked for is there where the seed is.
    const [member = { slot: '' }] = cluster.slots;
    expect(await sealedFiles(cluster.layout.data(member.slot))).not.toEqual([]);
    const members = (await statusesOf(cluster)).map(({ members: all }) => all.length);
    expect(members).toEqual([3, 3, 3]);
  });

  it('on the other kind of hardware takes a slot over, and serves (I2)', async () => {
    const { cluster, manifestFile, options } = test.current;
    const slot = cluster.slots.at(-1)?.slot ?? '';
    await cluster.killSlot(slot);
    await cluster.startSlot(slot, { tee: 'tdx' });
    await waitForStatuses(cluster, 'all vote', (all) => allServe(cluster, all), 60_000);
    expect(await logOf(slot)).toMatch(ADMITTED);
    const { code, text } = await witan('verify', '--manifest', manifestFile, ...options, '--json');
    const { replicas } = JSON.parse(text) as { replicas: readonly { platform: string }[] };
    expect(code).toBe(0);
    expect(replicas.map(({ platform }) => platform)).toEqual(['snp Genoa', 'snp Genoa', 'tdx']);
    const { exit } = await runInitializer(cluster, {
      name: 'from-tdx',
      initdata: await test.current.initdata('orders'),
      endpoints: [cluster.slot(slot).address],
      output: freshPath(),
      hardware: { tee: 'snp' },
    });
    expect(exit.exitCode).toBe(0);
  });
});

describe('endorsements that evidence does not bring', () => {
  const NONE = { collateral: { absent: ['vcek', 'crl', 'root', 'certificateTable'] } } as const;

  /** Ends a slot's process and starts another one without endorsements of its own. */
  async function replace(slot: string, env: Readonly<Record<string, string>>): Promise<void> {
    const { cluster } = test.current;
    await cluster.killSlot(slot);
    await cluster.startSlot(slot, { hardware: NONE, env });
  }

  async function serves(): Promise<void> {
    const { cluster } = test.current;
    await waitForStatuses(cluster, 'all vote', (all) => allServe(cluster, all), 60_000);
  }

  it('come from a mirror, then from its cache; without both a replica stays out', async () => {
    const { cluster } = test.current;
    const [, { slot } = { slot: '' }] = cluster.slots;
    const vendor = await startSimulatedVendor(cluster);
    const cache = { WITAN_ENDORSEMENTS: freshPath() };
    await replace(slot, { ...cache, WITAN_ENDORSEMENTS_MIRROR: `kds=${vendor.url}` });
    await serves();
    expect(vendor.requests.map((path) => path.replace(/[0-9a-f]{128}.*/, 'ID')).toSorted()).toEqual(
      ['ID', 'cert_chain', 'crl'].map(
        (name) => expect.stringMatching(`/vcek/.*/${name}$`) as string,
      ),
    );
    await vendor.close();
    // Nobody serves them any more: the cache does, and the cluster goes on replacing.
    await replace(slot, { ...cache, WITAN_ENDORSEMENTS_OFFLINE: 'true' });
    await serves();
    const before = (await logOf(slot)).length;
    await replace(slot, { WITAN_ENDORSEMENTS: freshPath(), WITAN_ENDORSEMENTS_OFFLINE: 'true' });
    await cluster.tee.wait(cluster.slot(slot).guestId);
    expect((await logOf(slot)).slice(before)).toContain('COORDINATOR_EVIDENCE_UNUSABLE');
  });
});

describe('a cluster on TDX', () => {
  it('is founded by three replicas that attest each other', async () => {
    const cluster = await onTdx;
    const statuses = await waitForStatuses(
      cluster,
      'a founded cluster',
      (all) => all.length === 3 && all.every(({ leader }) => leader !== ''),
      60_000,
    );
    expect(new Set(statuses.map(({ clusterId }) => clusterId)).size).toBe(1);
    expect(statuses.every(({ simulated }) => simulated)).toBe(true);
  });

  it('shows the user why a replica on an outdated platform is not to be trusted', async () => {
    const cluster = await onTdx;
    const slot = cluster.slots.at(-1)?.slot ?? '';
    await cluster.killSlot(slot);
    const collateral = { tcbStatus: 'OutOfDate', advisoryIds: ['INTEL-SA-01036'] } as const;
    await cluster.startSlot(slot, { hardware: { tee: 'tdx', collateral } });
    const { address } = cluster.slot(slot);
    const trust = ['--reference-values', cluster.layout.referenceValues, '--endpoint', address];
    let said = { code: 0, text: '' };
    for (let turn = 0; turn < 100 && !said.text.includes('TDX_TCB_STATUS'); turn += 1) {
      said = await witan('status', ...trust, '--config-dir', join(scratch, 'config'));
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
    expect(said.code).toBe(3);
    expect(said.text).toMatch(/refused +CLIENT_COORDINATOR_REFUSED/);
    expect(said.text).toMatch(/TDX_TCB_STATUS \(expected UpToDate, found OutOfDate\)/);
    expect(said.text).toContain('Next: update the host');
  });
});
