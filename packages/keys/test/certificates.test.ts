import { describe, expect, it } from 'vitest';
import { execFileSync, spawnSync } from 'node:child_process';
import { X509Certificate, generateKeyPairSync, type KeyObject } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { clusterId, generation, sha256Hex, unixMillis, type UnixMillis } from '@witan/core';
import {
  KeysError,
  certificatePem,
  createMeshCaCertificate,
  createRootCertificate,
  deriveMeshCaKey,
  deriveRootCaKey,
  isSimulatedCertificate,
  issueLeafCertificate,
  loadCertificateAuthority,
  randomSerial,
  seedFromBytes,
  spkiOf,
  workloadSpiffeId,
  type CertificateAuthority,
  type KeysErrorCode,
  type LeafCertificateRequest,
} from '@witan/keys';

const CLUSTER = clusterId('c1'.repeat(32));
const TRANSITION = sha256Hex('7a'.repeat(32));
const SEED = seedFromBytes(new Uint8Array(32).fill(9));
const NOW = unixMillis(1_790_000_000_000);
const DAY_MS = 86_400_000;

function at(days: number): UnixMillis {
  return unixMillis(NOW + days * DAY_MS);
}

interface Chain {
  readonly root: Uint8Array;
  readonly rootAuthority: CertificateAuthority;
  readonly mesh: Uint8Array;
  readonly meshAuthority: CertificateAuthority;
}

async function makeChain(simulated: boolean): Promise<Chain> {
  const rootKey = deriveRootCaKey(SEED, CLUSTER);
  const root = createRootCertificate({
    rootKey,
    clusterId: CLUSTER,
    serial: randomSerial(),
    notBefore: at(-1),
    notAfter: at(20_000),
    simulated,
  });
  const rootAuthority = loadCertificateAuthority(rootKey, root);
  const meshCaKey = deriveMeshCaKey(SEED, CLUSTER, generation(3), TRANSITION);
  const mesh = createMeshCaCertificate({
    root: rootAuthority,
    meshCaKey,
    generation: generation(3),
    transition: TRANSITION,
    serial: randomSerial(),
    notBefore: at(-1),
    notAfter: at(3650),
    simulated,
  });
  return { root, rootAuthority, mesh, meshAuthority: loadCertificateAuthority(meshCaKey, mesh) };
}

function newKey(namedCurve = 'prime256v1'): KeyObject {
  return generateKeyPairSync('ec', { namedCurve }).privateKey;
}

function leafRequest(changes: Partial<LeafCertificateRequest> = {}): LeafCertificateRequest {
  return {
    subjectSpki: spkiOf(newKey()),
    commonName: 'emojivoto-web',
    dnsNames: ['web.emojivoto.svc.cluster.local', 'web'],
    ipAddresses: ['10.0.0.7', 'fd00::17'],
    uri: workloadSpiffeId('c1c1.witan', 'emojivoto-web'),
    serial: randomSerial(),
    notBefore: at(-1),
    notAfter: at(30),
    simulated: false,
    ...changes,
  };
}

async function codeOf(work: () => unknown): Promise<KeysErrorCode | undefined> {
  try {
    await work();
  } catch (error) {
    if (error instanceof KeysError) return error.code;
    throw error;
  }
  return undefined;
}

const openssl = spawnSync('openssl', ['version']).status === 0;

function opensslText(der: Uint8Array): string {
  const args = ['x509', '-inform', 'DER', '-noout', '-text'];
  return execFileSync('openssl', args, { input: der, encoding: 'utf8' });
}

describe('the certificate chain', () => {
  it('verifies link by link with node:crypto', async () => {
    const { root, mesh, meshAuthority } = await makeChain(false);
    const leafKey = newKey();
    const request = leafRequest({ subjectSpki: spkiOf(leafKey) });
    const leaf = new X509Certificate(issueLeafCertificate(meshAuthority, request));
    const rootX509 = new X509Certificate(root);
    const meshX509 = new X509Certificate(mesh);
    expect(rootX509.verify(rootX509.publicKey)).toBe(true);
    expect(meshX509.verify(rootX509.publicKey)).toBe(true);
    expect(leaf.verify(meshX509.publicKey)).toBe(true);
    expect(meshX509.checkIssued(rootX509)).toBe(true);
    expect(leaf.checkIssued(meshX509)).toBe(true);
    expect(leaf.checkIssued(rootX509)).toBe(false);
    expect([rootX509.ca, meshX509.ca, leaf.ca]).toEqual([true, true, false]);
    expect(leaf.checkPrivateKey(leafKey)).toBe(true);
    expect(leaf.checkHost('web')).toBe('web');
    expect(leaf.checkIP('10.0.0.7')).toBe('10.0.0.7');
    expect(leaf.checkIP('fd00::17')).toBe('fd00::17');
    expect(leaf.subjectAltName).toContain('URI:spiffe://c1c1.witan/workload/emojivoto-web');
    expect(leaf.keyUsage).toEqual(['1.3.6.1.5.5.7.3.1', '1.3.6.1.5.5.7.3.2']);
    expect(leaf.validToDate.getTime()).toBe(at(30));
  });

  it.skipIf(!openssl)('passes openssl verify, strictly, for servers and clients', async () => {
    const { root, mesh, meshAuthority } = await makeChain(false);
    const leaf = issueLeafCertificate(meshAuthority, leafRequest());
    const directory = mkdtempSync(join(tmpdir(), 'witan-keys-'));
    try {
      const files = { root, mesh, leaf };
      for (const [name, der] of Object.entries(files)) {
        writeFileSync(join(directory, `${name}.pem`), certificatePem(der));
      }
      for (const purpose of ['sslserver', 'sslclient']) {
        const options = ['-x509_strict', '-purpose', purpose, '-attime', String(NOW / 1000)];
        const chain = ['-CAfile', 'root.pem', '-untrusted', 'mesh.pem', 'leaf.pem'];
        const args = ['verify', ...options, ...chain];
        expect(execFileSync('openssl', args, { cwd: directory, encoding: 'utf8' })).toBe(
          'leaf.pem: OK\n',
        );
      }
    } finally {
      rmSync(directory, { recursive: true });
    }
  });

  it.skipIf(!openssl)('has the criticality that RFC 5280 asks for', async () => {
    const { root, mesh, meshAuthority } = await makeChain(false);
    const leaf = issueLeafCertificate(meshAuthority, leafRequest());
    expect(opensslText(root)).toMatch(/Basic Constraints: critical\n\s+CA:TRUE\n/);
    expect(opensslText(mesh)).toMatch(/Basic Constraints: critical\n\s+CA:TRUE, pathlen:0\n/);
    expect(opensslText(mesh)).toMatch(/Key Usage: critical\n\s+Certificate Sign, CRL Sign\n/);
    expect(opensslText(leaf)).toMatch(/Basic Constraints: critical\n\s+CA:FALSE\n/);
    expect(opensslText(leaf)).toMatch(/Key Usage: critical\n\s+Digital Signature\n/);
    expect(opensslText(leaf)).toMatch(/Subject Alternative Name: \n/);
    expect(opensslText(leaf)).toMatch(/Authority Key Identifier: \n/);
  });

  it('writes dates after 2049 correctly', async () => {
    const { root } = await makeChain(false);
    expect(new X509Certificate(root).validToDate.getTime()).toBe(at(20_000));
  });

  it('keeps its CA keys across recoveries: the same seed gives the same keys (I8)', async () => {
    const first = await makeChain(false);
    const second = await makeChain(false);
    const leaf = new X509Certificate(issueLeafCertificate(first.meshAuthority, leafRequest()));
    expect(leaf.verify(new X509Certificate(second.mesh).publicKey)).toBe(true);
    expect(leaf.checkIssued(new X509Certificate(second.mesh))).toBe(true);
  });
});

describe('the mark of a simulated cluster', () => {
  it('is on root, mesh CA and leaf (I11)', async () => {
    const { root, mesh, meshAuthority } = await makeChain(true);
    const leaf = issueLeafCertificate(meshAuthority, leafRequest({ simulated: true }));
    for (const der of [root, mesh, leaf]) {
      expect(isSimulatedCertificate(der)).toBe(true);
      expect(new X509Certificate(der).subject).toContain('O=Witan SIMULATED TEE');
    }
  });

  it('is absent from the certificates of a real cluster (I11)', async () => {
    const { root, mesh, meshAuthority } = await makeChain(false);
    const leaf = issueLeafCertificate(meshAuthority, leafRequest());
    for (const der of [root, mesh, leaf]) {
      expect(isSimulatedCertificate(der)).toBe(false);
      expect(new X509Certificate(der).subject).toMatch(/^O=Witan$/m);
    }
  });

  it('cannot be dropped below a marked CA (I11)', async () => {
    const { meshAuthority } = await makeChain(true);
    const leaf = issueLeafCertificate(meshAuthority, leafRequest({ simulated: false }));
    expect(isSimulatedCertificate(leaf)).toBe(true);
  });
});

describe('certificate requests', () => {
  const bad: readonly (readonly [string, Partial<LeafCertificateRequest>, KeysErrorCode])[] = [
    ['an empty name', { commonName: '' }, 'KEYS_CERTIFICATE_FIELD_INVALID'],
    ['a name with syntax', { commonName: 'a,O=b' }, 'KEYS_CERTIFICATE_FIELD_INVALID'],
    ['a long name', { commonName: 'a'.repeat(65) }, 'KEYS_CERTIFICATE_FIELD_INVALID'],
    ['a hex name', { commonName: '#0c0141' }, 'KEYS_CERTIFICATE_FIELD_INVALID'],
    ['a wildcard', { dnsNames: ['*.example'] }, 'KEYS_CERTIFICATE_FIELD_INVALID'],
    ['a NUL in a name', { dnsNames: ['a\0.example'] }, 'KEYS_CERTIFICATE_FIELD_INVALID'],
    ['a line end', { dnsNames: ['a.example\n'] }, 'KEYS_CERTIFICATE_FIELD_INVALID'],
    ['too many names', { dnsNames: Array(65).fill('a') }, 'KEYS_CERTIFICATE_FIELD_INVALID'],
    ['a zone', { ipAddresses: ['fe80::1%eth0'] }, 'KEYS_CERTIFICATE_FIELD_INVALID'],
    ['no address', { ipAddresses: ['10.0.0.256'] }, 'KEYS_CERTIFICATE_FIELD_INVALID'],
    ['another scheme', { uri: 'https://x/workload/y' }, 'KEYS_CERTIFICATE_FIELD_INVALID'],
    ['a deeper path', { uri: 'spiffe://x/workload/y/z' }, 'KEYS_CERTIFICATE_FIELD_INVALID'],
    ['a zero serial', { serial: new Uint8Array(16) }, 'KEYS_CERTIFICATE_FIELD_INVALID'],
    [
      'a negative serial',
      { serial: Uint8Array.of(128, 1, 1, 1, 1, 1, 1, 1) },
      'KEYS_CERTIFICATE_FIELD_INVALID',
    ],
    ['a short serial', { serial: Uint8Array.of(1) }, 'KEYS_CERTIFICATE_FIELD_INVALID'],
    ['no key', { subjectSpki: Uint8Array.of(1, 2) }, 'KEYS_CERTIFICATE_FIELD_INVALID'],
    ['an empty span', { notAfter: at(-1) }, 'KEYS_CERTIFICATE_VALIDITY'],
    ['a leaf older than its CA', { notBefore: at(-2) }, 'KEYS_CERTIFICATE_VALIDITY'],
    ['a leaf that outlives its CA', { notAfter: at(3651) }, 'KEYS_CERTIFICATE_VALIDITY'],
    ['another curve', { subjectSpki: spkiOf(newKey('secp384r1')) }, 'KEYS_KEY_NOT_P256'],
  ];

  it.each(bad)('with %s are refused (I10)', async (_what, changes, code) => {
    const { meshAuthority } = await makeChain(false);
    expect(await codeOf(() => issueLeafCertificate(meshAuthority, leafRequest(changes)))).toBe(
      code,
    );
  });

  it('with bytes behind the key are refused (I10)', async () => {
    const { meshAuthority } = await makeChain(false);
    const subjectSpki = Uint8Array.from([...spkiOf(newKey()), 0]);
    const issue = (): unknown => issueLeafCertificate(meshAuthority, leafRequest({ subjectSpki }));
    expect(await codeOf(issue)).toBe('KEYS_CERTIFICATE_FIELD_INVALID');
  });
});

describe('a certificate authority', () => {
  it('is not loaded with another key', async () => {
    const { root } = await makeChain(false);
    const load = (): unknown => loadCertificateAuthority(newKey(), root);
    expect(await codeOf(load)).toBe('KEYS_CERTIFICATE_ISSUER_MISMATCH');
  });

  it('is not loaded from a leaf', async () => {
    const { meshAuthority } = await makeChain(false);
    const key = newKey();
    const leaf = issueLeafCertificate(meshAuthority, leafRequest({ subjectSpki: spkiOf(key) }));
    const load = (): unknown => loadCertificateAuthority(key, leaf);
    expect(await codeOf(load)).toBe('KEYS_CERTIFICATE_ISSUER_MISMATCH');
  });

  it('is not loaded from anything but DER', async () => {
    const { root } = await makeChain(false);
    const key = deriveRootCaKey(SEED, CLUSTER);
    const pem = new TextEncoder().encode(certificatePem(root));
    for (const bytes of [new Uint8Array(0), Uint8Array.of(0x30), root.subarray(0, 99), pem]) {
      const load = (): unknown => loadCertificateAuthority(key, bytes);
      expect(await codeOf(load)).toBe('KEYS_CERTIFICATE_UNREADABLE');
    }
  });
});

describe('serial numbers', () => {
  it('are positive, of full length and differ', () => {
    const serials = Array.from({ length: 200 }, () => randomSerial());
    expect(serials.every((serial) => ((serial[0] ?? 0) & 0xc0) === 0x40)).toBe(true);
    expect(new Set(serials.map((serial) => serial.join())).size).toBe(200);
  });
});
