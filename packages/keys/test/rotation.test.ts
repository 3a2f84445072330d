/** CAs that follow one another, and revocation lists, judged by TLS stacks that know no Witan. */
import { generateKeyPairSync, type KeyObject } from 'node:crypto';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { connect, createServer } from 'node:tls';
import { beforeAll, describe, expect, it } from 'vitest';
import { clusterId, generation, sha256Hex, unixMillis } from '@witan/core';
import {
  certificatePem,
  createCrossCertificate,
  createMeshCaCertificate,
  createRevocationList,
  createRootCertificate,
  deriveMeshCaKey,
  deriveRootCaKey,
  issueLeafCertificate,
  loadCertificateAuthority,
  meshCaSigner,
  randomSerial,
  seedFromBytes,
  spkiOf,
  workloadSpiffeId,
  type CertificateAuthority,
} from '@witan/keys';

const CLUSTER = clusterId('c1'.repeat(32));
const TRANSITION = sha256Hex('7a'.repeat(32));
const SEED = seedFromBytes(new Uint8Array(32).fill(9));
const DAY_MS = 86_400_000;
const now = Date.now();
const times = {
  notBefore: unixMillis(now - DAY_MS),
  notAfter: unixMillis(now + DAY_MS),
  simulated: false,
};

async function root(rotation: number): Promise<CertificateAuthority> {
  const rootKey = deriveRootCaKey(SEED, CLUSTER, rotation);
  const request = { rootKey, clusterId: CLUSTER, rotation, serial: randomSerial(), ...times };
  return loadCertificateAuthority(rootKey, createRootCertificate(request));
}

async function mesh(under: CertificateAuthority, rotation: number): Promise<CertificateAuthority> {
  const meshCaKey = deriveMeshCaKey(SEED, CLUSTER, generation(1), TRANSITION, rotation);
  const place = { generation: generation(1), transition: TRANSITION, rotation };
  const request = { root: under, meshCaKey, ...place, serial: randomSerial(), ...times };
  return loadCertificateAuthority(meshCaKey, createMeshCaCertificate(request));
}

interface Leaf {
  readonly key: KeyObject;
  readonly serial: Uint8Array;
  readonly certificate: Uint8Array;
}

async function leaf(under: CertificateAuthority): Promise<Leaf> {
  const { privateKey: key } = generateKeyPairSync('ec', { namedCurve: 'prime256v1' });
  const serial = randomSerial();
  const certificate = issueLeafCertificate(under, {
    subjectSpki: spkiOf(key),
    commonName: 'web',
    dnsNames: ['web'],
    ipAddresses: [],
    uri: workloadSpiffeId('c1c1.witan', 'web'),
    serial,
    ...times,
  });
  return { key, serial, certificate };
}

const pem = (...certificates: readonly Uint8Array[]): string =>
  certificates.map(certificatePem).join('');

function crlPem(der: Uint8Array): string {
  const text = Buffer.from(der).toString('base64');
  const lines = text.match(/.{1,64}/g) ?? [];
  return `-----BEGIN X509 CRL-----\n${lines.join('\n')}\n-----END X509 CRL-----\n`;
}

/** What a client that trusts these makes of a server with this chain: a code, or `accepted`. */
async function judge(
  { key, certificate }: Leaf,
  behind: readonly Uint8Array[],
  trusted: readonly Uint8Array[],
  crl?: readonly Uint8Array[],
): Promise<string> {
  const server = createServer({
    key: key.export({ type: 'pkcs8', format: 'pem' }),
    cert: pem(certificate, ...behind),
    minVersion: 'TLSv1.3',
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const socket = connect({
    host: '127.0.0.1',
    port,
    servername: 'web',
    ca: trusted.map(certificatePem),
    ...(crl === undefined ? {} : { crl: crl.map(crlPem) }),
  });
  try {
    return await new Promise((resolve) => {
      socket.once('secureConnect', () => {
        resolve('accepted');
      });
      socket.once('error', (error: NodeJS.ErrnoException) => {
        resolve(error.code ?? '');
      });
    });
  } finally {
    socket.destroy();
    server.close();
  }
}

let old: CertificateAuthority;
let next: CertificateAuthority;
let cross: Uint8Array;

beforeAll(async () => {
  [old, next] = [await root(0), await root(1)];
  cross = createCrossCertificate(old, next.certificateDer, {
    ...times,
    serial: randomSerial(),
  });
});

describe('a root that follows another', () => {
  it('is accepted by who trusts the former alone, by the link, and not without it', async () => {
    const ca = await mesh(next, 0);
    const one = await leaf(ca);
    const trusted = [old.certificateDer];
    expect(await judge(one, [ca.certificateDer, cross], trusted)).toBe('accepted');
    expect(await judge(one, [ca.certificateDer], trusted)).not.toBe('accepted');
    const both = [old.certificateDer, next.certificateDer];
    for (const roots of [both, both.toReversed(), [next.certificateDer]]) {
      expect(await judge(one, [ca.certificateDer, cross], roots)).toBe('accepted');
    }
  });

  it('leaves what the former has signed to who trusts both', async () => {
    const ca = await mesh(old, 0);
    const one = await leaf(ca);
    const both = [next.certificateDer, old.certificateDer];
    expect(await judge(one, [ca.certificateDer], both)).toBe('accepted');
    expect(await judge(one, [ca.certificateDer], [next.certificateDer])).not.toBe('accepted');
  });

  it('has no link that a stranger could have signed', async () => {
    const stranger = await root(7);
    const forged = createCrossCertificate(stranger, next.certificateDer, {
      ...times,
      serial: randomSerial(),
    });
    const ca = await mesh(next, 0);
    const one = await leaf(ca);
    const found = await judge(one, [ca.certificateDer, forged], [old.certificateDer]);
    expect(found).not.toBe('accepted');
  });
});

describe('a revocation list', () => {
  const list = (
    issuer: CertificateAuthority['signer'],
    revoked: readonly Uint8Array[],
    number = 300,
  ): Uint8Array =>
    createRevocationList({
      issuer,
      number,
      thisUpdate: unixMillis(now - 60_000),
      nextUpdate: unixMillis(now + DAY_MS),
      revoked: revoked.map((serial) => ({ serial, revokedAt: unixMillis(now - 60_000) })),
    });

  it('makes TLS refuse what it names, and nothing else', async () => {
    const ca = await mesh(old, 2);
    const [good, bad] = [await leaf(ca), await leaf(ca)];
    const place = { generation: generation(1), transition: TRANSITION, rotation: 2 };
    const key = deriveMeshCaKey(SEED, CLUSTER, generation(1), TRANSITION, 2);
    // As a replica makes it, which does not keep the certificates of earlier CAs.
    const signer = meshCaSigner(key, { ...place, simulated: false });
    const crl = [list(old.signer, []), list(signer, [bad.serial])];
    const [behind, trusted] = [[ca.certificateDer], [old.certificateDer]];
    expect(await judge(good, behind, trusted, crl)).toBe('accepted');
    expect(await judge(bad, behind, trusted, crl)).toBe('CERT_REVOKED');
    expect(await judge(bad, behind, trusted)).toBe('accepted');
    const forged = [list(old.signer, []), list((await mesh(old, 3)).signer, [])];
    expect(await judge(bad, behind, trusted, forged)).not.toBe('accepted');
  });

  it('is made and read with as many entries as a cluster may have certificates (I10)', async () => {
    const ca = await mesh(old, 4);
    const bad = await leaf(ca);
    const others = Array.from({ length: 262_143 }, (_, at) => {
      const serial = new Uint8Array(16).fill(0x40);
      new DataView(serial.buffer).setUint32(8, at);
      return serial;
    });
    const crl = [list(old.signer, []), list(ca.signer, [...others, bad.serial])];
    expect(crl[1]?.byteLength).toBeLessThan(10 * 1024 * 1024);
    const [behind, trusted] = [[ca.certificateDer], [old.certificateDer]];
    expect(await judge(bad, behind, trusted, crl)).toBe('CERT_REVOKED');
    expect(await judge(await leaf(ca), behind, trusted, crl)).toBe('accepted');
  });

  it('writes times as RFC 5280 section 5.1.2.4 has them, before and after 2050', async () => {
    const [before, after] = [Date.UTC(2049, 11, 31, 23, 59, 59), Date.UTC(2050, 0, 1)];
    const made = createRevocationList({
      issuer: old.signer,
      number: 1,
      thisUpdate: unixMillis(before),
      nextUpdate: unixMillis(after),
      revoked: [{ serial: randomSerial(), revokedAt: unixMillis(after + 999) }],
    });
    const text = Buffer.from(made).toString('latin1');
    // UTCTime has tag 23 and two digits of the year, GeneralizedTime tag 24 and four.
    expect(text).toContain('\u0017\r491231235959Z\u0018\u000f20500101000000Z');
    expect(text.split('\u0018\u000f20500101000000Z')).toHaveLength(3);
  });

  it.each([0, 127, 128, 255, 256, 2 ** 32, Number.MAX_SAFE_INTEGER])(
    'has the number %i as DER has it',
    async (number) => {
      const der = Buffer.from(list(old.signer, [], number)).toString('hex');
      let digits = number.toString(16);
      digits = digits.length % 2 === 0 ? digits : `0${digits}`;
      digits = Number.parseInt(digits.slice(0, 2), 16) > 127 ? `00${digits}` : digits;
      const length = (bytes: number): string => bytes.toString(16).padStart(2, '0');
      const count = digits.length / 2;
      // OBJECT IDENTIFIER 2.5.29.20, OCTET STRING, INTEGER.
      expect(der).toContain(`0603551d1404${length(count + 2)}02${length(count)}${digits}`);
    },
  );

  it('is refused to a time span that is none, and to a serial that is none', () => {
    const request = { issuer: old.signer, number: 1, thisUpdate: unixMillis(now), revoked: [] };
    expect(() => createRevocationList({ ...request, nextUpdate: unixMillis(now) })).toThrow(
      expect.objectContaining({ code: 'KEYS_CERTIFICATE_VALIDITY' }),
    );
    const revoked = [{ serial: new Uint8Array(16), revokedAt: unixMillis(now) }];
    const nextUpdate = unixMillis(now + 1000);
    expect(() => createRevocationList({ ...request, nextUpdate, revoked })).toThrow(
      expect.objectContaining({ code: 'KEYS_CERTIFICATE_FIELD_INVALID' }),
    );
  });
});
