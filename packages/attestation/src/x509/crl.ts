/**
 * Certificate revocation lists, version 2 (RFC 5280 section 5), read strictly and without any trust
 * decision. Delta lists and lists of limited scope carry critical extensions and are refused.
 */
import type { UnixMillis } from '@witan/core';
import { AttestationError } from '../errors.ts';
import { CRL_BYTES_MAX, CRL_ENTRIES_MAX } from '../limits.ts';
import { DER_TAG, DerReader, contextTag, readWhole } from '../der/reader.ts';
import { readSmallInteger, readTime, readUnsignedHex } from '../der/values.ts';
import { readName, type DistinguishedName } from './name.ts';
import { readSignature, rethrowAs, type SignedObject } from './certificate.ts';
import { readExtensions, unknownCritical } from './extension.ts';

/**
 * A revocation list whose entries were not looked at yet. They may be many, so they are read only
 * after the signature was checked.
 */
export interface CrlHead extends SignedObject {
  readonly issuer: DistinguishedName;
  readonly thisUpdate: UnixMillis;
  readonly nextUpdate: UnixMillis;
  /** DER of the entries, one behind the other; empty when nothing is revoked. */
  readonly entries: Uint8Array;
}

/** A revocation list. */
export interface CertificateRevocationList extends CrlHead {
  /** Serial numbers in hex without leading zero bytes, as `Certificate.serial` has them. */
  readonly revokedSerials: ReadonlySet<string>;
}

const VERSION_2 = 1;
/** Values around the entries of a list: the list itself, what is signed of it, and their own. */
const ENTRY_DEPTH = 3;

/**
 * Reads a DER revocation list of at most `CRL_BYTES_MAX` bytes and `CRL_ENTRIES_MAX` entries.
 *
 * @throws AttestationError CRL_TOO_LARGE, X509_DUPLICATE_EXTENSION, or CRL_MALFORMED with the DER
 *   error as its cause
 */
export function parseCrl(der: Uint8Array): CertificateRevocationList {
  const head = parseCrlHead(der);
  return { ...head, revokedSerials: readRevokedSerials(head) };
}

/**
 * Reads all of a revocation list but its entries, in time that does not depend on their number.
 *
 * @throws AttestationError as `parseCrl`
 */
export function parseCrlHead(der: Uint8Array): CrlHead {
  if (der.byteLength > CRL_BYTES_MAX) {
    throw new AttestationError('CRL_TOO_LARGE', {
      unit: 'bytes',
      expected: CRL_BYTES_MAX,
      found: der.byteLength,
    });
  }
  return rethrowAs('CRL_MALFORMED', () => readWhole(der, (reader) => readCrl(reader.sequence())));
}

/**
 * Reads the entries of a list.
 *
 * @returns serial numbers as `Certificate.serial` has them
 * @throws AttestationError CRL_TOO_LARGE or CRL_MALFORMED
 */
export function readRevokedSerials({ entries }: Pick<CrlHead, 'entries'>): ReadonlySet<string> {
  return rethrowAs('CRL_MALFORMED', () => {
    const revokedSerials = new Set<string>();
    const reader = new DerReader(entries, ENTRY_DEPTH);
    for (let count = 0; !reader.atEnd; count += 1) {
      if (count >= CRL_ENTRIES_MAX) {
        throw new AttestationError('CRL_TOO_LARGE', { unit: 'entries', expected: CRL_ENTRIES_MAX });
      }
      revokedSerials.add(readEntry(reader.sequence()));
    }
    return revokedSerials;
  });
}

function readCrl(outer: DerReader): CrlHead {
  const tbsValue = outer.value(DER_TAG.sequence);
  const tbs = outer.within(tbsValue.content);
  if (readSmallInteger(tbs, 255) !== VERSION_2) {
    throw new AttestationError('DER_MALFORMED', { what: 'revocation list version' });
  }
  const algorithm = tbs.value(DER_TAG.sequence).raw;
  const issuer = readName(tbs);
  const thisUpdate = readTime(tbs);
  // RFC 5280 section 5.1.2.5 demands nextUpdate; without it a list would be fresh for ever.
  const nextUpdate = readTime(tbs);
  const entries = tbs.optional(DER_TAG.sequence)?.content ?? new Uint8Array();
  readListExtensions(tbs.optionalInside(contextTag(0)));
  tbs.end();
  const signed = readSignature(outer, tbsValue.raw, algorithm);
  return { ...signed, issuer, thisUpdate, nextUpdate, entries };
}

function readEntry(entry: DerReader): string {
  const serial = readUnsignedHex(entry);
  readTime(entry);
  // Reasons do not matter here: a listed certificate is revoked, whatever the entry says more.
  entry.optional(DER_TAG.sequence);
  entry.end();
  return serial;
}

function readListExtensions(reader: DerReader | undefined): void {
  if (reader === undefined) return;
  const oid = unknownCritical(readExtensions(reader), []);
  reader.end();
  if (oid !== undefined) {
    throw new AttestationError('DER_MALFORMED', { what: 'critical extension of the list', oid });
  }
}
