/** Attacks on the frames of the exchange and behind it (I10). */
import { connect as connectHttp2, type ClientHttp2Session } from 'node:http2';
import { afterEach, describe, expect, it } from 'vitest';
import { encodeHello } from '../src/hello.ts';
import { decodeVerdict } from '../src/verdict.ts';
import { attackServer, helloOf, type RawEnd } from './support/attacker.ts';
import { closeAll, codeOf, serve, type Fixture } from './support/fixture.ts';
import { prover, verifier } from './support/hardware.ts';
import { makeIdentity } from './support/identity.ts';

afterEach(closeAll);

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

describe('raw HTTP/2 behind the exchange', () => {
  async function asClient(fixture: Fixture): Promise<ClientHttp2Session> {
    const end = await attackServer(fixture.port, makeIdentity());
    end.hello(helloOf('client'));
    await end.expect('hello');
    await end.expect('evidence');
    end.verdict('accepted');
    await end.expect('verdict');
    const session = connectHttp2('https://witan', { createConnection: () => end.socket });
    session.on('error', () => undefined);
    return session;
  }

  /** Status of gRPC, or how the stream ended. */
  async function ask(
    session: ClientHttp2Session,
    headers: Record<string, string>,
  ): Promise<{ status: unknown; text: string }> {
    const stream = session.request({
      ':method': 'POST',
      'content-type': 'application/grpc',
      te: 'trailers',
      ...headers,
    });
    let seen: Record<string, unknown> = {};
    stream.on('response', (got) => (seen = { ...seen, ...got }));
    stream.on('trailers', (got) => (seen = { ...seen, ...got }));
    stream.on('error', () => undefined);
    stream.end(Uint8Array.of(0, 0, 0, 0, 0));
    stream.resume();
    await untilClosed(stream);
    return { status: seen['grpc-status'] ?? `ended ${stream.rstCode}`, text: JSON.stringify(seen) };
  }

  it('finds the services of its own role and no others', async () => {
    const fixture = await serve();
    const session = await asClient(fixture);
    const own = await ask(session, { ':path': '/witan.user.v1.UserService/GetStatus' });
    expect(own.status).toBe('0');
    const other = await ask(session, { ':path': '/witan.peer.v1.PeerService/DeliverGenesis' });
    const none = await ask(session, { ':path': '/witan.peer.v1.PeerService/NoSuchThing' });
    expect([other.status, none.status]).toEqual(['12', '12']);
    session.destroy();
  });

  it('cannot make the server take in headers without bound', async () => {
    const fixture = await serve();
    for (const headers of [
      { big: 'x'.repeat(80_000) },
      Object.fromEntries(Array.from({ length: 200 }, (_, i) => [`name${i}`, 'x'])),
    ]) {
      const session = await asClient(fixture);
      const path = '/witan.user.v1.UserService/GetStatus';
      const { status } = await ask(session, { ':path': path, ...headers });
      expect(status).not.toBe('0');
      session.destroy();
    }
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

  it('of evidence that the server cannot judge are refused before evidence is made', async () => {
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
    const connection = await fixture.connect('replica');
    expect(connection.peer.claims).toEqual({ measurement: 'good' });
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
