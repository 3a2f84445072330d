/**
 * SEV-SNP reports that were written field by field as JSON (the shape of the Confidential
 * Containers attester). The bytes are put together again at the offsets of the hardware; if
 * anything was lost, the signature will not fit.
 */
import { SNP_OFFSETS as AT, SNP_REPORT_BYTES } from '@witan/attestation';
import { bytesOfJson, isJsonObject, type JsonObject } from './json-bytes.ts';

const TCB_BYTES = 8;
const SIGNATURE_PART_BYTES = 72;
const TURIN_FAMILY = 0x1a;

/** Numbers by their size in bytes. */
const NUMBERS = [
  ['version', AT.version, 4],
  ['guest_svn', AT.guestSvn, 4],
  ['policy', AT.policy, 8],
  ['vmpl', AT.vmpl, 4],
  ['sig_algo', AT.signatureAlgorithm, 4],
  ['plat_info', AT.platformInfo, 8],
  ['key_info', AT.keyInfo, 4],
] as const;
const OPTIONAL_NUMBERS = [
  ['cpuid_fam_id', AT.cpuid, 1],
  ['cpuid_mod_id', AT.cpuid + 1, 1],
  ['cpuid_step', AT.cpuid + 2, 1],
  ['launch_mit_vector', AT.launchMitigations, 8],
  ['current_mit_vector', AT.currentMitigations, 8],
] as const;
const BYTES = [
  ['family_id', AT.familyId, 16],
  ['image_id', AT.imageId, 16],
  ['report_data', AT.reportData, 64],
  ['measurement', AT.measurement, 48],
  ['host_data', AT.hostData, 32],
  ['id_key_digest', AT.idKeyDigest, 48],
  ['author_key_digest', AT.authorKeyDigest, 48],
  ['report_id', AT.reportId, 32],
  ['report_id_ma', AT.reportIdMigrationAgent, 32],
  ['chip_id', AT.chipId, 64],
] as const;
const TCBS = [
  ['current_tcb', AT.currentTcb],
  ['reported_tcb', AT.reportedTcb],
  ['committed_tcb', AT.committedTcb],
  ['launch_tcb', AT.launchTcb],
] as const;
const FIRMWARES = [
  ['current', AT.currentFirmware],
  ['committed', AT.committedFirmware],
] as const;

/** @returns the 1184 bytes, or the name of the member that is missing or malformed */
export function reportOfJson(json: JsonObject): Uint8Array | { readonly missing: string } {
  const report = new Uint8Array(SNP_REPORT_BYTES);
  for (const [name, at, size] of NUMBERS) {
    if (!putNumber(report, at, size, json[name])) return { missing: name };
  }
  for (const [name, at, size] of OPTIONAL_NUMBERS) {
    const value = json[name];
    if (value === undefined || value === null) continue;
    if (!putNumber(report, at, size, value)) return { missing: name };
  }
  for (const [name, at, size] of BYTES) {
    const bytes = bytesOfJson(json[name], size);
    if (bytes?.byteLength !== size) return { missing: name };
    report.set(bytes, at);
  }
  const isTurin = json['cpuid_fam_id'] === TURIN_FAMILY;
  for (const [name, at] of TCBS) {
    const parts = isTurin
      ? ['fmc', 'bootloader', 'tee', 'snp', '', '', '', 'microcode']
      : ['bootloader', 'tee', '', '', '', '', 'snp', 'microcode'];
    if (!putParts(report, at, parts, json[name])) return { missing: name };
  }
  for (const [name, at] of FIRMWARES) {
    if (!putParts(report, at, ['build', 'minor', 'major'], json[name])) return { missing: name };
  }
  const signature = json['signature'];
  for (const [index, name] of ['r', 's'].entries()) {
    const part = isJsonObject(signature) ? signature[name] : undefined;
    const bytes = bytesOfJson(part, SIGNATURE_PART_BYTES);
    if (bytes?.byteLength !== SIGNATURE_PART_BYTES) return { missing: `signature.${name}` };
    report.set(bytes, AT.signatureR + index * SIGNATURE_PART_BYTES);
  }
  return report;
}

/** Little-endian. JSON numbers above 2^53 are not exact, so they are refused. */
function putNumber(report: Uint8Array, at: number, size: number, value: unknown): boolean {
  if (!Number.isSafeInteger(value) || (value as number) < 0) return false;
  let rest = BigInt(value as number);
  for (let index = 0; index < size; index += 1) {
    report[at + index] = Number(rest & 0xffn);
    rest >>= 8n;
  }
  return rest === 0n;
}

function putParts(
  report: Uint8Array,
  at: number,
  parts: readonly string[],
  value: unknown,
): boolean {
  if (!isJsonObject(value) || parts.length > TCB_BYTES) return false;
  return parts.every((name, index) => name === '' || putNumber(report, at + index, 1, value[name]));
}
