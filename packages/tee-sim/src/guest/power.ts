/**
 * Preloaded into every guest: the plug. When the simulated host goes, even by SIGKILL, this
 * descriptor closes and the guest dies at once, as a VM dies with its host. So a crashed daemon
 * leaves no process behind. Beside that it writes the cache of compiled modules.
 */
import { flushCompileCache } from 'node:module';
import { Socket } from 'node:net';
import { POWER_FD_VARIABLE } from '../wire/guest-link.ts';

/** By now a guest has loaded what it needs; most end by a signal, which would write nothing. */
const FLUSH_MS = 3_000;

setTimeout(flushCompileCache, FLUSH_MS).unref();

const text = process.env[POWER_FD_VARIABLE];
// A child of the guest inherits the environment, but not the descriptor.
delete process.env[POWER_FD_VARIABLE];
if (text !== undefined) {
  const plug = new Socket({ fd: Number(text) });
  const cut = (): void => {
    process.kill(process.pid, 'SIGKILL');
  };
  plug.on('error', cut);
  plug.on('close', cut);
  plug.resume();
  plug.unref();
}
