/** Attacks on TLS and on the frames of the exchange. Each ends with its own code (I10). */
import { once } from 'node:events';
import { connect as connectHttp2 } from 'node:http2';
import { connect as connectTcp } from 'node:net';
import { connect as connectTls } from 'node:tls';
import { afterEach, describe, expect, it } from 'vitest';
import { encodeFrame } from '../src/frames.ts';
import { encodeHello } from '../src/hello.ts';
import { SERVER_LIMITS } from '../src/limits.ts';
import { decodeVerdict } from '../src/verdict.ts';
import {
  CHANNEL_ALPN,
  attackClients,
  attackServer,
  helloOf,
  type RawEnd,
  type RawServer,
} from './support/attacker.ts';
import { closeAll, codeOf, serve, type Fixture } from './support/fixture.ts';
import { prover, verifier } from './support/hardware.ts';
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

function untilClosed(socket: {
  once(event: 'close', listener: () => void): unknown;
}): Promise<void> {
  return new Promise((resolve) => {
    socket.once('close', () => resolve());
  });
}

describe('TLS', () => {
  it('refuses a client that speaks TLS 1.2 only', async () => {
    const fixture = await serve();
    const socket = connectTls({
      port: fixture.port,
      maxVersion: 'TLSv1.2',
      minVersion: 'TLSv1.2',
      rejectUnauthorized: false,
      ALPNProtocols: [CHANNEL_ALPN],
    });
    socket.on('error', () => undefined);
    expect((await fixture.failure()).code).toBe('TLS_VERSION_REFUSED');
    await stillServes(fixture);
  });

  it('refuses a server that speaks TLS 1.2 only', async () => {
    const fixture = await serve();
    const server = await attackClients(makeIdentity(), async () => undefined, {
      minVersion: 'TLSv1.2',
      maxVersion: 'TLSv1.2',
      sigalgs: 'ecdsa_secp256r1_sha256',
      ciphers: 'ECDHE-ECDSA-AES128-GCM-SHA256',
    });
    rawServers.push(server);
    expect(await codeOf(fixture.connect('client', { address: server.address }))).toBe(
      'TLS_VERSION_REFUSED',
    );
  });

  it('never resumes a session that a client offers', async () => {
    const fixture = await serve();
    const identity = makeIdentity();
    const first = await attackServer(fixture.port, identity);
    const sessions: Buffer[] = [];
    first.socket.on('session', (session) => sessions.push(session));
    first.hello(helloOf('replica'));
    await first.expect('hello');
    await first.expect('evidence');
    first.socket.destroy();
    expect(sessions.length).toBeGreaterThan(0);
    for (const session of sessions) {
      const again = await attackServer(fixture.port, identity, { session });
      expect(again.socket.isSessionReused()).toBe(false);
      again.socket.destroy();
    }
  });

  it('refuses to attest over a resumed session, should TLS ever make one', async () => {
    const fixture = await serve();
    const identity = makeIdentity();
    const { refuseWeakSession, clientTlsOptions } = await import('../src/danger-tls.ts');
    const found: unknown[] = [];
    const server = await attackClients(
      identity,
      async (end) => {
        try {
          refuseWeakSession(end.socket);
          found.push('full');
        } catch (error) {
          found.push(error);
        }
        end.socket.end('x');
      },
      // Tickets as Node issues them by default.
      { secureOptions: 0 },
    );
    rawServers.push(server);
    let session: Buffer | undefined;
    for (let i = 0; i < 2; i += 1) {
      const tcp = connectTcp(server.port, '127.0.0.1');
      const { secureContext: _none, ...options } = clientTlsOptions(identity, tcp);
      const socket = connectTls({
        ...options,
        key: Buffer.from(identity.privateKeyPem.expose()),
        cert: identity.certificatePem,
        ...(session === undefined ? {} : { session }),
      });
      socket.on('session', (ticket) => (session = ticket));
      socket.resume();
      await untilClosed(socket);
    }
    expect(found[0]).toBe('full');
    expect(found[1]).toMatchObject({ code: 'TLS_SESSION_REUSED' });
    await stillServes(fixture);
  });

  it('refuses a plain HTTP/2 client over TLS', async () => {
    const fixture = await serve();
    const session = connectHttp2(`https://127.0.0.1:${fixture.port}`, {
      rejectUnauthorized: false,
    });
    session.on('error', () => undefined);
    expect((await fixture.failure()).code).toBe('TLS_PROTOCOL_REFUSED');
    session.destroy();
    await stillServes(fixture);
  });

  it('refuses a client that names no protocol', async () => {
    const fixture = await serve();
    await attackServer(fixture.port, makeIdentity(), { ALPNProtocols: undefined as never });
    expect((await fixture.failure()).code).toBe('TLS_PROTOCOL_REFUSED');
  });

  it('refuses HTTP/2 without TLS', async () => {
    const fixture = await serve();
    const session = connectHttp2(`http://127.0.0.1:${fixture.port}`);
    session.on('error', () => undefined);
    expect((await fixture.failure()).code).toBe('TLS_HANDSHAKE_FAILED');
    session.destroy();
    await stillServes(fixture);
  });

  it('refuses a peer without a certificate', async () => {
    const fixture = await serve();
    const tcp = connectTcp(fixture.port, '127.0.0.1');
    const socket = connectTls({
      socket: tcp,
      rejectUnauthorized: false,
      ALPNProtocols: [CHANNEL_ALPN],
    });
    socket.on('error', () => undefined);
    expect((await fixture.failure()).code).toBe('PEER_CERTIFICATE_MISSING');
  });

  it('refuses a certificate above its limit', async () => {
    const fixture = await serve();
    const end = await attackServer(fixture.port, makeIdentity('P-256', 9_000));
    expect((await fixture.failure()).code).toBe('PEER_CERTIFICATE_REFUSED');
    await end.drain();
  });

  it('refuses a key on another curve', async () => {
    const fixture = await serve();
    const identity = makeIdentity('P-384');
    const socket = connectTls({
      port: fixture.port,
      key: Buffer.from(identity.privateKeyPem.expose()),
      cert: identity.certificatePem,
      rejectUnauthorized: false,
      ALPNProtocols: [CHANNEL_ALPN],
    });
    socket.on('error', () => undefined);
    // Without a key that the server's signature algorithms allow, TLS sends no certificate.
    expect((await fixture.failure()).code).toMatch(/TLS_HANDSHAKE_FAILED|PEER_CERTIFICATE_MISSING/);
  });
});

describe('frames', () => {
  async function greeted(fixture: Fixture): Promise<RawEnd> {
    const end = await attackServer(fixture.port, makeIdentity());
    end.hello(helloOf('replica'));
    await end.expect('hello');
    await end.expect('evidence');
    return end;
  }

  async function verdictOf(end: RawEnd): Promise<string> {
    for (let frame = await end.read(); frame !== undefined; frame = await end.read()) {
      if (frame.type === 'verdict') return decodeVerdict(frame.payload);
    }
    return 'none';
  }

  it('of an unknown type are refused', async () => {
    const fixture = await serve();
    const end = await greeted(fixture);
    end.socket.write(Uint8Array.of(9, 0, 0, 0, 0));
    expect((await fixture.failure()).code).toBe('FRAME_TYPE_UNKNOWN');
    expect(await verdictOf(end)).toBe('protocol-violated');
  });

  it('that begin an HTTP/2 connection are refused', async () => {
    const fixture = await serve();
    const end = await attackServer(fixture.port, makeIdentity());
    end.socket.write('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n');
    expect((await fixture.failure()).code).toBe('FRAME_TYPE_UNKNOWN');
  });

  it.each([
    ['hello', Uint8Array.of(1, 0, 1, 0, 1)],
    ['evidence', Uint8Array.of(2, 0, 0x10, 0, 1)],
    ['verdict', Uint8Array.of(3, 0, 0, 0, 2)],
  ])('of type %s above their limit are refused by their header', async (type, header) => {
    const fixture = await serve();
    const end = await attackServer(fixture.port, makeIdentity());
    end.socket.write(header);
    const error = await fixture.failure();
    expect(error).toMatchObject({ code: 'FRAME_TOO_LARGE', fields: { type } });
  });

  it('with a malformed HELLO are refused', async () => {
    const fixture = await serve();
    const end = await attackServer(fixture.port, makeIdentity());
    end.send('hello', encodeHello(helloOf('replica')).fill(0xff, 3, 4));
    expect((await fixture.failure()).code).toBe('HELLO_MALFORMED');
    expect(await verdictOf(end)).toBe('protocol-violated');
  });

  it('of another version are refused with a verdict that says so', async () => {
    const fixture = await serve();
    const end = await attackServer(fixture.port, makeIdentity());
    end.send('hello', Uint8Array.of(0, 2, 77));
    expect((await fixture.failure()).code).toBe('HELLO_VERSION_UNSUPPORTED');
    expect(await verdictOf(end)).toBe('version-unsupported');
  });

  it('with an unknown verdict are refused', async () => {
    const fixture = await serve();
    const end = await greeted(fixture);
    end.send('verdict', Uint8Array.of(99));
    expect((await fixture.failure()).code).toBe('VERDICT_MALFORMED');
  });

  it('that accept before any evidence was given are refused', async () => {
    const fixture = await serve();
    const end = await greeted(fixture);
    end.verdict('accepted');
    expect(await fixture.failure()).toMatchObject({
      code: 'FRAME_UNEXPECTED',
      fields: { expected: 'evidence', found: 'verdict' },
    });
    expect(fixture.server.connections()).toEqual([]);
  });

  it('of a client role with evidence nobody asked for are refused', async () => {
    const fixture = await serve();
    const end = await attackServer(fixture.port, makeIdentity());
    end.hello(helloOf('client'));
    end.send('evidence', new Uint8Array(10));
    const code = (await fixture.failure()).code;
    expect(['FRAME_UNEXPECTED', 'APPLICATION_DATA_EARLY']).toContain(code);
  });

  it('followed by application data before the verdict are refused', async () => {
    let served = 0;
    const slow = prover();
    const fixture = await serve({
      prover: {
        ...slow,
        prove: async (reportData, signal) => {
          await new Promise((resolve) => setTimeout(resolve, 100));
          return slow.prove(reportData, signal);
        },
      },
      services: () => {
        served += 1;
        return [];
      },
    });
    const end = await attackServer(fixture.port, makeIdentity());
    end.hello(helloOf('client'));
    end.verdict('accepted');
    end.socket.write('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n');
    expect((await fixture.failure()).code).toBe('APPLICATION_DATA_EARLY');
    expect(await verdictOf(end)).toBe('protocol-violated');
    expect(served).toBe(0);
  });
});

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
      limits: { handshakeTimeoutMs: 400, evidenceBytesMax: big.byteLength },
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

describe('roles and types', () => {
  it('that a server does not serve are refused, and the peer is told so', async () => {
    const fixture = await serve({ verifiers: { replica: verifier() }, acceptClients: false });
    for (const role of ['initializer', 'client'] as const) {
      await expect(fixture.connect(role)).rejects.toMatchObject({
        code: 'PEER_REFUSED',
        fields: { verdict: 'role-refused' },
      });
    }
    expect((await fixture.failure()).code).toBe('ROLE_REFUSED');
  });

  it('of evidence that the server cannot judge are refused before any evidence is made', async () => {
    const fixture = await serve({
      verifiers: { replica: verifier({ types: ['tdx', 'snp'] }) },
    });
    let made = 0;
    const own = { ...prover(), prove: async () => new Uint8Array((made += 1)) };
    await expect(fixture.connect('replica', { prover: own })).rejects.toMatchObject({
      code: 'EVIDENCE_TYPE_UNACCEPTED',
      fields: { expected: ['snp', 'tdx'], found: ['fake'] },
    });
    expect(made).toBe(0);
    expect((await fixture.failure()).fields['verdict']).toBe('evidence-type-unaccepted');
  });

  it('of evidence that both know are accepted', async () => {
    const fixture = await serve({ verifiers: { replica: verifier({ types: ['snp', 'fake'] }) } });
    await stillServes(fixture);
  });
});

describe('a failing part of this end', () => {
  it('leaves the peer outside when the prover fails', async () => {
    const fixture = await serve({
      prover: { evidenceTypes: ['fake'], prove: () => Promise.reject(new Error('no hardware')) },
    });
    await expect(fixture.connect('client')).rejects.toMatchObject({
      code: 'PEER_REFUSED',
      fields: { verdict: 'unavailable' },
    });
    expect((await fixture.failure()).code).toBe('EVIDENCE_UNAVAILABLE');
  });

  it('leaves the peer outside when the verifier fails', async () => {
    const fixture = await serve({
      verifiers: { replica: { verify: () => Promise.reject(new Error('no collateral')) } },
    });
    expect(await codeOf(fixture.connect('replica'))).toBe('PEER_REFUSED');
    expect((await fixture.failure()).code).toBe('VERIFIER_FAILED');
  });

  it('leaves the peer outside when the verdict is not valid now', async () => {
    const fixture = await serve({ verifiers: { replica: verifier({ validMs: -1 }) } });
    expect(await codeOf(fixture.connect('replica'))).toBe('PEER_REFUSED');
    expect((await fixture.failure()).fields['verifierCode']).toBe('EXPIRED');
  });

  it('ends the connection when its services fail', async () => {
    const fixture = await serve({
      services: () => {
        throw new Error('no services');
      },
    });
    await fixture.connect('client').catch(() => undefined);
    expect((await fixture.failure()).code).toBe('SERVICES_FAILED');
    expect(fixture.server.connections()).toEqual([]);
  });
});
