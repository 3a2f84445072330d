/** Attacks on the TLS handshake. Each ends with its own code (I10). */
import { connect as connectHttp2 } from 'node:http2';
import { connect as connectTcp } from 'node:net';
import { connect as connectTls } from 'node:tls';
import { afterEach, describe, expect, it } from 'vitest';
import {
  CHANNEL_ALPN,
  attackClients,
  attackServer,
  helloOf,
  type RawServer,
} from './support/attacker.ts';
import { closeAll, codeOf, serve, type Fixture } from './support/fixture.ts';
import { makeIdentity } from './support/identity.ts';

const rawServers: RawServer[] = [];
afterEach(async () => {
  for (const one of rawServers.splice(0)) await one.close();
  await closeAll();
});

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
