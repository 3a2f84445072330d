/**
 * Offsets of the SEV-SNP attestation report in bytes (AMD document 56860, ATTESTATION_REPORT).
 */

/** Length of every report. */
export const SNP_REPORT_BYTES = 0x4a0;
/** The signature covers the bytes before it. */
export const SNP_SIGNED_BYTES = 0x2a0;
/** Length of the guest's own data. */
export const SNP_REPORT_DATA_BYTES = 64;

/** Where each field begins. */
export const SNP_OFFSETS = {
  version: 0x000,
  guestSvn: 0x004,
  policy: 0x008,
  familyId: 0x010,
  imageId: 0x020,
  vmpl: 0x030,
  signatureAlgorithm: 0x034,
  currentTcb: 0x038,
  platformInfo: 0x040,
  keyInfo: 0x048,
  reportData: 0x050,
  measurement: 0x090,
  hostData: 0x0c0,
  idKeyDigest: 0x0e0,
  authorKeyDigest: 0x110,
  reportId: 0x140,
  reportIdMigrationAgent: 0x160,
  reportedTcb: 0x180,
  cpuid: 0x188,
  chipId: 0x1a0,
  committedTcb: 0x1e0,
  currentFirmware: 0x1e8,
  committedFirmware: 0x1ec,
  launchTcb: 0x1f0,
  launchMitigations: 0x1f8,
  currentMitigations: 0x200,
  signatureR: 0x2a0,
  signatureS: 0x2e8,
} as const;
