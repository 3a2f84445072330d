/** Inputs that the parsers of SEV-SNP accept, of every version and product. */
import { serializeSnpReport, tcbBytes, type SnpReport } from '../../src/index.ts';
import { concatBytes, fromHex } from '@witan/core';

/** Reports of all versions, unsigned: their structure is good. */
export function reportSeeds(): readonly Uint8Array[] {
  return [2, 3, 4, 5].map((version) => serializeSnpReport(reportOf(version)));
}

function reportOf(version: number): SnpReport {
  const filled = (length: number, value: number): Uint8Array => new Uint8Array(length).fill(value);
  const tcb = tcbBytes('Milan', { bootloader: 4, tee: 0, snp: 24, microcode: 219 });
  const firmware = { major: 1, minor: 55, build: 29 };
  const mitigations = version >= 5 ? 0xbn : 0n;
  return {
    version,
    guestSvn: 3,
    policy: 0x30000n,
    familyId: filled(16, 0xf1),
    imageId: filled(16, 0x1d),
    vmpl: 0,
    signatureAlgorithm: 1,
    currentTcb: tcb,
    platformInfo: 0x25n,
    authorKeyEnabled: false,
    chipKeyMasked: false,
    signingKey: 0,
    reportData: filled(64, 0xda),
    measurement: filled(48, 0x3e),
    hostData: filled(32, 0x40),
    idKeyDigest: filled(48, 0),
    authorKeyDigest: filled(48, 0),
    reportId: filled(32, 0x1f),
    reportIdMigrationAgent: filled(32, 0xff),
    reportedTcb: tcb,
    cpuid: version >= 3 ? { family: 0x19, model: 1, stepping: 1 } : undefined,
    chipId: filled(64, 0xc1),
    committedTcb: tcb,
    currentFirmware: firmware,
    committedFirmware: firmware,
    launchTcb: tcb,
    launchMitigations: mitigations,
    currentMitigations: mitigations,
    signature: filled(96, 0x51),
  };
}

const GUIDS = [
  '63da758de6644564adc5f4b93be8accd',
  '4ab7b379bbac4fe4a02f05aef327c782',
  'a8074bc2a25a483eaae639c045a0b8a1',
  'c0b406a4a803495297433fb6014cd0ae',
];

/** A table of up to four certificates, as an extended report has it behind it. */
export function certificateTableOf(certificates: readonly Uint8Array[]): Uint8Array {
  const blobs = certificates.slice(0, GUIDS.length);
  const head = 24 * (blobs.length + 1);
  const entries = blobs.map((blob, at) => {
    const before = blobs.slice(0, at).reduce((sum, { byteLength }) => sum + byteLength, head);
    const place = new DataView(new ArrayBuffer(8));
    place.setUint32(0, before, true);
    place.setUint32(4, blob.byteLength, true);
    return concatBytes(fromHex(GUIDS[at] ?? ''), new Uint8Array(place.buffer));
  });
  return concatBytes(...entries, new Uint8Array(24), ...blobs);
}
