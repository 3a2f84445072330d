/** Bytes of certificates and lists: as before where names depend on them, and as RFC 5280 wants. */
import { execFileSync, spawnSync } from 'node:child_process';
import { X509Certificate, generateKeyPairSync } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { clusterId, fromBase64, generation, sha256Hex, toHex, unixMillis } from '@witan/core';
import {
  createCrossCertificate,
  createIncarnationIdentity,
  createMeshCaCertificate,
  createRevocationList,
  createRootCertificate,
  deriveMeshCaKey,
  deriveRootCaKey,
  isP256Spki,
  isSimulatedCertificate,
  issueLeafCertificate,
  loadCertificateAuthority,
  seedFromBytes,
  spkiOf,
  spkiOfCertificate,
  SIMULATED_TEE_OID,
  type CertificateAuthority,
  type LeafCertificateRequest,
} from '@witan/keys';

const CLUSTER = clusterId('c1'.repeat(32));
const TRANSITION = sha256Hex('7a'.repeat(32));
const SEED = seedFromBytes(new Uint8Array(32).fill(9));
const NOW = 1_790_000_000_000;
const DAY_MS = 86_400_000;

const serial = (byte: number): Uint8Array => new Uint8Array(16).fill(byte);
const at = (days: number): ReturnType<typeof unixMillis> => unixMillis(NOW + days * DAY_MS);

function root(rotation: number, simulated = false, byte = 0x41): CertificateAuthority {
  const rootKey = deriveRootCaKey(SEED, CLUSTER, rotation);
  const place = { rootKey, clusterId: CLUSTER, rotation, serial: serial(byte), simulated };
  const der = createRootCertificate({ ...place, notBefore: at(-1), notAfter: at(20_000) });
  return loadCertificateAuthority(rootKey, der);
}

function mesh(rotation: number, simulated = false): CertificateAuthority {
  const meshCaKey = deriveMeshCaKey(SEED, CLUSTER, generation(3), TRANSITION, rotation);
  const der = createMeshCaCertificate({
    root: root(rotation, simulated),
    meshCaKey,
    generation: generation(3),
    transition: TRANSITION,
    rotation,
    serial: serial(0x42),
    notBefore: at(-1),
    notAfter: at(3650),
    simulated,
  });
  return loadCertificateAuthority(meshCaKey, der);
}

function leaf(changes: Partial<LeafCertificateRequest>, simulated = false): Uint8Array {
  return issueLeafCertificate(mesh(0, simulated), {
    subjectSpki: spkiOf(generateKeyPairSync('ec', { namedCurve: 'prime256v1' }).privateKey),
    commonName: 'web',
    dnsNames: [],
    ipAddresses: [],
    uri: 'spiffe://c1c1.witan/workload/web',
    serial: serial(0x45),
    notBefore: at(-1),
    notAfter: at(30),
    simulated,
    ...changes,
  });
}

const list = (revoked: readonly Uint8Array[]): Uint8Array =>
  createRevocationList({
    issuer: mesh(0).signer,
    number: 300,
    thisUpdate: at(0),
    nextUpdate: at(1),
    revoked: revoked.map((one) => ({ serial: one, revokedAt: at(-1) })),
  });

describe('what was signed by former versions', () => {
  const fixture = JSON.parse(
    readFileSync(new URL('certificate-fixtures/v1.json', import.meta.url), 'utf8'),
  ) as { readonly contents: Readonly<Record<string, string>> };

  it('is written in the same bytes, so that names and key identifiers go on (I8)', () => {
    const cross = createCrossCertificate(root(2), root(3, false, 0x43).certificateDer, {
      serial: serial(0x44),
      notBefore: at(-1),
      notAfter: at(999),
      simulated: false,
    });
    const made: Readonly<Record<string, Uint8Array>> = {
      root: root(2).certificateDer,
      mesh: mesh(2).certificateDer,
      cross,
      crl: list([]),
    };
    expect(Object.keys(fixture.contents)).toEqual(Object.keys(made));
    for (const [name, expected] of Object.entries(fixture.contents)) {
      expect(toHex(made[name] ?? new Uint8Array(0))).toContain(toHex(fromBase64(expected)));
    }
  });
});

describe('a leaf', () => {
  it('has addresses in the bytes of RFC 4291, also with an embedded IPv4 address', () => {
    const ipAddresses = ['10.0.0.7', '::', '::1', '2001:db8::', '::ffff:1.2.3.4', '1:2::7:8'];
    const found = new X509Certificate(leaf({ ipAddresses }));
    for (const address of ipAddresses) expect(found.checkIP(address)).toBe(address);
    expect(found.checkIP('::ffff:0:1')).toBeUndefined();
    const whole = 'abcd:ef01:2345:6789:abcd:ef01:2345:6789';
    expect(new X509Certificate(leaf({ ipAddresses: [whole] })).checkIP(whole)).toBe(whole);
  });

  it('has a name with an underscore, which PrintableString does not have', () => {
    const der = leaf({ commonName: 'a_b' });
    expect(new X509Certificate(der).subject).toContain('CN=a_b');
    expect(toHex(der)).toContain('06035504030c03615f62');
  });

  it('is of any length: 64 long names and 32 addresses', () => {
    const dnsNames = Array.from({ length: 64 }, (_, i) => `${'a'.repeat(60)}.b${i}.example`);
    const ipAddresses = Array.from({ length: 32 }, (_, i) => `fd00::${i}`);
    const found = new X509Certificate(leaf({ dnsNames, ipAddresses }));
    expect(found.checkHost(dnsNames[63] ?? '')).toBe(dnsNames[63]);
    expect(found.checkIP('fd00::31')).toBe('fd00::31');
  });
});

describe('the mark of a simulated cluster', () => {
  const openssl = spawnSync('openssl', ['version']).status === 0;

  it('is found by the extension alone, where the organization is another (I11)', () => {
    const der = leaf({}, true);
    const other = Uint8Array.from(der);
    const name = Buffer.from('Witan SIMULATED TEE');
    for (let from = 0; ;) {
      const place = Buffer.from(other).indexOf(name, from);
      if (place < 0) break;
      other.set(Buffer.from('Acme AUTHENTIC TEE '), place);
      from = place + name.byteLength;
    }
    expect(new X509Certificate(other).subject).toContain('O=Acme AUTHENTIC TEE');
    expect(isSimulatedCertificate(other)).toBe(true);
    expect(isSimulatedCertificate(leaf({}))).toBe(false);
  });

  it.skipIf(!openssl)('has its whole object identifier, with an arc of 128 bits', () => {
    const args = ['x509', '-inform', 'DER', '-noout', '-text'];
    const text = execFileSync('openssl', args, { input: leaf({}, true), encoding: 'utf8' });
    expect(text).toContain(`${SIMULATED_TEE_OID}: `);
  });
});

describe('a revocation list', () => {
  it('has no empty extensions in its entries (RFC 5280 section 5.1)', () => {
    const entry = `3021${'0210'}${'45'.repeat(16)}170d`;
    const hex = toHex(list([serial(0x45)]));
    expect(hex).toContain(entry);
    expect(hex).not.toContain('3000');
  });
});

describe('an incarnation', () => {
  it('has a certificate of its own key, for TLS and nothing else (I2)', () => {
    const { tlsCertificateDer, tlsCertificatePem, privateKey, spkiDer } =
      createIncarnationIdentity();
    const certificate = new X509Certificate(tlsCertificateDer);
    expect(certificate.checkPrivateKey(privateKey)).toBe(true);
    expect(certificate.verify(certificate.publicKey)).toBe(true);
    expect(certificate.ca).toBe(false);
    expect(tlsCertificatePem).toBe(certificate.toString());
    expect(certificate.subject).toBe('CN=witan incarnation');
    expect(toHex(tlsCertificateDer)).toContain(toHex(spkiDer));
  });
});

describe('the key of a certificate', () => {
  it('has the bytes that are in it, not the spelling that OpenSSL would choose', () => {
    const { tlsCertificateDer, spkiDer } = createIncarnationIdentity();
    expect(spkiOfCertificate(new X509Certificate(tlsCertificateDer))).toEqual(spkiDer);
    // The point by its x and a sign: a spelling that OpenSSL reads, in a certificate made of it.
    const compressed = compress(spkiDer);
    const der = withKey(tlsCertificateDer, spkiDer, compressed);
    const found = spkiOfCertificate(new X509Certificate(der));
    expect(found).toEqual(compressed);
    expect(isP256Spki(found)).toBe(false);
  });
});

/** SubjectPublicKeyInfo with a compressed point (SEC 1 section 2.3.3). */
function compress(spki: Uint8Array): Uint8Array {
  const algorithm = spki.subarray(2, 2 + 21);
  const [x, sign] = [spki.subarray(27, 59), 2 + ((spki.at(-1) ?? 0) & 1)];
  return Uint8Array.of(0x30, 57, ...algorithm, 0x03, 34, 0, sign, ...x);
}

/** The certificate with another key in place of its own; its signature no longer fits. */
function withKey(der: Uint8Array, before: Uint8Array, after: Uint8Array): Uint8Array {
  const at = Buffer.from(der).indexOf(before);
  const shorter = before.byteLength - after.byteLength;
  const changed = Uint8Array.of(
    ...der.subarray(0, at),
    ...after,
    ...der.subarray(at + before.byteLength),
  );
  // Lengths of the whole and of what is signed, two octets each.
  for (const place of [2, 6]) {
    const length = ((changed[place] ?? 0) << 8) + (changed[place + 1] ?? 0) - shorter;
    changed.set([length >> 8, length & 0xff], place);
  }
  return changed;
}
