/**
 * The identity of an incarnation (I2): a fresh P-256 key with a self-signed certificate for TLS.
 * Both live in memory and end with the process. The certificate's names and dates carry no trust;
 * the attested channel binds the key itself.
 */
import { X509Certificate, generateKeyPairSync, type KeyObject } from 'node:crypto';
import { incarnationId, toHex, type IncarnationId, type Secret } from '@witan/core';
import { randomSerial } from './certificate-fields.ts';
import { tlsExtensions } from './certificate-parts.ts';
import { systemClock } from './node-crypto.ts';
import { privateKeyPemOf } from './owner-keys.ts';
import { spkiFingerprint, spkiOf } from './p256.ts';
import { ECDSA_SHA256, signingKeyOf, x509 } from './x509.ts';

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

/** Makes a new identity, valid from yesterday for ten years: no wrong clock is in its way. */
export async function createIncarnationIdentity(): Promise<IncarnationIdentity> {
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'prime256v1' });
  const spkiDer = spkiOf(privateKey);
  const nowMs = systemClock.now();
  const name = 'CN=witan incarnation';
  const certificate = await x509.X509CertificateGenerator.create({
    serialNumber: toHex(randomSerial()),
    issuer: name,
    subject: name,
    notBefore: new Date(nowMs - DAY_MS),
    notAfter: new Date(nowMs + 3650 * DAY_MS),
    publicKey: spkiDer,
    signingKey: signingKeyOf(privateKey),
    signingAlgorithm: ECDSA_SHA256,
    extensions: [...tlsExtensions()],
  });
  const tlsCertificateDer = new Uint8Array(certificate.rawData);
  return {
    privateKey,
    spkiDer,
    id: incarnationIdOf(spkiDer),
    tlsKeyPem: privateKeyPemOf(privateKey),
    tlsCertificateDer,
    tlsCertificatePem: certificatePem(tlsCertificateDer),
  };
}

/** A DER certificate as PEM. */
export function certificatePem(certificateDer: Uint8Array): string {
  return new X509Certificate(certificateDer).toString();
}
