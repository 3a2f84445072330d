/** Launched programs: real processes, real sockets, the real verifier. */
import { createHash, randomBytes } from 'node:crypto';
import { appendFileSync, cpSync, existsSync, mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { decodeEvidence, type SnpEvidence } from '@witan/attestation';
import { fromBase64, toHex } from '@witan/core';
import {
  connectTeeSim,
  REPOSITORY_ROOT,
  type GuestStatus,
  type LaunchOptions,
  type ProgramSpec,
  type TeeSimClient,
} from '../src/index.ts';
import { verify } from './support/crypto.ts';
import { startDaemon, startScript, type Started } from './support/daemon.ts';
import { freshDirectory, simDirectory } from './support/hierarchy.ts';

const FIXTURES = 'packages/tee-sim/test/fixtures';
const program = (name: string): ProgramSpec => ({
  name,
  entry: `${FIXTURES}/${name}.ts`,
  files: [
    `${FIXTURES}/${name}.ts`,
    'packages/tee-sim/src',
    'packages/core/src',
    'packages/attester/src',
    'packages/attestation/src',
  ],
});
const initdata = new TextEncoder().encode('policy = "strict"');
const hex256 = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');

let daemon: Started;
let sim: TeeSimClient;
beforeAll(async () => {
  const directory = simDirectory();
  daemon = await startDaemon(directory, '--allow-overrides');
  sim = await connectTeeSim(directory);
}, 60_000);
afterAll(async () => {
  await sim.shutdown();
  await daemon.ended;
});

interface Outcome {
  readonly status: GuestStatus;
  readonly exitCode: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

async function runGuest(options: LaunchOptions): Promise<Outcome> {
  const directory = freshDirectory();
  const stdoutPath = join(directory, 'stdout');
  const stderrPath = join(directory, 'stderr');
  const status = await sim.launch({ ...options, stdoutPath, stderrPath });
  const { exitCode } = await sim.wait(status.guestId);
  const read = (path: string): string => readFileSync(path, 'utf8');
  return { status, exitCode, stdout: read(stdoutPath), stderr: read(stderrPath) };
}

interface Collected extends Outcome {
  readonly evidence: SnpEvidence;
  readonly initdata: Uint8Array;
  readonly environment: readonly string[];
  readonly reportData: Uint8Array;
}

async function collect(options: Partial<LaunchOptions> = {}, vmpl?: number): Promise<Collected> {
  const reportData = new Uint8Array(randomBytes(64));
  const args = [toHex(reportData), ...(vmpl === undefined ? [] : [String(vmpl)])];
  const outcome = await runGuest({ program: program('report'), initdata, args, ...options });
  expect(outcome.stderr).toBe('');
  const printed = JSON.parse(outcome.stdout) as Record<string, string> & { environment: string[] };
  const bytes = (name: string): Uint8Array => fromBase64(printed[name] ?? '');
  const evidence = decodeEvidence(bytes('evidence'));
  if (evidence.kind !== 'snp') throw new Error('the guest runs on SEV-SNP');
  const { environment } = printed;
  return { ...outcome, evidence, initdata: bytes('initdata'), environment, reportData };
}

async function verdictOn(
  collected: Collected,
  more: object = {},
): Promise<ReturnType<typeof verify>> {
  const { product, tcb, rootFingerprint } = await sim.info();
  return verify(collected.evidence, {
    reportData: collected.reportData,
    measurement: collected.status.measurement,
    hostData: collected.status.hostData,
    product,
    minimumTcb: tcb,
    developmentRoots: [rootFingerprint],
    ...more,
  });
}

describe('a launched program', () => {
  it('gets evidence that passes the whole verifier, with its own initdata (I11)', async () => {
    const collected = await collect();
    expect(await verdictOn(collected)).toMatchObject({ ok: true, claims: { simulated: true } });
    expect(collected.status.measurement).toBe(await sim.measure(program('report')));
    expect(collected.status.hostData).toBe(hex256(initdata));
    expect(collected.initdata).toEqual(initdata);
  });

  it('is refused under AMD roots alone (I11)', async () => {
    const verdict = await verdictOn(await collect(), { developmentRoots: [] });
    expect(verdict).toMatchObject({ ok: false, code: 'SNP_ROOT_UNTRUSTED' });
  });

  it('gets its environment from the launch and nothing of the daemon but PATH', async () => {
    const { environment } = await collect({ env: { COLOUR: 'blue' } });
    const expected = ['COLOUR', 'NODE_COMPILE_CACHE', 'PATH', 'WITAN_INITDATA', 'WITAN_SIM_TSM_FD'];
    expect(environment.filter((name) => name !== '__CF_USER_TEXT_ENCODING')).toEqual(expected);
  });

  it('has another HOST_DATA with other initdata', async () => {
    const other = new TextEncoder().encode('policy = "lax"');
    const [one, two] = [await collect(), await collect({ initdata: other })];
    expect(two.status.measurement).toBe(one.status.measurement);
    expect(two.status.hostData).toBe(hex256(other));
    expect(await verdictOn(two, { hostData: one.status.hostData })).toMatchObject({ ok: false });
  });

  it('has another measurement with another number of processors', async () => {
    const two = await collect({ vcpus: 2 });
    expect(two.status.measurement).not.toBe(await sim.measure(program('report')));
    expect(two.status.measurement).toBe(await sim.measure(program('report'), 2));
  });

  it('may ask for a less privileged level, which the verifier refuses by default', async () => {
    expect(await verdictOn(await collect({}, 1))).toMatchObject({ ok: false, code: 'SNP_VMPL' });
  });

  it('can be given a forged measurement by a daemon that allows it', async () => {
    const measurement = new Uint8Array(48).fill(1);
    const collected = await collect({ overrides: { measurement } });
    expect(collected.status.measurement).toBe('01'.repeat(48));
    expect((await verdictOn(collected)).ok).toBe(true);
  });

  it('survives a busy TEE', async () => {
    const faults = { inblobLostCount: 1, outblobBusyCount: 1, intruderCount: 1 };
    expect((await verdictOn(await collect({ faults }))).ok).toBe(true);
  });
});

describe('evidence is for the launched process alone', () => {
  it('a process outside has no hardware', async () => {
    const outside = await startScript(join(REPOSITORY_ROOT, FIXTURES, 'steal.ts'));
    expect(outside.ready).toEqual({ outcome: 'TEESIM_NO_HARDWARE' });
  });

  it('a child of a guest inherits the variable but not the socket', async () => {
    const steal = join(REPOSITORY_ROOT, FIXTURES, 'steal.ts');
    const outcome = await runGuest({ program: program('parent'), initdata, args: [steal] });
    const child = JSON.parse(outcome.stdout) as { stdout: string; stderr: string };
    expect(JSON.parse(child.stdout)).toEqual({ outcome: 'TEESIM_NO_HARDWARE' });
  });

  it('the same script as a guest gets evidence', async () => {
    const outcome = await runGuest({ program: program('steal'), initdata });
    expect(JSON.parse(outcome.stdout)).toEqual({ outcome: 'EVIDENCE' });
  });
});

describe('the launch digest', () => {
  function ownProgram(): { readonly spec: ProgramSpec; readonly root: string } {
    const root = freshDirectory();
    mkdirSync(join(root, 'lib'));
    cpSync(join(REPOSITORY_ROOT, FIXTURES, 'hold.ts'), join(root, 'main.ts'));
    appendFileSync(join(root, 'lib', 'part.ts'), '// one\n');
    return { spec: { name: 'own', root, entry: 'main.ts', files: ['main.ts', 'lib'] }, root };
  }

  it('is the same wherever the same program lies', async () => {
    const [one, two] = [ownProgram(), ownProgram()];
    expect(await sim.measure(one.spec)).toBe(await sim.measure(two.spec));
  });

  it('changes with an edited, an added and a renamed file, and with the name', async () => {
    const { spec, root } = ownProgram();
    const digests = [await sim.measure(spec)];
    appendFileSync(join(root, 'lib', 'part.ts'), '// two\n');
    digests.push(await sim.measure(spec));
    appendFileSync(join(root, 'lib', 'more.ts'), '');
    digests.push(await sim.measure(spec));
    digests.push(await sim.measure({ ...spec, name: 'other' }));
    cpSync(join(root, 'main.ts'), join(root, 'lib', 'main.ts'));
    digests.push(await sim.measure(spec));
    digests.push(await sim.measure({ ...spec, entry: 'lib/main.ts' }));
    expect(new Set(digests).size).toBe(digests.length);
  });

  it('exists for the named programs', async () => {
    expect(await sim.measure('coordinator')).toMatch(/^[0-9a-f]{96}$/);
    expect(await sim.measure('coordinator')).not.toBe(await sim.measure('initializer'));
  });

  it.each([
    ['an entry that is not measured', { entry: 'lib/part.ts', files: ['main.ts'] }],
    ['a file outside its root', { files: ['main.ts', '../d1'] }],
  ])('is refused to a program with %s', async (_what, change) => {
    const spec = { ...ownProgram().spec, ...change };
    await expect(sim.measure(spec)).rejects.toMatchObject({ code: 'TEESIM_PROGRAM_INVALID' });
  });

  it('is refused to a program with a missing file', async () => {
    const spec = { ...ownProgram().spec, files: ['main.ts', 'no-such'] };
    await expect(sim.measure(spec)).rejects.toMatchObject({ code: 'TEESIM_PROGRAM_UNREADABLE' });
    expect(existsSync(join(REPOSITORY_ROOT, 'no-such'))).toBe(false);
  });
});
