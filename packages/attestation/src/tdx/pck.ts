/**
 * Intel's SGX extension of PCK certificates (Intel SGX PCK Certificate and CRL profile
 * specification, section 1.3.5).
 */
import { toHex } from '@witan/core';
import { AttestationError } from '../errors.ts';
import { DER_TAG, readWhole, type DerReader } from '../der/reader.ts';
import { readBoolean, readOid, readSmallInteger, smallInteger } from '../der/values.ts';
import type { Certificate } from '../x509/certificate.ts';

const SGX = '1.2.840.113741.1.13.1';
const COMPONENTS = 16;

/** What Intel says about the platform that a PCK belongs to. */
export interface PckExtensions {
  /** 6 bytes in lower-case hex. */
  readonly fmspc: string;
  /** 2 bytes in lower-case hex. */
  readonly pceId: string;
  /** 16 component SVNs of the platform's TCB. */
  readonly components: readonly number[];
  readonly pceSvn: number;
  /** 0 standard, 1 scalable, 2 scalable with integrity. */
  readonly sgxType: number;
  /** 16 bytes in lower-case hex; multi-package platforms only. */
  readonly platformInstanceId: string | undefined;
  /** The platform may change after its registration. Undefined when not said. */
  readonly dynamicPlatform: boolean | undefined;
  readonly cachedKeys: boolean | undefined;
  readonly smtEnabled: boolean | undefined;
}

/**
 * Reads the SGX extension of a PCK certificate.
 *
 * @throws AttestationError TDX_PCK_EXTENSIONS when it is missing or malformed
 */
export function readPckExtensions(certificate: Certificate): PckExtensions {
  const extension = certificate.extensions.get(SGX);
  if (extension === undefined) throw new AttestationError('TDX_PCK_EXTENSIONS', { missing: SGX });
  try {
    return readWhole(extension.value, readSgx);
  } catch (error) {
    if (!(error instanceof AttestationError)) throw error;
    throw new AttestationError('TDX_PCK_EXTENSIONS', { reason: error.code }, error);
  }
}

function readSgx(reader: DerReader): PckExtensions {
  const values = readPairs(reader, SGX);
  const inner = <Value>(suffix: string, read: (value: DerReader) => Value): Value => {
    const value = values.get(suffix);
    if (value === undefined) throw new AttestationError('DER_MALFORMED', { missing: suffix });
    return readWhole(value, read, 3);
  };
  const octets = (suffix: string, length: number): string =>
    inner(suffix, (value) => octetHex(value, length));
  const tcb = inner('2', (value) => readPairs(value, `${SGX}.2`));
  const svn = (suffix: number, max: number): number => {
    const value = tcb.get(String(suffix));
    if (value === undefined) throw new AttestationError('DER_MALFORMED', { missing: suffix });
    return readWhole(value, (der) => readSmallInteger(der, max), 4);
  };
  const configuration = values.has('7')
    ? inner('7', (value) => readPairs(value, `${SGX}.7`))
    : new Map<string, Uint8Array>();
  const flag = (suffix: string): boolean | undefined => {
    const value = configuration.get(suffix);
    return value === undefined ? undefined : readWhole(value, readBoolean, 4);
  };
  return {
    fmspc: octets('4', 6),
    pceId: octets('3', 2),
    components: Array.from({ length: COMPONENTS }, (_, index) => svn(index + 1, 255)),
    pceSvn: svn(17, 0xffff),
    sgxType: inner('5', (value) => smallInteger(value.value(DER_TAG.enumerated), 255)),
    platformInstanceId: values.has('6') ? octets('6', 16) : undefined,
    dynamicPlatform: flag('1'),
    cachedKeys: flag('2'),
    smtEnabled: flag('3'),
  };
}

/** SEQUENCE of SEQUENCE { OID, value }: the DER of each value by the last arc of its OID. */
function readPairs(reader: DerReader, base: string): ReadonlyMap<string, Uint8Array> {
  const list = reader.sequence();
  const pairs = new Map<string, Uint8Array>();
  while (!list.atEnd) {
    const pair = list.sequence();
    const oid = readOid(pair);
    const { raw } = pair.any();
    pair.end();
    const suffix = oid.startsWith(`${base}.`) ? oid.slice(base.length + 1) : oid;
    if (pairs.has(suffix)) throw new AttestationError('DER_MALFORMED', { twice: oid });
    pairs.set(suffix, raw);
  }
  return pairs;
}

function octetHex(reader: DerReader, length: number): string {
  const { content } = reader.value(DER_TAG.octetString);
  if (content.byteLength !== length) {
    throw new AttestationError('DER_MALFORMED', { expected: length, found: content.byteLength });
  }
  return toHex(content);
}
