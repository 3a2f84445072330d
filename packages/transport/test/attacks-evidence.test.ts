/** Attacks with genuine evidence in the wrong place: none may pass for what it is not (I1). */
import { afterEach, describe, expect, it } from 'vitest';
import { decodeVerdict } from '../src/verdict.ts';
import type { Frame } from '../src/frames.ts';
import { decodeHello } from '../src/hello.ts';
import type { Role, TransportError } from '../src/index.ts';
import {
  attackClients,
  attackServer,
  helloOf,
  type RawEnd,
  type RawServer,
} from './support/attacker.ts';
import { closeAll, serve, type Fixture } from './support/fixture.ts';
import { prover, verifier } from './support/hardware.ts';
import { makeIdentity, type TestIdentity } from './support/identity.ts';

const rawServers: RawServer[] = [];
afterEach(async () => {
  for (const one of rawServers.splice(0)) await one.close();
  await closeAll();
});

const NEVER = new AbortController().signal;

/** Plays an honest client up to its evidence, which `bend` may change. */
async function proveTo(
  fixture: Fixture,
  bend: (honest: {
    end: RawEnd;
    hellos: [Frame, Frame];
    identity: TestIdentity;
    serverEvidence: Uint8Array;
    evidenceFor: (change?: Partial<Parameters<RawEnd['reportData']>[0]>) => Promise<Uint8Array>;
  }) => Promise<Uint8Array>,
  role: Role = 'replica',
): Promise<{ end: RawEnd; evidence: Uint8Array; answer: Frame | undefined }> {
  const identity = makeIdentity();
  const end = await attackServer(fixture.port, identity);
  const clientHello = end.hello(helloOf(role));
  const serverHello = await end.expect('hello');
  const serverEvidence = (await end.expect('evidence')).payload;
  const hellos: [Frame, Frame] = [clientHello, serverHello];
  const evidenceFor = async (change: Partial<Parameters<RawEnd['reportData']>[0]> = {}) =>
    prover().prove(
      end.reportData({
        direction: 'client-proves',
        role,
        hellos,
        proverSpkiDer: identity.spkiDer,
        verifierSpkiDer: fixture.identity.spkiDer,
        ...change,
      }),
      NEVER,
    );
  const evidence = await bend({ end, hellos, identity, serverEvidence, evidenceFor });
  end.send('evidence', evidence);
  const answer = await end.read();
  return { end, evidence, answer };
}

async function expectRefused(fixture: Fixture, answer: Frame | undefined): Promise<void> {
  const error = await fixture.failure();
  expect(error.code).toBe('EVIDENCE_REFUSED');
  expect(error.fields['verifierCode']).toBe('REPORT_DATA_MISMATCH');
  // The peer learns that it was refused, not why.
  expect(decodeVerdict(answer?.payload ?? new Uint8Array())).toBe('evidence-refused');
  expect(fixture.server.connections()).toEqual([]);
}

describe('a server', () => {
  it('accepts the honest evidence that these attacks bend', async () => {
    const fixture = await serve();
    const { answer } = await proveTo(fixture, async ({ evidenceFor }) => evidenceFor());
    expect(decodeVerdict(answer?.payload ?? new Uint8Array())).toBe('accepted');
  });

  it('refuses evidence replayed from an earlier connection', async () => {
    const fixture = await serve();
    const first = await proveTo(fixture, async ({ evidenceFor }) => evidenceFor());
    const second = await proveTo(fixture, async () => first.evidence);
    await expectRefused(fixture, second.answer);
  });

  it('refuses its own evidence reflected at it', async () => {
    const fixture = await serve();
    const { answer } = await proveTo(fixture, async ({ serverEvidence }) => serverEvidence);
    await expectRefused(fixture, answer);
  });

  it('refuses evidence that proves another role', async () => {
    const fixture = await serve();
    const { answer } = await proveTo(fixture, async ({ evidenceFor }) =>
      evidenceFor({ role: 'initializer' }),
    );
    await expectRefused(fixture, answer);
  });

  it('refuses evidence for the other direction', async () => {
    const fixture = await serve();
    const { answer } = await proveTo(fixture, async ({ evidenceFor }) =>
      evidenceFor({ direction: 'server-proves' }),
    );
    await expectRefused(fixture, answer);
  });

  it('refuses evidence for a foreign key', async () => {
    const fixture = await serve();
    const { answer } = await proveTo(fixture, async ({ evidenceFor }) =>
      evidenceFor({ proverSpkiDer: makeIdentity().spkiDer }),
    );
    await expectRefused(fixture, answer);
  });

  it('refuses evidence that was meant for another verifier', async () => {
    const fixture = await serve();
    const { answer } = await proveTo(fixture, async ({ evidenceFor }) =>
      evidenceFor({ verifierSpkiDer: makeIdentity().spkiDer }),
    );
    await expectRefused(fixture, answer);
  });

  it('refuses evidence of a prover that was shown fewer evidence types', async () => {
    const fixture = await serve();
    const { answer } = await proveTo(fixture, async ({ hellos, evidenceFor }) => {
      const shown = decodeHello(hellos[1].payload);
      const { end } = { end: helloOf('replica', { ...shown, evidenceTypes: ['weak'] }) };
      const { encodeHello } = await import('../src/hello.ts');
      const changed: Frame = { type: 'hello', payload: encodeHello(end) };
      return evidenceFor({ hellos: [hellos[0], changed] });
    });
    await expectRefused(fixture, answer);
  });

  it('refuses a peer that uses its own key', async () => {
    const fixture = await serve();
    const end = await attackServer(fixture.port, fixture.identity);
    end.hello(helloOf('replica'));
    expect((await fixture.failure()).code).toBe('PEER_IS_SELF');
  });

  it('gives the verifier the role and the key that the channel has seen', async () => {
    const seen: unknown[] = [];
    const inner = verifier();
    const fixture = await serve({
      verifiers: {
        initializer: {
          verify: async (request) => {
            seen.push(request.role, request.spkiDer, request.clusterId);
            return inner.verify(request);
          },
        },
      },
    });
    const identity = makeIdentity();
    const clusterId = new Uint8Array(32).fill(9);
    await fixture.connect('initializer', { identity, clusterId });
    expect(seen).toEqual(['initializer', identity.spkiDer, clusterId]);
  });
});

describe('a man in the middle that holds stolen TLS keys', () => {
  /** Terminates TLS towards the victim and the genuine server, and forwards every frame. */
  async function relay(
    genuine: Fixture,
    towardsClient: TestIdentity,
    towardsServer: TestIdentity,
    change: (frame: Frame) => Frame = (frame) => frame,
  ): Promise<RawServer> {
    const server = await attackClients(towardsClient, async (victim) => {
      const upstream = await attackServer(genuine.port, towardsServer);
      const forward = async (from: RawEnd, to: RawEnd): Promise<void> => {
        for (let frame = await from.read(); frame !== undefined; frame = await from.read()) {
          const changed = change(frame);
          to.send(changed.type, changed.payload);
        }
        to.socket.end();
      };
      await Promise.all([forward(victim, upstream), forward(upstream, victim)]);
    });
    rawServers.push(server);
    return server;
  }

  async function failureOf(promise: Promise<unknown>): Promise<TransportError> {
    return promise.then(
      () => {
        throw new Error('the victim was taken in');
      },
      (error: TransportError) => error,
    );
  }

  it('cannot relay the evidence of the server whose key it holds', async () => {
    const stolen = makeIdentity();
    const genuine = await serve({ identity: stolen });
    const middle = await relay(genuine, stolen, makeIdentity());
    const error = await failureOf(
      genuine.connect('client', { address: middle.address, timeoutMs: 3_000 }),
    );
    expect(error.code).toBe('EVIDENCE_REFUSED');
    expect(error.fields['verifierCode']).toBe('REPORT_DATA_MISMATCH');
  });

  it('cannot relay even with the keys of both ends and every HELLO unchanged', async () => {
    const serverKey = makeIdentity();
    const clientKey = makeIdentity();
    const genuine = await serve({ identity: serverKey });
    const middle = await relay(genuine, serverKey, clientKey);
    const error = await failureOf(
      genuine.connect('replica', {
        address: middle.address,
        identity: clientKey,
        timeoutMs: 3_000,
      }),
    );
    // Keys, nonces and roles all agree; what differs is the exporter of the two connections.
    expect(['EVIDENCE_REFUSED', 'PEER_REFUSED']).toContain(error.code);
    expect((await genuine.failure()).code).toMatch(/EVIDENCE_REFUSED|PEER_REFUSED/);
    expect(genuine.server.connections()).toEqual([]);
  });

  it('gains nothing by turning refusals into acceptance', async () => {
    const serverKey = makeIdentity();
    const clientKey = makeIdentity();
    const genuine = await serve({ identity: serverKey });
    const middle = await relay(genuine, serverKey, clientKey, (frame) =>
      frame.type === 'verdict' ? { type: 'verdict', payload: Uint8Array.of(0) } : frame,
    );
    const error = await failureOf(
      genuine.connect('replica', {
        address: middle.address,
        identity: clientKey,
        timeoutMs: 3_000,
      }),
    );
    expect(error.code).toBe('EVIDENCE_REFUSED');
    expect((await genuine.failure()).code).toBe('EVIDENCE_REFUSED');
  });
});

describe('a client', () => {
  async function playServer(
    play: (end: RawEnd, clientHello: Frame, identity: TestIdentity) => Promise<unknown>,
    hello = helloOf('replica'),
  ): Promise<{ address: string }> {
    const identity = makeIdentity();
    const server = await attackClients(identity, async (end) => {
      const clientHello = await end.expect('hello');
      const own = end.hello(hello);
      await play(end, clientHello, identity);
      return own;
    });
    rawServers.push(server);
    return server;
  }

  it('refuses its own evidence reflected at it', async () => {
    const fixture = await serve();
    const { address } = await playServer(async (end) => {
      end.send('evidence', (await end.expect('evidence')).payload);
    });
    await expect(fixture.connect('replica', { address })).rejects.toMatchObject({
      code: 'EVIDENCE_REFUSED',
      fields: { verifierCode: 'REPORT_DATA_MISMATCH' },
    });
  });

  it.each(['client', 'initializer'] as const)(
    'refuses a server that says it is a %s',
    async (role) => {
      const fixture = await serve();
      const { address } = await playServer(async () => undefined, helloOf(role));
      await expect(fixture.connect('client', { address })).rejects.toMatchObject({
        code: 'ROLE_REFUSED',
      });
    },
  );

  it('refuses acceptance in place of evidence', async () => {
    const fixture = await serve();
    const { address } = await playServer(async (end) => end.verdict('accepted'));
    await expect(fixture.connect('client', { address })).rejects.toMatchObject({
      code: 'FRAME_UNEXPECTED',
      fields: { expected: 'evidence', found: 'verdict' },
    });
  });

  it('refuses evidence of an unknown measurement', async () => {
    const fixture = await serve({ prover: prover('evil') });
    await expect(fixture.connect('client')).rejects.toMatchObject({
      code: 'EVIDENCE_REFUSED',
      fields: { verifierCode: 'MEASUREMENT_UNKNOWN' },
    });
    expect(await fixture.failure()).toMatchObject({
      code: 'PEER_REFUSED',
      fields: { verdict: 'evidence-refused' },
    });
  });
});
