import { describe, expect, it } from 'vitest';
import { execFileSync, spawnSync } from 'node:child_process';
import { createHash, createPublicKey, generateKeyPairSync, X509Certificate } from 'node:crypto';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import tls from 'node:tls';
import { inspect } from 'node:util';
import { fromUtf8, Secret, utf8 } from '@witan/core';
import {
  KeysError,
  createIncarnationIdentity,
  generateOwnerKeyPair,
  incarnationIdOf,
  loadApprovalKey,
  loadApprovalPublicKey,
  loadOwnerPrivateKey,
  privateKeyPemOf,
  publicKeyPemOf,
  signP256,
  spkiFingerprint,
  spkiOf,
  verifyP256,
  type IncarnationIdentity,
} from '@witan/keys';

function failureOf(work: () => unknown): KeysError {
  try {
    work();
  } catch (error) {
    if (error instanceof KeysError) return error;
    throw error;
  }
  throw new Error('nothing was thrown');
}

describe('an owner key', () => {
  it('whose halves do not belong together is refused with a typed error', () => {
    // Found by fuzzing: OpenSSL reads such a file, and only the key made anew from it fails.
    const [one, other] = ['p256', 'p256'].map(() => {
      const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
      return privateKey.export({ format: 'der', type: 'pkcs8' });
    });
    if (one === undefined || other === undefined) return expect.fail();
    const mixed = Buffer.concat([one.subarray(0, -64), other.subarray(-64)]).toString('base64');
    const pem = `-----BEGIN PRIVATE KEY-----\n${mixed}\n-----END PRIVATE KEY-----\n`;
    const failure = failureOf(() => loadOwnerPrivateKey(new Secret(utf8(pem))));
    expect(failure).toMatchObject({ code: 'KEYS_PEM_UNREADABLE', fields: { kind: 'PRIVATE KEY' } });
    expect(inspect(failure)).not.toContain(mixed.slice(40, 80));
    return undefined;
  });

  it('survives the way through PEM and signs', () => {
    const pair = generateOwnerKeyPair();
    const privateKey = loadOwnerPrivateKey(pair.privateKeyPem);
    const spki = spkiOf(loadApprovalPublicKey(pair.publicKeyPem));
    const data = utf8('an approval');
    const signature = signP256(privateKey, data);
    expect(signature.byteLength).toBe(64);
    expect(verifyP256(spki, data, signature)).toBe(true);
    expect(verifyP256(spki, utf8('another'), signature)).toBe(false);
    expect(pair.fingerprint).toBe(createHash('sha256').update(spki).digest('hex'));
    expect(spkiFingerprint(spkiOf(privateKey))).toBe(pair.fingerprint);
  });

  it('does not show in logs', () => {
    const pair = generateOwnerKeyPair();
    expect(inspect(pair, { showHidden: true }) + JSON.stringify(pair)).not.toContain('PRIVATE KEY');
  });

  it.skipIf(spawnSync('openssl', ['version']).status !== 0)(
    'is read as openssl writes it, with or without the curve block',
    () => {
      const args = ['ecparam', '-name', 'prime256v1', '-genkey'];
      for (const extra of [[], ['-noout']]) {
        const pem = execFileSync('openssl', [...args, ...extra], {
          stdio: ['ignore', 'pipe', 'ignore'],
        });
        expect(loadOwnerPrivateKey(new Secret(pem)).asymmetricKeyType).toBe('ec');
      }
    },
  );

  const pair = generateOwnerKeyPair();
  const p384 = generateKeyPairSync('ec', { namedCurve: 'secp384r1' });
  const p521 = generateKeyPairSync('ec', { namedCurve: 'secp521r1' });
  const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 });
  const damaged = pair.publicKeyPem.replace(/\n.{8}/, '\nAAAAAAAA');

  it.each([
    ['nothing', '', 'KEYS_PEM_NOT_FOUND', {}],
    ['too much', 'x'.repeat(20_000), 'KEYS_PEM_NOT_FOUND', { found: 20_000 }],
    [
      'a private key',
      fromUtf8(pair.privateKeyPem.expose()),
      'KEYS_PEM_WRONG_KIND',
      { found: 'PRIVATE KEY' },
    ],
    [
      'two keys',
      pair.publicKeyPem + pair.publicKeyPem,
      'KEYS_PEM_WRONG_KIND',
      { found: 'PUBLIC KEY, PUBLIC KEY' },
    ],
    ['a damaged key', damaged, 'KEYS_PEM_UNREADABLE', { kind: 'PUBLIC KEY' }],
    [
      'another curve',
      publicKeyPemOf(p521.publicKey),
      'KEYS_OWNER_KEY_UNSUPPORTED',
      { found: 'EC secp521r1' },
    ],
    ['RSA', publicKeyPemOf(rsa.publicKey), 'KEYS_OWNER_KEY_UNSUPPORTED', { found: 'RSA 2048' }],
  ])('file with %s is refused with what was found (I10)', (_what, pem, code, fields) => {
    expect(failureOf(() => loadApprovalPublicKey(pem))).toMatchObject({ code, fields });
  });

  it.each(['prime256v1', 'secp384r1'])(
    'on %s with its parameters spelled out is the same',
    (of) => {
      const odd = generateKeyPairSync('ec', { namedCurve: of, paramEncoding: 'explicit' });
      const usual = createPublicKey({
        key: odd.publicKey.export({ format: 'jwk' }),
        format: 'jwk',
      });
      const read = loadApprovalPublicKey(publicKeyPemOf(odd.publicKey));
      expect(publicKeyPemOf(read)).toBe(publicKeyPemOf(usual));
      expect(publicKeyPemOf(odd.publicKey)).not.toBe(publicKeyPemOf(usual));
      const own = loadApprovalKey(privateKeyPemOf(odd.privateKey));
      expect(spkiFingerprint(spkiOf(own))).toBe(spkiFingerprint(spkiOf(usual)));
    },
  );

  it('file with a public or an encrypted key is refused as a private one', () => {
    const encrypted = generateKeyPairSync('ec', {
      namedCurve: 'prime256v1',
      privateKeyEncoding: { type: 'pkcs8', format: 'pem', cipher: 'aes-256-cbc', passphrase: 'x' },
      publicKeyEncoding: { type: 'spki', format: 'pem' },
    });
    for (const [pem, found] of [
      [pair.publicKeyPem, 'PUBLIC KEY'],
      [encrypted.privateKey, 'ENCRYPTED PRIVATE KEY'],
    ] as const) {
      const error = failureOf(() => loadOwnerPrivateKey(new Secret(utf8(pem))));
      expect(error).toMatchObject({ code: 'KEYS_PEM_WRONG_KIND', fields: { found } });
    }
  });

  it('of another curve does not sign', () => {
    expect(failureOf(() => signP256(p384.privateKey, utf8('x'))).code).toBe('KEYS_KEY_NOT_P256');
    expect(failureOf(() => loadOwnerPrivateKey(privateKeyPemOf(p384.privateKey))).code).toBe(
      'KEYS_KEY_NOT_P256',
    );
  });
});

function tlsOptions(identity: IncarnationIdentity): tls.SecureContextOptions {
  return {
    key: Buffer.from(identity.tlsKeyPem.expose()),
    cert: identity.tlsCertificatePem,
    minVersion: 'TLSv1.3',
  };
}

describe('an incarnation identity', () => {
  it('is new every time, and named by its key (I2)', async () => {
    const first = createIncarnationIdentity();
    const second = createIncarnationIdentity();
    expect(first.id).not.toBe(second.id);
    expect(first.id).toBe(createHash('sha256').update(first.spkiDer).digest('hex'));
    const certificate = new X509Certificate(first.tlsCertificateDer);
    const spki = certificate.publicKey.export({ format: 'der', type: 'spki' });
    expect(incarnationIdOf(spki)).toBe(first.id);
    expect(certificate.checkPrivateKey(first.privateKey)).toBe(true);
    expect(certificate.verify(certificate.publicKey)).toBe(true);
    const other = new X509Certificate(second.tlsCertificateDer);
    expect(certificate.serialNumber).not.toBe(other.serialNumber);
    expect(inspect(first, { depth: 9 })).not.toContain('PRIVATE KEY');
  });

  it('works on both ends of TLS 1.3, which shows each the other’s key', async () => {
    const serverIdentity = createIncarnationIdentity();
    const clientIdentity = createIncarnationIdentity();
    const server = tls.createServer({
      ...tlsOptions(serverIdentity),
      requestCert: true,
      rejectUnauthorized: false,
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const accepted = once(server, 'secureConnection') as Promise<[tls.TLSSocket]>;
    const { port } = server.address() as AddressInfo;
    const client = tls.connect({
      ...tlsOptions(clientIdentity),
      port,
      host: '127.0.0.1',
      rejectUnauthorized: false,
    });
    await once(client, 'secureConnect');
    const [peer] = await accepted;
    const seenByClient = new X509Certificate(client.getPeerCertificate(true).raw);
    const seenByServer = new X509Certificate(peer.getPeerCertificate(true).raw);
    expect(client.getProtocol()).toBe('TLSv1.3');
    expect(incarnationIdOf(spkiOf(seenByClient.publicKey))).toBe(serverIdentity.id);
    expect(incarnationIdOf(spkiOf(seenByServer.publicKey))).toBe(clientIdentity.id);
    client.destroy();
    peer.destroy();
    server.close();
    await once(server, 'close');
  });
});
