/** The simulated hardware as a process of its own, and free ports for its guests. */
import { spawn } from 'node:child_process';
import { open } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { connectTeeSim, REPOSITORY_ROOT, type TeeSimClient } from '@witan/tee-sim';
import { DevClusterError } from './errors.ts';
import type { Layout } from './layout.ts';

const START_MS = 30_000;
const POLL_MS = 50;

/** Resolves after a delay. */
export function sleepMs(delayMs: number): Promise<void> {
  return new Promise((resolve) => {
    setTimeout(resolve, delayMs);
  });
}

/** Starts the daemon and connects to it. Making its keys takes a second or two the first time. */
export async function startTeeSim(
  layout: Layout,
  options: { readonly exitWithParent: boolean; readonly allowOverrides?: boolean },
): Promise<{ readonly client: TeeSimClient; readonly pid: number }> {
  const log = await open(layout.teeLog, 'a', 0o600);
  const main = join(REPOSITORY_ROOT, 'packages/tee-sim/src/main.ts');
  const flags = [
    ...(options.exitWithParent ? ['--exit-with-parent'] : []),
    ...(options.allowOverrides === true ? ['--allow-overrides'] : []),
  ];
  const child = spawn(process.execPath, [main, 'serve', '--directory', layout.tee, ...flags], {
    detached: true,
    stdio: ['ignore', log.fd, log.fd],
    env: { PATH: process.env['PATH'] ?? '' },
  });
  let exited = false;
  child.once('exit', () => {
    exited = true;
  });
  child.unref();
  await log.close();
  const untilMs = performance.now() + START_MS;
  while (performance.now() < untilMs && !exited) {
    try {
      const client = await connectTeeSim(layout.tee);
      return { client, pid: child.pid ?? 0 };
    } catch {
      await sleepMs(POLL_MS);
    }
  }
  const message = 'the simulated TEE did not start; its log says why';
  throw new DevClusterError('DEVCLUSTER_START_FAILED', message, { fields: { log: layout.teeLog } });
}

/**
 * Where ports are taken from: below those that kernels give out by themselves, so that no
 * connection gets one before the process that it is meant for listens on it.
 */
const PORT_MIN = 12_000;
const PORTS = 20_000;
/** Processes begin at different ports, so that two clusters can start at the same time. */
const PORTS_APART = 100;

let triedPorts = 0;

/**
 * Ports on loopback that were free a moment ago, and that this process was not given before.
 *
 * @throws DevClusterError DEVCLUSTER_START_FAILED where none is left
 */
export async function freePorts(count: number): Promise<readonly number[]> {
  const ports: number[] = [];
  while (ports.length < count) {
    if (triedPorts >= PORTS) {
      const message = 'no port is free any more';
      const fields = { expected: `a port from ${PORT_MIN} to ${PORT_MIN + PORTS - 1}` };
      throw new DevClusterError('DEVCLUSTER_START_FAILED', message, { fields });
    }
    const port = PORT_MIN + ((process.pid * PORTS_APART + triedPorts) % PORTS);
    triedPorts += 1;
    if (await isFree(port)) ports.push(port);
  }
  return ports;
}

function isFree(port: number): Promise<boolean> {
  const server = createServer();
  return new Promise((resolve) => {
    server.once('error', () => {
      resolve(false);
    });
    server.listen(port, '127.0.0.1', () => {
      server.close(() => {
        resolve(true);
      });
    });
  });
}

/** Whether a process exists. */
export function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}
