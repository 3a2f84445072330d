/** What Azure's paravisor and vTPM wrote: HCL report, its document, and quotes of the TPM. */
import {
  AttestationError,
  HCL_OFFSETS,
  parseHclReport,
  parseRuntimeData,
  parseTpmAttest,
  TDREPORT_OFFSETS,
  type HclReport,
  type TpmQuote,
} from '@witan/attestation';
import { isAllZero, toHex } from '@witan/core';
import { nodeCrypto } from '@witan/keys';
import { bitLines, describeBits, TD_ATTRIBUTE_NAMES, XFAM_NAMES } from './bits.ts';
import { readFields, type Field, type FieldRow } from './fields.ts';
import { snpFields } from './show-snp.ts';
import { shortened } from './text.ts';

/** Fields under a heading; `error` where a parser refuses the part. */
export interface ShownSection {
  readonly title: string;
  readonly fields: readonly Field[];
  readonly error?: AttestationError;
}

const REPORT_TYPES: Readonly<Record<string, string>> = { 2: 'SEV-SNP', 4: 'TDX' };
const HCL_ROWS: readonly FieldRow[] = [
  { offset: HCL_OFFSETS.magic, size: 4, name: 'SIGNATURE', form: 'bytes', explain: () => ['HCLA'] },
  { offset: HCL_OFFSETS.version, size: 4, name: 'VERSION', form: 'number' },
  { offset: HCL_OFFSETS.reportSize, size: 4, name: 'REPORT_SIZE', form: 'number' },
  { offset: HCL_OFFSETS.requestType, size: 4, name: 'REQUEST_TYPE', form: 'number' },
  { offset: HCL_OFFSETS.status, size: 4, name: 'STATUS', form: 'number' },
  { offset: HCL_OFFSETS.dataSize, size: 4, name: 'DATA_SIZE', form: 'number' },
  { offset: HCL_OFFSETS.dataVersion, size: 4, name: 'DATA_VERSION', form: 'number' },
  {
    offset: HCL_OFFSETS.reportType,
    size: 4,
    name: 'REPORT_TYPE',
    form: 'number',
    explain: (_, type) => [REPORT_TYPES[String(type)] ?? 'unknown'],
  },
  {
    offset: HCL_OFFSETS.hashType,
    size: 4,
    name: 'HASH_TYPE',
    form: 'number',
    explain: (_, hash) => [hash === 1n ? 'SHA-256' : 'unknown'],
  },
  { offset: HCL_OFFSETS.runtimeDataSize, size: 4, name: 'RUNTIME_DATA_SIZE', form: 'number' },
];

const TD = TDREPORT_OFFSETS;
const digest = (offset: number, name: string): FieldRow => ({
  offset,
  size: 48,
  name,
  form: 'bytes',
  explain: (bytes) => (isAllZero(bytes) ? ['zero'] : []),
});
const TDREPORT_ROWS: readonly FieldRow[] = [
  { offset: TD.type, size: 1, name: 'REPORTTYPE', form: 'hex' },
  { offset: TD.reportData, size: 64, name: 'REPORTDATA', form: 'bytes' },
  {
    offset: 224,
    size: 32,
    name: 'MAC',
    form: 'bytes',
    explain: () => ['only its own machine can check it; the quote is what is signed'],
  },
  { offset: TD.teeTcbSvn, size: 16, name: 'TEE_TCB_SVN', form: 'bytes' },
  digest(TD.mrSeam, 'MRSEAM'),
  digest(TD.mrSignerSeam, 'MRSIGNERSEAM'),
  {
    offset: TD.tdAttributes,
    size: 8,
    name: 'TDATTRIBUTES',
    form: 'hex',
    explain: (_, value) => bitLines(describeBits(value, TD_ATTRIBUTE_NAMES)),
  },
  {
    offset: TD.xfam,
    size: 8,
    name: 'XFAM',
    form: 'hex',
    explain: (_, value) => bitLines(describeBits(value, XFAM_NAMES)),
  },
  digest(TD.mrTd, 'MRTD'),
  digest(TD.mrConfigId, 'MRCONFIGID'),
  digest(TD.mrOwner, 'MROWNER'),
  digest(TD.mrOwnerConfig, 'MROWNERCONFIG'),
  ...[0, 1, 2, 3].map((index) => digest(TD.rtmr0 + 48 * index, `RTMR${index}`)),
];

/** An HCL report: its header, the hardware's report and the document. */
export function hclSections(bytes: Uint8Array): readonly ShownSection[] {
  const header: ShownSection = { title: 'HCL report', fields: readFields(bytes, HCL_ROWS) };
  return guarded(header, () => {
    const hcl = parseHclReport(bytes);
    const area = hcl.hardwareReport;
    const base = HCL_OFFSETS.hardwareReport;
    const hardware: ShownSection =
      hcl.tee === 'snp'
        ? { title: 'SEV-SNP report', fields: moved(snpFields(area, undefined), base) }
        : { title: 'TDREPORT', fields: moved(readFields(area, TDREPORT_ROWS), base) };
    return [header, hardware, documentSection(hcl)];
  });
}

/** A vTPM's quote with its registers. */
export function quoteSections({ message, signature, pcrs }: TpmQuote): readonly ShownSection[] {
  const sections = attestSections(message);
  const fields = [
    plain('SIGNATURE', toHex(signature)),
    ...pcrs.map((pcr, index) => plain(`register ${index} given`, toHex(pcr))),
  ];
  return [...sections, { title: 'vTPM quote: signature and registers', fields }];
}

/** TPMS_ATTEST alone. */
export function attestSections(message: Uint8Array): readonly ShownSection[] {
  const title = 'vTPM quote: TPMS_ATTEST';
  const bytes: ShownSection = { title, fields: [plain('BYTES', toHex(message))] };
  return guarded(bytes, () => {
    const { extraData, clock, qualifiedSigner, firmwareVersion, ...more } = parseTpmAttest(message);
    const fields = [
      plain('MAGIC and TYPE', toHex(message.subarray(0, 6)), 'a quote that a TPM made'),
      plain('QUALIFIED_SIGNER', toHex(qualifiedSigner)),
      plain('EXTRA_DATA', toHex(extraData), `the nonce${textOf(extraData)}`),
      plain('CLOCK', `${clock.clockMs} ms`, clock.safe ? 'safe' : 'NOT SAFE'),
      plain('RESET_COUNT', String(clock.resetCount)),
      plain('RESTART_COUNT', String(clock.restartCount)),
      plain('FIRMWARE_VERSION', `0x${firmwareVersion.toString(16)}`),
      plain('PCR_SELECTION', more.pcrSelection.join(' '), 'registers of SHA-256'),
      plain('PCR_DIGEST', toHex(more.pcrDigest)),
    ];
    return [{ title, fields }];
  });
}

function documentSection({ tee, hardwareReport, runtimeData }: HclReport): ShownSection {
  const title = 'Document of the paravisor (runtime data)';
  const sha256 = toHex(nodeCrypto.hash('sha256', runtimeData));
  const at = tee === 'snp' ? 0x50 : TD.reportData;
  const bound = toHex(hardwareReport.subarray(at, at + 64)) === sha256 + '00'.repeat(32);
  const binding = plain(
    'SHA-256',
    sha256,
    bound ? 'the report data bind it' : 'THE REPORT DATA DO NOT BIND IT',
  );
  try {
    const { attestationKey, userData, vmConfiguration } = parseRuntimeData(runtimeData);
    const bits = 8 * attestationKey.modulus.byteLength;
    const fingerprint = toHex(nodeCrypto.hash('sha256', attestationKey.spki));
    return {
      title,
      fields: [
        binding,
        plain('HCLAkPub', `RSA, ${bits} bits`, `SHA-256 ${fingerprint}`),
        plain('user-data', userData ?? 'none'),
        ...Object.entries(vmConfiguration).map(([name, value]) =>
          plain(shortened(name, 40), JSON.stringify(value)),
        ),
      ],
    };
  } catch (error) {
    if (error instanceof AttestationError) return { title, fields: [binding], error };
    throw error;
  }
}

function guarded(
  fallback: ShownSection,
  read: () => readonly ShownSection[],
): readonly ShownSection[] {
  try {
    return read();
  } catch (error) {
    if (error instanceof AttestationError) return [{ ...fallback, error }];
    throw error;
  }
}

function moved(fields: readonly Field[], base: number): readonly Field[] {
  return fields.map((field) => ({ ...field, offset: (field.offset ?? 0) + base }));
}

/** A field that has no fixed place. */
export function plain(name: string, value: string, ...meaning: readonly string[]): Field {
  return { offset: undefined, size: undefined, name, value, meaning };
}

/** Printable text behind the hex. */
function textOf(bytes: Uint8Array): string {
  const isText = bytes.every((byte) => byte >= 0x20 && byte < 0x7f);
  return isText && bytes.byteLength > 0 ? `, as text ${JSON.stringify(ascii(bytes))}` : '';
}

function ascii(bytes: Uint8Array): string {
  return String.fromCharCode(...bytes);
}
