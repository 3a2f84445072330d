/**
 * One daemon per directory. On Linux the lock is an abstract unix socket, which the kernel frees
 * when its holder dies, however it dies; a lock file would outlive a SIGKILL. Elsewhere only the
 * control socket itself is tried, which leaves a small race between two daemons that start at once.
 */
import { createHash } from 'node:crypto';
import { realpathSync, rmSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import { TeeSimError } from '../errors.ts';

/** Frees the directory for another daemon. */
export type ReleaseLock = () => Promise<void>;

const PROBE_MS = 2000;

/**
 * @returns the release; the control socket's path is free then
 * @throws TeeSimError TEESIM_ALREADY_RUNNING when another daemon lives
 */
export async function lockDirectory(directory: string, socketPath: string): Promise<ReleaseLock> {
  const release = process.platform === 'linux' ? await lockAbstract(directory) : undefined;
  if (await answers(socketPath)) {
    await release?.();
    throw alreadyRunning(directory);
  }
  rmSync(socketPath, { force: true });
  return release ?? (async () => await Promise.resolve());
}

async function lockAbstract(directory: string): Promise<ReleaseLock> {
  const digest = createHash('sha256').update(realpathSync(directory)).digest('hex');
  const server = createServer((socket) => socket.destroy());
  await new Promise<void>((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) => {
      reject(error.code === 'EADDRINUSE' ? alreadyRunning(directory) : error);
    });
    server.listen(`\0witan-tee-sim-${digest}`, resolve);
  });
  server.unref();
  return async () => {
    await new Promise<void>((resolve) => {
      server.close(() => resolve());
    });
  };
}

/** Whether somebody listens. A socket file without a listener is left over from a dead daemon. */
async function answers(socketPath: string): Promise<boolean> {
  return await new Promise((resolve) => {
    const probe = connect(socketPath);
    const finish = (result: boolean): void => {
      probe.destroy();
      resolve(result);
    };
    probe.setTimeout(PROBE_MS, () => finish(true));
    probe.once('connect', () => finish(true));
    probe.once('error', () => finish(false));
  });
}

function alreadyRunning(directory: string): TeeSimError {
  return new TeeSimError('TEESIM_ALREADY_RUNNING', 'another daemon serves this directory', {
    fields: { directory, nextStep: 'use it, or stop it first' },
  });
}
