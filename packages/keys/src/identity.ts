/**
 * The identity of an incarnation (I2): a fresh P-256 key with a self-signed certificate for TLS.
 * Both live in memory and end with the process. The certificate's names and dates carry no trust;
 * the attested channel binds the key itself.
 */
import { X509Certificate, generateKeyPairSync, type KeyObject } from 'node:crypto';
import { incarnationId, unixMillis, type IncarnationId, type Secret } from '@witan/core';
import { randomSerial } from './certificate-fields.ts';
import { plainName } from './certificate-parts.ts';
import { selfSignedTls } from './certificates.ts';
import { systemClock } from './node-crypto.ts';
import { privateKeyPemOf } from './owner-keys.ts';
import { spkiFingerprint, spkiOf } from './p256.ts';

const DAY_MS = 86_400_000;

/** An incarnation's key, in the forms that its users want. */
export interface IncarnationIdentity {
  readonly privateKey: KeyObject;
  /** DER SubjectPublicKeyInfo of the key. */
  readonly spkiDer: Uint8Array;
  /** SHA-256 of `spkiDer`. */
  readonly id: IncarnationId;
  /** PKCS #8 PEM in UTF-8, for `tls.createSecureContext({ key: Buffer.from(pem.expose()) })`. */
  readonly tlsKeyPem: Secret;
  readonly tlsCertificateDer: Uint8Array;
  readonly tlsCertificatePem: string;
}

/** The id of the incarnation that holds a key. */
export function incarnationIdOf(spkiDer: Uint8Array): IncarnationId {
  return incarnationId(spkiFingerprint(spkiDer));
}

const NAME = plainName('witan incarnation');

/** Makes a new identity, valid from yesterday for ten years: no wrong clock is in its way. */
export function createIncarnationIdentity(): IncarnationIdentity {
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'prime256v1' });
  const spkiDer = spkiOf(privateKey);
  const nowMs = systemClock.now();
  const tlsCertificateDer = selfSignedTls(NAME, privateKey, {
    serial: randomSerial(),
    notBefore: unixMillis(nowMs - DAY_MS),
    notAfter: unixMillis(nowMs + 3650 * DAY_MS),
  });
  return {
    privateKey,
    spkiDer,
    id: incarnationIdOf(spkiDer),
    tlsKeyPem: privateKeyPemOf(privateKey),
    tlsCertificateDer,
    tlsCertificatePem: textOf(tlsCertificateDer),
  };
}

/** RFC 7468 section 5.1, of what was written here; nothing is read. */
function textOf(der: Uint8Array): string {
  const lines =
    Buffer.from(der)
      .toString('base64')
      .match(/.{1,64}/g) ?? [];
  return `-----BEGIN CERTIFICATE-----\n${lines.join('\n')}\n-----END CERTIFICATE-----\n`;
}

/** A DER certificate as PEM. */
export function certificatePem(certificateDer: Uint8Array): string {
  return new X509Certificate(certificateDer).toString();
}
