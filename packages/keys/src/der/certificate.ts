/**
 * Finds parts of a certificate by their place (RFC 5280 section 4.1). node:crypto reads and judges
 * certificates but does not give these parts as bytes.
 *
 * Reads only what OpenSSL has accepted before; whatever does not fit is refused all the same (I10).
 */
import { X509Certificate } from 'node:crypto';
import { bytesEqual } from '@witan/core';
import { KeysError } from '../errors.ts';

/** A certificate with the parts of it that are needed as bytes. */
export interface ReadCertificate {
  readonly certificate: X509Certificate;
  /** DER of the subject's name. */
  readonly subject: Uint8Array;
  /** DER SubjectPublicKeyInfo. */
  readonly spki: Uint8Array;
  /** Object identifiers of the extensions, each as DER. */
  readonly extensionIds: readonly Uint8Array[];
  /** Values of attributes of the subject. @param type object identifier as DER */
  subjectValues(type: Uint8Array): readonly string[];
}

/** Largest certificate that is read, in bytes. */
const CERTIFICATE_BYTES_MAX = 64 * 1024;
const SEQUENCE = 0x30;
const SET = 0x31;
const OBJECT_IDENTIFIER = 0x06;
/** Explicit tags 0 (version) and 3 (extensions). */
const VERSION = 0xa0;
const EXTENSIONS = 0xa3;

interface Value {
  readonly tag: number;
  readonly content: Uint8Array;
  readonly raw: Uint8Array;
}

/** @throws KeysError KEYS_CERTIFICATE_UNREADABLE */
export function readCertificate(certificateDer: Uint8Array): ReadCertificate {
  try {
    // OpenSSL would take PEM as well; one form is enough.
    if (certificateDer[0] !== SEQUENCE || certificateDer.byteLength > CERTIFICATE_BYTES_MAX) {
      throw new TypeError('not a DER SEQUENCE of an acceptable length');
    }
    const der = Uint8Array.from(certificateDer);
    const certificate = new X509Certificate(der);
    const fields = fieldsOf(der);
    const subject = demand(fields[SUBJECT], SEQUENCE);
    const extensions = fields.find(({ tag }) => tag === EXTENSIONS);
    return {
      certificate,
      subject: subject.raw,
      spki: demand(fields[KEY], SEQUENCE).raw,
      extensionIds: extensions === undefined ? [] : extensionIdsOf(extensions),
      subjectValues: (type) => attributeValues(subject, type),
    };
  } catch (cause) {
    throw new KeysError('KEYS_CERTIFICATE_UNREADABLE', 'bytes are not a DER certificate', {
      fields: { byteLength: certificateDer.byteLength },
      cause,
    });
  }
}

/** The key of a certificate in the very bytes that are in it, DER SubjectPublicKeyInfo. */
export function spkiOfCertificate(certificate: X509Certificate): Uint8Array<ArrayBuffer> {
  return Uint8Array.from(demand(fieldsOf(certificate.raw)[KEY], SEQUENCE).raw);
}

// Places behind the version: serial, signature algorithm, issuer, validity, subject, key.
const SUBJECT = 4;
const KEY = 5;

/** Parts of what is signed, without the version. */
function fieldsOf(der: Uint8Array): readonly Value[] {
  const [outer] = valuesIn(der);
  const [tbs] = valuesIn(demand(outer, SEQUENCE).content);
  const fields = valuesIn(demand(tbs, SEQUENCE).content);
  return fields[0]?.tag === VERSION ? fields.slice(1) : fields;
}

function extensionIdsOf({ content }: Value): readonly Uint8Array[] {
  const [list] = valuesIn(content);
  return valuesIn(demand(list, SEQUENCE).content).map((extension) => {
    const [id] = valuesIn(demand(extension, SEQUENCE).content);
    return demand(id, OBJECT_IDENTIFIER).raw;
  });
}

function attributeValues({ content }: Value, type: Uint8Array): readonly string[] {
  return valuesIn(content).flatMap((names) =>
    valuesIn(demand(names, SET).content).flatMap((attribute) => {
      const [id, value] = valuesIn(demand(attribute, SEQUENCE).content);
      const fits = bytesEqual(demand(id, OBJECT_IDENTIFIER).raw, type);
      return fits && value !== undefined ? [new TextDecoder().decode(value.content)] : [];
    }),
  );
}

function demand(value: Value | undefined, tag: number): Value {
  if (value?.tag !== tag) throw new TypeError('a part of the certificate is missing');
  return value;
}

/** Consecutive values, up to the end. */
function valuesIn(bytes: Uint8Array): Value[] {
  const values: Value[] = [];
  for (let at = 0; at < bytes.byteLength;) {
    let length = bytes[at + 1] ?? 0;
    let from = at + 2;
    if (length >= 0x80) {
      const octets = length & 0x7f;
      if (octets === 0 || octets > 3) throw new TypeError('length is not one of DER');
      length = 0;
      for (const end = from + octets; from < end; from += 1) {
        length = length * 256 + (bytes[from] ?? 0);
      }
    }
    const end = from + length;
    if (end > bytes.byteLength) throw new TypeError('a value ends behind its container');
    const content = bytes.subarray(from, end);
    values.push({ tag: bytes[at] ?? 0, content, raw: bytes.subarray(at, end) });
    at = end;
  }
  return values;
}
