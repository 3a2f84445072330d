/** P-256 keys, certificates and revocation lists as Intel issues them, from plain plans. */
import { generateKeyPairSync, sign, type KeyObject } from 'node:crypto';
import { bits, boolean, der, extension, integer, name, oid, sequence, time } from './der-writer.ts';

/** A key pair of which the private part may be used here. */
export interface P256Key {
  readonly publicKey: KeyObject;
  readonly privateKey: KeyObject;
}

/** A fresh key pair. */
export const p256Key = (): P256Key => generateKeyPairSync('ec', { namedCurve: 'P-256' });

/** What stands in a certificate. Times are milliseconds since 1970. */
export interface P256CertificatePlan {
  readonly subject: string;
  readonly issuer: string;
  readonly organisation: string;
  /** Whose certificate it is: any kind of key, so that a wrong kind can be tested. */
  readonly key: P256Key;
  readonly signer: P256Key;
  readonly serial: number;
  readonly notBefore: number;
  readonly notAfter: number;
  readonly extensions: readonly Uint8Array[];
}

/** What stands in a revocation list. Times are milliseconds since 1970. */
export interface P256CrlPlan {
  readonly issuer: string;
  readonly organisation: string;
  readonly signer: P256Key;
  readonly thisUpdate: number;
  readonly nextUpdate: number;
  readonly revoked: readonly number[];
}

const ECDSA_SHA256 = sequence(oid('1.2.840.10045.4.3.2'));
const KEY_CERT_SIGN_AND_CRL_SIGN = Uint8Array.of(0x03, 0x02, 0x01, 0x06);
const DIGITAL_SIGNATURE = Uint8Array.of(0x03, 0x02, 0x07, 0x80);

/** basicConstraints and keyUsage of an authority. */
export function authority(pathLength: number): readonly Uint8Array[] {
  return [
    extension('2.5.29.19', sequence(boolean(true), integer(pathLength)), true),
    extension('2.5.29.15', KEY_CERT_SIGN_AND_CRL_SIGN, true),
  ];
}

/** basicConstraints and keyUsage of a certificate that issues nothing. */
export function endEntity(): readonly Uint8Array[] {
  return [
    extension('2.5.29.19', sequence(), true),
    extension('2.5.29.15', DIGITAL_SIGNATURE, true),
  ];
}

/** r and s as 64 bytes, big-endian, over SHA-256. */
export function signP256(data: Uint8Array, { privateKey }: P256Key): Uint8Array {
  return new Uint8Array(sign('sha256', data, { key: privateKey, dsaEncoding: 'ieee-p1363' }));
}

/** x and y as 64 bytes, big-endian. */
export function rawP256({ publicKey }: P256Key): Uint8Array {
  return new Uint8Array(publicKey.export({ format: 'der', type: 'spki' }).subarray(-64));
}

/** A signed certificate in DER. */
export function makeP256Certificate(plan: P256CertificatePlan): Uint8Array {
  const tbs = sequence(
    der(0xa0, integer(2)),
    integer(plan.serial),
    ECDSA_SHA256,
    name(plan.issuer, plan.organisation),
    sequence(time(plan.notBefore), time(plan.notAfter)),
    name(plan.subject, plan.organisation),
    new Uint8Array(plan.key.publicKey.export({ format: 'der', type: 'spki' })),
    der(0xa3, sequence(...plan.extensions)),
  );
  return signedObject(tbs, plan.signer);
}

/** A signed revocation list in DER. */
export function makeP256Crl(plan: P256CrlPlan): Uint8Array {
  const entries = plan.revoked.map((serial) => sequence(integer(serial), time(plan.thisUpdate)));
  const tbs = sequence(
    integer(1),
    ECDSA_SHA256,
    name(plan.issuer, plan.organisation),
    time(plan.thisUpdate),
    time(plan.nextUpdate),
    ...(entries.length === 0 ? [] : [sequence(...entries)]),
  );
  return signedObject(tbs, plan.signer);
}

/** PEM text of certificates, in the given order. */
export function pemOf(...certificates: readonly Uint8Array[]): Uint8Array {
  const text = certificates.map((certificate) => {
    const lines = Buffer.from(certificate).toString('base64').replace(/.{64}/g, '$&\n').trimEnd();
    return `-----BEGIN CERTIFICATE-----\n${lines}\n-----END CERTIFICATE-----\n`;
  });
  return new Uint8Array(Buffer.from(text.join('')));
}

function signedObject(tbs: Uint8Array, { privateKey }: P256Key): Uint8Array {
  const signature = sign('sha256', tbs, privateKey);
  return sequence(tbs, ECDSA_SHA256, bits(new Uint8Array(signature)));
}
