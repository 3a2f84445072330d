import { createServer, type Server } from 'node:http';
import { connect, type AddressInfo } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import {
  NOW_MS,
  YEAR_MS,
  authority,
  endEntity,
  makeP256Certificate,
  p256Key,
  pemOf,
} from '@witan/attestation/testing';
import { createHttpFetch, type EndorsementsError } from '../src/index.ts';
import { startMirror, type MirrorTls } from '../testing/index.ts';
import { createBench, problemsOf, type Bench } from './support/bench.ts';

const CRL = 'amd-crl/Milan/VCEK';
const text = (value: string): Uint8Array => new TextEncoder().encode(value);

let bench: Bench;
afterEach(async () => {
  await bench.close();
});

/** What becomes of the revocation list, and which waits there were. */
async function crlProblem(
  options: Parameters<Bench['store']>[0] = {},
): Promise<string | undefined> {
  const { parts } = await bench.store(options).endorsementsFor(bench.amd.evidence());
  return problemsOf(parts)[CRL];
}

describe('a service that misbehaves', () => {
  it('is asked again after a growing wait with jitter, and not for ever', async () => {
    bench = await createBench();
    bench.mirror.fail('/crl', { kind: 'answer', status: 500, body: new Uint8Array() });
    const random = { bytes: (length: number) => new Uint8Array(length).fill(255) };
    expect(await crlProblem({ random })).toBe('ENDORSEMENTS_HTTP_STATUS');
    expect(bench.mirror.requests.filter((path) => path.endsWith('/crl'))).toHaveLength(3);
    expect(bench.timer.waits).toEqual([500, 1000]);
  });

  it('halves the wait at most', async () => {
    bench = await createBench();
    bench.mirror.fail('/crl', { kind: 'answer', status: 500, body: new Uint8Array() });
    const random = { bytes: (length: number) => new Uint8Array(length) };
    await crlProblem({ random });
    expect(bench.timer.waits).toEqual([250, 500]);
  });

  it.each([
    ['breaks off', { kind: 'reset' }],
    ['cuts the body', { kind: 'truncated' }],
    ['is overloaded', { kind: 'answer', status: 503, body: new Uint8Array() }],
  ] as const)('gets over it when it %s once', async (_what, fault) => {
    bench = await createBench();
    bench.mirror.fail('/crl', fault, 1);
    expect(await crlProblem()).toBeUndefined();
    expect(bench.kinds()).toContain('fetch-failed');
  });

  it.each([
    ['cuts every body', { kind: 'truncated' }, 'ENDORSEMENTS_UNREACHABLE'],
    ['never ends', { kind: 'stalled' }, 'ENDORSEMENTS_TIMEOUT'],
    ['is too slow', { kind: 'slow', delayMs: 60_000 }, 'ENDORSEMENTS_TIMEOUT'],
    [
      'sends a page of a proxy',
      {
        kind: 'answer',
        body: text('<html>Sign in</html>'),
        headers: { 'content-type': 'text/html' },
      },
      'ENDORSEMENTS_ANSWER_UNUSABLE',
    ],
    ['sends nothing', { kind: 'answer', body: new Uint8Array() }, 'ENDORSEMENTS_ANSWER_UNUSABLE'],
    [
      'sends elsewhere',
      { kind: 'answer', status: 302, body: new Uint8Array(), headers: { location: '/x' } },
      'ENDORSEMENTS_HTTP_STATUS',
    ],
    [
      'knows nothing',
      { kind: 'answer', status: 404, body: text('no such product') },
      'ENDORSEMENTS_NOT_FOUND',
    ],
    [
      'sends without end',
      { kind: 'answer', body: new Uint8Array(5 * 1024 * 1024) },
      'ENDORSEMENTS_TOO_LARGE',
    ],
  ] as const)('is missing, and no empty list, when it %s', async (_what, fault, code) => {
    bench = await createBench();
    bench.mirror.fail('/crl', fault);
    const { parts, endorsements, complete } = await bench
      .store({ download: { requestTimeoutMs: 300 } })
      .endorsementsFor(bench.amd.evidence());
    expect(problemsOf(parts)).toEqual({ [CRL]: code });
    expect(complete).toBe(false);
    expect(endorsements.crl).toBeUndefined();
  });

  it('cannot pass off what belongs elsewhere', async () => {
    bench = await createBench();
    const { amd, mirror } = bench;
    const swaps: readonly [string, Uint8Array, string][] = [
      ['/crl', amd.crl({ signer: amd.authorities.askKey }), CRL],
      ['/crl', amd.crl({ issuer: 'ARK-Genoa' }), CRL],
      ['blSPL', amd.vcek(new Uint8Array(64).fill(9), tcb()), 'amd-vcek/'],
      ['blSPL', amd.vcek(new Uint8Array(64).fill(0xc1), { ...tcb(), snp: 1 }), 'amd-vcek/'],
      ['blSPL', amd.authorities.ask, 'amd-vcek/'],
      ['cert_chain', text(''), 'amd-chain/'],
      ['cert_chain', pemOf(amd.authorities.asvk, amd.authorities.ark), 'amd-chain/'],
    ];
    for (const [path, body, key] of swaps) {
      mirror.heal();
      mirror.fail(path, { kind: 'answer', body });
      const { parts } = await bench
        .store({ directory: `${bench.directory}/${swaps.findIndex((swap) => swap[1] === body)}` })
        .endorsementsFor(amd.evidence());
      const found = Object.entries(problemsOf(parts)).find(([name]) => name.startsWith(key));
      expect(found?.[1], `${path} ${key}`).toMatch(/UNVERIFIED|ANSWER_UNUSABLE/);
    }
  });

  it('cannot turn a list back', async () => {
    bench = await createBench();
    const store = bench.store();
    await store.endorsementsFor(bench.amd.evidence());
    const old = bench.amd.crl({ thisUpdate: NOW_MS - 20 * 24 * 3600 * 1000 });
    bench.mirror.fail('/crl', { kind: 'answer', body: old });
    bench.nowMs += 2 * 24 * 3600 * 1000;
    await store.endorsementsFor(bench.amd.evidence());
    await store.idle();
    expect(bench.events.find(({ kind }) => kind === 'rollback-refused')).toMatchObject({
      error: { code: 'ENDORSEMENTS_ROLLBACK' },
    });
    const { endorsements } = await store.endorsementsFor(bench.amd.evidence());
    expect(endorsements.crl).not.toEqual(old);
  });

  it('must send the chain in its header', async () => {
    bench = await createBench();
    const { qeIdentity } = bench.intel.hierarchy.endorsements;
    for (const headers of [
      {},
      { 'SGX-Enclave-Identity-Issuer-Chain': '%E0%A4' },
      { 'SGX-Enclave-Identity-Issuer-Chain': 'none' },
    ]) {
      bench.mirror.heal();
      bench.mirror.fail('/qe/identity', {
        kind: 'answer',
        body: qeIdentity ?? new Uint8Array(),
        headers,
      });
      const request = { kind: 'intel-qe-identity' } as const;
      const [part] = await bench.store().obtain([request]);
      expect(part?.problem?.code).toBe('ENDORSEMENTS_ANSWER_UNUSABLE');
    }
  });
});

describe('limits on asking', () => {
  it('does as a 429 says, and asks nothing of that host meanwhile', async () => {
    bench = await createBench();
    const headers = { 'retry-after': '7' };
    const fault = { kind: 'answer', status: 429, body: new Uint8Array(), headers } as const;
    bench.mirror.fail('/crl', fault, 1);
    expect(await crlProblem()).toBeUndefined();
    expect(Math.max(...bench.timer.waits)).toBeGreaterThan(6000);
  });

  it('gives up when a 429 wants more time than there is', async () => {
    bench = await createBench();
    const headers = { 'retry-after': '600' };
    const fault = { kind: 'answer', status: 429, body: new Uint8Array(), headers } as const;
    bench.mirror.fail('/crl', fault);
    expect(await crlProblem()).toBe('ENDORSEMENTS_RATE_LIMITED');
    expect(bench.timer.waits).toEqual([]);
  });

  it('remembers a failure for a while, longer each time', async () => {
    bench = await createBench();
    bench.mirror.fail('/crl', { kind: 'answer', status: 404, body: new Uint8Array() });
    const store = bench.store();
    const asked = async (): Promise<number> => {
      bench.mirror.requests.length = 0;
      await store.endorsementsFor(bench.amd.evidence());
      return bench.mirror.requests.filter((path) => path.endsWith('/crl')).length;
    };
    expect(await asked()).toBe(1);
    expect(await asked()).toBe(0);
    bench.timer.pass(15_001);
    expect(await asked()).toBe(1);
    bench.timer.pass(15_001);
    expect(await asked()).toBe(0);
    bench.timer.pass(15_001);
    bench.mirror.heal();
    expect(await asked()).toBe(1);
  });

  it('paces requests to a host and refuses what would wait too long', async () => {
    bench = await createBench();
    const options = { pace: { burst: 2, intervalMs: 20_000 }, download: { deadlineMs: 10_000 } };
    const store = bench.store(options);
    const { parts } = await store.endorsementsFor(bench.amd.evidence());
    // The chain and one of the two others; the next one would wait for 20 s.
    expect(Object.values(problemsOf(parts))).toEqual(['ENDORSEMENTS_RATE_LIMITED']);
    expect(bench.mirror.requests).toHaveLength(2);
    const patient = bench.store({ pace: { burst: 2, intervalMs: 5_000 } });
    await patient.endorsementsFor(bench.amd.evidence({ chipId: new Uint8Array(64).fill(3) }));
    await patient.obtain([
      { kind: 'intel-qe-identity' },
      { kind: 'intel-pck-crl', authority: 'platform' },
    ]);
    expect(bench.timer.waits.some((waitMs) => waitMs > 4_000)).toBe(true);
  });

  it('does not queue without end', async () => {
    bench = await createBench();
    bench.mirror.fail('', { kind: 'slow', delayMs: 200 });
    const store = bench.store({ pace: { concurrentMax: 1, waitingMax: 1, burst: 100 } });
    const requests = ['Milan', 'Genoa', 'Turin'] as const;
    const all = await Promise.all(
      requests.map((product) => store.obtain([{ kind: 'amd-chain', product, signer: 'VCEK' }])),
    );
    const codes = all.flatMap(([part]) => part?.problem?.code ?? 'found');
    expect(codes.toSorted()).toEqual(['ENDORSEMENTS_BUSY', 'ENDORSEMENTS_NOT_FOUND', 'found']);
  });

  it('lets those with little patience go on, and serves the next one', async () => {
    bench = await createBench();
    bench.mirror.fail('cert_chain', { kind: 'slow', delayMs: 300 });
    const store = bench.store();
    const hasty = await store.endorsementsFor(bench.amd.evidence(), { patienceMs: 10 });
    expect(problemsOf(hasty.parts)['amd-chain/Milan/VCEK']).toBe('ENDORSEMENTS_TIMEOUT');
    await store.idle();
    const patient = await store.endorsementsFor(bench.amd.evidence());
    expect(patient.complete).toBe(true);
    expect(bench.mirror.requests.filter((path) => path.includes('cert_chain'))).toHaveLength(1);
  });

  it('ends at once when closed', async () => {
    bench = await createBench();
    bench.mirror.fail('cert_chain', { kind: 'slow', delayMs: 60_000 });
    const store = bench.store();
    const waiting = store.endorsementsFor(bench.amd.evidence());
    await expect.poll(() => bench.mirror.requests.length).toBeGreaterThan(0);
    store.close();
    const { parts } = await waiting;
    expect(problemsOf(parts)['amd-chain/Milan/VCEK']).toBe('ENDORSEMENTS_CLOSED');
  });
});

describe('the HTTP client', () => {
  it('talks TLS to a mirror with an authority of its own, and to no other', async () => {
    bench = await createBench();
    const { tls, ca } = makeTls();
    const mirror = await startMirror(bench.amd.answers, tls);
    try {
      const baseUrls = { amdKds: mirror.url };
      const trusting = createHttpFetch({ certificateAuthorities: ca, proxy: 'none' });
      expect(await crlProblem({ baseUrls, fetch: trusting })).toBeUndefined();
      const strict = bench.store({
        baseUrls,
        directory: `${bench.directory}/strict`,
      });
      const { parts } = await strict.endorsementsFor(bench.amd.evidence());
      expect(new Set(Object.values(problemsOf(parts)))).toEqual(
        new Set(['ENDORSEMENTS_UNREACHABLE']),
      );
    } finally {
      await mirror.close();
    }
  });

  it('goes through a proxy as it is told, but not where NO_PROXY says', async () => {
    bench = await createBench();
    const { tls, ca } = makeTls();
    const mirror = await startMirror(bench.amd.answers, tls);
    const proxy = await startProxy();
    const get = (options: Parameters<typeof createHttpFetch>[0]): Promise<unknown> =>
      createHttpFetch({ certificateAuthorities: ca, ...options })({
        url: `${mirror.url}/vcek/v1/Milan/crl`,
        bytesMax: 100_000,
        timeoutMs: 5000,
        signal: new AbortController().signal,
      });
    try {
      await get({ env: { HTTPS_PROXY: proxy.url } });
      await get({ proxy: proxy.url, env: {} });
      expect(proxy.tunnels).toHaveLength(2);
      await get({ env: { HTTPS_PROXY: proxy.url, NO_PROXY: 'localhost' } });
      await get({ proxy: proxy.url, env: { NO_PROXY: 'localhost' } });
      await get({ proxy: 'none', env: { HTTPS_PROXY: proxy.url } });
      expect(proxy.tunnels).toHaveLength(2);
    } finally {
      proxy.server.closeAllConnections();
      proxy.server.close();
      await mirror.close();
    }
  });

  it('refuses settings that make no sense', async () => {
    bench = await createBench();
    for (const proxy of ['ftp://x', 'nonsense', '']) {
      expect(() => createHttpFetch({ proxy })).toThrow(invalid());
    }
    for (const amdKds of ['ftp://kds', 'http://u:p@kds', 'http://:p@kds', 'http://kds?x=1', '']) {
      expect(() => bench.store({ baseUrls: { amdKds } })).toThrow(invalid());
    }
    expect(() => bench.store({ maximumAgeMs: 0 })).toThrow(invalid());
    expect(() => bench.store({ cacheItemsMax: -1 })).toThrow(invalid());
  });
});

function invalid(): unknown {
  return expect.objectContaining({
    code: 'ENDORSEMENTS_OPTION_INVALID',
  } satisfies Partial<EndorsementsError>);
}

function tcb() {
  return { bootloader: 4, tee: 0, snp: 24, microcode: 219 };
}

function makeTls(): { readonly tls: MirrorTls; readonly ca: string } {
  const issuer = p256Key();
  const server = p256Key();
  const validity = {
    organisation: 'Test Mirror',
    notBefore: Math.min(NOW_MS, Date.now()) - YEAR_MS,
    notAfter: Math.max(NOW_MS, Date.now()) + YEAR_MS,
    issuer: 'Test Mirror CA',
    signer: issuer,
  };
  const decode = (pem: Uint8Array): string => new TextDecoder().decode(pem);
  const ca = makeP256Certificate({
    ...validity,
    subject: 'Test Mirror CA',
    key: issuer,
    serial: 1,
    extensions: authority(0),
  });
  const certificate = makeP256Certificate({
    ...validity,
    subject: 'localhost',
    key: server,
    serial: 2,
    extensions: endEntity(),
  });
  const key = server.privateKey.export({ type: 'pkcs8', format: 'pem' }).toString();
  return { tls: { key, cert: decode(pemOf(certificate)) }, ca: decode(pemOf(ca)) };
}

/** A proxy on loopback that tunnels with CONNECT and notes where to. */
async function startProxy(): Promise<{
  readonly server: Server;
  readonly url: string;
  readonly tunnels: string[];
}> {
  const tunnels: string[] = [];
  const server = createServer();
  server.on('connect', (request, socket) => {
    const target = request.url ?? '';
    tunnels.push(target);
    const far = connect(Number(target.split(':')[1]), '127.0.0.1', () => {
      socket.write('HTTP/1.1 200 Connection established\r\n\r\n');
      far.pipe(socket);
      socket.pipe(far);
    });
    const end = (): void => {
      far.destroy();
      socket.destroy();
    };
    far.on('error', end);
    socket.on('error', end);
  });
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve);
  });
  const { port } = server.address() as AddressInfo;
  return { server, url: `http://127.0.0.1:${port}`, tunnels };
}
