/** Calls over the channel: answers, errors, deadlines, cancellation, streams with back-pressure. */
import { afterEach, describe, expect, it } from 'vitest';
import { PeerService, UserService, type ExchangeRequest } from '@witan/protocol';
import {
  PublicError,
  serviceRegistration,
  type AttestedConnection,
  type CallContext,
  type Handlers,
} from '../src/index.ts';
import {
  closeAll,
  codeOf,
  peerHandlers,
  serve,
  userHandlers,
  type Fixture,
} from './support/fixture.ts';
import type { Claims } from './support/hardware.ts';

afterEach(closeAll);

type UserChange = Partial<Handlers<typeof UserService, Claims>>;
type PeerChange = Partial<Handlers<typeof PeerService, Claims>>;

async function userCalls(
  change: UserChange,
): Promise<{ fixture: Fixture; connection: AttestedConnection<Claims> }> {
  const fixture = await serve({
    services: () => [serviceRegistration(UserService, { ...userHandlers, ...change })],
  });
  return { fixture, connection: await fixture.connect('client') };
}

async function peerCalls(
  change: PeerChange,
): Promise<{ fixture: Fixture; connection: AttestedConnection<Claims> }> {
  const fixture = await serve({
    services: () => [serviceRegistration(PeerService, { ...peerHandlers, ...change })],
  });
  return { fixture, connection: await fixture.connect('replica') };
}

const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

async function* count(to: number, bytes = 10): AsyncGenerator<{ messages: Uint8Array[] }> {
  for (let i = 0; i < to; i += 1) yield { messages: [new Uint8Array(bytes).fill(i)] };
}

describe('a unary call', () => {
  it('carries a message of several megabytes both ways between replicas', async () => {
    const { connection } = await peerCalls({
      execute: async ({ operation }) =>
        ({
          result: operation.case === 'setManifest' ? (operation.value.manifest ?? []) : [],
        }) as never,
    });
    const manifest = new Uint8Array(20 * 1024 * 1024).fill(42);
    const operation = { case: 'setManifest', value: { manifest } } as const;
    const { result } = await connection.unary(PeerService.method.execute, { operation });
    expect(Buffer.compare(result, manifest)).toBe(0);
  });

  it('above the limit of the role is refused by the server', async () => {
    const { connection } = await userCalls({});
    const manifest = new Uint8Array(5 * 1024 * 1024);
    const { fixture, connection: loose } = await userCalls({});
    const raised = await fixture.connect('client', { limits: { messageBytesMax: 1 << 24 } });
    await expect(raised.unary(UserService.method.setManifest, { manifest })).rejects.toMatchObject({
      code: 'REMOTE_ERROR',
      status: 'RESOURCE_EXHAUSTED',
    });
    await expect(
      connection.unary(UserService.method.setManifest, { manifest }),
    ).rejects.toMatchObject({ status: 'RESOURCE_EXHAUSTED' });
    // The connection stays good for other calls.
    await loose.unary(UserService.method.getStatus, {});
  });

  it('gives a public error to the caller with its code and fields', async () => {
    const { connection, fixture } = await userCalls({
      setManifest: () => {
        throw new PublicError('ABORTED', 'CONFLICT', 'another update was first', {
          expected: 'aa',
          found: 7,
        });
      },
    });
    await expect(connection.unary(UserService.method.setManifest, {})).rejects.toMatchObject({
      code: 'REMOTE_ERROR',
      status: 'ABORTED',
      detail: { code: 'CONFLICT', fields: { expected: 'aa', found: '7' } },
    });
    expect(fixture.events.some(({ kind }) => kind === 'call-failed')).toBe(false);
  });

  it('gives nothing of a private error to the caller, and all of it to the owner', async () => {
    const { connection, fixture } = await userCalls({
      setManifest: () => Promise.reject(new Error('seed is 0123')),
    });
    const error = await connection.unary(UserService.method.setManifest, {}).then(
      () => undefined,
      (thrown: unknown) => thrown,
    );
    expect(error).toMatchObject({ code: 'REMOTE_ERROR', status: 'INTERNAL', detail: undefined });
    const { cause, ...visible } = error as Error & { cause?: unknown };
    expect(JSON.stringify(visible) + (error as Error).message + String(cause)).not.toContain(
      '0123',
    );
    const event = await fixture.event('call-failed');
    expect(event).toMatchObject({ method: 'SetManifest', error: { message: 'seed is 0123' } });
  });

  it('of a method that is not served reveals nothing', async () => {
    const fixture = await serve();
    const client = await fixture.connect('client');
    const replica = await fixture.connect('replica');
    // The peer service exists on this server, but not on this connection.
    await expect(client.unary(PeerService.method.greet, {})).rejects.toMatchObject({
      status: 'UNIMPLEMENTED',
      detail: undefined,
    });
    await expect(replica.unary(UserService.method.getStatus, {})).rejects.toMatchObject({
      status: 'UNIMPLEMENTED',
    });
    await replica.unary(PeerService.method.greet, {});
  });

  it('ends at its deadline on both ends', async () => {
    const seen: CallContext<Claims>[] = [];
    const { connection } = await userCalls({
      getStatus: async (_request, context) => {
        seen.push(context);
        await sleep(2_000);
        return {};
      },
    });
    const startedAtMs = Date.now();
    expect(
      await codeOf(connection.unary(UserService.method.getStatus, {}, { timeoutMs: 100 })),
    ).toBe('CALL_DEADLINE_EXCEEDED');
    expect(Date.now() - startedAtMs).toBeLessThan(1_000);
    expect(seen[0]?.deadlineMs).toBeLessThan(startedAtMs + 1_000);
    await expect.poll(() => seen[0]?.signal.aborted).toBe(true);
  });

  it('has no deadline unless it is given one', async () => {
    const seen: number[] = [];
    const { connection } = await userCalls({
      getStatus: async (_request, { deadlineMs }) => {
        seen.push(deadlineMs);
        return {};
      },
    });
    await connection.unary(UserService.method.getStatus, {});
    expect(seen).toEqual([Infinity]);
  });

  it('is cancelled on the server when the caller gives up', async () => {
    const seen: AbortSignal[] = [];
    const { connection } = await userCalls({
      getStatus: (_request, { signal }) => {
        seen.push(signal);
        return new Promise(() => undefined);
      },
    });
    const controller = new AbortController();
    const code = codeOf(
      connection.unary(UserService.method.getStatus, {}, { signal: controller.signal }),
    );
    await expect.poll(() => seen.length).toBe(1);
    controller.abort();
    expect(await code).toBe('CALL_CANCELLED');
    await expect.poll(() => seen[0]?.aborted).toBe(true);
    expect(
      await codeOf(
        connection.unary(UserService.method.getStatus, {}, { signal: controller.signal }),
      ),
    ).toBe('CALL_CANCELLED');
  });

  it('fails as lost when the server ends the connection', async () => {
    const { connection, fixture } = await userCalls({
      getStatus: () => new Promise(() => undefined),
    });
    const code = codeOf(connection.unary(UserService.method.getStatus, {}));
    await sleep(50);
    fixture.server.closeConnections(() => true, 'test');
    expect(await code).toBe('CONNECTION_LOST');
    expect(await connection.closed).toEqual({ kind: 'lost' });
    expect(await codeOf(connection.unary(UserService.method.getStatus, {}))).toBe(
      'CONNECTION_CLOSED',
    );
    expect((await fixture.event('connection-closed')).reason).toEqual({
      kind: 'closed-here',
      reason: 'test',
    });
  });
});

describe('a stream', () => {
  it('carries messages both ways in order', async () => {
    const { connection } = await peerCalls({
      exchange: async function* (requests) {
        for await (const { messages } of requests) if (messages[0]?.[0] === 9) yield {};
      },
    });
    let answers = 0;
    for await (const _ of connection.stream(PeerService.method.exchange, count(300))) answers += 1;
    expect(answers).toBe(2);
  });

  it('makes a fast sender wait for a slow receiver', async () => {
    let taken = 0;
    const open = Promise.withResolvers<void>();
    const { connection } = await peerCalls({
      exchange: async function* (requests) {
        for await (const _ of requests) {
          taken += 1;
          if (taken === 1) await open.promise;
        }
        yield {};
      },
    });
    let given = 0;
    const total = 400;
    async function* eager(): AsyncGenerator<{ messages: Uint8Array[] }> {
      for await (const message of count(total, 64 * 1024)) {
        given += 1;
        yield message;
      }
    }
    const stream = connection.stream(PeerService.method.exchange, eager());
    await sleep(500);
    // 16 messages in each of two object streams, and some in flow-control windows and sockets.
    expect(taken).toBe(1);
    expect(given).toBeLessThan(100);
    open.resolve();
    for await (const _ of stream) void _;
    expect({ given, taken }).toEqual({ given: total, taken: total });
  });

  it('makes a fast server wait for a slow client', async () => {
    let given = 0;
    const { connection } = await peerCalls({
      exchange: async function* () {
        for (; given < 100_000; given += 1) yield {};
      },
    });
    const stream = connection.stream(PeerService.method.exchange, count(0));
    // A flow-control window of 64 KiB holds some thousands of empty messages.
    let before = -1;
    while (before !== given) {
      before = given;
      await sleep(300);
    }
    expect(given).toBeLessThan(50_000);
    let received = 0;
    for await (const _ of stream) if ((received += 1) >= 60_000) break;
    expect(given).toBeGreaterThan(received - 1);
  });

  it('is cancelled on the server when the client leaves its loop', async () => {
    const ends: string[] = [];
    const { connection, fixture } = await peerCalls({
      exchange: async function* (requests, { signal }) {
        signal.addEventListener('abort', () => ends.push('signal'));
        try {
          for await (const _ of requests) yield {};
        } catch (error) {
          ends.push((error as { code: string }).code);
          throw error;
        }
      },
    });
    async function* forEver(): AsyncGenerator<{ messages: Uint8Array[] }> {
      try {
        for (;;) {
          await sleep(5);
          yield { messages: [] };
        }
      } finally {
        ends.push('sender');
      }
    }
    for await (const _ of connection.stream(PeerService.method.exchange, forEver())) break;
    await expect.poll(() => ends.toSorted()).toEqual(['CALL_CANCELLED', 'sender', 'signal']);
    expect(fixture.events.some(({ kind }) => kind === 'call-failed')).toBe(false);
  });

  it('ends with the public error of its handler after the messages before it', async () => {
    const { connection } = await peerCalls({
      exchange: async function* () {
        yield {};
        yield {};
        throw new PublicError('FAILED_PRECONDITION', 'NOT_MEMBER', 'peer is no member');
      },
    });
    let answers = 0;
    const loop = async (): Promise<void> => {
      for await (const _ of connection.stream(PeerService.method.exchange, count(0))) answers += 1;
    };
    await expect(loop()).rejects.toMatchObject({
      status: 'FAILED_PRECONDITION',
      detail: { code: 'NOT_MEMBER', fields: {} },
    });
    expect(answers).toBe(2);
  });

  it('keeps its error for a reader that comes late', async () => {
    const { connection } = await peerCalls({
      exchange: () => {
        throw new Error('at once');
      },
    });
    const stream = connection.stream(PeerService.method.exchange, count(5));
    await sleep(100);
    const loop = async (): Promise<void> => {
      for await (const _ of stream) void _;
    };
    await expect(loop()).rejects.toMatchObject({ status: 'INTERNAL' });
  });

  it('may be answered by a handler that stops reading', async () => {
    const { connection } = await peerCalls({
      exchange: async function* (requests) {
        for await (const _ of requests) break;
        yield {};
      },
    });
    let answers = 0;
    for await (const _ of connection.stream(PeerService.method.exchange, count(50))) answers += 1;
    expect(answers).toBe(1);
  });

  it('fails when the source of its requests fails', async () => {
    const { connection } = await peerCalls({});
    async function* broken(): AsyncGenerator<{ messages: Uint8Array[] }> {
      yield { messages: [] };
      throw new Error('source');
    }
    const loop = async (): Promise<void> => {
      for await (const _ of connection.stream(PeerService.method.exchange, broken())) void _;
    };
    expect(await codeOf(loop())).not.toBe('NO_ERROR');
  });

  it('ends with its signal, its deadline and its connection', async () => {
    const { connection, fixture } = await peerCalls({
      exchange: async function* (_requests, { signal }) {
        await new Promise((resolve) => signal.addEventListener('abort', resolve));
        yield {};
      },
    });
    const never = async function* (): AsyncGenerator<{ messages: Uint8Array[] }> {
      await new Promise(() => undefined);
      yield { messages: [] };
    };
    const run = async (options: object): Promise<void> => {
      const stream = connection.stream(PeerService.method.exchange, never(), options);
      for await (const _ of stream) void _;
    };
    expect(await codeOf(run({ signal: AbortSignal.timeout(50) }))).toBe('CALL_CANCELLED');
    expect(await codeOf(run({ timeoutMs: 50 }))).toBe('CALL_DEADLINE_EXCEEDED');
    const last = codeOf(run({}));
    await sleep(50);
    fixture.server.closeConnections(() => true, 'test');
    expect(await last).toBe('CONNECTION_LOST');
  });

  it('answers small messages without waiting for more (TCP_NODELAY)', async () => {
    const { connection } = await peerCalls({});
    const queue: ((request: Partial<ExchangeRequest> | undefined) => void)[] = [];
    async function* asked(): AsyncGenerator<{ messages: Uint8Array[] }> {
      for (;;) {
        const request = await new Promise((resolve) => queue.push(resolve));
        if (request === undefined) return;
        yield { messages: [new Uint8Array(100)] };
      }
    }
    const stream = connection.stream(PeerService.method.exchange, asked());
    const answers = stream[Symbol.asyncIterator]();
    const times: number[] = [];
    for (let i = 0; i < 200; i += 1) {
      await expect.poll(() => queue.length, { interval: 0 }).toBeGreaterThan(0);
      const startedAtMs = performance.now();
      queue.shift()?.({});
      await answers.next();
      times.push(performance.now() - startedAtMs);
    }
    queue.shift()?.(undefined);
    // Nagle's algorithm with delayed acknowledgements would cost 40 ms.
    expect(times.toSorted((a, b) => a - b)[100]).toBeLessThan(10);
  });
});

describe('a malformed message', () => {
  it('gets a code and no text of the parser', async () => {
    const { connection } = await peerCalls({});
    const method = {
      ...PeerService.method.greet,
      input: PeerService.method.exchange.input,
    } as unknown as typeof PeerService.method.greet;
    // What is a message for the server is two broken bytes here.
    const request = { messages: [Uint8Array.of(0x0a, 0xff)] };
    await expect(connection.unary(method, request as never)).rejects.toMatchObject({
      status: 'INVALID_ARGUMENT',
      detail: { code: 'REQUEST_MALFORMED', fields: {} },
    });
  });

  it('in an answer is a typed error', async () => {
    const { connection } = await peerCalls({
      execute: async () => ({ result: Uint8Array.of(0x0a, 0xff) }),
    });
    const method = {
      ...PeerService.method.execute,
      output: PeerService.method.greet.output,
    } as unknown as typeof PeerService.method.execute;
    expect(await codeOf(connection.unary(method, {}))).toBe('RESPONSE_MALFORMED');
  });
});
