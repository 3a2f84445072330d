/** Unary calls over the channel: answers, errors, deadlines, cancellation. */
import { afterEach, describe, expect, it } from 'vitest';
import { PeerService, UserService } from '@witan/protocol';
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
