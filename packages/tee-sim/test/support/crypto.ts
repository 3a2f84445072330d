/** Verification by @witan/attestation with the real crypto port and no other roots. */
import { nodeCrypto } from '@witan/keys';
import { unixMillis } from '@witan/core';
import {
  AMD_ROOTS,
  parseSnpReferenceValues,
  verifySnp,
  type SnpEvidence,
  type SnpProduct,
  type SnpTcb,
  type SnpVerdict,
} from '@witan/attestation';

export interface Expectations {
  readonly reportData: Uint8Array;
  /** Hex. */
  readonly measurement: string;
  /** Hex. */
  readonly hostData: string;
  readonly product: SnpProduct;
  readonly minimumTcb: SnpTcb;
  /** Hex; empty for a verifier that accepts AMD's roots alone. */
  readonly developmentRoots: readonly string[];
  readonly more?: Readonly<Record<string, unknown>>;
}

export function verify(evidence: SnpEvidence, expected: Expectations): SnpVerdict {
  const { developmentRoots } = expected;
  return verifySnp({
    report: evidence.report,
    endorsements: evidence.endorsements,
    options: {
      now: unixMillis(Date.now()),
      crypto: nodeCrypto,
      roots: { production: AMD_ROOTS, development: developmentRoots },
      revocation: 'required',
      expectedReportData: expected.reportData,
      referenceValues: parseSnpReferenceValues(
        {
          tee: 'snp',
          measurement: [expected.measurement],
          hostData: expected.hostData,
          products: [expected.product],
          minimumTcb: expected.minimumTcb,
          ...(developmentRoots.length === 0 ? {} : { developmentRoots }),
          ...expected.more,
        },
        'test',
      ),
    },
  });
}
