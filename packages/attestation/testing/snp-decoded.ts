/**
 * A parsed report and certificate in the words of the vectors' index files.
 */
import {
  guestPolicyAbi,
  guestPolicyHas,
  productOfCpuid,
  productOfName,
  tcbParts,
  type Certificate,
  type SnpReport,
  type SnpTcb,
  type VekExtensions,
} from '../src/index.ts';
import { toHex } from '@witan/core';
import type { Json } from './json.ts';

/** The fields of a report under the names of both kinds of index. */
export function decodedReport(report: SnpReport, productName: string): Json {
  const cpuid = report.cpuid ?? { family: 0, model: 0, stepping: 0 };
  const product = productOfCpuid(cpuid) ?? productOfName(productName) ?? 'Milan';
  const tcb = (bytes: Uint8Array): Json => tcbNames(tcbParts(product, bytes));
  const abi = guestPolicyAbi(report.policy);
  const { currentFirmware: current, committedFirmware: committed } = report;
  const chipId = toHex(report.chipId).slice(0, 32);
  return {
    version: report.version,
    guest_svn: report.guestSvn,
    policy: `0x${report.policy.toString(16)}`,
    policy_bits: {
      abi: `${abi.major}.${abi.minor}`,
      smt: guestPolicyHas(report.policy, 'smtAllowed'),
      rsvd1: ((report.policy >> 17n) & 1n) === 1n,
      migrateMa: guestPolicyHas(report.policy, 'migrationAgentAllowed'),
      debug: guestPolicyHas(report.policy, 'debugAllowed'),
      singleSocket: guestPolicyHas(report.policy, 'singleSocketRequired'),
    },
    vmpl: report.vmpl,
    platform_info: `0x${report.platformInfo.toString(16)}`,
    measurement: toHex(report.measurement),
    report_data: toHex(report.reportData),
    reportData: toHex(report.reportData),
    host_data: toHex(report.hostData),
    hostData: toHex(report.hostData),
    family_id: toHex(report.familyId),
    image_id: toHex(report.imageId),
    id_key_digest: toHex(report.idKeyDigest),
    author_key_digest: toHex(report.authorKeyDigest),
    report_id: toHex(report.reportId),
    reported_tcb: tcb(report.reportedTcb),
    reportedTcb: tcb(report.reportedTcb),
    current_tcb: tcb(report.currentTcb),
    committed_tcb: tcb(report.committedTcb),
    launch_tcb: tcb(report.launchTcb),
    family_model_stepping_hex: [cpuid.family, cpuid.model, cpuid.stepping]
      .map((value) => value.toString(16))
      .join('/'),
    current_version: `${current.major}.${current.minor}.${current.build}`,
    committed_version: `${committed.major}.${committed.minor}.${committed.build}`,
    launch_mit_vector: `0x${report.launchMitigations.toString(16)}`,
    current_mit_vector: `0x${report.currentMitigations.toString(16)}`,
    chip_id_prefix: chipId,
    chipIdPrefix: chipId,
  };
}

/** The fields of an endorsement key certificate. */
export function decodedCertificate(certificate: Certificate, extensions: VekExtensions): Json {
  const isoSeconds = (millis: number): string =>
    new Date(millis).toISOString().replace('.000Z', 'Z');
  const { hardwareId } = extensions;
  const raw = certificate.extensions.get('1.3.6.1.4.1.3704.1.4')?.value;
  return {
    common_name: certificate.subject.commonName,
    not_before: isoSeconds(certificate.notBefore),
    not_after: isoSeconds(certificate.notAfter),
    extensions: {
      structVersion: extensions.structVersion,
      productName: extensions.productName,
      ...tcbNames(extensions.tcb),
      spl4: 0,
      spl5: 0,
      spl6: 0,
      spl7: 0,
      ...(hardwareId === undefined ? {} : { hwid: toHex(hardwareId).slice(0, 32) }),
      hwid_extension_bytes: raw?.byteLength,
      hwidRaw: raw?.byteLength,
      ...(extensions.cspId === undefined ? {} : { cspId: extensions.cspId }),
    },
  };
}

function tcbNames(tcb: SnpTcb): Json {
  return {
    ...(tcb.fmc === undefined ? {} : { fmc: tcb.fmc }),
    bl: tcb.bootloader,
    tee: tcb.tee,
    snp: tcb.snp,
    ucode: tcb.microcode,
  };
}
