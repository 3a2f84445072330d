/**
 * The guests of one host: launches measured programs as processes, each with its own link to the
 * hardware, and ends them. Processes are only ever addressed through the handle of the child that
 * this daemon started, never by name or by group.
 */
import { spawn, type ChildProcess } from 'node:child_process';
import { createHash } from 'node:crypto';
import { closeSync, mkdirSync, openSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Duplex } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { toHex } from '@witan/core';
import { TeeSimError } from '../errors.ts';
import { guestHardware, type GuestHardware } from '../hardware/guest-hardware.ts';
import type { SimulatedHost } from '../hardware/host.ts';
import {
  CONTROL_LIMITS,
  type GuestExit,
  type GuestSignal,
  type GuestStatus,
} from '../wire/control.ts';
import { INITDATA_VARIABLE, POWER_FD_VARIABLE, TSM_FD_VARIABLE } from '../wire/guest-link.ts';
import { serveGuestLink } from './guest-link.ts';
import type { LaunchRequest } from './launch-request.ts';
import { REPOSITORY_ROOT } from '../programs.ts';
import { measureProgram, type MeasuredProgram } from './measure.ts';

const LINK_FD = 3;
const POWER_FD = 4;
const POWER_MODULE = fileURLToPath(new URL('../guest/power.ts', import.meta.url));

interface Guest {
  readonly guestId: string;
  readonly child: ChildProcess;
  readonly pid: number;
  readonly program: string;
  readonly chip: string;
  readonly hardware: GuestHardware;
  readonly exited: Promise<GuestExit>;
  exit: GuestExit | undefined;
}

export interface GuestsOptions {
  readonly host: SimulatedHost;
  /** Private directory for the initdata files of running guests. */
  readonly directory: string;
}

/** All guests of this daemon. */
export class Guests {
  readonly #host: SimulatedHost;
  readonly #directory: string;
  readonly #guests = new Map<string, Guest>();
  #launched = 0;
  #launching = 0;
  #stopping = false;

  constructor(options: GuestsOptions) {
    this.#host = options.host;
    this.#directory = join(options.directory, 'guests');
    // Whatever a daemon that was killed left behind belongs to guests that died with it.
    rmSync(this.#directory, { recursive: true, force: true });
    mkdirSync(this.#directory, { mode: 0o700 });
  }

  /** @throws TeeSimError TEESIM_LIMIT, TEESIM_STOPPING, TEESIM_LAUNCH_FAILED or TEESIM_PROGRAM_… */
  async launch(request: LaunchRequest): Promise<GuestStatus> {
    this.#admit();
    this.#launching += 1;
    try {
      const program = await measureProgram(request.program, request.vcpus);
      return statusOf(await this.#start(request, program));
    } finally {
      this.#launching -= 1;
    }
  }

  /** @throws TeeSimError TEESIM_GUEST_UNKNOWN or TEESIM_GUEST_EXITED */
  signal(guestId: string, signal: GuestSignal): void {
    const guest = this.#get(guestId);
    if (guest.exit !== undefined || !guest.child.kill(signal)) {
      throw new TeeSimError('TEESIM_GUEST_EXITED', 'the guest has ended', { fields: { guestId } });
    }
  }

  /** @throws TeeSimError TEESIM_GUEST_UNKNOWN */
  async wait(guestId: string): Promise<GuestExit> {
    return await this.#get(guestId).exited;
  }

  list(): readonly GuestStatus[] {
    return [...this.#guests.values()].map(statusOf);
  }

  /** Ends one guest at once, if it still runs. */
  kill(guestId: string): void {
    const guest = this.#guests.get(guestId);
    if (guest?.exit === undefined) guest?.child.kill('SIGKILL');
  }

  /**
   * Ends all guests and admits no more. SIGTERM first, SIGKILL to whatever is left.
   *
   * @param graceMs how long a guest may take to end by itself
   */
  async stop(graceMs: number): Promise<void> {
    this.#stopping = true;
    const running = [...this.#guests.values()].filter((guest) => guest.exit === undefined);
    if (running.length === 0) return;
    for (const { child } of running) child.kill('SIGTERM');
    const ended = Promise.all(running.map(async ({ exited }) => await exited));
    const timer = new AbortController();
    await Promise.race([
      ended,
      sleep(graceMs, undefined, { signal: timer.signal }).catch(() => undefined),
    ]);
    timer.abort();
    for (const guest of running) if (guest.exit === undefined) guest.child.kill('SIGKILL');
    await ended;
  }

  #admit(): void {
    if (this.#stopping) throw new TeeSimError('TEESIM_STOPPING', 'the daemon is stopping');
    const running = [...this.#guests.values()].filter((guest) => guest.exit === undefined).length;
    if (running + this.#launching >= CONTROL_LIMITS.guestsRunningMax) {
      throw new TeeSimError('TEESIM_LIMIT', 'too many guests are running', {
        fields: { expected: `at most ${CONTROL_LIMITS.guestsRunningMax}` },
      });
    }
  }

  async #start(request: LaunchRequest, program: MeasuredProgram): Promise<Guest> {
    this.#launched += 1;
    const guestId = `guest-${this.#launched}`;
    const hardware = this.#hardwareFor(request, program);
    const directory = join(this.#directory, guestId);
    mkdirSync(directory, { mode: 0o700 });
    const initdataPath = join(directory, 'initdata');
    writeFileSync(initdataPath, request.initdata, { mode: 0o600, flag: 'wx' });
    try {
      // Between admission and here the daemon may have begun to stop.
      if (this.#stopping) throw new TeeSimError('TEESIM_STOPPING', 'the daemon is stopping');
      const child = spawnGuest(request, program, initdataPath);
      const exited = exitOf(guestId, child);
      const pid = await spawned(child, program);
      serveGuestLink(linkOf(child), hardware);
      const guest: Guest = {
        guestId,
        child,
        pid,
        program: program.name,
        chip: request.chip,
        hardware,
        exited,
        exit: undefined,
      };
      this.#guests.set(guestId, guest);
      void exited.then((exit) => this.#ended(guest, exit, directory));
      if (this.#stopping) child.kill('SIGKILL');
      return guest;
    } catch (error) {
      rmSync(directory, { recursive: true, force: true });
      throw error;
    }
  }

  #hardwareFor(request: LaunchRequest, program: MeasuredProgram): GuestHardware {
    const digest = createHash('sha256').update(request.initdata).digest();
    const inputs = {
      program: program.digest,
      vcpus: request.vcpus,
      configDigest: new Uint8Array(digest),
      chip: request.chip,
    };
    return guestHardware(this.#host, inputs, request.hardware, request.faults);
  }

  #ended(guest: Guest, exit: GuestExit, directory: string): void {
    guest.exit = exit;
    rmSync(directory, { recursive: true, force: true });
    const ended = [...this.#guests.values()].filter((other) => other.exit !== undefined);
    const surplus = ended.length - CONTROL_LIMITS.guestsEndedMax;
    for (const { guestId } of ended.slice(0, Math.max(0, surplus))) this.#guests.delete(guestId);
  }

  #get(guestId: string): Guest {
    const guest = this.#guests.get(guestId);
    if (guest !== undefined) return guest;
    throw new TeeSimError('TEESIM_GUEST_UNKNOWN', 'there is no guest with that id', {
      fields: { guestId: guestId.slice(0, 64) },
    });
  }
}

function statusOf(guest: Guest): GuestStatus {
  return {
    guestId: guest.guestId,
    pid: guest.pid,
    program: guest.program,
    chip: guest.chip,
    tee: guest.hardware.tee,
    measurement: toHex(guest.hardware.measurement),
    rtmrs: guest.hardware.rtmrs.map(toHex),
    hostData: toHex(guest.hardware.configId),
    state: guest.exit === undefined ? 'running' : 'exited',
    exitCode: guest.exit?.exitCode ?? null,
    signal: guest.exit?.signal ?? null,
  };
}

/**
 * A Coordinator lives for long and mostly waits: a small young generation keeps 20 MB of memory
 * from it that it would never fill. Other programs are what they are anywhere else.
 */
function nodeFlagsOf({ name }: MeasuredProgram): readonly string[] {
  return name.startsWith('coordinator') ? ['--max-semi-space-size=2'] : [];
}

/**
 * Compiled modules, with types erased, by the digest of their sources. Beside the packages, and
 * like them not measured: what stands for both is that nobody else writes to the repository.
 * Without it each guest would load the compiler of types, which costs 26 MB and most of its start.
 */
const COMPILE_CACHE: string = join(REPOSITORY_ROOT, 'node_modules/.cache/witan/compile-cache');

function spawnGuest(
  request: LaunchRequest,
  program: MeasuredProgram,
  initdataPath: string,
): ChildProcess {
  const opened: number[] = [];
  const output = (path: string | undefined): number | 'ignore' => {
    if (path === undefined) return 'ignore';
    const fd = openSync(path, 'a', 0o600);
    opened.push(fd);
    return fd;
  };
  try {
    const args = [
      ...nodeFlagsOf(program),
      '--import',
      POWER_MODULE,
      program.entryPath,
      ...request.args,
    ];
    return spawn(process.execPath, args, {
      cwd: request.cwd ?? program.rootPath,
      // Nothing of the daemon's own environment but the search path reaches the guest.
      env: {
        PATH: process.env['PATH'],
        ...request.env,
        NODE_COMPILE_CACHE: COMPILE_CACHE,
        [TSM_FD_VARIABLE]: String(LINK_FD),
        [POWER_FD_VARIABLE]: String(POWER_FD),
        [INITDATA_VARIABLE]: initdataPath,
      },
      stdio: ['ignore', output(request.stdoutPath), output(request.stderrPath), 'pipe', 'pipe'],
      // An own session: Ctrl-C on the daemon's terminal must reach the daemon alone.
      detached: true,
    });
  } catch (error) {
    throw launchFailed(program, error);
  } finally {
    for (const fd of opened) closeSync(fd);
  }
}

async function spawned(child: ChildProcess, program: MeasuredProgram): Promise<number> {
  await new Promise<void>((resolve, reject) => {
    child.once('spawn', resolve);
    child.once('error', (error) => reject(launchFailed(program, error)));
  });
  // Later errors are failed kills of a process that is gone.
  child.on('error', () => undefined);
  if (child.pid === undefined) throw launchFailed(program, undefined);
  for (const stream of child.stdio) stream?.on('error', () => undefined);
  return child.pid;
}

function exitOf(guestId: string, child: ChildProcess): Promise<GuestExit> {
  return new Promise((resolve) => {
    child.once('exit', (exitCode, signal) => resolve({ guestId, exitCode, signal }));
  });
}

function linkOf(child: ChildProcess): Duplex {
  const link = child.stdio[LINK_FD];
  if (link instanceof Duplex) return link;
  throw new TeeSimError('TEESIM_INTERNAL', 'the guest has no link');
}

function launchFailed(program: MeasuredProgram, cause: unknown): TeeSimError {
  return new TeeSimError('TEESIM_LAUNCH_FAILED', 'the guest cannot be started', {
    fields: { program: program.name, entry: program.entryPath },
    cause,
  });
}
