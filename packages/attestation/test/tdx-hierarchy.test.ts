import { describe, expect, it } from 'vitest';
import { unixMillis } from '@witan/core';
import {
  parseTdxQuote,
  parseTdxReferenceValues,
  verifyTdx,
  INTEL_ROOTS,
  type TdReport,
} from '../src/index.ts';
import {
  createTdxHierarchy,
  healthyTdReport,
  serializeTdReport,
  TDX_NOW_MS,
  testCrypto,
} from '../testing/index.ts';
import { referenceJsonFor } from '../testing/tdx-vectors.ts';

const hierarchy = createTdxHierarchy();
const without15 = { teeTcbSvn2: undefined, mrServiceTd: undefined } as const;

describe.each([
  ['4', healthyTdReport(without15), {}],
  ['5 with a body of TDX 1.0', healthyTdReport(without15), { version: 5 }],
  ['5 with a body of TDX 1.5', healthyTdReport(), {}],
] as const)('a quote of version %s that was made here', (_, report: TdReport, changes) => {
  const quote = hierarchy.quote(report, changes);

  it('is parsed into the report that it was made from', () => {
    const parsed = parseTdxQuote(quote);
    expect(parsed.body).toEqual(report);
    expect(parsed.signed.slice(-serializeTdReport(report).byteLength)).toEqual(
      serializeTdReport(report),
    );
  });

  it('is accepted under its root, as simulated, and under no other (I11)', () => {
    const judge = (development: readonly string[]): ReturnType<typeof verifyTdx> =>
      verifyTdx({
        quote,
        endorsements: hierarchy.endorsements,
        options: {
          now: unixMillis(TDX_NOW_MS),
          crypto: testCrypto,
          roots: { production: INTEL_ROOTS, development },
          expectedReportData: report.reportData,
          referenceValues: parseTdxReferenceValues(
            { ...referenceJsonFor(quote), developmentRoots: [hierarchy.fingerprint] },
            '',
          ),
        },
      });
    expect(judge([hierarchy.fingerprint])).toMatchObject({
      ok: true,
      claims: { simulated: true, tcbStatus: 'UpToDate', advisories: [] },
    });
    expect(judge([])).toMatchObject({ ok: false, code: 'TDX_ROOT_UNTRUSTED' });
  });
});
