/** What the verifier makes of evidence with the endorsements that were gathered. */
import {
  establishSnp,
  establishTdx,
  type SnpEndorsements,
  type SnpEvidence,
  type TdxEndorsements,
  type TdxEvidence,
} from '@witan/attestation';
import { testCrypto } from '@witan/attestation/testing';
import { unixMillis } from '@witan/core';
import type { Bench } from './bench.ts';

/** `genuine`, or the code of the refusal. Revocation lists are demanded. */
export function verdictOn(
  bench: Bench,
  evidence: SnpEvidence | TdxEvidence,
  endorsements: SnpEndorsements | TdxEndorsements,
): string {
  const common = { now: unixMillis(bench.nowMs), crypto: testCrypto };
  const established =
    evidence.kind === 'snp'
      ? establishSnp(evidence.report, endorsements as SnpEndorsements, {
          ...common,
          roots: { production: [], development: [bench.amd.authorities.fingerprint] },
          revocation: 'required',
        })
      : establishTdx(evidence.quote, endorsements as TdxEndorsements, {
          ...common,
          roots: { production: [], development: [bench.intel.hierarchy.fingerprint] },
        });
  return established.kind === 'genuine' ? 'genuine' : established.verdict.code;
}
