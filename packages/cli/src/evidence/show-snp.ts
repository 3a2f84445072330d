/** The fields of an SEV-SNP report (AMD document 56860, ATTESTATION_REPORT). */
import {
  guestPolicyAbi,
  productOfCpuid,
  SNP_OFFSETS as AT,
  tcbParts,
  tcbText,
  type SnpProduct,
} from '@witan/attestation';
import { isAllZero } from '@witan/core';
import { bitLines, describeBits, GUEST_POLICY_NAMES, PLATFORM_INFO_NAMES } from './bits.ts';
import { readFields, type Explain, type Field, type FieldRow } from './fields.ts';

const VMPL_OF_HOST = 0xffffffffn;
const SIGNING_KEYS: Readonly<Record<string, string>> = { 0: 'VCEK', 1: 'VLEK', 7: 'NONE' };
const PART_BYTES = 72;

/** @param fallback product from the certificates, for reports of version 2, which name none */
export function snpFields(report: Uint8Array, fallback: SnpProduct | undefined): readonly Field[] {
  const version = report[AT.version] ?? 0;
  const cpuid = {
    family: report[AT.cpuid] ?? 0,
    model: report[AT.cpuid + 1] ?? 0,
    stepping: report[AT.cpuid + 2] ?? 0,
  };
  const product = version >= 3 ? productOfCpuid(cpuid) : fallback;
  return readFields(report, rowsOf(version, product));
}

function rowsOf(version: number, product: SnpProduct | undefined): readonly FieldRow[] {
  const row = (
    offset: number,
    size: number,
    name: string,
    form: FieldRow['form'],
    explain?: Explain,
  ): FieldRow => ({ offset, size, name, form, ...(explain === undefined ? {} : { explain }) });
  const tcb = explainTcb(product);
  const zero = explainZero('not used');
  return [
    row(AT.version, 4, 'VERSION', 'number'),
    row(AT.guestSvn, 4, 'GUEST_SVN', 'number'),
    row(AT.policy, 8, 'POLICY', 'hex', explainPolicy),
    row(AT.familyId, 16, 'FAMILY_ID', 'bytes', zero),
    row(AT.imageId, 16, 'IMAGE_ID', 'bytes', zero),
    row(AT.vmpl, 4, 'VMPL', 'number', explainVmpl),
    row(AT.signatureAlgorithm, 4, 'SIGNATURE_ALGO', 'number', (_, algorithm) => [
      algorithm === 1n ? 'ECDSA P-384 with SHA-384' : 'unknown',
    ]),
    row(AT.currentTcb, 8, 'CURRENT_TCB', 'bytes', tcb),
    row(AT.platformInfo, 8, 'PLATFORM_INFO', 'hex', (_, value) =>
      bitLines(describeBits(value, PLATFORM_INFO_NAMES)),
    ),
    row(AT.keyInfo, 4, 'KEY_INFO', 'hex', explainKeyInfo),
    row(AT.reportData, 64, 'REPORT_DATA', 'bytes'),
    row(AT.measurement, 48, 'MEASUREMENT', 'bytes'),
    row(AT.hostData, 32, 'HOST_DATA', 'bytes', zero),
    row(AT.idKeyDigest, 48, 'ID_KEY_DIGEST', 'bytes', zero),
    row(AT.authorKeyDigest, 48, 'AUTHOR_KEY_DIGEST', 'bytes', zero),
    row(AT.reportId, 32, 'REPORT_ID', 'bytes'),
    row(AT.reportIdMigrationAgent, 32, 'REPORT_ID_MA', 'bytes', (bytes) => [
      bytes.every((byte) => byte === 0xff) ? 'no migration agent' : 'BOUND TO A MIGRATION AGENT',
    ]),
    row(AT.reportedTcb, 8, 'REPORTED_TCB', 'bytes', tcb),
    ...(version >= 3 ? [row(AT.cpuid, 3, 'CPUID', 'bytes', explainCpuid(product))] : []),
    row(AT.chipId, 64, 'CHIP_ID', 'bytes', explainZero('masked by the host')),
    row(AT.committedTcb, 8, 'COMMITTED_TCB', 'bytes', tcb),
    row(AT.currentFirmware, 3, 'CURRENT firmware', 'bytes', explainFirmware),
    row(AT.committedFirmware, 3, 'COMMITTED firmware', 'bytes', explainFirmware),
    row(AT.launchTcb, 8, 'LAUNCH_TCB', 'bytes', tcb),
    ...(version >= 5
      ? [
          row(AT.launchMitigations, 8, 'LAUNCH_MIT_VECTOR', 'hex', explainVector),
          row(AT.currentMitigations, 8, 'CURRENT_MIT_VECTOR', 'hex', explainVector),
        ]
      : []),
    row(AT.signatureR, PART_BYTES, 'SIGNATURE R', 'bytes', () => ['little-endian']),
    row(AT.signatureS, PART_BYTES, 'SIGNATURE S', 'bytes', () => ['little-endian']),
  ];
}

function explainPolicy(_: Uint8Array, policy: bigint): readonly string[] {
  const { major, minor } = guestPolicyAbi(policy);
  const flags = describeBits(policy, GUEST_POLICY_NAMES, 16);
  return [`lowest firmware ABI ${major}.${minor}`, ...bitLines(flags)];
}

function explainVmpl(_: Uint8Array, vmpl: bigint): readonly string[] {
  if (vmpl === VMPL_OF_HOST) return ['requested by the host'];
  return vmpl <= 3n ? [] : ['NO SUCH LEVEL'];
}

function explainKeyInfo(_: Uint8Array, keyInfo: bigint): readonly string[] {
  const key = String((keyInfo >> 2n) & 7n);
  return [
    `signing key ${SIGNING_KEYS[key] ?? `${key}, reserved`}`,
    ...((keyInfo & 1n) === 1n ? ['AUTHOR_KEY_EN: an author key signed the id key'] : []),
    ...((keyInfo & 2n) === 2n ? ['MASK_CHIP_KEY: the report is not signed'] : []),
  ];
}

/** The layout depends on the product, so without one the parts cannot be told. */
function explainTcb(product: SnpProduct | undefined): Explain {
  return (bytes) =>
    product === undefined
      ? ['parts unknown: the product is not known']
      : [tcbText(tcbParts(product, bytes))];
}

function explainCpuid(product: SnpProduct | undefined): Explain {
  return ([family = 0, model = 0, stepping = 0]) => [
    `family 0x${family.toString(16)}, model 0x${model.toString(16)}, stepping ${stepping}: ` +
      (product ?? 'no supported product'),
  ];
}

function explainFirmware([build = 0, minor = 0, major = 0]: Uint8Array): readonly string[] {
  return [`${major}.${minor} build ${build}`];
}

/** What each bit mitigates stands only in AMD's security bulletins. */
function explainVector(_: Uint8Array, vector: bigint): readonly string[] {
  const { unknown } = describeBits(vector, {});
  return [unknown.length === 0 ? 'no bit set' : `bits ${unknown.join(', ')}`];
}

function explainZero(meaning: string): Explain {
  return (bytes) => (isAllZero(bytes) ? [meaning] : []);
}
