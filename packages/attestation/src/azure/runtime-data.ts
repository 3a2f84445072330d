/**
 * The document of an HCL report: the vTPM's attestation key, 64 bytes that the guest chose, and
 * what the paravisor says about the machine's configuration. It is JSON; its exact bytes are what
 * the hardware binds, so nothing here writes it again.
 */
import { BytesError, concatBytes, fromBase64, fromHex, fromUtf8 } from '@witan/core';
import { AttestationError } from '../errors.ts';

/** An RSA public key, and the same as SubjectPublicKeyInfo (RFC 8017 appendix A.1, RFC 3279). */
export interface RsaPublicKey {
  readonly modulus: Uint8Array;
  readonly exponent: number;
  readonly spki: Uint8Array;
}

/** What the document says. Verified only as far as the hardware's report binds the document. */
export interface RuntimeData {
  /** The key with which the vTPM signs quotes (`HCLAkPub`). */
  readonly attestationKey: RsaPublicKey;
  /** The 64 bytes in NV index 0x01400002, lower-case hex; undefined when there are none. */
  readonly userData: string | undefined;
  /** `vm-configuration`: what the paravisor says of the machine, such as `secure-boot`. */
  readonly vmConfiguration: Readonly<Record<string, string | number | boolean>>;
}

const ATTESTATION_KEY_ID = 'HCLAkPub';
const KEYS_MAX = 16;
const CONFIGURATION_MAX = 64;
const TEXT_LENGTH_MAX = 256;
const USER_DATA = /^[0-9a-fA-F]{128}$/;
const BASE64URL = /^[A-Za-z0-9_-]*$/;
/** 2^16 + 1, the only exponent that a vTPM makes. */
const EXPONENT = 'AQAB';
const MODULUS_BYTES_MIN = 256;
const MODULUS_BYTES_MAX = 512;
/** AlgorithmIdentifier of rsaEncryption with NULL. */
const RSA_ALGORITHM = fromHex('300d06092a864886f70d0101010500');

/** @throws AttestationError AZURE_RUNTIME_DATA_MALFORMED or AZURE_ATTESTATION_KEY */
export function parseRuntimeData(bytes: Uint8Array): RuntimeData {
  const document = parseObject(bytes);
  const userData = document['user-data'];
  if (userData !== undefined && (typeof userData !== 'string' || !USER_DATA.test(userData))) {
    throw malformed('user-data', '64 bytes in hex');
  }
  return {
    attestationKey: attestationKeyIn(document['keys']),
    userData: userData?.toLowerCase(),
    vmConfiguration: configurationOf(document['vm-configuration'] ?? {}),
  };
}

function parseObject(bytes: Uint8Array): Readonly<Record<string, unknown>> {
  let value: unknown;
  try {
    value = JSON.parse(fromUtf8(bytes));
  } catch (cause) {
    const fields = { what: 'document', expected: 'JSON' };
    throw new AttestationError('AZURE_RUNTIME_DATA_MALFORMED', fields, cause);
  }
  if (isObject(value)) return value;
  throw malformed('document', 'an object');
}

function attestationKeyIn(keys: unknown): RsaPublicKey {
  if (!Array.isArray(keys) || keys.length > KEYS_MAX) {
    throw malformed('keys', `a list of at most ${KEYS_MAX} keys`);
  }
  const named = keys.filter(isObject).filter(({ kid }) => kid === ATTESTATION_KEY_ID);
  const [jwk] = named;
  if (jwk === undefined || named.length !== 1) {
    throw keyError(`one key named ${ATTESTATION_KEY_ID}`, `${named.length}`);
  }
  const { kty, e: exponent, n: modulus } = jwk;
  if (kty !== 'RSA') throw keyError('an RSA key', typeof kty === 'string' ? kty : typeof kty);
  if (exponent !== EXPONENT) throw keyError('the exponent 65537', 'another');
  const bytes = typeof modulus === 'string' ? base64UrlBytes(modulus) : undefined;
  const bits = `${8 * MODULUS_BYTES_MIN} to ${8 * MODULUS_BYTES_MAX} bits`;
  if (bytes === undefined) throw keyError(`a modulus of ${bits}`, 'none');
  const { byteLength } = bytes;
  const isSized = byteLength >= MODULUS_BYTES_MIN && byteLength <= MODULUS_BYTES_MAX;
  if (!isSized || (bytes[0] ?? 0) < 0x80) {
    throw keyError(`a modulus of ${bits}`, `${byteLength} bytes`);
  }
  return { modulus: bytes, exponent: 65_537, spki: spkiOf(bytes) };
}

/** base64url without padding, in its canonical form only (RFC 7515 section 2). */
function base64UrlBytes(text: string): Uint8Array | undefined {
  if (text.length > 2 * MODULUS_BYTES_MAX || !BASE64URL.test(text)) return undefined;
  try {
    const standard = text.replaceAll('-', '+').replaceAll('_', '/');
    return fromBase64(standard.padEnd(Math.ceil(text.length / 4) * 4, '='));
  } catch (error) {
    if (error instanceof BytesError) return undefined;
    throw error;
  }
}

function spkiOf(modulus: Uint8Array): Uint8Array {
  const exponent = Uint8Array.of(1, 0, 1);
  // The first bit is set, so a DER INTEGER needs a zero before it.
  const integers = [concatBytes(Uint8Array.of(0), modulus), exponent].map((each) => der(2, each));
  const key = der(0x30, concatBytes(...integers));
  return der(0x30, concatBytes(RSA_ALGORITHM, der(3, concatBytes(Uint8Array.of(0), key))));
}

function der(tag: number, content: Uint8Array): Uint8Array {
  const { byteLength } = content;
  const length =
    byteLength < 0x80
      ? [byteLength]
      : byteLength < 0x100
        ? [0x81, byteLength]
        : [0x82, byteLength >>> 8, byteLength & 0xff];
  return concatBytes(Uint8Array.of(tag, ...length), content);
}

function configurationOf(value: unknown): RuntimeData['vmConfiguration'] {
  if (!isObject(value)) throw malformed('vm-configuration', 'an object');
  const entries = Object.entries(value);
  if (entries.length > CONFIGURATION_MAX) {
    throw malformed('vm-configuration', `at most ${CONFIGURATION_MAX} members`);
  }
  const plain = entries.flatMap(([name, member]): readonly [string, string | number | boolean][] =>
    name.length <= TEXT_LENGTH_MAX && isPlain(member) ? [[name, member]] : [],
  );
  return Object.fromEntries(plain);
}

/** Members of other types may come with a later paravisor; they are left out. */
function isPlain(value: unknown): value is string | number | boolean {
  if (typeof value === 'string') return value.length <= TEXT_LENGTH_MAX;
  return typeof value === 'number' || typeof value === 'boolean';
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function malformed(what: string, expected: string): AttestationError {
  return new AttestationError('AZURE_RUNTIME_DATA_MALFORMED', { what, expected });
}

function keyError(expected: string, found: string): AttestationError {
  return new AttestationError('AZURE_ATTESTATION_KEY', { expected, found: found.slice(0, 80) });
}

/** The first 32 bytes of REPORT_DATA are the document's SHA-256, the rest is zero. */
export function runtimeReportData(digest: Uint8Array): Uint8Array {
  return concatBytes(digest, new Uint8Array(64 - digest.byteLength));
}
