/**
 * The SEV-SNP attestation report: 1184 little-endian bytes (AMD SEV Secure Nested Paging Firmware
 * ABI, document 56860, ATTESTATION_REPORT; versions 2 to 5).
 *
 * `parseSnpReport` accepts exactly one encoding per report, because part of the signature field is
 * not covered by the signature. It checks structure only: a parsed report is still unverified.
 */
import { isAllZero } from '@witan/core';
import { AttestationError } from '../errors.ts';
import type { SnpCpuid } from './product.ts';
import { SNP_OFFSETS as AT, SNP_REPORT_BYTES, SNP_SIGNED_BYTES } from './layout.ts';

/** Firmware version. */
export interface SnpFirmware {
  readonly major: number;
  readonly minor: number;
  readonly build: number;
}

/** KEY_INFO.SIGNING_KEY. */
export const SIGNING_KEY_VCEK = 0;
/** Value of SIGNING_KEY for a key that a cloud provider has loaded. */
export const SIGNING_KEY_VLEK = 1;
/** SIGNATURE_ALGO: ECDSA P-384 with SHA-384. */
export const SIGNATURE_ALGORITHM_ECDSA_P384 = 1;

/** A report, field by field. Reserved bytes are zero and have no field. */
export interface SnpReport {
  /** 2, 3, 4 or 5. */
  readonly version: number;
  readonly guestSvn: number;
  /** Guest policy bits; see policy.ts. */
  readonly policy: bigint;
  /** 16 bytes. */
  readonly familyId: Uint8Array;
  /** 16 bytes. */
  readonly imageId: Uint8Array;
  /** 0 to 3, or 0xffffffff when the host asked for the report. */
  readonly vmpl: number;
  readonly signatureAlgorithm: number;
  /** TCB_VERSION, 8 bytes; `tcbParts` takes it apart. */
  readonly currentTcb: Uint8Array;
  readonly platformInfo: bigint;
  readonly authorKeyEnabled: boolean;
  readonly chipKeyMasked: boolean;
  readonly signingKey: number;
  /** 64 bytes chosen by the guest. */
  readonly reportData: Uint8Array;
  /** Launch digest, 48 bytes. */
  readonly measurement: Uint8Array;
  /** 32 bytes chosen by the host at launch. */
  readonly hostData: Uint8Array;
  /** 48 bytes. */
  readonly idKeyDigest: Uint8Array;
  /** 48 bytes. */
  readonly authorKeyDigest: Uint8Array;
  /** 32 bytes. */
  readonly reportId: Uint8Array;
  /** 32 bytes; all 0xff without a migration agent. */
  readonly reportIdMigrationAgent: Uint8Array;
  /** TCB_VERSION whose key signed. */
  readonly reportedTcb: Uint8Array;
  /** Written from version 3 on. */
  readonly cpuid: SnpCpuid | undefined;
  /** 64 bytes; Turin uses the first 8. */
  readonly chipId: Uint8Array;
  readonly committedTcb: Uint8Array;
  readonly currentFirmware: SnpFirmware;
  readonly committedFirmware: SnpFirmware;
  readonly launchTcb: Uint8Array;
  /** Zero before version 5. */
  readonly launchMitigations: bigint;
  /** Zero before version 5. */
  readonly currentMitigations: bigint;
  /** r and s, 48 big-endian bytes each (IEEE P1363). */
  readonly signature: Uint8Array;
}

const COMPONENT_BYTES = 48;
const POLICY_MUST_BE_ONE = 1n << 17n;
const POLICY_KNOWN = (1n << 26n) - 1n;

/**
 * Reads a report and checks rows 1 to 3 of the order of checks: length, version, algorithm,
 * reserved bytes and bits, padding of the signature, KEY_INFO.
 *
 * @throws AttestationError SNP_REPORT_LENGTH, SNP_REPORT_VERSION, SNP_SIGNATURE_ALGORITHM,
 *   SNP_RESERVED_NOT_ZERO, SNP_SIGNATURE_ENCODING, SNP_POLICY_RESERVED, SNP_SIGNING_KEY,
 *   SNP_CHIP_KEY_MASKED or SNP_KEY_INFO_RESERVED
 */
export function parseSnpReport(bytes: Uint8Array): SnpReport {
  if (bytes.byteLength !== SNP_REPORT_BYTES) {
    throw new AttestationError('SNP_REPORT_LENGTH', {
      expected: SNP_REPORT_BYTES,
      found: bytes.byteLength,
    });
  }
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const version = view.getUint32(AT.version, true);
  checkStructure(bytes, view, version);
  const keyInfo = checkKeyInfo(view.getUint32(AT.keyInfo, true));
  const take = (at: number, length: number): Uint8Array => bytes.slice(at, at + length);
  return {
    version,
    guestSvn: view.getUint32(AT.guestSvn, true),
    policy: view.getBigUint64(AT.policy, true),
    familyId: take(AT.familyId, 16),
    imageId: take(AT.imageId, 16),
    vmpl: view.getUint32(AT.vmpl, true),
    signatureAlgorithm: view.getUint32(AT.signatureAlgorithm, true),
    currentTcb: take(AT.currentTcb, 8),
    platformInfo: view.getBigUint64(AT.platformInfo, true),
    ...keyInfo,
    reportData: take(AT.reportData, 64),
    measurement: take(AT.measurement, 48),
    hostData: take(AT.hostData, 32),
    idKeyDigest: take(AT.idKeyDigest, 48),
    authorKeyDigest: take(AT.authorKeyDigest, 48),
    reportId: take(AT.reportId, 32),
    reportIdMigrationAgent: take(AT.reportIdMigrationAgent, 32),
    reportedTcb: take(AT.reportedTcb, 8),
    cpuid: version >= 3 ? readCpuid(view) : undefined,
    chipId: take(AT.chipId, 64),
    committedTcb: take(AT.committedTcb, 8),
    currentFirmware: readFirmware(view, AT.currentFirmware),
    committedFirmware: readFirmware(view, AT.committedFirmware),
    launchTcb: take(AT.launchTcb, 8),
    launchMitigations: view.getBigUint64(AT.launchMitigations, true),
    currentMitigations: view.getBigUint64(AT.currentMitigations, true),
    signature: readSignature(bytes),
  };
}

/**
 * Writes a report: the exact inverse of `parseSnpReport`, signature included. Nothing is checked,
 * so that tests and the simulated hardware can also write reports that a verifier must refuse.
 */
export function serializeSnpReport(report: SnpReport): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(SNP_REPORT_BYTES);
  const view = new DataView(bytes.buffer);
  view.setUint32(AT.version, report.version, true);
  view.setUint32(AT.guestSvn, report.guestSvn, true);
  view.setBigUint64(AT.policy, report.policy, true);
  bytes.set(report.familyId, AT.familyId);
  bytes.set(report.imageId, AT.imageId);
  view.setUint32(AT.vmpl, report.vmpl, true);
  view.setUint32(AT.signatureAlgorithm, report.signatureAlgorithm, true);
  bytes.set(report.currentTcb, AT.currentTcb);
  view.setBigUint64(AT.platformInfo, report.platformInfo, true);
  const flags = (report.authorKeyEnabled ? 1 : 0) | (report.chipKeyMasked ? 2 : 0);
  view.setUint32(AT.keyInfo, flags | (report.signingKey << 2), true);
  bytes.set(report.reportData, AT.reportData);
  bytes.set(report.measurement, AT.measurement);
  bytes.set(report.hostData, AT.hostData);
  bytes.set(report.idKeyDigest, AT.idKeyDigest);
  bytes.set(report.authorKeyDigest, AT.authorKeyDigest);
  bytes.set(report.reportId, AT.reportId);
  bytes.set(report.reportIdMigrationAgent, AT.reportIdMigrationAgent);
  bytes.set(report.reportedTcb, AT.reportedTcb);
  const cpuid = report.cpuid;
  if (cpuid !== undefined) bytes.set([cpuid.family, cpuid.model, cpuid.stepping], AT.cpuid);
  bytes.set(report.chipId, AT.chipId);
  bytes.set(report.committedTcb, AT.committedTcb);
  const { currentFirmware: current, committedFirmware: committed } = report;
  bytes.set([current.build, current.minor, current.major], AT.currentFirmware);
  bytes.set([committed.build, committed.minor, committed.major], AT.committedFirmware);
  bytes.set(report.launchTcb, AT.launchTcb);
  view.setBigUint64(AT.launchMitigations, report.launchMitigations, true);
  view.setBigUint64(AT.currentMitigations, report.currentMitigations, true);
  bytes.set(report.signature.slice(0, COMPONENT_BYTES).reverse(), AT.signatureR);
  bytes.set(report.signature.slice(COMPONENT_BYTES).reverse(), AT.signatureS);
  return bytes;
}

/** The bytes that the firmware signs with ECDSA P-384 over SHA-384. */
export function signedRangeOf(reportBytes: Uint8Array): Uint8Array {
  return reportBytes.subarray(0, SNP_SIGNED_BYTES);
}

function checkStructure(bytes: Uint8Array, view: DataView, version: number): void {
  if (version < 2 || version > 5) {
    throw new AttestationError('SNP_REPORT_VERSION', { expected: '2 to 5', found: version });
  }
  const algorithm = view.getUint32(AT.signatureAlgorithm, true);
  if (algorithm !== SIGNATURE_ALGORITHM_ECDSA_P384) {
    throw new AttestationError('SNP_SIGNATURE_ALGORITHM', {
      expected: SIGNATURE_ALGORITHM_ECDSA_P384,
      found: algorithm,
    });
  }
  for (const [from, to] of reservedRanges(version)) {
    if (isAllZero(bytes.subarray(from, to))) continue;
    throw new AttestationError('SNP_RESERVED_NOT_ZERO', { version, from, to });
  }
  const paddings = [
    [AT.signatureR + COMPONENT_BYTES, AT.signatureS],
    [AT.signatureS + COMPONENT_BYTES, SNP_REPORT_BYTES],
  ] as const;
  for (const [from, to] of paddings) {
    if (isAllZero(bytes.subarray(from, to))) continue;
    throw new AttestationError('SNP_SIGNATURE_ENCODING', { from, to });
  }
  const policy = view.getBigUint64(AT.policy, true);
  if ((policy & POLICY_MUST_BE_ONE) === 0n || (policy & ~POLICY_KNOWN) !== 0n) {
    throw new AttestationError('SNP_POLICY_RESERVED', {
      expected: 'bit 17 set, bits 63 to 26 clear',
      found: `0x${policy.toString(16)}`,
    });
  }
}

function reservedRanges(version: number): readonly (readonly [number, number])[] {
  return [
    [AT.keyInfo + 4, AT.reportData],
    [version >= 3 ? AT.cpuid + 3 : AT.cpuid, AT.chipId],
    [AT.currentFirmware + 3, AT.committedFirmware],
    [AT.committedFirmware + 3, AT.launchTcb],
    [version >= 5 ? AT.currentMitigations + 8 : AT.launchMitigations, AT.signatureR],
  ];
}

function checkKeyInfo(
  keyInfo: number,
): Pick<SnpReport, 'authorKeyEnabled' | 'chipKeyMasked' | 'signingKey'> {
  const signingKey = (keyInfo >>> 2) & 7;
  if (signingKey !== SIGNING_KEY_VCEK && signingKey !== SIGNING_KEY_VLEK) {
    throw new AttestationError('SNP_SIGNING_KEY', {
      expected: '0 (VCEK) or 1 (VLEK)',
      found: signingKey,
    });
  }
  const chipKeyMasked = (keyInfo & 2) !== 0;
  if (chipKeyMasked) throw new AttestationError('SNP_CHIP_KEY_MASKED');
  if (keyInfo >>> 5 !== 0) {
    throw new AttestationError('SNP_KEY_INFO_RESERVED', { found: `0x${keyInfo.toString(16)}` });
  }
  return { authorKeyEnabled: (keyInfo & 1) !== 0, chipKeyMasked, signingKey };
}

function readCpuid(view: DataView): SnpCpuid {
  return {
    family: view.getUint8(AT.cpuid),
    model: view.getUint8(AT.cpuid + 1),
    stepping: view.getUint8(AT.cpuid + 2),
  };
}

function readFirmware(view: DataView, at: number): SnpFirmware {
  return {
    build: view.getUint8(at),
    minor: view.getUint8(at + 1),
    major: view.getUint8(at + 2),
  };
}

function readSignature(bytes: Uint8Array): Uint8Array {
  const signature = new Uint8Array(2 * COMPONENT_BYTES);
  const component = (at: number): Uint8Array => bytes.slice(at, at + COMPONENT_BYTES).reverse();
  signature.set(component(AT.signatureR), 0);
  signature.set(component(AT.signatureS), COMPONENT_BYTES);
  return signature;
}
