/** The operations of the control socket, one per name. */
import { toBase64, toHex } from '@witan/core';
import { TeeSimError } from '../errors.ts';
import { PLATFORMS } from '../hardware/products.ts';
import { tdMeasurements } from '../hardware/guest-hardware.ts';
import type { SimulatedHost } from '../hardware/host.ts';
import { GUEST_SIGNALS, type GuestSignal } from '../wire/control.ts';
import type { FieldReader } from '../wire/fields.ts';
import type { Guests } from './guests.ts';
import {
  readLaunchRequest,
  readProduct,
  readProgram,
  readTee,
  readVcpus,
} from './launch-request.ts';
import { measureProgram } from './measure.ts';

/** What the operations work on. */
export interface OperationContext {
  readonly host: SimulatedHost;
  readonly guests: Guests;
  readonly allowForged: boolean;
  /** Begins the end of the daemon and resolves when all guests have ended. */
  readonly shutdown: () => Promise<void>;
}

/** The client that asks. */
export interface OperationClient {
  /** Remembers a guest that must not outlive this client. */
  attach(guestId: string): void;
}

type Operation = (
  context: OperationContext,
  reader: FieldReader,
  client: OperationClient,
) => Promise<unknown>;

const OPERATIONS: Readonly<Record<string, Operation>> = {
  launch: async ({ guests, allowForged }, reader, client) => {
    const request = readLaunchRequest(reader, allowForged);
    const status = await guests.launch(request);
    if (request.attached) client.attach(status.guestId);
    return status;
  },
  signal: async ({ guests }, reader) => {
    const guestId = reader.text('guestId', 64);
    const signal = guestSignal(reader.text('signal', 16));
    reader.end();
    guests.signal(guestId, signal);
    return await Promise.resolve({});
  },
  wait: async ({ guests }, reader) => {
    const guestId = reader.text('guestId', 64);
    reader.end();
    return await guests.wait(guestId);
  },
  list: async ({ guests }, reader) => {
    reader.end();
    return await Promise.resolve({ guests: guests.list() });
  },
  measure: async (_context, reader) => {
    const program = readProgram(reader);
    const vcpus = readVcpus(reader);
    const tee = readTee(reader);
    reader.end();
    const { digest } = await measureProgram(program, vcpus);
    if (tee === 'snp') return { measurement: toHex(digest) };
    const { mrTd, rtmrs } = tdMeasurements(digest, vcpus);
    return { mrTd: toHex(mrTd), rtmrs: rtmrs.map(toHex) };
  },
  info: async ({ host, allowForged }, reader) => {
    const { hierarchy } = host.snp(readProduct(reader));
    reader.end();
    return await Promise.resolve({
      pid: process.pid,
      nodeVersion: process.version,
      product: hierarchy.product,
      tcb: PLATFORMS[hierarchy.product].tcb,
      rootFingerprint: hierarchy.rootFingerprint,
      root: toBase64(hierarchy.rootCertificate),
      intermediate: toBase64(hierarchy.intermediateCertificate),
      crl: toBase64(hierarchy.revocationList),
      tdxRootFingerprint: host.tdx.rootFingerprint,
      tdxRoot: toBase64(host.tdx.certificates.root),
      allowOverrides: allowForged,
    });
  },
  shutdown: async ({ shutdown }, reader) => {
    reader.end();
    await shutdown();
    return {};
  },
};

/** @throws TeeSimError whatever the operation gives, or TEESIM_REQUEST_MALFORMED */
export async function operate(
  context: OperationContext,
  op: string,
  reader: FieldReader,
  client: OperationClient,
): Promise<unknown> {
  const operation = Object.hasOwn(OPERATIONS, op) ? OPERATIONS[op] : undefined;
  if (operation === undefined) {
    throw new TeeSimError('TEESIM_REQUEST_MALFORMED', 'there is no such operation', {
      fields: { expected: Object.keys(OPERATIONS).join(', '), found: op.slice(0, 32) },
    });
  }
  return await operation(context, reader, client);
}

function guestSignal(name: string): GuestSignal {
  const signal = GUEST_SIGNALS.find((known) => known === name);
  if (signal !== undefined) return signal;
  throw new TeeSimError('TEESIM_SIGNAL_REFUSED', 'the signal may not be sent to a guest', {
    fields: { expected: GUEST_SIGNALS.join(', '), found: name },
  });
}
