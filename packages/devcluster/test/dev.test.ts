/** Development clusters: `witan dev`, and what it says when there is none. */
import { mkdtemp, mkdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { run } from '@witan/cli';
import { interruptionMs, isRunning, Relay, freePorts, upCluster } from '@witan/devcluster';
import { addDevCommands } from '../src/commands.ts';
import { describeFigures, figure, median } from '../src/bench/measure.ts';
import { connect, createServer } from 'node:net';

let home = '';

beforeAll(async () => {
  home = await mkdtemp(join(tmpdir(), 'witan-dev-'));
});

afterAll(async () => {
  await rm(home, { recursive: true, force: true });
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
    extraCommands: addDevCommands,
    stdout: (text) => {
      stdout += text;
    },
    stderr: (text) => {
      stderr += text;
    },
  });
  return { code, stdout, stderr };
}

describe('witan dev', () => {
  it('starts, shows, kills, restarts and stops a cluster of one', async () => {
    const directory = ['--directory', join(home, 'one')];
    const up = await witan('dev', 'up', '--slots', '1', ...directory, '--json');
    expect(up.stderr + up.stdout).not.toContain('error');
    const { endpoints } = JSON.parse(up.stdout) as { readonly endpoints: readonly string[] };
    expect(endpoints).toHaveLength(1);
    expect((await witan('dev', 'up', ...directory)).stderr).toContain('DEVCLUSTER_EXISTS');
    const status = await witan('dev', 'status', ...directory);
    expect(status.stdout).toContain('SIMULATED TEE');
    expect(status.stdout).toMatch(/witan-0 .* founded +leader/);
    const unknown = await witan('dev', 'kill', 'witan-7', ...directory);
    expect(unknown.stderr).toContain('DEVCLUSTER_SLOT_UNKNOWN');
    expect((await witan('dev', 'kill', 'witan-0', ...directory)).code).toBe(0);
    expect((await witan('dev', 'start', 'witan-0', ...directory)).code).toBe(0);
    const grown = await witan('dev', 'slots', '3', ...directory, '--json');
    expect(JSON.parse(grown.stdout)).toMatchObject({ slots: ['witan-0', 'witan-1', 'witan-2'] });
    expect((await witan('dev', 'slots', '2', ...directory)).stderr).toContain(
      'DEVCLUSTER_SLOT_UNKNOWN',
    );
    const shrunk = await witan('dev', 'slots', '1', ...directory, '--json');
    expect(JSON.parse(shrunk.stdout)).toMatchObject({ slots: ['witan-0'] });
    for (const tee of ['snp', 'tdx']) {
      const out = join(home, `${tee}.bin`);
      const data = ['--report-data', '5a'.repeat(64)];
      const evidence = ['dev', 'evidence', 'collect', ...directory, '--tee', tee, '--out', out];
      const collected = await witan(...evidence, ...data, '--json');
      const { trustRoot } = JSON.parse(collected.stdout) as { readonly trustRoot: string };
      const verify = ['evidence', 'verify', out, ...data];
      const verdict = await witan(...verify, '--trust-root', trustRoot, '--json');
      expect(verdict.code).toBe(0);
      expect(JSON.parse(verdict.stdout)).toMatchObject({ simulated: true, claims: { tee } });
      // Without the development root, and for other report data, it is nothing.
      expect((await witan(...verify)).code).toBe(3);
      const other = ['--report-data', '5b'.repeat(64), '--trust-root', trustRoot];
      expect((await witan('evidence', 'verify', out, ...other)).code).toBe(3);
    }
    // The guest's own words come through.
    const file = join(home, 'tdx.bin');
    const again = await witan('dev', 'evidence', 'collect', ...directory, '--out', file);
    expect(again.code).toBe(1);
    expect(again.stderr).toMatch(/DEVCLUSTER_STEP_FAILED.*CLI_FILE_EXISTS/s);
    const down = await witan('dev', 'down', ...directory);
    expect(down.code).toBe(0);
    expect((await witan('dev', 'status', ...directory)).stderr).toContain('DEVCLUSTER_NOT_RUNNING');
  }, 180_000);

  it('refuses a number of slots that cannot elect', async () => {
    const { code, stderr } = await witan('dev', 'up', '--slots', '2', '--directory', home);
    expect(code).not.toBe(0);
    expect(stderr).toContain('DEVCLUSTER_SLOT_UNKNOWN');
  });

  it.each([
    ['up', ['--tee', 'sgx']],
    ['up', ['--tee', 'toString']],
  ])('refuses a TEE that there is not: %s %j', async (command, options) => {
    const where = ['--directory', join(home, 'no-tee')];
    const { code, stderr } = await witan('dev', command, ...options, ...where);
    expect(code).not.toBe(0);
    expect(stderr).toContain('DEVCLUSTER_TEE_UNKNOWN');
    expect(stderr).toContain('snp, tdx, mixed');
  });

  it('says what to do about a damaged description', async () => {
    const directory = join(home, 'damaged');
    await mkdir(directory);
    await writeFile(join(directory, 'cluster.json'), '{');
    const { stderr } = await witan('dev', 'status', '--directory', directory);
    expect(stderr).toContain('DEVCLUSTER_STATE_UNREADABLE');
  });

  it('says where the log is when the simulated TEE does not start', async () => {
    // A directory whose path is too long for a unix socket.
    const directory = join(home, 'x'.repeat(120));
    const started = upCluster({ directory, slotCount: 1, exitWithParent: true });
    await expect(started).rejects.toMatchObject({ code: 'DEVCLUSTER_START_FAILED' });
  }, 60_000);
});

describe('free ports', () => {
  it('are below those of the kernel, given once each, and free', async () => {
    const [first = 0] = await freePorts(1);
    const taken = createServer().listen(first + 1, '127.0.0.1');
    await new Promise((resolve) => taken.once('listening', resolve).once('error', resolve));
    const more = await freePorts(20);
    taken.close();
    expect(new Set([first, ...more]).size).toBe(21);
    expect(more).not.toContain(first + 1);
    expect(Math.max(first, ...more)).toBeLessThan(32_768);
    expect(Math.min(first, ...more)).toBeGreaterThan(1024);
  });
});

describe('the relay', () => {
  it('carries bytes, leads elsewhere, and cuts', async () => {
    const [port = 0] = await freePorts(1);
    const servers = await Promise.all(['first', 'second'].map(answering));
    const [first = 0, second = 0] = servers.map(({ port: at }) => at);
    const relay = await Relay.listen(port, first);
    expect(await ask(port)).toBe('first');
    relay.point(second);
    expect(await ask(port)).toBe('second');
    relay.cut();
    expect(await ask(port)).toBe('');
    relay.heal();
    expect(await ask(port)).toBe('second');
    relay.close();
    for (const server of servers) server.close();
  });
});

describe('figures', () => {
  it('are medians, and know whether they meet their target', () => {
    expect(median([3, 1, 2])).toBe(2);
    expect(median([4, 1, 2, 3])).toBe(2.5);
    expect(figure('a', '/s', 'higher', [1, 2, 3], 3).met).toBe(false);
    expect(figure('a', 'ms', 'lower', [1, 2, 3], 3).met).toBe(true);
    expect(describeFigures([figure('a', 'ms', 'lower', [1])])).toContain('none stated');
  });

  it('find the gap that a kill has made', () => {
    const at = (acknowledgedMs: number) =>
      ({ kind: 'acknowledged', serial: '', sentMs: 0, acknowledgedMs }) as const;
    const times = [0, 10, 20, 900, 910, 2_000].map(at);
    expect(interruptionMs(times.slice(0, 5), 25)).toBe(880);
    expect(interruptionMs([0, 10, 20].map(at), 50)).toBe(0);
  });
});

it('knows which processes exist', () => {
  expect(isRunning(process.pid)).toBe(true);
  expect(isRunning(2 ** 22 + 1)).toBe(false);
});

async function answering(text: string): Promise<{ port: number; close: () => void }> {
  const server = createServer((socket) => {
    socket.end(text);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  const port = typeof address === 'object' ? (address?.port ?? 0) : 0;
  return {
    port,
    close: () => {
      server.close();
    },
  };
}

function ask(port: number): Promise<string> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1');
    let text = '';
    socket.on('data', (chunk: Buffer) => {
      text += chunk.toString();
    });
    socket.on('error', () => undefined);
    socket.on('close', () => {
      resolve(text);
    });
  });
}
