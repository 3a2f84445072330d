/** The life of an established connection: re-evaluation, silence, closing, leaks. */
import { createServer, connect as connectTcp, type Socket } from 'node:net';
import { once } from 'node:events';
import { afterEach, describe, expect, it } from 'vitest';
import { PeerService, UserService } from '@witan/protocol';
import { connectAttested, createAttestedServer, serviceRegistration } from '../src/index.ts';
import { SERVER_LIMITS } from '../src/limits.ts';
import { closeAll, codeOf, serve, userHandlers } from './support/fixture.ts';
import { clock, prover, verifier } from './support/hardware.ts';
import { makeIdentity } from './support/identity.ts';

afterEach(closeAll);

const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

describe('trust in a peer', () => {
  it('is judged again when the rules change, and the connection ends when it fails', async () => {
    const fixture = await serve();
    const bad = await fixture.connect('replica', { prover: prover('good') });
    const other = await fixture.connect('client');
    expect(await fixture.server.reverifyConnections()).toBe(0);
    fixture.verifiers.replica.allowed = ['newer'];
    expect(await fixture.server.reverifyConnections()).toBe(1);
    expect(await bad.closed).toEqual({ kind: 'lost' });
    expect((await fixture.event('connection-closed')).reason).toEqual({
      kind: 'closed-here',
      reason: 'evidence no longer accepted: MEASUREMENT_UNKNOWN',
    });
    // A client has nothing to judge.
    await other.unary(UserService.method.getStatus, {});
  });

  it('is judged again by a client too', async () => {
    const fixture = await serve();
    const own = verifier();
    const connection = await fixture.connect('replica', { verifier: own });
    expect(await connection.reverify()).toBe(true);
    own.allowed = [];
    expect(await connection.reverify()).toBe(false);
    expect(await connection.closed).toMatchObject({ kind: 'closed-here' });
    expect(await connection.reverify()).toBe(false);
  });

  it('ends with the verdict, unless the evidence is still good then', async () => {
    const fixture = await serve();
    const own = verifier({ validMs: 60 });
    const connection = await fixture.connect('replica', { verifier: own });
    await expect.poll(() => own.asked).toBeGreaterThan(2);
    own.allowed = [];
    expect(await connection.closed).toEqual({
      kind: 'closed-here',
      reason: 'evidence no longer accepted: MEASUREMENT_UNKNOWN',
    });
  });

  it('survives a verdict that is valid for longer than a timer can wait', async () => {
    const fixture = await serve();
    const own = verifier({ validMs: 100 * 24 * 3_600_000 });
    const connection = await fixture.connect('replica', { verifier: own });
    await sleep(50);
    expect(own.asked).toBe(1);
    await connection.unary(PeerService.method.greet, {});
  });
});

/** A TCP proxy that can fall silent without closing, as a paused machine does. */
async function pausable(port: number): Promise<{
  port: number;
  pause: () => void;
  close: () => void;
}> {
  const sockets: Socket[] = [];
  const proxy = createServer((down) => {
    const up = connectTcp(port, '127.0.0.1');
    for (const socket of [down, up]) socket.on('error', () => undefined);
    sockets.push(down, up);
    down.pipe(up).pipe(down);
  });
  proxy.listen(0, '127.0.0.1');
  await once(proxy, 'listening');
  return {
    port: (proxy.address() as { port: number }).port,
    pause: () => {
      for (const socket of sockets) socket.unpipe();
    },
    close: () => {
      for (const socket of sockets) socket.destroy();
      proxy.close();
    },
  };
}

describe('a dead peer', () => {
  const keepalive = { keepaliveIdleMs: 100, keepaliveTimeoutMs: 100 };
  const replica = { ...SERVER_LIMITS.perRole.replica, ...keepalive };

  it('is noticed on both ends without any call', async () => {
    const perRole = { ...SERVER_LIMITS.perRole, replica };
    const fixture = await serve({ limits: { perRole } });
    const proxy = await pausable(fixture.port);
    const connection = await fixture.connect('replica', {
      address: `127.0.0.1:${proxy.port}`,
      limits: keepalive,
    });
    await sleep(400);
    expect(fixture.server.connections()).toHaveLength(1);
    proxy.pause();
    const pausedAtMs = Date.now();
    expect(await connection.closed).toEqual({ kind: 'lost' });
    await fixture.event('connection-closed');
    expect(Date.now() - pausedAtMs).toBeLessThan(2_000);
    proxy.close();
  });
});

describe('closing', () => {
  it('from the client is seen by the server', async () => {
    const fixture = await serve();
    const connection = await fixture.connect('replica');
    connection.close('done');
    expect(await connection.closed).toEqual({ kind: 'closed-here', reason: 'done' });
    expect((await fixture.event('connection-closed')).reason).toEqual({ kind: 'lost' });
    expect(fixture.server.connections()).toEqual([]);
  });

  it('of the server lets running calls finish within its grace', async () => {
    const fixture = await serve({
      services: () => [
        serviceRegistration(UserService, {
          ...userHandlers,
          getStatus: async () => {
            await sleep(150);
            return { slot: 'late' };
          },
        }),
      ],
    });
    const connection = await fixture.connect('client');
    const answer = connection.unary(UserService.method.getStatus, {});
    await sleep(30);
    const closed = fixture.server.close(2_000);
    await sleep(30);
    expect(await codeOf(connection.unary(UserService.method.getStatus, {}))).toMatch(
      /CONNECTION_CLOSED|CONNECTION_LOST/,
    );
    expect((await answer).slot).toBe('late');
    await closed;
    expect(await codeOf(fixture.connect('client'))).toBe('CONNECT_FAILED');
    expect(await codeOf(fixture.server.listen({ host: '127.0.0.1', port: 0 }))).toBe(
      'SERVER_CLOSED',
    );
  });

  it('of the server does not wait for ever', async () => {
    const fixture = await serve({
      services: () => [
        serviceRegistration(UserService, {
          ...userHandlers,
          getStatus: () => new Promise(() => undefined),
        }),
      ],
    });
    const connection = await fixture.connect('client');
    const code = codeOf(connection.unary(UserService.method.getStatus, {}));
    connectTcp(fixture.port, '127.0.0.1');
    await sleep(50);
    const startedAtMs = Date.now();
    await fixture.server.close(100);
    expect(Date.now() - startedAtMs).toBeLessThan(2_000);
    expect(await code).toBe('CONNECTION_LOST');
  });
});

describe('connecting', () => {
  const base = { role: 'client', verifier: verifier(), clock, timeoutMs: 2_000 } as const;

  it('refuses an address that is not host:port', async () => {
    for (const address of [
      '',
      'host',
      'host:',
      'host:0',
      'host:70000',
      '::1:5',
      'a b:1',
      'u@h/:1',
    ]) {
      const identity = makeIdentity();
      expect(await codeOf(connectAttested({ ...base, address, identity }))).toBe(
        'ADDRESS_MALFORMED',
      );
    }
  });

  it('reports a name that leads nowhere', async () => {
    const identity = makeIdentity();
    const address = 'no-such-host.invalid:1';
    expect(await codeOf(connectAttested({ ...base, address, identity }))).toBe(
      'ADDRESS_UNRESOLVED',
    );
  });

  it('reports a port where nobody listens at once', async () => {
    const startedAtMs = Date.now();
    const identity = makeIdentity();
    expect(await codeOf(connectAttested({ ...base, address: '127.0.0.1:1', identity }))).toBe(
      'CONNECT_FAILED',
    );
    expect(Date.now() - startedAtMs).toBeLessThan(1_000);
  });

  it('finds a server by name', async () => {
    const fixture = await serve();
    const address = `localhost:${fixture.port}`;
    const connection = await fixture.connect('client', { address });
    expect(connection.peer.remoteAddress).toMatch(/^127\.0\.0\.1:/);
  });

  it('can be aborted', async () => {
    const silent = createServer(() => undefined);
    silent.listen(0, '127.0.0.1');
    await once(silent, 'listening');
    const { port } = silent.address() as { port: number };
    const identity = makeIdentity();
    const address = `127.0.0.1:${port}`;
    const signal = AbortSignal.timeout(50);
    expect(await codeOf(connectAttested({ ...base, address, identity, signal }))).toBe(
      'CONNECT_ABORTED',
    );
    silent.close();
  });

  it('refuses an identity whose parts do not belong together', async () => {
    const one = makeIdentity();
    const other = makeIdentity();
    for (const identity of [
      { ...one, spkiDer: other.spkiDer },
      { ...one, certificatePem: other.certificatePem },
      { ...one, privateKeyPem: other.privateKeyPem },
      { ...one, privateKeyPem: 'no key' },
      makeIdentity('P-384'),
    ]) {
      expect(await codeOf(connectAttested({ ...base, address: '127.0.0.1:1', identity }))).toBe(
        'IDENTITY_MISMATCH',
      );
    }
  });

  it('reports a port that is taken', async () => {
    const fixture = await serve();
    const second = createAttestedServer({
      identity: makeIdentity(),
      prover: prover(),
      verifiers: {},
      helloClusterId: () => undefined,
      services: () => [],
      clock,
      onEvent: () => undefined,
    });
    expect(await codeOf(second.listen({ host: '127.0.0.1', port: fixture.port }))).toBe(
      'LISTEN_FAILED',
    );
  });
});

describe('many connections', () => {
  it('leave nothing behind on either end', async () => {
    const fixture = await serve();
    const identity = makeIdentity();
    const round = async (connections: number): Promise<void> => {
      let left = connections;
      const worker = async (): Promise<void> => {
        while (left > 0) {
          left -= 1;
          const connection = await connectAttested({
            address: fixture.address,
            role: 'replica',
            identity,
            prover: prover(),
            verifier: verifier(),
            clock,
            timeoutMs: 10_000,
          });
          await connection.unary(PeerService.method.greet, {});
          connection.close();
          await connection.closed;
        }
      };
      await Promise.all([worker(), worker(), worker(), worker()]);
      await expect.poll(() => fixture.server.connections().length).toBe(0);
      fixture.events.length = 0;
    };
    await round(50);
    await sleep(100);
    const before = process.getActiveResourcesInfo().toSorted();
    await round(200);
    await expect
      .poll(() => process.getActiveResourcesInfo().toSorted().length)
      .toBeLessThanOrEqual(before.length + 1);
  });
});
