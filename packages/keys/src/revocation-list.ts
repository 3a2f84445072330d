/**
 * Revocation lists (RFC 5280 section 5), one for each CA: what any TLS library can check. Signed on
 * demand by whoever holds the CA's key; two lists of one state differ in nothing but time and the
 * random part of their signatures.
 *
 * A workload decides how many certificates it has, so the time that a list takes grows with the
 * number of its entries alone, and little for each (I10).
 */
import { Time } from '@peculiar/asn1-x509';
import type { UnixMillis } from '@witan/core';
import type { CertificateSigner } from './certificates.ts';
import { checkSerial, checkValidity, dateOf } from './certificate-fields.ts';
import {
  authorityKeyId,
  crlNumber,
  ECDSA_WITH_SHA256,
  encode,
  integer,
  sequence,
  signedObject,
  tagged,
  type Der,
} from './certificate-parts.ts';

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
 * @returns DER: about 35 bytes for each entry
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
      encode(new Time(dateOf(thisUpdate))),
      encode(new Time(dateOf(nextUpdate))),
      // Absent where nothing is revoked (RFC 5280 section 5.1.2.6).
      ...(revoked.length === 0 ? [] : [entriesOf(revoked)]),
      tagged(0, sequence(authorityKeyId(issuer.keyId), crlNumber(number))),
    ),
    issuer.key,
  );
}

/** The number of version 2 (RFC 5280 section 5.1.2.1). */
const VERSION: Der = integer(1);

function entriesOf(revoked: readonly RevokedCertificate[]): Der {
  // One manifest revokes many at the same time, and serials have one length as a rule: what such
  // entries have in common is encoded once.
  const common = new Map<string, { readonly head: Uint8Array; readonly time: Uint8Array }>();
  const parts: Uint8Array[] = [];
  for (const { serial, revokedAt } of revoked) {
    checkSerial(serial);
    const date = dateOf(revokedAt);
    const name = `${serial.byteLength} ${date.getTime()}`;
    const { head, time } = common.get(name) ?? aroundSerial(serial, date);
    common.set(name, { head, time });
    parts.push(head, serial, time);
  }
  // More than a call has arguments, so joined before.
  return sequence(new Uint8Array(Buffer.concat(parts)));
}

/** What stands before and behind the bytes of a serial in an entry. */
function aroundSerial(
  serial: Uint8Array,
  date: Date,
): { readonly head: Uint8Array; readonly time: Uint8Array } {
  const time = encode(new Time(date));
  const entry = sequence(integer(serial), time);
  const headBytes = entry.byteLength - serial.byteLength - time.byteLength;
  return { head: entry.subarray(0, headBytes), time };
}
