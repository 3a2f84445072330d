/**
 * SEV-SNP and TDX in one cluster, and machines that are not as they should be: each is refused by
 * the check that is about it. The replica's log and the verifying user learn which check, what it
 * expected and found, and what to do; the refused guest gets a coarse code.
 */
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { run } from '@witan/cli';
import {
  allServe,
  freePorts,
  LOAD_PROGRAM,
  runInitializer,
  statusesOf,
  upCluster,
  waitForStatuses,
  type DevCluster,
} from '@witan/devcluster';
import type { HardwarePlan } from '@witan/tee-sim';
import { useDeployment } from '../support/deployment.ts';

/** Founded on SEV-SNP, with a manifest that lists both kinds. */
const test = useDeployment({ tee: 'mixed' });
let scratch = '';
let count = 0;

beforeAll(async () => {
  scratch = await mkdtemp(join(tmpdir(), 'witan-hardware-'));
});

afterAll(async () => {
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
const MA = new Uint8Array(32).fill(1);

/** Each with the check that refuses it and what an operator is told to do. */
const BAD_MACHINES: readonly (readonly [string, HardwarePlan, string, RegExp])[] = [
  ['snp, old TCB', { overrides: { tcb: OLD_TCB } }, 'SNP_TCB_BELOW_MINIMUM', /firmware/],
  ['snp, debugging', { overrides: { policy: 0xb0000n } }, 'SNP_POLICY_DEBUG', /forbids DEBUG/],
  ['snp, migration', { overrides: { policy: 0x70000n } }, 'SNP_POLICY_MIGRATION', /MIGRATE_MA/],
  ['snp, agent', { overrides: { reportIdMigrationAgent: MA } }, 'SNP_MIGRATION_AGENT', /without/],
  ['snp, VMPL 2', { overrides: { vmpl: 2 } }, 'SNP_VMPL', /level/],
  [
    'snp, expired list',
    { collateral: { expired: ['crl'] } },
    'SNP_CRL_VALIDITY',
    /revocation list/,
  ],
  ['snp, expired VCEK', { collateral: { expired: ['vcek'] } }, 'SNP_VEK_VALIDITY', /AMD KDS/],
  [
    'snp, revoked CA',
    { collateral: { intermediateRevoked: true } },
    'SNP_CA_REVOKED',
    /other hardware/,
  ],
  [
    'tdx, old TCB',
    { tee: 'tdx', collateral: { tcbStatus: 'OutOfDate' } },
    'TDX_TCB_STATUS',
    /firmware/,
  ],
  ['tdx, old loader', { tee: 'tdx', overrides: { pceSvn: 5 } }, 'TDX_TCB_STATUS', /firmware/],
  [
    'tdx, debugging',
    { tee: 'tdx', overrides: { tdAttributes: 0x1000_0001n } },
    'TDX_DEBUG',
    /DEBUG/,
  ],
  [
    'tdx, migration',
    { tee: 'tdx', overrides: { tdAttributes: 0x3000_0000n } },
    'TDX_ATTRIBUTES',
    /./,
  ],
  [
    'tdx, old info',
    { tee: 'tdx', collateral: { expired: ['tcbInfo'] } },
    'TDX_TCB_INFO_VALIDITY',
    /./,
  ],
  [
    'tdx, old list',
    { tee: 'tdx', collateral: { expired: ['pckCrl'] } },
    'TDX_CRL_VALIDITY',
    /current/,
  ],
  [
    'tdx, revoked PCK',
    { tee: 'tdx', collateral: { revoked: ['pck'] } },
    'TDX_PCK_REVOKED',
    /hardware/,
  ],
  [
    'tdx, no TCB info',
    { tee: 'tdx', collateral: { absent: ['tcbInfo'] } },
    'TDX_COLLATERAL',
    /fetch/,
  ],
];

describe('a workload', () => {
  it.each(['snp', 'tdx'] as const)('on %s gets its credentials', async (tee) => {
    const { cluster } = test.current;
    const { exit, log } = await runInitializer(cluster, {
      name: `good-${tee}`,
      initdata: await test.current.initdata('orders'),
      endpoints: cluster.endpoints,
      output: freshPath(),
      hardware: { tee },
    });
    expect(log).toContain('certificate of generation 1');
    expect(exit.exitCode).toBe(0);
  });

  it.each(BAD_MACHINES)('is refused: %s', async (_name, hardware, code, nextStep) => {
    const { cluster } = test.current;
    const [{ slot, address } = { slot: '', address: '' }] = cluster.slots;
    const before = (await logOf(slot)).length;
    const { exit, log } = await runInitializer(cluster, {
      name: `bad-${count}`,
      initdata: await test.current.initdata('orders'),
      endpoints: [address],
      output: freshPath(),
      args: ['--once'],
      hardware,
    });
    expect(exit.exitCode).toBe(3);
    expect(log).not.toContain(code);
    const line = (await logOf(slot)).slice(before);
    expect(line).toContain(`verifierCode=${code}`);
    const [, step = ''] = /Next: ([^"]*)/.exec(line) ?? [];
    expect(step).toMatch(nextStep);
    // `TDX_COLLATERAL_MISSING` has nothing to compare; every other check says what it found.
    if (code !== 'TDX_COLLATERAL') expect(line).toMatch(/expected .*found /);
  });

  it.each([
    ['snp', 'SNP_HOST_DATA'],
    ['tdx', 'TDX_CONFIG_ID'],
  ] as const)('on %s with another configuration is refused', async (tee, code) => {
    const { cluster } = test.current;
    const [{ slot, address } = { slot: '', address: '' }] = cluster.slots;
    const before = (await logOf(slot)).length;
    const text = Buffer.from(await test.current.initdata('orders')).toString('utf8');
    const { exit } = await runInitializer(cluster, {
      name: `config-${tee}`,
      initdata: Buffer.from(text.replace('orders', 'order5')),
      endpoints: [address],
      output: freshPath(),
      args: ['--once'],
      hardware: { tee },
    });
    expect(exit.exitCode).toBe(3);
    expect((await logOf(slot)).slice(before)).toMatch(new RegExp(`${code} .*Next: launch the gu`));
  });

  it('on TDX with another program is refused by its register', async () => {
    const { cluster } = test.current;
    const [{ slot, address } = { slot: '', address: '' }] = cluster.slots;
    const before = (await logOf(slot)).length;
    const { exit } = await runInitializer(cluster, {
      name: 'other-program',
      initdata: await test.current.initdata('orders'),
      endpoints: [address],
      output: freshPath(),
      args: ['--once'],
      hardware: { tee: 'tdx' },
      program: {
        ...LOAD_PROGRAM,
        name: 'impostor',
        entry: 'packages/tee-sim/src/guests/initializer.ts',
        files: [...LOAD_PROGRAM.files, 'packages/initializer/src', 'packages/telemetry/src'],
      },
    });
    expect(exit.exitCode).toBe(3);
    const line = (await logOf(slot)).slice(before);
    expect(line).toContain('TDX_RTMR');
    expect(line).not.toContain('TDX_MRTD');
  });
});

describe('a replica', () => {
  async function launchBad(hardware: HardwarePlan): Promise<{ log: string; end: () => unknown }> {
    const { cluster } = test.current;
    const [port = 0] = await freePorts(1);
    const slot = cluster.slots.at(-1)?.slot ?? '';
    const log = `${freshPath()}.log`;
    const guest = await cluster.tee.launch({
      ...hardware,
      program: 'coordinator',
      initdata: new Uint8Array(await readFile(cluster.layout.initdata)),
      chip: 'chip-bad',
      env: {
        WITAN_SLOT: slot,
        WITAN_LISTEN: `127.0.0.1:${port}`,
        WITAN_PEERS: cluster.slots.map((item) => `${item.slot}=${item.address}`).join(','),
        WITAN_DATA: freshPath(),
      },
      stdoutPath: log,
      stderrPath: log,
    });
    const end = async (): Promise<void> => {
      await cluster.tee.signal(guest.guestId, 'SIGKILL').catch(() => undefined);
      await cluster.tee.wait(guest.guestId);
    };
    return { log, end };
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

  it.each([
    ['SNP_POLICY_DEBUG', { overrides: { policy: 0xb0000n } }],
    ['SNP_CRL_VALIDITY', { collateral: { expired: ['crl'] } }],
    ['TDX_DEBUG', { tee: 'tdx', overrides: { tdAttributes: 0x1000_0001n } }],
    ['TDX_PCK_REVOKED', { tee: 'tdx', collateral: { revoked: ['pck'] } }],
  ] as const)('does not even start on such a machine, and says why: %s', async (code, hardware) => {
    const { log, end } = await launchBad(hardware);
    const text = await until(log, /COORDINATOR_EVIDENCE_UNUSABLE/);
    await end();
    expect(text).toMatch(new RegExp(`COORDINATOR_EVIDENCE_UNUSABLE: .*${code} .*Next: `));
  });

  it.each([
    ['SNP_TCB_BELOW_MINIMUM', { overrides: { tcb: OLD_TCB } }],
    ['TDX_TCB_STATUS', { tee: 'tdx', collateral: { tcbStatus: 'OutOfDate' } }],
  ] as const)('that the manifest does not accept is refused by the others: %s', async (...row) => {
    const [code, hardware] = row;
    const { cluster } = test.current;
    const [{ slot } = { slot: '' }] = cluster.slots;
    const before = (await logOf(slot)).length;
    const { log, end } = await launchBad(hardware);
    const seen = await until(cluster.layout.log(slot), new RegExp(`${code} `), before);
    await end();
    expect(seen).toMatch(new RegExp(`${code} .*expected .*found .*Next: `));
    expect(seen).toContain(code);
    const own = await readFile(log, 'utf8');
    expect(own).toContain('own evidence verified');
    expect(own).not.toContain('admitted');
    const members = (await statusesOf(cluster)).map((status) => status.members.length);
    expect(members).toEqual([3, 3, 3]);
  });

  it('on the other kind of hardware takes a slot over, and serves (I2)', async () => {
    const { cluster, manifestFile, options } = test.current;
    const slot = cluster.slots.at(-1)?.slot ?? '';
    await cluster.killSlot(slot);
    await cluster.startSlot(slot, { tee: 'tdx' });
    await waitForStatuses(cluster, 'all vote', (all) => allServe(cluster, all), 60_000);
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

describe('a cluster on TDX', () => {
  let cluster: DevCluster;

  beforeAll(async () => {
    const directory = join(scratch, 'tdx');
    cluster = await upCluster({ directory, slotCount: 3, tee: 'tdx', exitWithParent: true });
  });

  afterAll(async () => {
    await cluster.shutdown();
  });

  it('is founded by three replicas that attest each other', async () => {
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
