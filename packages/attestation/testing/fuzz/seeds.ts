/** Inputs that the parsers of SEV-SNP accept, of every version and product. */
import { serializeSnpReport, type SnpReport } from '../../src/index.ts';
import { plainReport } from '../snp-hierarchy.ts';
import { concatBytes, fromHex } from '@witan/core';

/** Reports of all versions, unsigned: their structure is good. */
export function reportSeeds(): readonly Uint8Array[] {
  return [2, 3, 4, 5].map((version) => serializeSnpReport(reportOf(version)));
}

function reportOf(version: number): SnpReport {
  const report = plainReport('Milan');
  const mitigations = version >= 5 ? report.launchMitigations : 0n;
  return {
    ...report,
    version,
    cpuid: version >= 3 ? report.cpuid : undefined,
    launchMitigations: mitigations,
    currentMitigations: mitigations,
    signature: new Uint8Array(96).fill(0x51),
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
