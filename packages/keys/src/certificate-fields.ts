/**
 * Checks of what goes into a certificate. Names come from manifests and from workloads' requests,
 * so everything has a form and a limit.
 */
import { isIP } from 'node:net';
import type { Random, UnixMillis } from '@witan/core';
import { KeysError } from './errors.ts';
import { nodeRandom } from './node-crypto.ts';

/** Most DNS names in one certificate: as many as a manifest may list for a workload. */
export const DNS_NAMES_MAX = 64;
/** Most IP addresses in one certificate: likewise. */
export const IP_ADDRESSES_MAX = 64;

// ub-common-name is 64 (RFC 5280 appendix A.1). The set excludes what name syntaxes give a meaning.
const COMMON_NAME = /^[A-Za-z0-9]([A-Za-z0-9 ._/-]{0,62}[A-Za-z0-9])?$/;
const DNS_LABEL = /^[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9])?$/;
// SPIFFE-ID sections 2.1 and 2.2; the path is fixed to one workload name.
const SPIFFE_ID = /^spiffe:\/\/[a-z0-9._-]{1,255}\/workload\/[A-Za-z0-9._-]{1,253}$/;
const SERIAL_BYTES_MIN = 8;
const SERIAL_BYTES_MAX = 20;

/**
 * A fresh serial number: 16 bytes, positive, of full length, at least 64 random bits (CA/Browser
 * Forum baseline requirements section 7.1).
 */
export function randomSerial(random: Random = nodeRandom): Uint8Array {
  const serial = random.bytes(16);
  serial[0] = ((serial[0] ?? 0) & 0x3f) | 0x40;
  return serial;
}

/** The SPIFFE id of a workload. @throws KeysError KEYS_CERTIFICATE_FIELD_INVALID */
export function workloadSpiffeId(trustDomain: string, workload: string): string {
  const uri = `spiffe://${trustDomain}/workload/${workload}`;
  checkUri(uri);
  return uri;
}

/** @throws KeysError KEYS_CERTIFICATE_FIELD_INVALID */
export function checkSerial(serial: Uint8Array): void {
  const first = serial[0] ?? 0;
  const lengthFits = serial.byteLength >= SERIAL_BYTES_MIN && serial.byteLength <= SERIAL_BYTES_MAX;
  // DER: positive, and without a superfluous leading zero byte.
  if (!lengthFits || first === 0 || first > 0x7f) {
    throw invalid('serial', '8 to 20 bytes, positive', `${serial.byteLength} bytes`);
  }
}

/** @throws KeysError KEYS_CERTIFICATE_FIELD_INVALID */
export function checkCommonName(name: string): void {
  if (!COMMON_NAME.test(name)) {
    throw invalid('commonName', 'at most 64 letters, digits, spaces, dots, slashes, dashes', name);
  }
}

/** @throws KeysError KEYS_CERTIFICATE_FIELD_INVALID */
export function checkDnsNames(names: readonly string[]): void {
  if (names.length > DNS_NAMES_MAX) {
    throw invalid('dnsNames', `at most ${DNS_NAMES_MAX}`, String(names.length));
  }
  for (const name of names) {
    const fits = name.length <= 253 && name.split('.').every((label) => DNS_LABEL.test(label));
    if (!fits) throw invalid('dnsNames', 'a lower-case DNS name (RFC 1123), no wildcard', name);
  }
}

/** @throws KeysError KEYS_CERTIFICATE_FIELD_INVALID */
export function checkIpAddresses(addresses: readonly string[]): void {
  if (addresses.length > IP_ADDRESSES_MAX) {
    throw invalid('ipAddresses', `at most ${IP_ADDRESSES_MAX}`, String(addresses.length));
  }
  for (const address of addresses) {
    const fits = isIP(address) !== 0 && !address.includes('%');
    if (!fits) throw invalid('ipAddresses', 'an IPv4 or IPv6 address without zone', address);
  }
}

/** @throws KeysError KEYS_CERTIFICATE_FIELD_INVALID */
export function checkUri(uri: string): void {
  if (!SPIFFE_ID.test(uri)) {
    throw invalid('uri', 'spiffe://<trust domain>/workload/<name>', uri);
  }
}

/** A time span of whole seconds, as certificates have it. */
export interface Validity {
  readonly notBefore: UnixMillis;
  readonly notAfter: UnixMillis;
}

/** @throws KeysError KEYS_CERTIFICATE_VALIDITY unless the span is not empty and inside `outer` */
export function checkValidity(inner: Validity, outer: Validity | undefined): void {
  const inside =
    outer === undefined ||
    (wholeSeconds(inner.notBefore) >= wholeSeconds(outer.notBefore) &&
      wholeSeconds(inner.notAfter) <= wholeSeconds(outer.notAfter));
  if (wholeSeconds(inner.notBefore) >= wholeSeconds(inner.notAfter) || !inside) {
    throw new KeysError('KEYS_CERTIFICATE_VALIDITY', 'validity is empty or outlasts the issuer', {
      fields: {
        notBefore: inner.notBefore,
        notAfter: inner.notAfter,
        issuerNotBefore: outer?.notBefore ?? null,
        issuerNotAfter: outer?.notAfter ?? null,
      },
    });
  }
}

/** Rounded down, as certificates carry no fractions (RFC 5280 section 4.1.2.5). */
export function wholeSeconds(millis: number): number {
  return Math.floor(millis / 1000);
}

/** The time as certificates and lists carry it. */
export function dateOf(millis: number): Date {
  return new Date(wholeSeconds(millis) * 1000);
}

function invalid(field: string, expected: string, found: string): KeysError {
  const shown = found.slice(0, 100);
  return new KeysError('KEYS_CERTIFICATE_FIELD_INVALID', 'certificate field is not acceptable', {
    fields: { field, expected, found: shown },
  });
}
