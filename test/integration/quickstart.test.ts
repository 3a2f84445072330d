/** The quickstart as a user runs it, and what is left when it is interrupted: nothing. */
import { spawn } from 'node:child_process';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { isRunning, sleepMs } from '@witan/devcluster';
import { REPOSITORY_ROOT } from '@witan/tee-sim';

const MAIN = join(REPOSITORY_ROOT, 'packages/devcluster/src/quickstart-main.ts');
let directory = '';

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'witan-qs-'));
});

afterAll(async () => {
  await rm(directory, { recursive: true, force: true });
});

interface Summary {
  readonly ok: boolean;
  readonly simulated: boolean;
  readonly steps: readonly {
    readonly name: string;
    readonly outcome: string;
    readonly facts: Readonly<Record<string, unknown>>;
  }[];
}

it('runs every step, and prints one JSON object', async () => {
  const child = spawn(process.execPath, [MAIN, '--json', '--directory', join(directory, 'run')], {
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  let stdout = '';
  child.stdout.on('data', (chunk: Buffer) => {
    stdout += chunk.toString();
  });
  const code = await new Promise<number | null>((resolve) => {
    child.once('close', resolve);
  });
  const summary = JSON.parse(stdout) as Summary;
  const failed = summary.steps.filter(({ outcome }) => outcome !== 'done');
  expect(failed).toEqual([]);
  expect(code).toBe(0);
  expect(summary).toMatchObject({ ok: true, simulated: true });
  expect(summary.steps.map(({ name }) => name)).toEqual([
    'start',
    'found',
    'owner',
    'generate',
    'set',
    'initialize',
    'mesh',
    'failover',
    'replace',
    'verify',
  ]);
  const set = summary.steps.find(({ name }) => name === 'set');
  expect(set?.facts['recovery shares']).toBe('1 dealt, encrypted to alice; 1 needed');
  const failover = summary.steps.find(({ name }) => name === 'failover');
  expect(failover?.facts['acknowledged and lost']).toBe(0);
});

it('leaves no process when it is interrupted', async () => {
  const home = join(directory, 'stopped');
  const child = spawn(process.execPath, [MAIN, '--directory', home], { stdio: 'ignore' });
  const pids = await pidsOf(join(home, 'cluster', 'cluster.json'));
  expect(pids.filter((pid) => isRunning(pid)).length).toBeGreaterThan(1);
  const closed = new Promise((resolve) => child.once('close', resolve));
  child.kill('SIGINT');
  await closed;
  for (let turn = 0; turn < 100 && pids.some((pid) => isRunning(pid)); turn += 1)
    await sleepMs(100);
  expect(pids.filter((pid) => isRunning(pid))).toEqual([]);
});

/** Process ids of a cluster that is being started, once all of its slots have one. */
async function pidsOf(file: string): Promise<readonly number[]> {
  for (let turn = 0; turn < 1_200; turn += 1) {
    const text = await readFile(file, 'utf8').catch(() => '');
    if (text !== '') {
      const { teeSimPid, slots } = JSON.parse(text) as {
        readonly teeSimPid: number;
        readonly slots: readonly { readonly pid: number }[];
      };
      if (slots.every(({ pid }) => pid > 0)) return [teeSimPid, ...slots.map(({ pid }) => pid)];
    }
    await sleepMs(50);
  }
  throw new Error('the cluster did not start');
}

it('leaves no process when `dev up` is interrupted', async () => {
  const home = join(directory, 'dev');
  const main = join(REPOSITORY_ROOT, 'packages/devcluster/src/main.ts');
  const child = spawn(process.execPath, [main, 'dev', 'up', '--directory', home], {
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  let stderr = '';
  child.stderr.on('data', (chunk: Buffer) => {
    stderr += chunk.toString();
  });
  const pids = await pidsOf(join(home, 'cluster.json'));
  const closed = new Promise((resolve) => child.once('close', resolve));
  child.kill('SIGINT');
  expect(await closed).not.toBe(0);
  expect(stderr).toContain('DEVCLUSTER_INTERRUPTED');
  for (let turn = 0; turn < 100 && pids.some((pid) => isRunning(pid)); turn += 1)
    await sleepMs(100);
  expect(pids.filter((pid) => isRunning(pid))).toEqual([]);
});
