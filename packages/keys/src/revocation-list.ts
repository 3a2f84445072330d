/**
 * Revocation lists (RFC 5280 section 5), one for each CA: what any TLS library can check. Signed on
 * demand by whoever holds the CA's key; two lists of one state differ in nothing but time and the
 * random part of their signatures.
 *
 * Written here, and not by @peculiar/x509, because a workload decides how many certificates it has:
 * the library takes time with the square of the entries, 15 seconds for 10,000, during which a
 * replica answers nobody (I10).
 */
import { webcrypto } from 'node:crypto';
import { fromHex, type UnixMillis } from '@witan/core';
import type { CertificateSigner } from './certificates.ts';
import { checkSerial, checkValidity, wholeSeconds } from './certificate-fields.ts';
import { derElement, derList, derNumber, derSignature, derTime, TAG } from './der-writer.ts';
import { ECDSA_SHA256 } from './x509.ts';

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

/** Version 2 (RFC 5280 section 5.1.2.1). */
const VERSION = fromHex('020101');
/** AlgorithmIdentifier: ecdsa-with-SHA256 (RFC 5758 section 3.2). */
const ALGORITHM = fromHex('300a06082a8648ce3d040302');
/** Object identifiers 2.5.29.35 (authority key identifier) and 2.5.29.20 (CRL number). */
const AUTHORITY_KEY_ID = fromHex('0603551d23');
const CRL_NUMBER = fromHex('0603551d14');
const NO_UNUSED_BITS = Uint8Array.of(0);

/**
 * Makes a CA's revocation list.
 *
 * @returns DER: about 35 bytes for each entry, made in time that grows with their number alone
 * @throws KeysError KEYS_CERTIFICATE_FIELD_INVALID for a serial, KEYS_CERTIFICATE_VALIDITY where
 *   the next update is not later than this one
 */
export async function createRevocationList(
  request: RevocationListRequest,
): Promise<Uint8Array<ArrayBuffer>> {
  const { issuer, number, thisUpdate, nextUpdate, revoked } = request;
  checkValidity({ notBefore: thisUpdate, notAfter: nextUpdate }, undefined);
  const keyId = derElement(TAG.implicit0, fromHex(issuer.keyId));
  const extensions = [
    extension(AUTHORITY_KEY_ID, derElement(TAG.sequence, keyId)),
    extension(CRL_NUMBER, derNumber(number)),
  ];
  const list = derElement(
    TAG.sequence,
    VERSION,
    ALGORITHM,
    new Uint8Array(issuer.name),
    derTime(wholeSeconds(thisUpdate)),
    derTime(wholeSeconds(nextUpdate)),
    // An empty list of entries must not be there at all (RFC 5280 section 5.1.2.6).
    ...(revoked.length === 0 ? [] : [entries(revoked)]),
    derElement(TAG.explicit0, derElement(TAG.sequence, ...extensions)),
  );
  const signature = await webcrypto.subtle.sign(ECDSA_SHA256, issuer.key, list);
  const bits = derElement(TAG.bitString, NO_UNUSED_BITS, derSignature(new Uint8Array(signature)));
  return derElement(TAG.sequence, list, ALGORITHM, bits);
}

function entries(revoked: readonly RevokedCertificate[]): Uint8Array {
  // One manifest revokes many at the same time.
  const times = new Map<number, Uint8Array>();
  const encoded = revoked.map(({ serial, revokedAt }) => {
    checkSerial(serial);
    const seconds = wholeSeconds(revokedAt);
    const time = times.get(seconds) ?? derTime(seconds);
    times.set(seconds, time);
    return derElement(TAG.sequence, derElement(TAG.integer, serial), time);
  });
  return derList(encoded);
}

function extension(identifier: Uint8Array, value: Uint8Array): Uint8Array {
  return derElement(TAG.sequence, identifier, derElement(TAG.octetString, value));
}
