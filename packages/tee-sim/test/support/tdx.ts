/** Verification of simulated quotes by @witan/attestation with the real crypto port. */
import { nodeCrypto } from '@witan/keys';
import { toHex, unixMillis } from '@witan/core';
import {
  INTEL_ROOTS,
  parseTdxReferenceValues,
  verifyTdx,
  type TdxEvidence,
  type TdxVerdict,
} from '@witan/attestation';
import type { TdMeasurements } from '../../src/hardware/guest-hardware.ts';

export interface TdxExpectations extends TdMeasurements {
  readonly reportData: Uint8Array;
  readonly mrConfigId: Uint8Array;
  /** Hex; empty for a verifier that accepts Intel's root alone. */
  readonly developmentRoots: readonly string[];
  readonly more?: Readonly<Record<string, unknown>>;
}

export function verifyQuote(evidence: TdxEvidence, expected: TdxExpectations): TdxVerdict {
  const { developmentRoots, rtmrs } = expected;
  const registers = rtmrs.map((rtmr, index) => [`rtmr${index}`, [toHex(rtmr)]]);
  return verifyTdx({
    quote: evidence.quote,
    endorsements: evidence.endorsements,
    options: {
      now: unixMillis(Date.now()),
      crypto: nodeCrypto,
      roots: { production: INTEL_ROOTS, development: developmentRoots },
      expectedReportData: expected.reportData,
      referenceValues: parseTdxReferenceValues(
        {
          tee: 'tdx',
          mrTd: [toHex(expected.mrTd)],
          ...(Object.fromEntries(registers) as object),
          mrConfigId: toHex(expected.mrConfigId),
          ...(developmentRoots.length === 0 ? {} : { developmentRoots }),
          ...expected.more,
        },
        'test',
      ),
    },
  });
}
