/** The control socket: several clients, each with limits; malformed input costs only its sender. */
import { chmodSync } from 'node:fs';
import { createServer, type Server, type Socket } from 'node:net';
import { CodedError, describeError } from '@witan/core';
import { TeeSimError } from '../errors.ts';
import { CONTROL_LIMITS } from '../wire/control.ts';
import { FieldReader } from '../wire/fields.ts';
import { LineSplitter, parseObject, toLine } from '../wire/lines.ts';
import { operate, type OperationContext } from './operations.ts';

/** How long a client that broke the rules may take to read why. */
const FAREWELL_MS = 1000;

/** A listening control socket. */
export interface ControlServer {
  /** Stops listening and drops all clients. */
  close(): Promise<void>;
}

/**
 * Listens on a path that no file occupies. The process's umask must keep others out.
 *
 * @param log receives one line for each failure that is the daemon's own
 */
export async function listenControl(
  path: string,
  context: OperationContext,
  log: (line: string) => void,
): Promise<ControlServer> {
  const clients = new Set<Socket>();
  const server = createServer((socket) => {
    if (clients.size >= CONTROL_LIMITS.clientsMax) {
      socket.on('error', () => undefined);
      socket.end(toLine(failure(null, limit('clients', CONTROL_LIMITS.clientsMax))));
      return;
    }
    clients.add(socket);
    socket.on('close', () => clients.delete(socket));
    serveClient(socket, context, log);
  });
  await listening(server, path);
  return {
    close: async () => {
      const closed = new Promise<void>((resolve) => {
        server.close(() => resolve());
      });
      // `end` lets an answer that is on its way, such as that of `shutdown`, arrive.
      for (const socket of clients) socket.end(() => socket.destroy());
      const force = setTimeout(() => {
        for (const socket of clients) socket.destroy();
      }, 500);
      await closed;
      clearTimeout(force);
    },
  };
}

async function listening(server: Server, path: string): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(path, resolve);
  });
  // The umask kept others out from the start; this takes away the meaningless execute bit.
  chmodSync(path, 0o600);
}

function serveClient(socket: Socket, context: OperationContext, log: (line: string) => void): void {
  const lines = new LineSplitter(CONTROL_LIMITS.lineBytesMax);
  const attached = new Set<string>();
  let pending = 0;
  let gone = false;
  const client = {
    attach: (guestId: string): void => {
      if (gone) context.guests.kill(guestId);
      else attached.add(guestId);
    },
  };
  const answer = (value: unknown): void => {
    if (gone || socket.writableEnded) return;
    // A client that does not read its answers is dropped before they fill the memory.
    if (socket.writableLength > 4 * CONTROL_LIMITS.lineBytesMax) socket.destroy();
    else socket.write(toLine(value));
  };
  const serve = async (line: string): Promise<void> => {
    pending += 1;
    try {
      answer(await answerLine(line, pending, context, client, log));
    } finally {
      pending -= 1;
    }
  };
  socket.on('data', (chunk: Buffer) => {
    if (socket.writableEnded) return;
    const complete = lines.push(chunk);
    if (complete === undefined) {
      // What still arrives is dropped: closing with input unread would lose the answer.
      socket.end(toLine(failure(null, tooLarge())));
      socket.setTimeout(FAREWELL_MS, () => socket.destroy());
      return;
    }
    for (const line of complete) void serve(line);
  });
  socket.on('error', () => socket.destroy());
  socket.on('close', () => {
    gone = true;
    for (const guestId of attached) context.guests.kill(guestId);
  });
}

/** Never rejects. */
async function answerLine(
  line: string,
  pending: number,
  context: OperationContext,
  client: { readonly attach: (guestId: string) => void },
  log: (line: string) => void,
): Promise<unknown> {
  let id: number | null = null;
  try {
    const object = parseObject(line);
    if (object === undefined) {
      throw new TeeSimError('TEESIM_REQUEST_MALFORMED', 'the request is no JSON object');
    }
    const reader = new FieldReader(object);
    id = reader.integer('id', 0, Number.MAX_SAFE_INTEGER);
    if (pending > CONTROL_LIMITS.requestsMax) throw limit('requests', CONTROL_LIMITS.requestsMax);
    const op = reader.text('op', 64);
    return { id, ok: true, result: await operate(context, op, reader, client) };
  } catch (error) {
    if (!(error instanceof CodedError)) log(`tee-sim: ${describeError(error)}`);
    return failure(id, error);
  }
}

function failure(id: number | null, error: unknown): unknown {
  const coded =
    error instanceof TeeSimError
      ? error
      : new TeeSimError('TEESIM_INTERNAL', 'the simulated hardware failed', { cause: error });
  const cause = coded.cause === undefined ? {} : { cause: describeError(coded.cause) };
  const { code, message, fields } = coded;
  return { id, ok: false, error: { code, message, fields: { ...fields, ...cause } } };
}

function limit(what: string, expected: number): TeeSimError {
  return new TeeSimError('TEESIM_LIMIT', 'a limit of the control socket is reached', {
    fields: { what, expected: `at most ${expected}` },
  });
}

function tooLarge(): TeeSimError {
  return new TeeSimError('TEESIM_REQUEST_TOO_LARGE', 'the request is too long', {
    fields: { expected: `at most ${CONTROL_LIMITS.lineBytesMax} bytes` },
  });
}
