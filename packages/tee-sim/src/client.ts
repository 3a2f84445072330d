/** Talks to a daemon: the library behind development clusters and tests. */
import { connect, type Socket } from 'node:net';
import { fromBase64, toBase64, type FieldValue } from '@witan/core';
import { productOfName, type SnpProduct, type SnpTcb } from '@witan/attestation';
import { TEE_SIM_ERROR_CODES, TeeSimError } from './errors.ts';
import { SNP_COLLATERAL, TDX_COLLATERAL } from './hardware/collateral.ts';
import { encodeFields } from './hardware/field-table.ts';
import type { HardwarePlan } from './hardware/guest-hardware.ts';
import { SNP_OVERRIDES } from './hardware/snp-overrides.ts';
import { TDX_OVERRIDES } from './hardware/tdx-overrides.ts';
import type { TsmFaults } from './hardware/tsm-tree.ts';
import type { ProgramSpec } from './programs.ts';
import {
  CONTROL_LIMITS,
  controlSocketPath,
  type GuestExit,
  type GuestSignal,
  type GuestStatus,
} from './wire/control.ts';
import { isObject, LineSplitter, parseObject, toLine } from './wire/lines.ts';

/** What to launch, how, and on what. */
export type LaunchOptions = LaunchCommon & HardwarePlan;

/** What to launch and how, on whatever hardware. */
export interface LaunchCommon {
  /** A name from the table of programs, or a description of another program. */
  readonly program: string | ProgramSpec;
  /** At most 1 MiB. Its SHA-256 becomes HOST_DATA or MRCONFIGID. */
  readonly initdata: Uint8Array;
  readonly args?: readonly string[];
  /** The guest's whole environment but for PATH. Not measured. */
  readonly env?: Readonly<Record<string, string>>;
  /** Absolute; default the program's root. */
  readonly cwd?: string;
  /** Name of the chip that runs the guest; default `chip-0`. */
  readonly chip?: string;
  /** Part of the launch digest; default 1. */
  readonly vcpus?: number;
  readonly faults?: TsmFaults;
  /** Absolute path that output is appended to; dropped when absent. */
  readonly stdoutPath?: string;
  readonly stderrPath?: string;
  /** Kill the guest when this client disconnects. Default false. */
  readonly attached?: boolean;
}

/** The host's public side. */
export interface TeeSimInfo {
  readonly pid: number;
  readonly nodeVersion: string;
  readonly product: SnpProduct;
  readonly tcb: SnpTcb;
  /** SHA-256 of the root certificate's DER, hex: what a manifest must list (I11). */
  readonly rootFingerprint: string;
  /** ARK, DER. */
  readonly root: Uint8Array;
  /** ASK, DER. */
  readonly intermediate: Uint8Array;
  readonly crl: Uint8Array;
  /** SHA-256 of the TDX root certificate's DER, hex: what a manifest must list (I11). */
  readonly tdxRootFingerprint: string;
  /** Root of TDX, DER. */
  readonly tdxRoot: Uint8Array;
  readonly allowOverrides: boolean;
}

/** What TDX measures of a program, hex. */
export interface TdxMeasurement {
  readonly mrTd: string;
  /** RTMR 0 to 3. */
  readonly rtmrs: readonly string[];
}

/** A connection to a daemon. Every method throws TeeSimError with the daemon's code. */
export interface TeeSimClient {
  launch(options: LaunchOptions): Promise<GuestStatus>;
  signal(guestId: string, signal: GuestSignal): Promise<void>;
  /** Resolves when the guest ends; at once when it has ended. */
  wait(guestId: string): Promise<GuestExit>;
  list(): Promise<readonly GuestStatus[]>;
  /** @returns the launch digest that the program has now, hex */
  measure(program: string | ProgramSpec, vcpus?: number): Promise<string>;
  /** The same for a TDX guest. */
  measureTdx(program: string | ProgramSpec, vcpus?: number): Promise<TdxMeasurement>;
  /** @param product default: the product line that the daemon's directory was made for */
  info(product?: SnpProduct): Promise<TeeSimInfo>;
  /** Stops all guests and the daemon; resolves when the guests have ended. */
  shutdown(): Promise<void>;
  /** Disconnects; kills the guests that this client launched as `attached`. */
  close(): void;
}

const CONNECT_MS = 5000;

/**
 * @param directory the daemon's directory
 * @throws TeeSimError TEESIM_NOT_RUNNING or TEESIM_PATH_TOO_LONG
 */
export async function connectTeeSim(directory: string): Promise<TeeSimClient> {
  const socket = await connected(directory);
  const calls = new Calls(socket);
  return {
    launch: async (options) =>
      (await calls.call('launch', {
        ...options,
        initdata: toBase64(options.initdata),
        ...hardwareFields(options),
      })) as unknown as GuestStatus,
    signal: async (guestId, signal) => {
      await calls.call('signal', { guestId, signal });
    },
    wait: async (guestId) => (await calls.call('wait', { guestId })) as unknown as GuestExit,
    list: async () => (await calls.call('list', {}))['guests'] as readonly GuestStatus[],
    measure: async (program, vcpus) => {
      const fields = vcpus === undefined ? { program } : { program, vcpus };
      return String((await calls.call('measure', fields))['measurement']);
    },
    measureTdx: async (program, vcpus) => {
      const fields = vcpus === undefined ? { program } : { program, vcpus };
      return (await calls.call('measure', { ...fields, tee: 'tdx' })) as unknown as TdxMeasurement;
    },
    info: async (product) =>
      infoOf(await calls.call('info', product === undefined ? {} : { product })),
    shutdown: async () => {
      await calls.call('shutdown', {});
    },
    close: () => socket.destroy(),
  };
}

async function connected(directory: string): Promise<Socket> {
  const path = controlSocketPath(directory);
  return await new Promise<Socket>((resolve, reject) => {
    const socket = connect(path);
    const refuse = (cause: unknown): void => {
      socket.destroy();
      reject(
        new TeeSimError('TEESIM_NOT_RUNNING', 'no daemon serves this directory', {
          fields: { directory, nextStep: 'start packages/tee-sim/src/main.ts serve' },
          cause,
        }),
      );
    };
    socket.setTimeout(CONNECT_MS, () => refuse(undefined));
    socket.once('error', refuse);
    socket.once('connect', () => {
      socket.setTimeout(0);
      socket.off('error', refuse);
      resolve(socket);
    });
  });
}

function hardwareFields(plan: HardwarePlan): Result {
  if (plan.tee === 'tdx') {
    const { overrides = {}, collateral = {} } = plan;
    return {
      overrides: encodeFields(TDX_OVERRIDES, overrides),
      collateral: encodeFields(TDX_COLLATERAL, collateral),
    };
  }
  const { overrides = {}, collateral = {} } = plan;
  return {
    overrides: encodeFields(SNP_OVERRIDES, overrides),
    collateral: encodeFields(SNP_COLLATERAL, collateral),
  };
}

type Result = Readonly<Record<string, unknown>>;

interface Waiting {
  readonly resolve: (result: Result) => void;
  readonly reject: (error: TeeSimError) => void;
}

/** Requests under way on one connection. */
class Calls {
  readonly #socket: Socket;
  readonly #lines = new LineSplitter(CONTROL_LIMITS.lineBytesMax);
  readonly #waiting = new Map<number, Waiting>();
  #nextId = 1;
  #closed = false;

  constructor(socket: Socket) {
    this.#socket = socket;
    socket.on('data', (chunk: Buffer) => this.#receive(chunk));
    socket.on('error', () => this.#close());
    socket.on('close', () => this.#close());
  }

  async call(op: string, fields: Readonly<Record<string, unknown>>): Promise<Result> {
    if (this.#closed) throw disconnected();
    const id = this.#nextId;
    this.#nextId += 1;
    return await new Promise<Result>((resolve, reject) => {
      this.#waiting.set(id, { resolve, reject });
      this.#socket.write(toLine({ id, op, ...fields }));
    });
  }

  #receive(chunk: Buffer): void {
    for (const line of this.#lines.push(chunk) ?? []) this.#settle(parseObject(line));
  }

  #settle(answer: Result | undefined): void {
    const id = answer?.['id'];
    const waiting = typeof id === 'number' ? this.#waiting.get(id) : undefined;
    if (answer === undefined || typeof id !== 'number' || waiting === undefined) {
      // An answer to nothing we asked, or a farewell such as "too many clients".
      this.#socket.destroy();
      return;
    }
    this.#waiting.delete(id);
    const { ok, result } = answer as { readonly ok?: unknown; readonly result?: unknown };
    if (ok === true && isObject(result)) waiting.resolve(result);
    else waiting.reject(remoteError(answer));
  }

  #close(): void {
    this.#closed = true;
    for (const { reject } of this.#waiting.values()) reject(disconnected());
    this.#waiting.clear();
  }
}

function disconnected(): TeeSimError {
  return new TeeSimError('TEESIM_DISCONNECTED', 'the connection to the daemon is gone');
}

function remoteError(answer: Result): TeeSimError {
  const error = answer['error'];
  if (isObject(error)) {
    const {
      code: found,
      message,
      fields,
    } = error as {
      readonly code?: unknown;
      readonly message?: unknown;
      readonly fields?: unknown;
    };
    const code = TEE_SIM_ERROR_CODES.find((known) => known === found);
    if (code !== undefined && typeof message === 'string' && isObject(fields)) {
      return new TeeSimError(code, message, { fields: fields as Record<string, FieldValue> });
    }
  }
  return new TeeSimError('TEESIM_ANSWER_MALFORMED', 'the daemon gave an unreadable answer');
}

function infoOf(result: Result): TeeSimInfo {
  const text = (name: string): string => String(result[name]);
  const product = productOfName(text('product'));
  if (product === undefined) {
    throw new TeeSimError('TEESIM_ANSWER_MALFORMED', 'the daemon gave an unreadable answer');
  }
  return {
    pid: Number(result['pid']),
    nodeVersion: text('nodeVersion'),
    product,
    tcb: result['tcb'] as SnpTcb,
    rootFingerprint: text('rootFingerprint'),
    root: fromBase64(text('root')),
    intermediate: fromBase64(text('intermediate')),
    crl: fromBase64(text('crl')),
    tdxRootFingerprint: text('tdxRootFingerprint'),
    tdxRoot: fromBase64(text('tdxRoot')),
    allowOverrides: result['allowOverrides'] === true,
  };
}
