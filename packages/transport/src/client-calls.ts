/**
 * Calls over an established connection. Messages cross grpc-js as bytes; one place turns its errors
 * into ours.
 */
import { Metadata, type Client, type ClientDuplexStream } from '@grpc/grpc-js';
import {
  create,
  fromBinary,
  toBinary,
  type DescMessage,
  type DescMethod,
  type MessageInitShape,
  type MessageShape,
} from '@bufbuild/protobuf';
import { CALL_OVER, untilAborted } from './abortable.ts';
import { fromWireError } from './call-errors.ts';
import { TransportError } from './errors.ts';

/** Options of one call. */
export interface CallOptions {
  /** Sent to the server as the call's deadline; absent means none. */
  readonly timeoutMs?: number;
  readonly signal?: AbortSignal;
}

/**
 * The responses of a running stream. Iterate it once, to the end; leaving the loop early cancels
 * the call. A failed call throws RemoteError or TransportError out of the loop.
 */
export interface ResponseStream<Message> extends AsyncIterable<Message> {
  cancel(): void;
}

/** What calls need of their connection. */
export interface CallChannel {
  readonly client: Client;
  /** Whether the connection has ended. */
  readonly ended: () => boolean;
  /** Counts a running call; the result is called once, when it is over. */
  readonly begin: () => () => void;
}

/** @throws RemoteError, TransportError */
export function callUnary<Input extends DescMessage, Output extends DescMessage>(
  channel: CallChannel,
  method: DescMethod & { readonly input: Input; readonly output: Output },
  request: MessageInitShape<Input>,
  options: CallOptions,
): Promise<MessageShape<Output>> {
  const { signal } = options;
  return new Promise((resolve, reject) => {
    if (signal?.aborted === true) {
      reject(new TransportError('CALL_CANCELLED', 'call was cancelled here'));
      return;
    }
    const message = encode(method.input, request);
    const over = channel.begin();
    const onAbort = (): void => call.cancel();
    const call = channel.client.makeUnaryRequest<Buffer, Buffer>(
      pathOf(method),
      asIs,
      asIs,
      message,
      new Metadata(),
      deadlineOf(options),
      (error, response) => {
        over();
        signal?.removeEventListener('abort', onAbort);
        try {
          if (error !== null) throw error;
          resolve(decode(method.output, response));
        } catch (caught) {
          const cancelledHere = signal?.aborted === true;
          reject(fromWireError(caught, { cancelledHere, connectionEnded: channel.ended() }));
        }
      },
    );
    signal?.addEventListener('abort', onAbort, { once: true });
  });
}

/** Why a stream ends badly, as far as this end knows. */
interface CallState {
  cancelledHere: boolean;
  /** What grpc-js reported. */
  failure: unknown;
  /** What the caller's own requests threw; given back to the caller as it is. */
  sourceFailure: { readonly error: unknown } | undefined;
}

/** Starts at once. */
export function callStream<Input extends DescMessage, Output extends DescMessage>(
  channel: CallChannel,
  method: DescMethod & { readonly input: Input; readonly output: Output },
  requests: AsyncIterable<MessageInitShape<Input>>,
  options: CallOptions,
): ResponseStream<MessageShape<Output>> {
  const { signal } = options;
  // On the wire a stream of one message is a message, so one kind of call serves all streams.
  const call = channel.client.makeBidiStreamRequest<Buffer, Buffer>(
    pathOf(method),
    asIs,
    asIs,
    new Metadata(),
    deadlineOf(options),
  );
  const finish = channel.begin();
  const over = new AbortController();
  const state: CallState = { cancelledHere: false, failure: undefined, sourceFailure: undefined };
  const cancel = (): void => {
    state.cancelledHere = true;
    call.cancel();
  };
  call.on('error', (error) => {
    state.failure ??= error;
  });
  call.once('status', () => {
    signal?.removeEventListener('abort', cancel);
    over.abort(CALL_OVER);
    finish();
  });
  signal?.addEventListener('abort', cancel, { once: true });
  if (signal?.aborted === true) cancel();
  const failWith = (error: unknown): void => {
    state.sourceFailure = { error };
    call.cancel();
  };
  // Until the first read grpc-js takes in whatever comes, without bound; this read makes it stop
  // at the 16 messages of its stream's buffer.
  call.read(0);
  void pump(call, requests, (init) => encode(method.input, init), over.signal).catch(failWith);
  const fail = (error: unknown): never => {
    if (state.sourceFailure !== undefined) throw state.sourceFailure.error;
    const { cancelledHere } = state;
    throw fromWireError(error, { cancelledHere, connectionEnded: channel.ended() });
  };
  async function* responses(): AsyncGenerator<MessageShape<Output>, void, undefined> {
    let finished = false;
    try {
      for await (const bytes of call.iterator({ destroyOnReturn: false })) {
        yield decode(method.output, bytes as Buffer);
      }
      finished = true;
      if (state.failure !== undefined) fail(state.failure);
    } catch (error) {
      fail(state.failure ?? error);
    } finally {
      if (!finished) call.cancel();
    }
  }
  return { cancel, [Symbol.asyncIterator]: responses };
}

/** Writes requests as fast as the connection takes them, until they or the call end. */
async function pump<Init>(
  call: ClientDuplexStream<Buffer, Buffer>,
  requests: AsyncIterable<Init>,
  encodeOne: (init: Init) => Buffer,
  over: AbortSignal,
): Promise<void> {
  const iterator = requests[Symbol.asyncIterator]();
  try {
    for (;;) {
      const next = await untilAborted(iterator.next(), over, () => CALL_OVER);
      if (next.done === true) break;
      if (!call.write(encodeOne(next.value))) {
        const drained = new Promise<void>((resolve) => call.once('drain', resolve));
        await untilAborted(drained, over, () => CALL_OVER);
      }
    }
    call.end();
  } catch (error) {
    // Not awaited: a generator that waits for something else would never answer.
    iterator.return?.().catch(() => undefined);
    if (!over.aborted) throw error;
  }
}

function pathOf(method: DescMethod): string {
  return `/${method.parent.typeName}/${method.name}`;
}

function deadlineOf({ timeoutMs }: CallOptions): { readonly deadline?: Date } {
  return timeoutMs === undefined ? {} : { deadline: new Date(Date.now() + timeoutMs) };
}

function asIs(bytes: Buffer): Buffer {
  return bytes;
}

function encode<Schema extends DescMessage>(
  schema: Schema,
  init: MessageInitShape<Schema>,
): Buffer {
  const bytes = toBinary(schema, create(schema, init));
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

function decode<Schema extends DescMessage>(
  schema: Schema,
  bytes: Buffer | undefined,
): MessageShape<Schema> {
  try {
    if (bytes === undefined) throw new TypeError('no message');
    return fromBinary(schema, bytes);
  } catch (cause) {
    throw new TransportError('RESPONSE_MALFORMED', 'response is malformed', {}, cause);
  }
}
