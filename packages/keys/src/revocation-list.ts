/**
 * Revocation lists (RFC 5280 section 5), one for each CA: what any TLS library can check. Signed on
 * demand by whoever holds the CA's key; two lists of one state differ in nothing but time and the
 * random part of their signatures.
 *
 * A workload decides how many certificates it has, so the time that a list takes grows with the
 * number of its entries and no more (I10).
 */
import type { UnixMillis } from '@witan/core';
import {
  authorityKeyIdentifier,
  crlNumber,
  ECDSA_WITH_SHA256,
  extensions,
  signedObject,
} from './certificate-parts.ts';
import { checkSerial, checkValidity, wholeSeconds } from './certificate-fields.ts';
import type { CertificateSigner } from './certificates.ts';
import { integer, positiveInteger, sequence, sequenceOf, time, type Der } from './der/write.ts';

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
const VERSION = integer(1);
const EXTENSIONS_TAG = 0;

/**
 * Makes a CA's revocation list.
 *
 * @returns DER: about 35 bytes for each entry, made in time that grows with their number alone
 * @throws KeysError KEYS_CERTIFICATE_FIELD_INVALID for a serial, KEYS_CERTIFICATE_VALIDITY where
 *   the next update is not later than this one
 */
export function createRevocationList(request: RevocationListRequest): Der {
  const { issuer, number, thisUpdate, nextUpdate, revoked } = request;
  checkValidity({ notBefore: thisUpdate, notAfter: nextUpdate }, undefined);
  return signedObject(
    sequence(
      VERSION,
      ECDSA_WITH_SHA256,
      issuer.name,
      time(wholeSeconds(thisUpdate)),
      time(wholeSeconds(nextUpdate)),
      // An empty list of entries must not be there at all (RFC 5280 section 5.1.2.6).
      ...(revoked.length === 0 ? [] : [entries(revoked)]),
      extensions(EXTENSIONS_TAG, authorityKeyIdentifier(issuer.keyId), crlNumber(number)),
    ),
    issuer.key,
  );
}

function entries(revoked: readonly RevokedCertificate[]): Der {
  // One manifest revokes many at the same time.
  const times = new Map<number, Der>();
  const encoded = revoked.map(({ serial, revokedAt }) => {
    checkSerial(serial);
    const seconds = wholeSeconds(revokedAt);
    const at = times.get(seconds) ?? time(seconds);
    times.set(seconds, at);
    return sequence(positiveInteger(serial), at);
  });
  return sequenceOf(encoded);
}
