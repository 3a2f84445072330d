/**
 * Handlers to grpc-js: makes the service definition of a descriptor and runs handlers as grpc-js
 * calls. Messages cross grpc-js as bytes and are decoded here, so that a malformed request gets
 * this package's answer and no text of a parser reaches the peer.
 */
import type {
  Server,
  ServerDuplexStream,
  ServerReadableStream,
  ServerUnaryCall,
  ServerWritableStream,
  ServiceDefinition,
  UntypedServiceImplementation,
  sendUnaryData,
} from '@grpc/grpc-js';
import { create, fromBinary, toBinary, type DescMessage } from '@bufbuild/protobuf';
import { unreachable } from '@witan/core';
import { CALL_OVER, untilAborted } from './abortable.ts';
import { toWireError } from './call-errors.ts';
import type { AttestedPeer } from './channel.ts';
import { PublicError, TransportError, throwIfBroken } from './errors.ts';
import type { CallContext, MethodRegistration, ServiceRegistration } from './services.ts';

type Message = ReturnType<typeof create>;
type Init = Parameters<typeof create>[1];

/** The parts of a connection that its calls need. */
export interface CallHost<Claims> {
  readonly peer: AttestedPeer<Claims>;
  /** Told about errors that are not for the caller's eyes. */
  readonly onPrivateError: (method: string, error: unknown) => void;
}

type AnyCall = { on(event: 'cancelled', listener: () => void): unknown } & {
  getDeadline(): Date | number;
  readonly cancelled: boolean;
};

/** Adds a service with its handlers to a server of one connection. */
export function addService<Claims>(
  server: Server,
  registration: ServiceRegistration<Claims>,
  host: CallHost<Claims>,
): void {
  const definition: Record<string, ServiceDefinition[string]> = {};
  const implementation: UntypedServiceImplementation = {};
  for (const entry of registration.methods) {
    const { method } = entry;
    const requestStream = entry.kind === 'client_streaming' || entry.kind === 'bidi_streaming';
    const responseStream = entry.kind === 'server_streaming' || entry.kind === 'bidi_streaming';
    definition[method.localName] = {
      path: `/${registration.service.typeName}/${method.name}`,
      requestStream,
      responseStream,
      requestSerialize: asIs,
      requestDeserialize: asIs,
      responseSerialize: asIs,
      responseDeserialize: asIs,
    };
    implementation[method.localName] = implement(entry, host);
  }
  server.addService(definition, implementation);
}

function asIs(bytes: Buffer): Buffer {
  return bytes;
}

function implement<Claims>(
  entry: MethodRegistration<Claims>,
  host: CallHost<Claims>,
): UntypedServiceImplementation[string] {
  const { method } = entry;
  const fail = (error: unknown): ReturnType<typeof toWireError>['wire'] => {
    const { wire, isPrivate } = toWireError(error);
    if (isPrivate) host.onPrivateError(method.name, error);
    return wire;
  };
  const encode = (init: Init): Buffer => encodeMessage(method.output, init);
  const decode = (bytes: Buffer): Message => decodeMessage(method.input, bytes);
  switch (entry.kind) {
    case 'unary':
      return (call: ServerUnaryCall<Buffer, Buffer>, answer: sendUnaryData<Buffer>): void => {
        const context = contextOf(call, host.peer);
        const run = async (): Promise<Init> => entry.handle(decode(call.request), context);
        void answerOnce(run, encode, context, answer, fail);
      };
    case 'client_streaming':
      return (call: ServerReadableStream<Buffer, Buffer>, answer: sendUnaryData<Buffer>): void => {
        const context = contextOf(call, host.peer);
        const requests = readRequests(call, decode, context.signal);
        const run = async (): Promise<Init> => entry.handle(requests, context);
        void answerOnce(run, encode, context, answer, fail);
      };
    case 'server_streaming':
      return (call: ServerWritableStream<Buffer, Buffer>): void => {
        const context = contextOf(call, host.peer);
        void answerMany(call, () => entry.handle(decode(call.request), context), {
          encode,
          fail,
          signal: context.signal,
        });
      };
    case 'bidi_streaming':
      return (call: ServerDuplexStream<Buffer, Buffer>): void => {
        const context = contextOf(call, host.peer);
        const requests = readRequests(call, decode, context.signal);
        void answerMany(call, () => entry.handle(requests, context), {
          encode,
          fail,
          signal: context.signal,
        });
      };
    default:
      return unreachable(entry);
  }
}

function contextOf<Claims>(call: AnyCall, peer: AttestedPeer<Claims>): CallContext<Claims> {
  const controller = new AbortController();
  call.on('cancelled', () => controller.abort(CALL_OVER));
  if (call.cancelled) controller.abort(CALL_OVER);
  return { peer, signal: controller.signal, deadlineMs: Number(call.getDeadline()) };
}

async function answerOnce<Claims>(
  run: () => Promise<Init>,
  encode: (init: Init) => Buffer,
  context: CallContext<Claims>,
  answer: sendUnaryData<Buffer>,
  fail: (error: unknown) => ReturnType<typeof toWireError>['wire'],
): Promise<void> {
  try {
    const response = encode(await run());
    answer(null, response);
  } catch (error) {
    throwIfBroken(error);
    // After a cancelled call nobody reads the answer, and handlers fail because of the signal.
    if (!context.signal.aborted) answer(fail(error));
  }
}

interface StreamEnds {
  readonly encode: (init: Init) => Buffer;
  readonly fail: (error: unknown) => ReturnType<typeof toWireError>['wire'];
  readonly signal: AbortSignal;
}

async function answerMany(
  call: ServerWritableStream<Buffer, Buffer> | ServerDuplexStream<Buffer, Buffer>,
  start: () => AsyncIterable<Init>,
  { encode, fail, signal }: StreamEnds,
): Promise<void> {
  let responses: AsyncIterator<Init> | undefined;
  try {
    responses = start()[Symbol.asyncIterator]();
    for (;;) {
      const next = await untilAborted(responses.next(), signal, cancelled);
      if (next.done === true) break;
      if (!call.write(encode(next.value))) {
        await untilAborted(onceDrained(call), signal, cancelled);
      }
    }
    call.end();
  } catch (error) {
    throwIfBroken(error);
    // Not awaited: a generator that waits for something else would hold the call for ever.
    responses?.return?.().catch(() => undefined);
    if (!signal.aborted) call.emit('error', fail(error));
  }
}

function onceDrained(
  call: ServerWritableStream<Buffer, Buffer> | ServerDuplexStream<Buffer, Buffer>,
): Promise<void> {
  return new Promise((resolve) => {
    call.once('drain', resolve);
  });
}

async function* readRequests(
  call: ServerReadableStream<Buffer, Buffer> | ServerDuplexStream<Buffer, Buffer>,
  decode: (bytes: Buffer) => Message,
  signal: AbortSignal,
): AsyncGenerator<Message, void, undefined> {
  try {
    // A handler may stop reading and still answer, so leaving the loop must not destroy the call.
    for await (const bytes of call.iterator({ destroyOnReturn: false })) {
      yield decode(bytes as Buffer);
    }
  } catch (error) {
    if (signal.aborted) throw cancelled();
    throw error;
  }
  // A stream that was reset looks ended before grpc-js reports the reset; without this look behind
  // it, a handler would take half of the requests for all of them.
  await new Promise((resolve) => setImmediate(resolve));
  if (signal.aborted) throw cancelled();
}

function cancelled(): TransportError {
  return new TransportError('CALL_CANCELLED', 'caller gave the call up');
}

function encodeMessage(schema: DescMessage, init: Init): Buffer {
  const bytes = toBinary(schema, create(schema, init));
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

function decodeMessage(schema: DescMessage, bytes: Uint8Array): Message {
  try {
    return fromBinary(schema, bytes);
  } catch (cause) {
    throw new PublicError(
      'INVALID_ARGUMENT',
      'REQUEST_MALFORMED',
      'request is not a well-formed message',
      {},
      cause,
    );
  }
}
