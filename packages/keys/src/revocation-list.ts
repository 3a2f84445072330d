/**
 * Revocation lists (RFC 5280 section 5), one for each CA: what any TLS library can check. Signed on
 * demand by whoever holds the CA's key; two lists of one state differ in nothing but time and the
 * random part of their signatures.
 */
import { toHex, type UnixMillis } from '@witan/core';
import type { CertificateSigner } from './certificates.ts';
import { checkSerial, checkValidity, wholeSeconds } from './certificate-fields.ts';
import { ECDSA_SHA256, x509 } from './x509.ts';

/** One entry. */
export interface RevokedCertificate {
  /** 8 to 20 bytes, positive. */
  readonly serial: Uint8Array;
  readonly revokedAt: UnixMillis;
}

/** What a list says. */
export interface RevocationListRequest {
  readonly issuer: CertificateSigner;
  /** Never smaller in a later list (RFC 5280 section 5.2.3); a whole number from 0. */
  readonly number: number;
  readonly thisUpdate: UnixMillis;
  readonly nextUpdate: UnixMillis;
  readonly revoked: readonly RevokedCertificate[];
}

/**
 * Makes a CA's revocation list.
 *
 * @returns DER
 * @throws KeysError KEYS_CERTIFICATE_FIELD_INVALID for a serial, KEYS_CERTIFICATE_VALIDITY where
 *   the next update is not later than this one
 */
export async function createRevocationList(
  request: RevocationListRequest,
): Promise<Uint8Array<ArrayBuffer>> {
  const { issuer, number, thisUpdate, nextUpdate, revoked } = request;
  checkValidity({ notBefore: thisUpdate, notAfter: nextUpdate }, undefined);
  for (const { serial } of revoked) checkSerial(serial);
  const list = await x509.X509CrlGenerator.create({
    issuer: new x509.Name(issuer.name),
    thisUpdate: new Date(wholeSeconds(thisUpdate) * 1000),
    nextUpdate: new Date(wholeSeconds(nextUpdate) * 1000),
    entries: revoked.map(({ serial, revokedAt }) => ({
      serialNumber: toHex(serial),
      revocationDate: new Date(wholeSeconds(revokedAt) * 1000),
    })),
    extensions: [
      new x509.AuthorityKeyIdentifierExtension(issuer.keyId),
      new x509.Extension(CRL_NUMBER_OID, false, derInteger(number)),
    ],
    signingKey: issuer.key,
    signingAlgorithm: ECDSA_SHA256,
  });
  return new Uint8Array(list.rawData);
}

const CRL_NUMBER_OID = '2.5.29.20';

/** A whole number up to 2^53 as DER INTEGER (X.690 section 8.3). */
function derInteger(value: number): Uint8Array<ArrayBuffer> {
  let hex = value.toString(16);
  if (hex.length % 2 === 1) hex = `0${hex}`;
  if (Number.parseInt(hex.slice(0, 2), 16) > 0x7f) hex = `00${hex}`;
  const bytes = hex.match(/../g)?.map((pair) => Number.parseInt(pair, 16)) ?? [0];
  return Uint8Array.of(0x02, bytes.length, ...bytes);
}
