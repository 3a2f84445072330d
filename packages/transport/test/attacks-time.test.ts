/** Peers that are slow, silent, many, or leave at any step (I10). */
import { once } from 'node:events';
import { connect as connectTcp } from 'node:net';
import { afterEach, describe, expect, it, vi } from 'vitest';
import type { Clock, UnixMillis } from '@witan/core';
import type { Judged } from '../src/exchange.ts';
import { encodeFrame } from '../src/frames.ts';
import { encodeHello } from '../src/hello.ts';
import { SERVER_LIMITS } from '../src/limits.ts';
import { Trust } from '../src/trust.ts';
import {
  attackClients,
  attackServer,
  helloOf,
  type RawEnd,
  type RawServer,
} from './support/attacker.ts';
import { closeAll, codeOf, serve, type Fixture } from './support/fixture.ts';
import { verifier, type Claims } from './support/hardware.ts';
import { makeIdentity } from './support/identity.ts';

const rawServers: RawServer[] = [];
afterEach(async () => {
  for (const one of rawServers.splice(0)) await one.close();
  await closeAll();
});

const HASTY = { limits: { handshakeTimeoutMs: 250 } };

async function stillServes(fixture: Fixture): Promise<void> {
  const connection = await fixture.connect('replica');
  expect(connection.peer.claims).toEqual({ measurement: 'good' });
}

describe('time and room', () => {
  it.each([
    ['before TLS', async (port: number) => void connectTcp(port, '127.0.0.1')],
    ['after TLS', async (port: number) => void (await attackServer(port, makeIdentity()))],
    [
      'after its HELLO',
      async (port: number) => {
        const end = await attackServer(port, makeIdentity());
        end.hello(helloOf('replica'));
        end.socket.resume();
      },
    ],
  ])('end a peer that falls silent %s', async (_when, attack) => {
    const fixture = await serve(HASTY);
    await attack(fixture.port);
    expect((await fixture.failure()).code).toBe('HANDSHAKE_DEADLINE_EXCEEDED');
    await stillServes(fixture);
  });

  it('end a peer that sends one byte at a time', async () => {
    const fixture = await serve(HASTY);
    const end = await attackServer(fixture.port, makeIdentity());
    const bytes = encodeFrame({ type: 'hello', payload: encodeHello(helloOf('replica')) });
    let sent = 0;
    const timer = setInterval(() => {
      end.socket.write(bytes.subarray(sent, (sent += 1)));
    }, 20);
    expect((await fixture.failure()).code).toBe('HANDSHAKE_DEADLINE_EXCEEDED');
    clearInterval(timer);
    await end.drain();
  });

  it('end a peer that does not read, without aborting the process', async () => {
    // More than the kernel's buffers of a loopback connection hold.
    const big = new Uint8Array(24 * 1024 * 1024);
    const fixture = await serve({
      limits: { handshakeTimeoutMs: 2_000, evidenceBytesMax: big.byteLength },
      prover: { evidenceTypes: ['fake'], prove: async () => big },
    });
    const ends: RawEnd[] = [];
    for (let i = 0; i < 8; i += 1) {
      const end = await attackServer(fixture.port, makeIdentity());
      end.socket.pause();
      end.hello(helloOf('client'));
      end.verdict('accepted');
      ends.push(end);
    }
    await fixture.event('handshake-failed', 8);
    for (const event of fixture.events) {
      expect(event).toMatchObject({ error: { code: 'HANDSHAKE_DEADLINE_EXCEEDED' } });
    }
    for (const end of ends) end.socket.destroy();
  });

  it('end a server that falls silent, on the client', async () => {
    const fixture = await serve();
    const server = await attackClients(makeIdentity(), async () => undefined);
    rawServers.push(server);
    expect(
      await codeOf(fixture.connect('client', { address: server.address, timeoutMs: 200 })),
    ).toBe('HANDSHAKE_DEADLINE_EXCEEDED');
  });

  it('allow only so many handshakes at once', async () => {
    const fixture = await serve({ limits: { handshakesInFlightMax: 2 } });
    const held = [connectTcp(fixture.port, '127.0.0.1'), connectTcp(fixture.port, '127.0.0.1')];
    await Promise.all(held.map((socket) => once(socket, 'connect')));
    expect(await codeOf(fixture.connect('client'))).not.toBe('NO_ERROR');
    expect((await fixture.event('connection-dropped')).error.code).toBe('TOO_MANY_HANDSHAKES');
    for (const socket of held) socket.destroy();
    await fixture.event('handshake-failed', 2);
    await stillServes(fixture);
  });

  it('allow only so many connections at once', async () => {
    const fixture = await serve({ limits: { connectionsMax: 2 } });
    const first = await fixture.connect('replica');
    await fixture.connect('client');
    expect(await codeOf(fixture.connect('client'))).not.toBe('NO_ERROR');
    expect((await fixture.event('connection-dropped')).error.code).toBe('TOO_MANY_CONNECTIONS');
    first.close();
    await fixture.event('connection-closed');
    await stillServes(fixture);
  });

  it('leave room for replicas when strangers take all places of clients', async () => {
    const fixture = await serve({ limits: { clientConnectionsMax: 1 } });
    await fixture.connect('client');
    await expect(fixture.connect('client')).rejects.toMatchObject({
      code: 'PEER_REFUSED',
      fields: { verdict: 'unavailable' },
    });
    expect((await fixture.failure()).code).toBe('TOO_MANY_CONNECTIONS');
    await stillServes(fixture);
  });

  it('default to the documented limits', () => {
    expect(SERVER_LIMITS).toMatchObject({
      handshakeTimeoutMs: 10_000,
      helloBytesMax: 64 * 1024,
      evidenceBytesMax: 1024 * 1024,
      perRole: {
        replica: { messageBytesMax: 64 * 1024 * 1024, keepaliveIdleMs: 2_000 },
        client: { messageBytesMax: 4 * 1024 * 1024 },
      },
    });
  });
});

describe('a peer whose collateral ends', () => {
  /** The collateral ends in 400 ms of this clock, which runs a year ahead of the machine's. */
  const YEAR_MS = 365 * 24 * 3_600_000;
  const ahead: Clock = { now: () => (Date.now() + YEAR_MS) as UnixMillis };
  const EXPIRED = { kind: 'closed-here', reason: 'evidence no longer accepted: EXPIRED' };

  it('is closed by the server then, by the clock that was given', async () => {
    const replica = verifier({ validUntilMs: ahead.now() + 400 });
    const fixture = await serve({ clock: ahead, verifiers: { replica } });
    const connection = await fixture.connect('replica');
    expect(await connection.closed).toEqual({ kind: 'lost' });
    expect((await fixture.event('connection-closed')).reason).toEqual(EXPIRED);
    // It was asked once more before that: newer collateral would have kept the connection.
    expect(replica.asked).toBe(2);
    expect(await codeOf(fixture.connect('replica'))).toBe('PEER_REFUSED');
  });

  it('is closed by the client then, by the clock that was given', async () => {
    const fixture = await serve();
    const own = verifier({ validUntilMs: ahead.now() + 400 });
    const connection = await fixture.connect('client', { clock: ahead, verifier: own });
    expect(await connection.closed).toEqual(EXPIRED);
  });

  it('is judged again as soon as a clock that was set forward is looked at', async () => {
    let offsetMs = 0;
    const settable: Clock = { now: () => (Date.now() + offsetMs) as UnixMillis };
    const validUntilMs = Date.now() + YEAR_MS;
    const claims = { measurement: 'good' };
    const judged: Judged<Claims> = {
      verifier: { verify: async () => ({ ok: true, claims, validUntilMs }) },
      evidence: new Uint8Array(),
      expectedReportData: new Uint8Array(64),
      claims,
      validUntilMs,
    };
    const { spkiDer } = makeIdentity();
    const channelBinding = new Uint8Array(32);
    const result = {
      role: 'replica',
      spkiDer,
      clusterId: undefined,
      channelBinding,
      judged,
    } as const;
    const lost: string[] = [];
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
    const trust = new Trust(result, '127.0.0.1:1', settable, (reason) => lost.push(reason));
    await vi.advanceTimersByTimeAsync(120_000);
    expect(lost).toEqual([]);
    offsetMs = 2 * YEAR_MS;
    await vi.advanceTimersByTimeAsync(30_000);
    vi.useRealTimers();
    trust.stop();
    expect(lost).toEqual(['evidence no longer accepted: EXPIRED']);
  });
});

describe('a peer that breaks off', () => {
  const steps: Record<string, (end: RawEnd) => Promise<unknown>> = {
    'after TLS': async () => undefined,
    'inside its HELLO': async (end) => end.socket.write(Uint8Array.of(1, 0, 0)),
    'after its HELLO': async (end) => end.hello(helloOf('replica')),
    'after the HELLO of the server': async (end) => {
      end.hello(helloOf('replica'));
      await end.expect('hello');
    },
    'after the evidence of the server': async (end) => {
      end.hello(helloOf('replica'));
      await end.expect('hello');
      await end.expect('evidence');
    },
    'inside its evidence': async (end) => {
      end.hello(helloOf('replica'));
      await end.expect('hello');
      end.socket.write(Uint8Array.of(2, 0, 0, 1, 0, 7, 7));
    },
    'with its verdict': async (end) => {
      end.hello(helloOf('client'));
      await end.expect('hello');
      await end.expect('evidence');
      end.verdict('accepted');
    },
    'after all verdicts': async (end) => {
      end.hello(helloOf('client'));
      await end.expect('hello');
      await end.expect('evidence');
      end.verdict('accepted');
      await end.expect('verdict');
    },
    'inside HTTP/2': async (end) => {
      end.hello(helloOf('client'));
      await end.expect('hello');
      await end.expect('evidence');
      end.verdict('accepted');
      await end.expect('verdict');
      end.socket.write('PRI * HTTP/2.0\r\n\r\nSM');
    },
    'with garbage for HTTP/2': async (end) => {
      end.hello(helloOf('client'));
      await end.expect('hello');
      await end.expect('evidence');
      end.verdict('accepted');
      await end.expect('verdict');
      end.socket.write('garbage'.repeat(100));
      await end.drain();
    },
  };
  const leave: Record<string, (end: RawEnd) => void> = {
    'a FIN': ({ socket }) => void socket.end(),
    'a close': ({ socket }) => void socket.destroy(),
    'a reset': (end) => end.reset(),
  };
  for (const [when, step] of Object.entries(steps)) {
    for (const [how, go] of Object.entries(leave)) {
      it(`${when} by ${how} does no harm`, async () => {
        const fixture = await serve();
        const end = await attackServer(fixture.port, makeIdentity());
        await step(end);
        go(end);
        if (how === 'a FIN') end.socket.resume();
        await Promise.race([fixture.event('handshake-failed'), fixture.event('connection-closed')]);
        await stillServes(fixture);
        expect(fixture.server.connections()).toHaveLength(1);
      });
    }
  }

  it('before TLS does no harm', async () => {
    const fixture = await serve();
    const tcp = connectTcp(fixture.port, '127.0.0.1');
    await once(tcp, 'connect');
    tcp.resetAndDestroy();
    expect(['PEER_CLOSED', 'TLS_HANDSHAKE_FAILED']).toContain((await fixture.failure()).code);
    await stillServes(fixture);
  });
});
