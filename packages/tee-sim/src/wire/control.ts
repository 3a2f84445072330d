/**
 * The control protocol: newline-delimited JSON over a unix socket. A request is
 * `{id, op, …}`, its answer `{id, ok: true, result}` or `{id, ok: false, error}`; answers may come
 * in any order. Bytes are base64.
 */
import { join, resolve } from 'node:path';
import { TeeSimError } from '../errors.ts';

/** Limits of the control socket. */
export const CONTROL_LIMITS = {
  /** One request or answer. */
  lineBytesMax: 4_194_304,
  clientsMax: 64,
  /** Unanswered requests of one client. */
  requestsMax: 256,
  initdataBytesMax: 1_048_576,
  argumentsMax: 256,
  environmentMax: 256,
  guestsRunningMax: 64,
  /** Guests that ended and can still be asked about. */
  guestsEndedMax: 256,
  vcpusMax: 512,
} as const;

/** Signals that may be sent to a guest. SIGUSR1 is missing: it would open Node's debugger. */
export const GUEST_SIGNALS = [
  'SIGTERM',
  'SIGINT',
  'SIGHUP',
  'SIGKILL',
  'SIGSTOP',
  'SIGCONT',
] as const;

/** A signal that may be sent to a guest. */
export type GuestSignal = (typeof GUEST_SIGNALS)[number];

const SOCKET_NAME = 'control.sock';
/** sun_path of sockaddr_un holds 108 bytes on Linux and 104 on BSD, a NUL included. */
const SOCKET_PATH_BYTES_MAX = 103;

/** @throws TeeSimError TEESIM_PATH_TOO_LONG when the directory's path leaves no room */
export function controlSocketPath(directory: string): string {
  const path = join(resolve(directory), SOCKET_NAME);
  const byteLength = Buffer.byteLength(path);
  if (byteLength > SOCKET_PATH_BYTES_MAX) {
    throw new TeeSimError('TEESIM_PATH_TOO_LONG', 'the path of the control socket is too long', {
      fields: {
        path,
        expected: `at most ${SOCKET_PATH_BYTES_MAX} bytes`,
        found: byteLength,
        nextStep: 'use a directory with a shorter path',
      },
    });
  }
  return path;
}

/** How a guest ended. */
export interface GuestExit {
  readonly guestId: string;
  /** Exit code, or null when a signal ended it. */
  readonly exitCode: number | null;
  readonly signal: string | null;
}

/** One guest in a listing. */
export interface GuestStatus {
  readonly guestId: string;
  readonly pid: number;
  readonly program: string;
  readonly chip: string;
  readonly tee: 'snp' | 'tdx';
  /** Launch digest of SEV-SNP, or MRTD; hex. */
  readonly measurement: string;
  /** RTMR 0 to 3 of TDX, hex; empty for SEV-SNP. */
  readonly rtmrs: readonly string[];
  /** HOST_DATA or MRCONFIGID, hex: the SHA-256 of the initdata, for TDX with zeros behind it. */
  readonly hostData: string;
  readonly state: 'running' | 'exited';
  readonly exitCode: number | null;
  readonly signal: string | null;
}
