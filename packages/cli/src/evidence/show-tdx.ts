/**
 * The fields of a TDX quote (Intel TDX DCAP quoting library, quote versions 4 and 5). Header and
 * body have fixed places; what follows them is shown when its lengths are sound.
 */
import { AttestationError, parseTdxQuote, type TdxQuote } from '@witan/attestation';
import { isAllZero, toHex } from '@witan/core';
import { bitLines, describeBits, TD_ATTRIBUTE_NAMES, XFAM_NAMES } from './bits.ts';
import { littleEndian, readFields, type Explain, type Field, type FieldRow } from './fields.ts';

const HEADER_BYTES = 48;
const DESCRIPTOR_BYTES = 6;
const TEE_TYPES: Readonly<Record<string, string>> = { 0: 'SGX', 129: 'TDX' };
const INTEL_VENDOR_ID = '939a7233f79c4ca9940a0db3957f0607';
const BODY_TYPES: Readonly<Record<string, string>> = {
  1: 'SGX enclave report',
  2: 'TD report 1.0',
  3: 'TD report 1.5',
  4: 'TD report 1.5, extended',
};
const BODY_10_BYTES = 584;
const BODY_BYTES: Readonly<Record<number, number>> = { 2: BODY_10_BYTES, 3: 648 };

/** Fields of header, body and, where it can be parsed, of the signature data. */
export function tdxFields(quote: Uint8Array): readonly Field[] {
  const version = littleEndian(quote.subarray(0, 2));
  const isTdx = littleEndian(quote.subarray(4, 8)) === 0x81n;
  const header = readFields(quote, HEADER);
  if (!isTdx || (version !== 4n && version !== 5n)) return header;
  const descriptor = version === 5n ? readFields(quote, DESCRIPTOR, HEADER_BYTES) : [];
  const bodyAt = HEADER_BYTES + (version === 5n ? DESCRIPTOR_BYTES : 0);
  const type = version === 5n ? Number(littleEndian(quote.subarray(48, 50))) : 2;
  const size = BODY_BYTES[type];
  if (size === undefined) return [...header, ...descriptor];
  const rows = BODY.filter(({ offset }) => offset < size);
  return [
    ...header,
    ...descriptor,
    ...readFields(quote, rows, bodyAt),
    ...signatureFields(quote, bodyAt + size),
  ];
}

const zero: Explain = (bytes) => (isAllZero(bytes) ? ['zero'] : []);

const HEADER: readonly FieldRow[] = [
  { offset: 0, size: 2, name: 'VERSION', form: 'number' },
  {
    offset: 2,
    size: 2,
    name: 'ATTESTATION_KEY_TYPE',
    form: 'number',
    explain: (_, type) => [type === 2n ? 'ECDSA P-256' : 'not supported'],
  },
  {
    offset: 4,
    size: 4,
    name: 'TEE_TYPE',
    form: 'hex',
    explain: (_, type) => [TEE_TYPES[String(type)] ?? 'unknown'],
  },
  {
    offset: 12,
    size: 16,
    name: 'QE_VENDOR_ID',
    form: 'bytes',
    explain: (bytes) => [toHex(bytes) === INTEL_VENDOR_ID ? 'Intel' : 'NOT INTEL'],
  },
  { offset: 28, size: 20, name: 'USER_DATA', form: 'bytes' },
];

const DESCRIPTOR: readonly FieldRow[] = [
  {
    offset: 0,
    size: 2,
    name: 'BODY_TYPE',
    form: 'number',
    explain: (_, type) => [BODY_TYPES[String(type)] ?? 'unknown'],
  },
  { offset: 2, size: 4, name: 'BODY_SIZE', form: 'number' },
];

const explainSvns: Explain = ([module = 0, major = 0, loader = 0]) => [
  `module SVN ${module}, module major version ${major}, loader SVN ${loader}`,
];

const BODY: readonly FieldRow[] = [
  { offset: 0, size: 16, name: 'TEE_TCB_SVN', form: 'bytes', explain: explainSvns },
  { offset: 16, size: 48, name: 'MRSEAM', form: 'bytes' },
  {
    offset: 64,
    size: 48,
    name: 'MRSIGNERSEAM',
    form: 'bytes',
    explain: (bytes) => (isAllZero(bytes) ? ['zero: a module of Intel'] : []),
  },
  { offset: 112, size: 8, name: 'SEAMATTRIBUTES', form: 'hex' },
  {
    offset: 120,
    size: 8,
    name: 'TDATTRIBUTES',
    form: 'hex',
    explain: (_, value) => bitLines(describeBits(value, TD_ATTRIBUTE_NAMES)),
  },
  {
    offset: 128,
    size: 8,
    name: 'XFAM',
    form: 'hex',
    explain: (_, value) => bitLines(describeBits(value, XFAM_NAMES)),
  },
  { offset: 136, size: 48, name: 'MRTD', form: 'bytes' },
  { offset: 184, size: 48, name: 'MRCONFIGID', form: 'bytes', explain: zero },
  { offset: 232, size: 48, name: 'MROWNER', form: 'bytes', explain: zero },
  { offset: 280, size: 48, name: 'MROWNERCONFIG', form: 'bytes', explain: zero },
  { offset: 328, size: 48, name: 'RTMR0', form: 'bytes', explain: zero },
  { offset: 376, size: 48, name: 'RTMR1', form: 'bytes', explain: zero },
  { offset: 424, size: 48, name: 'RTMR2', form: 'bytes', explain: zero },
  { offset: 472, size: 48, name: 'RTMR3', form: 'bytes', explain: zero },
  { offset: 520, size: 64, name: 'REPORTDATA', form: 'bytes' },
  { offset: 584, size: 16, name: 'TEE_TCB_SVN_2', form: 'bytes', explain: explainSvns },
  { offset: 600, size: 48, name: 'MRSERVICETD', form: 'bytes', explain: zero },
];

/** The signature data begin with their length; the report of the quoting enclave is inside. */
function signatureFields(quote: Uint8Array, at: number): readonly Field[] {
  if (parsed(quote) === undefined) return [];
  const authentication = at + 4 + 64 + 64 + 6 + 384 + 64;
  const authenticationBytes = Number(
    littleEndian(quote.subarray(authentication, authentication + 2)),
  );
  const row = (offset: number, size: number, name: string, more?: Explain): FieldRow => ({
    offset,
    size,
    name,
    form: size <= 6 ? 'number' : 'bytes',
    ...(more === undefined ? {} : { explain: more }),
  });
  const enclave = 4 + 64 + 64 + 6;
  return readFields(
    quote,
    [
      row(0, 4, 'SIGNATURE_DATA length'),
      row(4, 64, 'QUOTE SIGNATURE', () => ['r and s, big-endian']),
      row(68, 64, 'ATTESTATION KEY', () => ['x and y, big-endian']),
      row(132, 2, 'CERTIFICATION type', () => ['report of the quoting enclave']),
      row(134, 4, 'CERTIFICATION length'),
      row(enclave, 16, 'QE CPUSVN'),
      row(enclave + 16, 4, 'QE MISCSELECT'),
      row(enclave + 48, 16, 'QE ATTRIBUTES', ([first = 0]) =>
        (first & 2) === 0 ? [] : ['DEBUG: NOT A PRODUCTION ENCLAVE'],
      ),
      row(enclave + 64, 32, 'QE MRENCLAVE'),
      row(enclave + 128, 32, 'QE MRSIGNER'),
      row(enclave + 256, 2, 'QE ISVPRODID'),
      row(enclave + 258, 2, 'QE ISVSVN'),
      row(enclave + 320, 64, 'QE REPORTDATA', () => ['SHA-256 of key and authentication data']),
      row(enclave + 384, 64, 'QE REPORT SIGNATURE'),
      row(enclave + 448, 2, 'QE AUTHENTICATION length'),
      row(enclave + 450, authenticationBytes, 'QE AUTHENTICATION data'),
      row(enclave + 450 + authenticationBytes, 2, 'PCK CHAIN type', () => ['PEM chain']),
      row(enclave + 452 + authenticationBytes, 4, 'PCK CHAIN length'),
    ],
    at,
  );
}

/** The quote when its lengths are sound. */
export function parsed(quote: Uint8Array): TdxQuote | undefined {
  try {
    return parseTdxQuote(quote);
  } catch (error) {
    if (error instanceof AttestationError) return undefined;
    throw error;
  }
}
