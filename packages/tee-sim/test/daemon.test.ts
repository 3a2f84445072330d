/** The daemon's life: one for each directory, no process left behind, nothing breaks it. */
import { connect, createServer } from 'node:net';
import { once } from 'node:events';
import {
  existsSync,
  readdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import {
  connectTeeSim,
  REPOSITORY_ROOT,
  type LaunchOptions,
  type TeeSimClient,
} from '../src/index.ts';
import { alive, startDaemon, startScript, until, type Started } from './support/daemon.ts';
import { freshDirectory, simDirectory } from './support/hierarchy.ts';

const FIXTURES = 'packages/tee-sim/test/fixtures';
const initdata = Uint8Array.of(1);
/** Would change what runs and not what is measured. */
const REFUSED = [
  'LD_PRELOAD',
  'NODE_COMPILE_CACHE',
  'NODE_OPTIONS',
  'WITAN_INITDATA',
  'WITAN_SIM_TSM_FD',
];

interface Scene {
  readonly directory: string;
  readonly daemon: Started;
  readonly sim: TeeSimClient;
}

async function scene(...options: readonly string[]): Promise<Scene> {
  const directory = simDirectory();
  const daemon = await startDaemon(directory, ...options);
  return { directory, daemon, sim: await connectTeeSim(directory) };
}

/** A guest that has begun to run. */
async function hold(
  sim: TeeSimClient,
  manner = '',
  more: Partial<LaunchOptions> = {},
): Promise<{ readonly guestId: string; readonly pid: number }> {
  const readyPath = join(freshDirectory(), 'ready');
  const { guestId, pid } = await sim.launch({
    program: { name: 'hold', entry: `${FIXTURES}/hold.ts`, files: [`${FIXTURES}/hold.ts`] },
    initdata,
    args: [readyPath, manner],
    ...more,
  });
  // The file appears before its content does.
  const written = (): string => (existsSync(readyPath) ? readFileSync(readyPath, 'utf8') : '');
  expect(await until(() => written() === `${pid}\n`)).toBe(true);
  return { guestId, pid };
}

describe('guests end with their host', () => {
  it('on shutdown: SIGTERM, then SIGKILL to one that ignores it', async () => {
    const { daemon, sim, directory } = await scene('--grace-ms', '400');
    const [meek, stubborn] = [await hold(sim), await hold(sim, 'stubborn')];
    const exits = Promise.all([sim.wait(meek.guestId), sim.wait(stubborn.guestId)]);
    await sim.shutdown();
    expect((await exits).map(({ signal }) => signal)).toEqual(['SIGTERM', 'SIGKILL']);
    expect([alive(meek.pid), alive(stubborn.pid)]).toEqual([false, false]);
    expect(await daemon.ended).toEqual({ code: 0, signal: null });
    expect(existsSync(join(directory, 'control.sock'))).toBe(false);
    expect(readdirSync(join(directory, 'guests'))).toEqual([]);
  });

  it.each(['SIGTERM', 'SIGINT'] as const)('on %s to the daemon', async (signal) => {
    const { daemon, sim, directory } = await scene();
    const { pid } = await hold(sim);
    daemon.process.kill(signal);
    expect(await daemon.ended).toEqual({ code: 0, signal: null });
    expect(alive(pid)).toBe(false);
    expect(existsSync(join(directory, 'control.sock'))).toBe(false);
  });

  it('on SIGKILL to the daemon, even a guest that ignores SIGTERM', async () => {
    const { daemon, sim } = await scene();
    const { pid } = await hold(sim, 'stubborn');
    daemon.process.kill('SIGKILL');
    await daemon.ended;
    expect(await until(() => !alive(pid))).toBe(true);
  });

  it('when the parent of the daemon dies, where that was asked for', async () => {
    const directory = simDirectory();
    const script = join(REPOSITORY_ROOT, FIXTURES, 'daemon-parent.ts');
    const parent = await startScript(script, directory);
    const sim = await connectTeeSim(directory);
    const { pid } = await hold(sim);
    const daemonPid = (await sim.info()).pid;
    parent.process.kill('SIGKILL');
    await parent.ended;
    expect(await until(() => !alive(daemonPid) && !alive(pid))).toBe(true);
    expect(existsSync(join(directory, 'control.sock'))).toBe(false);
  });

  it('when the client goes that launched them attached, and only those', async () => {
    const { directory, sim } = await scene();
    const other = await connectTeeSim(directory);
    const [bound, free] = [await hold(other, '', { attached: true }), await hold(other)];
    other.close();
    expect(await sim.wait(bound.guestId)).toMatchObject({ signal: 'SIGKILL' });
    expect(alive(free.pid)).toBe(true);
    await sim.shutdown();
  });

  it('by themselves, which the list then shows', async () => {
    const { sim } = await scene();
    const { guestId } = await hold(sim);
    await sim.signal(guestId, 'SIGTERM');
    expect(await sim.wait(guestId)).toEqual({ guestId, exitCode: null, signal: 'SIGTERM' });
    expect(await sim.list()).toMatchObject([{ guestId, state: 'exited', signal: 'SIGTERM' }]);
    await expect(sim.signal(guestId, 'SIGTERM')).rejects.toMatchObject({
      code: 'TEESIM_GUEST_EXITED',
    });
    await sim.shutdown();
  });
});

describe('one daemon for a directory', () => {
  it('refuses a second one with one line that says what to do', async () => {
    const { directory, sim } = await scene();
    const second = await startDaemon(directory);
    expect(second.ready).toBeUndefined();
    expect((await second.ended).code).toBe(1);
    expect(second.stderr()).toMatch(/^tee-sim: TEESIM_ALREADY_RUNNING: [^\n]+\n$/);
    expect((await sim.info()).product).toBe('Genoa');
    await sim.shutdown();
  });

  it('takes over from a dead one and keeps its hierarchy', async () => {
    const { directory, daemon, sim } = await scene();
    const before = await sim.info();
    daemon.process.kill('SIGKILL');
    await daemon.ended;
    expect(existsSync(join(directory, 'control.sock'))).toBe(true);
    const next = await startDaemon(directory);
    const after = await connectTeeSim(directory);
    expect((await after.info()).rootFingerprint).toBe(before.rootFingerprint);
    expect(next.ready?.['rootFingerprint']).toBe(before.rootFingerprint);
    await after.shutdown();
    expect((await next.ended).code).toBe(0);
  });

  it('lets exactly one of three win that start at once', async () => {
    const directory = simDirectory();
    const started = await Promise.all([1, 2, 3].map(async () => await startDaemon(directory)));
    expect(started.filter(({ ready }) => ready !== undefined)).toHaveLength(1);
    await (await connectTeeSim(directory)).shutdown();
  });

  it('keeps everything private', async () => {
    const { directory, sim } = await scene();
    const { guestId } = await hold(sim);
    const mode = (name: string): string =>
      (statSync(join(directory, name)).mode & 0o777).toString(8);
    expect([mode('.'), mode('hierarchy.json'), mode('control.sock')]).toEqual([
      '700',
      '600',
      '600',
    ]);
    expect([mode('guests'), mode(`guests/${guestId}/initdata`)]).toEqual(['700', '600']);
    await sim.shutdown();
  });

  it.each([
    ['another product', [], ['--product', 'Turin'], 'TEESIM_PRODUCT_MISMATCH'],
    ['a damaged hierarchy', ['hierarchy.json'], [], 'TEESIM_STATE_CORRUPT'],
  ])('refuses %s', async (_what, damaged, options, code) => {
    const directory = simDirectory();
    for (const name of damaged) writeFileSync(join(directory, name), '{"version":1');
    const { ended, stderr } = await startDaemon(directory, ...options);
    expect((await ended).code).toBe(1);
    expect(stderr()).toContain(code);
  });

  it('refuses a directory behind a link and one with too long a path', async () => {
    const link = join(freshDirectory(), 'link');
    symlinkSync(simDirectory(), link);
    const behind = await startDaemon(link);
    expect((await behind.ended).code).toBe(1);
    expect(behind.stderr()).toContain('TEESIM_DIRECTORY_UNSAFE');
    const long = await startDaemon(join(freshDirectory(), 'x'.repeat(100)));
    expect((await long.ended).code).toBe(1);
    expect(long.stderr()).toContain('TEESIM_PATH_TOO_LONG');
  });

  it('explains its command line', async () => {
    const main = join(REPOSITORY_ROOT, 'packages/tee-sim/src/main.ts');
    for (const args of [[], ['serve'], ['serve', '--directory', 'd', '--product', 'Rome']]) {
      const { ended, stderr } = await startScript(main, ...args);
      expect((await ended).code).toBe(2);
      expect(stderr()).toContain('usage:');
    }
  });
});

describe('the control socket', () => {
  /** Sends raw bytes and gives the answers up to the end of the connection or the count. */
  async function exchange(directory: string, bytes: string, count: number): Promise<unknown[]> {
    const socket = connect(join(directory, 'control.sock'));
    await once(socket, 'connect');
    let text = '';
    const done = new Promise<void>((resolve) => {
      socket.on('data', (chunk: Buffer) => {
        text += chunk.toString();
        if (text.split('\n').length > count) resolve();
      });
      socket.on('close', () => resolve());
      socket.on('error', () => resolve());
    });
    socket.write(bytes);
    await done;
    socket.destroy();
    const lines = text.split('\n').filter((line) => line !== '');
    return lines.map((line) => JSON.parse(line) as unknown);
  }

  it('answers malformed requests with typed errors and goes on', async () => {
    const { directory, sim } = await scene();
    const bad = [
      'no json',
      '[]',
      'null',
      '{}',
      '{"id":-1,"op":"list"}',
      '{"id":1,"op":"__proto__"}',
      '{"id":1,"op":"list","extra":1}',
      '{"id":1,"op":"wait","guestId":7}',
      '{"id":1,"op":"launch","program":"coordinator"}',
      '{"id":1,"op":"launch","program":{"name":"../x","entry":"e","files":[]},"initdata":""}',
      '{"id":1,"op":"launch","program":"coordinator","initdata":"!"}',
      '{"id":1,"op":"launch","program":"coordinator","initdata":"","overrides":{"policy":1}}',
      '{"id":1,"op":"launch","program":"coordinator","initdata":"","cwd":"relative"}',
    ];
    const answers = await exchange(directory, `${bad.join('\n')}\n`, bad.length);
    expect(answers).toHaveLength(bad.length);
    for (const answer of answers) {
      expect(answer).toMatchObject({ ok: false, error: { code: 'TEESIM_REQUEST_MALFORMED' } });
    }
    expect(await sim.list()).toEqual([]);
    await sim.shutdown();
  });

  it('drops a client whose request is too long, and only that one', async () => {
    const { directory, sim } = await scene();
    const answers = await exchange(directory, 'x'.repeat(5 * 1024 * 1024), 1);
    expect(answers).toMatchObject([{ error: { code: 'TEESIM_REQUEST_TOO_LARGE' } }]);
    expect(await sim.list()).toEqual([]);
    await sim.shutdown();
  });

  it('refuses more clients than it serves', async () => {
    const { directory, sim } = await scene();
    const clients = await Promise.all(
      Array.from({ length: 63 }, async () => await connectTeeSim(directory)),
    );
    await Promise.all(clients.map(async (client) => await client.list()));
    expect(await exchange(directory, '', 1)).toMatchObject([{ error: { code: 'TEESIM_LIMIT' } }]);
    for (const client of clients) client.close();
    await sim.shutdown();
  });

  it('refuses what would escape the measurement', async () => {
    const { sim } = await scene();
    const launch = async (more: Partial<LaunchOptions>): Promise<unknown> =>
      await hold(sim, '', more).catch((error: unknown) => error);
    const code = (name: string): unknown => expect.objectContaining({ code: name });
    for (const name of REFUSED) {
      expect(await launch({ env: { [name]: 'x' } })).toEqual(code('TEESIM_ENV_REFUSED'));
    }
    const measurement = new Uint8Array(48);
    expect(await launch({ overrides: { measurement } })).toEqual(code('TEESIM_OVERRIDE_REFUSED'));
    expect(await launch({ program: 'no-such' })).toEqual(code('TEESIM_PROGRAM_UNKNOWN'));
    expect(await launch({ cwd: '/no/such/directory' })).toEqual(code('TEESIM_LAUNCH_FAILED'));
    const { guestId } = await hold(sim);
    const debug = sim.signal(guestId, 'SIGUSR1' as 'SIGTERM');
    await expect(debug).rejects.toMatchObject({ code: 'TEESIM_SIGNAL_REFUSED' });
    await expect(sim.wait('guest-99')).rejects.toMatchObject({ code: 'TEESIM_GUEST_UNKNOWN' });
    await sim.shutdown();
  });

  it('launches nothing more once it is stopping', async () => {
    const { sim } = await scene('--grace-ms', '1000');
    await hold(sim, 'stubborn');
    const stopped = sim.shutdown();
    await expect(hold(sim)).rejects.toMatchObject({ code: 'TEESIM_STOPPING' });
    await stopped;
  });

  it('is given up by a client that cannot read an answer', async () => {
    const directory = freshDirectory();
    const server = createServer((socket) => {
      socket.once('data', () => socket.write('{"id":1,"ok":false,"error":"none"}\n'));
    });
    await new Promise<void>((resolve) => {
      server.listen(join(directory, 'control.sock'), resolve);
    });
    const sim = await connectTeeSim(directory);
    await expect(sim.info()).rejects.toMatchObject({ code: 'TEESIM_ANSWER_MALFORMED' });
    sim.close();
    server.close();
  });

  it('tells a client when there is no daemon or it goes away', async () => {
    await expect(connectTeeSim(freshDirectory())).rejects.toMatchObject({
      code: 'TEESIM_NOT_RUNNING',
    });
    const { daemon, sim } = await scene();
    const { guestId } = await hold(sim);
    const waiting = sim.wait(guestId);
    daemon.process.kill('SIGKILL');
    await expect(waiting).rejects.toMatchObject({ code: 'TEESIM_DISCONNECTED' });
    await expect(sim.list()).rejects.toMatchObject({ code: 'TEESIM_DISCONNECTED' });
  });
});
