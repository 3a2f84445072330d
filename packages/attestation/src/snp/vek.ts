/**
 * Endorsement key certificates (VCEK and VLEK) and AMD's extensions in them (KDS specification,
 * "VCEK certificate" and "VLEK certificate" extension tables).
 */
import { AttestationError } from '../errors.ts';
import { DER_TAG, readWhole, type DerReader } from '../der/reader.ts';
import { readSmallInteger, textOf } from '../der/values.ts';
import type { Certificate } from '../x509/certificate.ts';
import type { SnpTcb } from './tcb.ts';

const AMD = '1.3.6.1.4.1.3704.1';
const OID = {
  structVersion: `${AMD}.1`,
  productName: `${AMD}.2`,
  bootloader: `${AMD}.3.1`,
  tee: `${AMD}.3.2`,
  snp: `${AMD}.3.3`,
  microcode: `${AMD}.3.8`,
  fmc: `${AMD}.3.9`,
  hardwareId: `${AMD}.4`,
  cspId: `${AMD}.5`,
} as const;

/** Parts that exist in the numbering but in no product: spl4 to spl7. */
const UNUSED_PARTS = [`${AMD}.3.4`, `${AMD}.3.5`, `${AMD}.3.6`, `${AMD}.3.7`] as const;
const CSP_ID_LENGTH_MAX = 256;

/** What AMD says about an endorsement key. */
export interface VekExtensions {
  /** 0 on Milan and Genoa, 1 on Turin. */
  readonly structVersion: number;
  readonly productName: string;
  readonly tcb: SnpTcb;
  /** Chip id; VCEK only. */
  readonly hardwareId: Uint8Array | undefined;
  /** Cloud provider; VLEK only. */
  readonly cspId: string | undefined;
}

/**
 * Reads AMD's extensions.
 *
 * @throws AttestationError SNP_VEK_EXTENSIONS when one is missing or malformed, or a part of the
 *   TCB is not a number from 0 to 255
 */
export function readVekExtensions(certificate: Certificate): VekExtensions {
  const bytes = (oid: string): Uint8Array | undefined => certificate.extensions.get(oid)?.value;
  const read = <Value>(oid: string, reader: (der: DerReader) => Value): Value => {
    const value = bytes(oid);
    if (value === undefined) throw new AttestationError('SNP_VEK_EXTENSIONS', { missing: oid });
    try {
      return readWhole(value, reader);
    } catch (error) {
      if (!(error instanceof AttestationError)) throw error;
      throw new AttestationError('SNP_VEK_EXTENSIONS', { malformed: oid }, error);
    }
  };
  const part = (oid: string): number => read(oid, (der) => readSmallInteger(der, 255));
  const text = (oid: string): string => read(oid, (der) => textOf(der.value(DER_TAG.ia5String)));
  for (const oid of UNUSED_PARTS) {
    if (bytes(oid) !== undefined && part(oid) !== 0) {
      throw new AttestationError('SNP_VEK_EXTENSIONS', { malformed: oid, expected: 0 });
    }
  }
  const hardwareId = bytes(OID.hardwareId);
  const cspId = bytes(OID.cspId) === undefined ? undefined : text(OID.cspId);
  if (cspId !== undefined && cspId.length > CSP_ID_LENGTH_MAX) {
    throw new AttestationError('SNP_VEK_EXTENSIONS', { malformed: OID.cspId });
  }
  return {
    structVersion: part(OID.structVersion),
    productName: text(OID.productName),
    tcb: {
      ...(bytes(OID.fmc) === undefined ? {} : { fmc: part(OID.fmc) }),
      bootloader: part(OID.bootloader),
      tee: part(OID.tee),
      snp: part(OID.snp),
      microcode: part(OID.microcode),
    },
    hardwareId: hardwareId === undefined ? undefined : bareHardwareId(hardwareId),
    cspId,
  };
}

/**
 * The chip id in hwID. AMD writes it bare, 64 bytes or on Turin 8; one OCTET STRING around it is
 * accepted as well. The lengths tell the forms apart.
 */
function bareHardwareId(value: Uint8Array): Uint8Array {
  const wrapped = (length: number): boolean =>
    value.byteLength === length + 2 && value[0] === DER_TAG.octetString && value[1] === length;
  return wrapped(64) || wrapped(8) ? value.subarray(2) : value;
}
