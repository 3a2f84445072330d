/**
 * Parts of certificates: names and extensions with the criticality that RFC 5280 asks for, in the
 * schemas of @peculiar/asn1-x509. They are bytes from then on and what is constant is made once: to
 * build objects of these schemas is nearly all of the time that it takes to issue a certificate.
 */
import { createHash, sign, type KeyObject } from 'node:crypto';
import { isIPv6 } from 'node:net';
import { AsnConvert, OctetString } from '@peculiar/asn1-schema';
import { BitString, Integer, Primitive } from 'asn1js';
import {
  AlgorithmIdentifier,
  AttributeTypeAndValue,
  AttributeValue,
  AuthorityKeyIdentifier,
  BasicConstraints,
  CRLNumber,
  ExtendedKeyUsage,
  Extension,
  GeneralName,
  KeyIdentifier,
  KeyUsage,
  KeyUsageFlags,
  Name,
  RelativeDistinguishedName,
  SubjectAlternativeName,
  SubjectKeyIdentifier,
  id_ce_authorityKeyIdentifier,
  id_ce_basicConstraints,
  id_ce_cRLNumber,
  id_ce_extKeyUsage,
  id_ce_keyUsage,
  id_ce_subjectAltName,
  id_ce_subjectKeyIdentifier,
  id_kp_clientAuth,
  id_kp_serverAuth,
} from '@peculiar/asn1-x509';
import { concatBytes } from '@witan/core';
import { ORGANIZATION, SIMULATED_ORGANIZATION, SIMULATED_TEE_OID } from './marker-names.ts';

/** Bytes in DER. */
export type Der = Uint8Array<ArrayBuffer>;

/** @param value anything that has a schema */
export function encode(value: object): Der {
  return new Uint8Array(AsnConvert.serialize(value));
}

/** A SEQUENCE of parts that are encoded already. */
export function sequence(...parts: readonly Uint8Array[]): Der {
  return constructed({ tagClass: 1, tagNumber: 16 }, parts);
}

/** A part under an explicit context-specific tag. */
export function tagged(tagNumber: number, part: Uint8Array): Der {
  return constructed({ tagClass: 3, tagNumber }, [part]);
}

/** @param value a number from 0, or the bytes of a positive one as DER has them */
export function integer(value: number | Uint8Array): Der {
  const form = typeof value === 'number' ? { value } : { valueHex: value };
  return new Uint8Array(new Integer(form).toBER());
}

function constructed(
  idBlock: { readonly tagClass: number; readonly tagNumber: number },
  parts: readonly Uint8Array[],
): Der {
  const block = new Primitive({ idBlock, valueHex: concatBytes(...parts) });
  block.idBlock.isConstructed = true;
  return new Uint8Array(block.toBER());
}

/** ECDSA with SHA-256 (RFC 5758 section 3.2), the only signature in use. */
export const ECDSA_WITH_SHA256: Der = encode(
  new AlgorithmIdentifier({ algorithm: '1.2.840.10045.4.3.2' }),
);

const COMMON_NAME_OID = '2.5.4.3';
/** Attribute type of an organization's name. */
export const ORGANIZATION_OID = '2.5.4.10';

/** @param value anything that has a schema */
function extension(extnID: string, critical: boolean, value: object): Der {
  const extnValue = new OctetString(AsnConvert.serialize(value));
  return encode(new Extension({ extnID, critical, extnValue }));
}

/** Extensions of a certificate for TLS clients and servers that may sign nothing else. */
export const TLS_EXTENSIONS: readonly Der[] = [
  extension(id_ce_basicConstraints, true, new BasicConstraints({ cA: false })),
  extension(id_ce_keyUsage, true, new KeyUsage(KeyUsageFlags.digitalSignature)),
  extension(id_ce_extKeyUsage, false, new ExtendedKeyUsage([id_kp_serverAuth, id_kp_clientAuth])),
];

/** The marker of a simulated cluster (I11). */
export const SIMULATED_EXTENSION: Der = extension(
  SIMULATED_TEE_OID,
  false,
  new AttributeValue({ utf8String: 'simulated TEE: no hardware protects this cluster' }),
);

/**
 * Extensions of a CA certificate.
 *
 * @param pathLength CAs that may follow below; undefined sets no limit
 */
export function caExtensions(pathLength: number | undefined): readonly Der[] {
  const limit = pathLength === undefined ? {} : { pathLenConstraint: pathLength };
  const usages = KeyUsageFlags.keyCertSign | KeyUsageFlags.cRLSign;
  return [
    extension(id_ce_basicConstraints, true, new BasicConstraints({ cA: true, ...limit })),
    extension(id_ce_keyUsage, true, new KeyUsage(usages)),
  ];
}

/** Key identifiers of subject and issuer. */
export function keyIdentifiers(subjectKeyId: Uint8Array, issuerKeyId: Uint8Array): readonly Der[] {
  const subject = new SubjectKeyIdentifier(Uint8Array.from(subjectKeyId));
  return [extension(id_ce_subjectKeyIdentifier, false, subject), authorityKeyId(issuerKeyId)];
}

/** Which of the issuer's keys signs. */
export function authorityKeyId(issuerKeyId: Uint8Array): Der {
  const keyIdentifier = new KeyIdentifier(Uint8Array.from(issuerKeyId));
  const value = new AuthorityKeyIdentifier({ keyIdentifier });
  return extension(id_ce_authorityKeyIdentifier, false, value);
}

/** @param number a whole number from 0 */
export function crlNumber(number: number): Der {
  return extension(id_ce_cRLNumber, false, new CRLNumber(number));
}

/** Names of a workload (RFC 5280 section 4.2.1.6). */
export function alternativeNames(
  uri: string,
  dnsNames: readonly string[],
  ipAddresses: readonly string[],
): Der {
  const names = new SubjectAlternativeName([
    new GeneralName({ uniformResourceIdentifier: uri }),
    ...dnsNames.map((dNSName) => new GeneralName({ dNSName })),
    ...ipAddresses.map((address) => new GeneralName({ iPAddress: plainAddress(address) })),
  ]);
  return extension(id_ce_subjectAltName, false, names);
}

/** The library misreads an IPv4 address at the end of another; as a host's name there is none. */
function plainAddress(address: string): string {
  return isIPv6(address) ? new URL(`http://[${address}]`).hostname.slice(1, -1) : address;
}

/** The leftmost 160 bits of SHA-256 of the public key bits (RFC 7093 section 2, method 1). */
export function keyIdOf(p256Spki: Uint8Array): Uint8Array {
  const point = p256Spki.subarray(-65);
  return Uint8Array.from(createHash('sha256').update(point).digest().subarray(0, 20));
}

/** A subject, with the organization that tells whether the cluster is simulated (I11). */
export function subjectName(commonName: string, simulated: boolean): Der {
  const organization = simulated ? SIMULATED_ORGANIZATION : ORGANIZATION;
  const names = [attribute(ORGANIZATION_OID, organization), attribute(COMMON_NAME_OID, commonName)];
  return encode(new Name(names));
}

/** A name that says no organization, as certificates have that carry no trust. */
export function plainName(commonName: string): Der {
  return encode(new Name([attribute(COMMON_NAME_OID, commonName)]));
}

const PRINTABLE = /^[A-Za-z0-9 '()+,\-./:=?]*$/;

/** In the narrowest form that holds the text (RFC 5280 section 4.1.2.4). */
function attribute(type: string, text: string): RelativeDistinguishedName {
  const form = PRINTABLE.test(text) ? { printableString: text } : { utf8String: text };
  const value = new AttributeValue(form);
  return new RelativeDistinguishedName([new AttributeTypeAndValue({ type, value })]);
}

/**
 * What a certificate or a list says, with the CA's signature by ECDSA with SHA-256 (RFC 5280
 * sections 4.1.1 and 5.1.1).
 */
export function signedObject(contents: Uint8Array, key: KeyObject): Der {
  const valueHex = sign('sha256', contents, { key, dsaEncoding: 'der' });
  const signature = new Uint8Array(new BitString({ valueHex }).toBER());
  return sequence(contents, ECDSA_WITH_SHA256, signature);
}
