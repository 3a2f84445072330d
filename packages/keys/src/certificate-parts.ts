/**
 * Parts of certificates, as DER: names and extensions with the criticality that RFC 5280 asks for.
 */
import { createHash, sign, type KeyObject } from 'node:crypto';
import { isIPv4 } from 'node:net';
import { concatBytes, utf8 } from '@witan/core';
import {
  bitString,
  boolean,
  directoryString,
  explicit,
  implicit,
  integer,
  namedBits,
  objectIdentifier,
  octetString,
  sequence,
  setOf,
  utf8String,
  type Der,
} from './der/write.ts';
import { ORGANIZATION, SIMULATED_ORGANIZATION, SIMULATED_TEE_OID } from './marker-names.ts';

/** AlgorithmIdentifier of ECDSA with SHA-256 (RFC 5758 section 3.2), the only one in use. */
export const ECDSA_WITH_SHA256: Der = sequence(objectIdentifier('1.2.840.10045.4.3.2'));

const COMMON_NAME_OID = objectIdentifier('2.5.4.3');
/** Attribute type of an organization's name. */
export const ORGANIZATION_OID: Der = objectIdentifier('2.5.4.10');
/** The marker's extension (I11). */
export const SIMULATED_TEE_DER: Der = objectIdentifier(SIMULATED_TEE_OID);
const BASIC_CONSTRAINTS_OID = objectIdentifier('2.5.29.19');
const KEY_USAGE_OID = objectIdentifier('2.5.29.15');
const EXTENDED_KEY_USAGE_OID = objectIdentifier('2.5.29.37');
const SUBJECT_KEY_ID_OID = objectIdentifier('2.5.29.14');
const AUTHORITY_KEY_ID_OID = objectIdentifier('2.5.29.35');
const ALTERNATIVE_NAME_OID = objectIdentifier('2.5.29.17');
const CRL_NUMBER_OID = objectIdentifier('2.5.29.20');

/** @param critical left out of the encoding where false, its default */
function extension(id: Der, critical: boolean, value: Uint8Array): Der {
  return critical
    ? sequence(id, boolean(true), octetString(value))
    : sequence(id, octetString(value));
}

// Bits of KeyUsage (RFC 5280 section 4.2.1.3): digitalSignature is 0, keyCertSign 5, cRLSign 6.
const DIGITAL_SIGNATURE = namedBits([true]);
const SIGN_CERTIFICATES = namedBits([false, false, false, false, false, true, true]);

/** Extensions of a certificate for TLS clients and servers that may sign nothing else. */
export const TLS_EXTENSIONS: Der = concatBytes(
  extension(BASIC_CONSTRAINTS_OID, true, sequence()),
  extension(KEY_USAGE_OID, true, DIGITAL_SIGNATURE),
  extension(
    EXTENDED_KEY_USAGE_OID,
    false,
    // serverAuth and clientAuth.
    sequence(objectIdentifier('1.3.6.1.5.5.7.3.1'), objectIdentifier('1.3.6.1.5.5.7.3.2')),
  ),
);

/** The marker of a simulated cluster (I11). */
export const SIMULATED_EXTENSION: Der = extension(
  SIMULATED_TEE_DER,
  false,
  utf8String('simulated TEE: no hardware protects this cluster'),
);

/**
 * Extensions of a CA certificate.
 *
 * @param pathLength CAs that may follow below; undefined sets no limit
 */
export function caExtensions(pathLength: number | undefined): Der {
  const limit = pathLength === undefined ? [] : [integer(pathLength)];
  return concatBytes(
    extension(BASIC_CONSTRAINTS_OID, true, sequence(boolean(true), ...limit)),
    extension(KEY_USAGE_OID, true, SIGN_CERTIFICATES),
  );
}

/** Key identifiers of subject and issuer. */
export function keyIdentifiers(subjectKeyId: Uint8Array, issuerKeyId: Uint8Array): Der {
  return concatBytes(
    extension(SUBJECT_KEY_ID_OID, false, octetString(subjectKeyId)),
    authorityKeyIdentifier(issuerKeyId),
  );
}

export function authorityKeyIdentifier(issuerKeyId: Uint8Array): Der {
  return extension(AUTHORITY_KEY_ID_OID, false, sequence(implicit(0, issuerKeyId)));
}

/** @param number a whole number from 0 */
export function crlNumber(number: number): Der {
  return extension(CRL_NUMBER_OID, false, integer(number));
}

/** Names of a workload (RFC 5280 section 4.2.1.6): URI 6, DNS name 2, address 7. */
export function alternativeNames(
  uri: string,
  dnsNames: readonly string[],
  ipAddresses: readonly string[],
): Der {
  const names = sequence(
    implicit(6, utf8(uri)),
    ...dnsNames.map((name) => implicit(2, utf8(name))),
    ...ipAddresses.map((address) => implicit(7, addressBytes(address))),
  );
  return extension(ALTERNATIVE_NAME_OID, false, names);
}

/** The leftmost 160 bits of SHA-256 of the public key bits (RFC 7093 section 2, method 1). */
export function keyIdOf(p256Spki: Uint8Array): Uint8Array {
  const point = p256Spki.subarray(-65);
  return Uint8Array.from(createHash('sha256').update(point).digest().subarray(0, 20));
}

/** A subject, with the organization that tells whether the cluster is simulated (I11). */
export function subjectName(commonName: string, simulated: boolean): Der {
  const organization = simulated ? SIMULATED_ORGANIZATION : ORGANIZATION;
  return sequence(
    attribute(ORGANIZATION_OID, organization),
    attribute(COMMON_NAME_OID, commonName),
  );
}

/** A name that says no organization, as certificates have that carry no trust. */
export function plainName(commonName: string): Der {
  return sequence(attribute(COMMON_NAME_OID, commonName));
}

function attribute(type: Der, value: string): Der {
  return setOf(sequence(type, directoryString(value)));
}

/** The three parts of a signed object of X.509, signed by ECDSA with SHA-256. */
export function signedObject(contents: Der, key: KeyObject): Der {
  const signature = sign('sha256', contents, { key, dsaEncoding: 'der' });
  return sequence(contents, ECDSA_WITH_SHA256, bitString(signature));
}

/** Extensions of version 3 certificates, and in lists under another tag. */
export function extensions(tag: number, ...encoded: readonly Uint8Array[]): Der {
  return explicit(tag, sequence(...encoded));
}

/** @param address valid, without a zone (`checkIpAddresses`) */
function addressBytes(address: string): Uint8Array {
  if (isIPv4(address)) return Uint8Array.from(address.split('.').map(Number));
  // An embedded IPv4 address stands for the last two groups (RFC 4291 section 2.2).
  const plain = address.replace(/[^:]+\.[^:]+$/, (embedded) => {
    const [a = 0, b = 0, c = 0, d = 0] = embedded.split('.').map(Number);
    return `${(a * 256 + b).toString(16)}:${(c * 256 + d).toString(16)}`;
  });
  const [head = '', tail] = plain.split('::');
  const groupsOf = (text: string): readonly number[] =>
    text === '' ? [] : text.split(':').map((group) => Number.parseInt(group, 16));
  const [before, behind] = [groupsOf(head), tail === undefined ? [] : groupsOf(tail)];
  const zeros = Array.from({ length: 8 - before.length - behind.length }, () => 0);
  const groups = [...before, ...zeros, ...behind];
  return Uint8Array.from(groups.flatMap((group) => [group >> 8, group & 0xff]));
}
