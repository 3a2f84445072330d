/**
 * The verdict on evidence: genuine or not, and, where reference values are given, whether it is
 * what they expect. All judging is done by `@witan/attestation`; this only puts its parts together.
 */
import {
  AMD_ROOTS,
  appraise,
  establishSnp,
  establishTdx,
  INTEL_ROOTS,
  type AttestationErrorCode,
  type Check,
  type Claims,
  type Evidence,
  type Finding,
  type ReferenceValues,
} from '@witan/attestation';
import { bytesEqual, fromHex, toHex, type UnixMillis } from '@witan/core';
import { nodeCrypto } from '@witan/keys';
import type { ExpectedValues } from './expected-values.ts';

/** What to judge with. */
export interface JudgeRequest {
  readonly evidence: Evidence;
  readonly now: UnixMillis;
  /** Undefined: only whether the evidence is genuine. */
  readonly expected: readonly ExpectedValues[] | undefined;
  /** Undefined: not compared, and the judgement says so. */
  readonly reportData: Uint8Array | undefined;
  /** SHA-256 of roots that the user added, hex. */
  readonly addedRoots: readonly string[];
}

/** The checks against one entry of the reference values. */
export interface JudgedEntry {
  readonly name: string;
  readonly accepted: boolean;
  readonly checks: readonly Check[];
}

/** The verdict with its whole record. */
export interface Judgement {
  readonly accepted: boolean;
  /** Why not; undefined when accepted. */
  readonly code: AttestationErrorCode | undefined;
  readonly genuine: boolean;
  /** Whether the evidence is genuine, and report data where they alone were given. */
  readonly checks: readonly Check[];
  /** One for each entry that was tried. */
  readonly entries: readonly JudgedEntry[];
  readonly findings: readonly Finding[];
  /** Present when the evidence is genuine. */
  readonly claims: Claims | undefined;
  /** The earliest end of what the verdict rests on; present when the evidence is genuine. */
  readonly validUntil: UnixMillis | undefined;
}

/** Never throws for anything in the evidence, the endorsements or the reference values. */
export function judge(request: JudgeRequest): Judgement {
  const established = establish(request);
  if (established.kind === 'refused') {
    const { code, checks } = established.verdict;
    const nothing = { entries: [], findings: [], claims: undefined, validUntil: undefined };
    return { accepted: false, code, genuine: false, checks, ...nothing };
  }
  const { checks, findings } = established.checks;
  const { claims, validUntil } = established.genuine;
  const genuine = { genuine: true, checks, findings, claims, validUntil };
  return request.expected === undefined
    ? concludeGenuine(genuine, claims, request)
    : concludeExpected(genuine, claims, request.expected, request);
}

type Genuine = Omit<Judgement, 'accepted' | 'code' | 'entries'>;

function establish({ evidence, now, expected, addedRoots }: JudgeRequest) {
  const development = [...addedRoots, ...listedRoots(evidence, expected ?? [])];
  const common = { now, crypto: nodeCrypto };
  if (evidence.kind === 'snp') {
    const roots = { production: AMD_ROOTS, development };
    const options = { ...common, roots, revocation: 'if-present' } as const;
    return establishSnp(evidence.report, evidence.endorsements, options);
  }
  const roots = { production: INTEL_ROOTS, development };
  return establishTdx(evidence.quote, evidence.endorsements, { ...common, roots });
}

function listedRoots({ kind }: Evidence, expected: readonly ExpectedValues[]): readonly string[] {
  return expected
    .filter(({ values }) => values.tee === kind)
    .flatMap(({ values }) => values.developmentRoots ?? []);
}

function concludeGenuine(
  genuine: Genuine,
  claims: Claims,
  { evidence, reportData }: JudgeRequest,
): Judgement {
  if (reportData === undefined) return { ...genuine, accepted: true, code: undefined, entries: [] };
  const code = reportDataCode(evidence);
  const passed = bytesEqual(reportData, fromHex(claims.reportData));
  const check = { code, passed, expected: toHex(reportData), found: claims.reportData };
  const checks = [...genuine.checks, check];
  return { ...genuine, checks, accepted: passed, code: passed ? undefined : code, entries: [] };
}

function concludeExpected(
  genuine: Genuine,
  claims: Claims,
  expected: readonly ExpectedValues[],
  { evidence, now, reportData, addedRoots }: JudgeRequest,
): Judgement {
  const result = appraise(
    evidence,
    expected.map(({ values }) => withRoots(values, addedRoots)),
    {
      now,
      crypto: nodeCrypto,
      expectedReportData: reportData ?? fromHex(claims.reportData),
      revocation: 'if-present',
      developmentRoots: 'as-listed',
    },
  );
  // Comparing the evidence's report data with themselves would show nothing.
  const left = reportData === undefined ? reportDataCode(evidence) : undefined;
  const own = (checks: readonly Check[]): readonly Check[] =>
    checks.slice(sharedLength(checks, genuine.checks)).filter(({ code }) => code !== left);
  const nameOf = (index: number): string => expected[index]?.name ?? '';
  if (result.kind === 'refused') {
    const entries = result.refusals.map(({ entryIndex, checks }) => ({
      name: nameOf(entryIndex),
      accepted: false,
      checks: own(checks),
    }));
    return { ...genuine, accepted: false, code: result.code, entries };
  }
  const { entryIndex, checks, findings } = result;
  const entry = { name: nameOf(entryIndex), accepted: true, checks: own(checks) };
  return { ...genuine, findings, accepted: true, code: undefined, entries: [entry] };
}

/** An added root counts for every entry: the user named it for this one judgement. */
function withRoots(values: ReferenceValues, added: readonly string[]): ReferenceValues {
  return { ...values, developmentRoots: [...(values.developmentRoots ?? []), ...added] };
}

/** An entry of another TEE has none of the checks that show the evidence genuine. */
function sharedLength(checks: readonly Check[], genuine: readonly Check[]): number {
  const shares = genuine.every(({ code }, index) => checks[index]?.code === code);
  return shares ? genuine.length : 0;
}

function reportDataCode({ kind }: Evidence): AttestationErrorCode {
  return kind === 'snp' ? 'SNP_REPORT_DATA' : 'TDX_REPORT_DATA';
}
