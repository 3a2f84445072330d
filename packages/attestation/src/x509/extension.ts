/**
 * Extensions of certificates and revocation lists (RFC 5280 sections 4.2 and 5.2).
 */
import { AttestationError } from '../errors.ts';
import { EXTENSIONS_MAX } from '../limits.ts';
import { DER_TAG, readWhole, type DerReader } from '../der/reader.ts';
import { readBoolean, readNamedBits, readOid, readSmallInteger } from '../der/values.ts';

/** Object identifiers of the standard extensions that this package knows. */
export const EXTENSION_OID = {
  subjectKeyIdentifier: '2.5.29.14',
  keyUsage: '2.5.29.15',
  subjectAltName: '2.5.29.17',
  basicConstraints: '2.5.29.19',
  crlNumber: '2.5.29.20',
  crlDistributionPoints: '2.5.29.31',
  authorityKeyIdentifier: '2.5.29.35',
  extendedKeyUsage: '2.5.29.37',
} as const;

/** One extension; `value` is the content of its OCTET STRING. */
export interface Extension {
  readonly oid: string;
  readonly critical: boolean;
  readonly value: Uint8Array;
}

/** Extensions by object identifier. */
export type Extensions = ReadonlyMap<string, Extension>;

/** Bits of keyUsage (RFC 5280 section 4.2.1.3) by their position in the name list. */
export const KEY_USAGE = { digitalSignature: 0x01, keyCertSign: 0x20, crlSign: 0x40 } as const;

/** Whether a key may issue certificates (RFC 5280 section 4.2.1.9). */
export interface BasicConstraints {
  readonly ca: boolean;
  /** How many further authorities may follow; undefined for no limit. */
  readonly pathLength: number | undefined;
}

/**
 * Reads Extensions. Each may stand there once.
 *
 * @throws AttestationError DER_MALFORMED, DER_LIMIT_EXCEEDED or X509_DUPLICATE_EXTENSION
 */
export function readExtensions(reader: DerReader): Extensions {
  const list = reader.sequence();
  const extensions = new Map<string, Extension>();
  while (!list.atEnd) {
    if (extensions.size >= EXTENSIONS_MAX) {
      throw new AttestationError('DER_LIMIT_EXCEEDED', {
        unit: 'extensions',
        expected: EXTENSIONS_MAX,
      });
    }
    const item = list.sequence();
    const oid = readOid(item);
    // FALSE is the default, and DER leaves defaults out; authorities exist that write it.
    const critical = item.peek() === DER_TAG.boolean ? readBoolean(item) : false;
    const value = item.value(DER_TAG.octetString).content;
    item.end();
    if (extensions.has(oid)) throw new AttestationError('X509_DUPLICATE_EXTENSION', { oid });
    extensions.set(oid, { oid, critical, value });
  }
  return extensions;
}

/** The first critical extension that is not among `known`, by its object identifier. */
export function unknownCritical(
  extensions: Extensions,
  known: readonly string[],
): string | undefined {
  for (const { oid, critical } of extensions.values()) {
    if (critical && !known.includes(oid)) return oid;
  }
  return undefined;
}

/** basicConstraints, or undefined when the extension is missing. */
export function basicConstraintsOf(extensions: Extensions): BasicConstraints | undefined {
  const extension = extensions.get(EXTENSION_OID.basicConstraints);
  if (extension === undefined) return undefined;
  return readWhole(extension.value, (reader) => {
    const inner = reader.sequence();
    const ca = inner.peek() === DER_TAG.boolean ? readBoolean(inner) : false;
    const pathLength = inner.atEnd ? undefined : readSmallInteger(inner, 255);
    inner.end();
    return { ca, pathLength };
  });
}

/** Bits of keyUsage, or undefined when the extension is missing. */
export function keyUsageOf(extensions: Extensions): number | undefined {
  const extension = extensions.get(EXTENSION_OID.keyUsage);
  return extension === undefined ? undefined : readWhole(extension.value, readNamedBits);
}
