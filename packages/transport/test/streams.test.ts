/** Streams over the channel: order, back-pressure, errors, cancellation. */
import { afterEach, describe, expect, it } from 'vitest';
import { PeerService, type ExchangeRequest } from '@witan/protocol';
import {
  PublicError,
  serviceRegistration,
  type AttestedConnection,
  type Handlers,
} from '../src/index.ts';
import { closeAll, codeOf, peerHandlers, serve, type Fixture } from './support/fixture.ts';
import type { Claims } from './support/hardware.ts';

afterEach(closeAll);

type PeerChange = Partial<Handlers<typeof PeerService, Claims>>;

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
    // The caller's own error comes back to it as it is.
    await expect(loop()).rejects.toThrow('source');
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
