/** Wires the daemon together and keeps the order of its beginning and end. */
import { rmSync } from 'node:fs';
import { resolve } from 'node:path';
import type { SnpProduct } from '@witan/attestation';
import { SimulatedHost } from '../hardware/host.ts';
import { preparePrivateDirectory } from '../hierarchy/files.ts';
import { loadOrCreateHierarchy, storedProduct } from '../hierarchy/store.ts';
import { controlSocketPath } from '../wire/control.ts';
import { listenControl } from './control-server.ts';
import { Guests } from './guests.ts';
import { lockDirectory } from './single-instance.ts';

/** How the daemon runs. */
export interface ServeOptions {
  /** Private directory for keys, sockets and the files of running guests. */
  readonly directory: string;
  /** Default: what the directory was made for, or Genoa. */
  readonly product?: SnpProduct;
  /** Let launches forge measurement, host data and report id. Default false. */
  readonly allowOverrides?: boolean;
  /** How long guests may take to end after SIGTERM, in milliseconds. Default 5000. */
  readonly graceMs?: number;
  readonly log: (line: string) => void;
}

/** A daemon at work. */
export interface Daemon {
  readonly host: SimulatedHost;
  readonly socketPath: string;
  /** Stops all guests, then the daemon. May be called again. */
  stop(): Promise<void>;
  /** Settles when the daemon has stopped, for whatever reason. */
  readonly stopped: Promise<void>;
}

const GRACE_MS_DEFAULT = 5000;

/**
 * Starts serving a directory. Changes the process's umask, so that no file or socket is ever open
 * to others.
 *
 * @throws TeeSimError TEESIM_ALREADY_RUNNING, TEESIM_DIRECTORY_UNSAFE, TEESIM_PATH_TOO_LONG,
 *   TEESIM_STATE_CORRUPT or TEESIM_PRODUCT_MISMATCH
 */
export async function serve(options: ServeOptions): Promise<Daemon> {
  process.umask(0o077);
  const directory = resolve(options.directory);
  const socketPath = controlSocketPath(directory);
  preparePrivateDirectory(directory);
  const release = await lockDirectory(directory, socketPath);
  try {
    const product = options.product ?? storedProduct(directory) ?? 'Genoa';
    const hierarchy = loadOrCreateHierarchy(directory, product);
    const host = new SimulatedHost(directory, hierarchy);
    const guests = new Guests({ host, directory });
    const ending = Promise.withResolvers<void>();
    let guestsStopped: Promise<void> | undefined;
    const stopGuests = async (): Promise<void> => {
      guestsStopped ??= guests.stop(options.graceMs ?? GRACE_MS_DEFAULT);
      await guestsStopped;
    };
    const shutdown = async (): Promise<void> => {
      await stopGuests();
      // After the answer to the client that asked has been written.
      setImmediate(() => void stop());
    };
    const context = {
      host,
      guests,
      allowForged: options.allowOverrides ?? false,
      shutdown,
    };
    const control = await listenControl(socketPath, context, options.log);
    let stopping: Promise<void> | undefined;
    const stop = async (): Promise<void> => {
      stopping ??= (async () => {
        await stopGuests();
        await control.close();
        rmSync(socketPath, { force: true });
        await release();
        ending.resolve();
      })();
      await stopping;
    };
    return { host, socketPath, stop, stopped: ending.promise };
  } catch (error) {
    await release();
    throw error;
  }
}
