/**
 * A store as the port that provers and verifiers know: evidence in, the same evidence with what
 * endorses it out.
 */
import {
  EVIDENCE_BYTES_MAX,
  type SnpEndorsements,
  type SnpEvidence,
  type TdxEndorsements,
  type TdxEvidence,
} from '@witan/attestation';
import type { Endorsable, EndorsementSource, Evidence } from '@witan/attester';
import { unreachable } from '@witan/core';
import type { EndorsementStore, GatherOptions } from './store.ts';

/** Where the paravisor's report holds that of the hardware (Azure HCL report). */
const HCL_REPORT_FROM = 32;
const HCL_REPORT_TO: number = HCL_REPORT_FROM + 1184;
/** Evidence with larger endorsements would not pass a channel; then they stay behind. */
const ENDORSEMENTS_BYTES_MAX: number = EVIDENCE_BYTES_MAX - 64 * 1024;

/**
 * @param options `patienceMs` bounds how long a handshake waits for a download; the download goes
 *   on and serves the next one
 */
export function endorsementSource(
  store: EndorsementStore,
  options: GatherOptions = {},
): EndorsementSource {
  return {
    complete: async <Given extends Endorsable>(given: Given): Promise<Given> => {
      // The tag says what else there is; both packages describe the same evidence.
      const evidence = given as unknown as Evidence;
      const endorsements = await endorsementsOf(store, evidence, options);
      return sizeOf(endorsements) > ENDORSEMENTS_BYTES_MAX ? given : { ...given, endorsements };
    },
  };
}

async function endorsementsOf(
  store: EndorsementStore,
  evidence: Evidence,
  options: GatherOptions,
): Promise<SnpEndorsements | TdxEndorsements> {
  return (await store.endorsementsFor(hardwareEvidence(evidence), options)).endorsements;
}

/** What the vendor endorses: below Azure's paravisor, the report or quote of the hardware. */
export function hardwareEvidence(evidence: Evidence): SnpEvidence | TdxEvidence {
  switch (evidence.kind) {
    case 'snp':
    case 'tdx':
      return evidence;
    case 'az-snp': {
      const report = evidence.hclReport.slice(HCL_REPORT_FROM, HCL_REPORT_TO);
      return { kind: 'snp', report, endorsements: evidence.endorsements };
    }
    case 'az-tdx': {
      const { quote, endorsements } = evidence;
      return { kind: 'tdx', quote, endorsements };
    }
    default:
      return unreachable(evidence);
  }
}

function sizeOf(endorsements: SnpEndorsements | TdxEndorsements): number {
  const parts: readonly (Uint8Array | undefined)[] = Object.values(endorsements);
  return parts.reduce((sum, part) => sum + (part?.byteLength ?? 0), 0);
}
