/**
 * The verdict on evidence: genuine or not, and, where reference values are given, whether it is
 * what they expect. All judging is done by `@witan/attestation`; this only puts its parts together.
 */
import {
  AMD_ROOTS,
  appraise,
  appraiseAzure,
  azureExpectationOf,
  checkEventLog,
  establishAzure,
  establishSnp,
  establishTdx,
  INTEL_ROOTS,
  type AnyReferenceValues,
  type AppraisalResult,
  type AttestationErrorCode,
  type AzureExpectation,
  type Check,
  type Claims,
  type EventLog,
  type Finding,
  type ReferenceValues,
} from '@witan/attestation';
import { bytesEqual, fromHex, toHex, type UnixMillis } from '@witan/core';
import { nodeCrypto } from '@witan/keys';
import type { AnyEvidence } from './binary-evidence.ts';
import type { ExpectedValues } from './expected-values.ts';

/** What to judge with. */
export interface JudgeRequest {
  readonly evidence: AnyEvidence;
  readonly now: UnixMillis;
  /** Undefined: only whether the evidence is genuine. */
  readonly expected: readonly ExpectedValues[] | undefined;
  /** Undefined: not compared, and the judgement says so. */
  readonly reportData: Uint8Array | undefined;
  /** Azure only: the nonce of the vTPM's quote as it is, in the place of report data. */
  readonly quoteNonce?: Uint8Array;
  /** Accept a guest that its host may debug, where no reference values say anything about it. */
  readonly allowDebug?: boolean;
  /** Must give the registers of the evidence. */
  readonly eventLog?: EventLog;
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
  const judgement =
    request.expected === undefined
      ? concludeGenuine(genuine, claims, request)
      : concludeExpected(genuine, claims, request.expected, request);
  return withEventLog(judgement, claims, request.eventLog);
}

type Genuine = Omit<Judgement, 'accepted' | 'code' | 'entries'>;

function establish({ evidence, now, expected, addedRoots }: JudgeRequest) {
  const development = developmentRoots(evidence, expected ?? [], addedRoots);
  const common = { now, crypto: nodeCrypto };
  if (evidence.kind === 'snp') {
    const roots = { production: AMD_ROOTS, development };
    const options = { ...common, roots, revocation: 'if-present' } as const;
    return establishSnp(evidence.report, evidence.endorsements, options);
  }
  if (evidence.kind === 'tdx') {
    const roots = { production: INTEL_ROOTS, development };
    return establishTdx(evidence.quote, evidence.endorsements, { ...common, roots });
  }
  const revocation = 'if-present';
  return establishAzure(evidence, { ...common, revocation, developmentRoots: development });
}

function developmentRoots(
  { kind }: AnyEvidence,
  expected: readonly ExpectedValues[],
  added: readonly string[],
): readonly string[] {
  const fitting = expected.map(({ values }) => values).filter(({ tee }) => tee === kind);
  return [...added, ...fitting.flatMap((values) => hardwareOf(values).developmentRoots ?? [])];
}

function hardwareOf(values: AnyReferenceValues): ReferenceValues {
  return 'hardware' in values ? values.hardware : values;
}

/** Without reference values a debug guest is refused: nobody means to trust its host by default. */
function concludeGenuine(genuine: Genuine, claims: Claims, request: JudgeRequest): Judgement {
  const debugCode = claims.tee === 'snp' ? 'SNP_POLICY_DEBUG' : 'TDX_DEBUG';
  const debugCheck: Check = {
    code: debugCode,
    passed: !claims.debug || request.allowDebug === true,
    expected: request.allowDebug === true ? 'debugging or not' : 'no debugging',
    found: claims.debug ? 'debugging allowed' : 'no debugging',
  };
  const own = [debugCheck, ...freshnessChecks(claims, request)];
  const failed = own.find(({ passed }) => !passed);
  const checks = [...genuine.checks, ...own];
  return { ...genuine, checks, accepted: failed === undefined, code: failed?.code, entries: [] };
}

/** What the evidence carries against what it was asked to carry. */
function freshnessChecks(claims: Claims, request: JudgeRequest): readonly Check[] {
  const { evidence, reportData } = request;
  if (claims.azure === undefined) {
    if (reportData === undefined) return [];
    const passed = bytesEqual(reportData, fromHex(claims.reportData));
    const [code = 'SNP_REPORT_DATA'] = freshnessCodes(evidence);
    return [{ code, passed, expected: toHex(reportData), found: claims.reportData }];
  }
  const expected = expectationOf(request);
  if (expected === undefined) return [];
  const { nonce, userData = 'none' } = claims.azure;
  const compare = (code: AttestationErrorCode, wanted: Uint8Array, found: string): Check => {
    return { code, passed: toHex(wanted) === found, expected: toHex(wanted), found };
  };
  return [
    compare('AZURE_NONCE', expected.nonce, nonce),
    ...(expected.userData === undefined
      ? []
      : [compare('AZURE_USER_DATA', expected.userData, userData)]),
  ];
}

function expectationOf({ reportData, quoteNonce }: JudgeRequest): AzureExpectation | undefined {
  if (quoteNonce !== undefined) return { nonce: quoteNonce };
  return reportData === undefined ? undefined : azureExpectationOf(reportData, nodeCrypto);
}

function concludeExpected(
  genuine: Genuine,
  claims: Claims,
  expected: readonly ExpectedValues[],
  request: JudgeRequest,
): Judgement {
  const result = appraised(claims, expected, request);
  // Comparing what the evidence carries with itself would show nothing.
  const isCompared = request.reportData !== undefined || request.quoteNonce !== undefined;
  const left = isCompared ? [] : freshnessCodes(request.evidence);
  const own = (checks: readonly Check[]): readonly Check[] =>
    checks.slice(sharedLength(checks, genuine.checks)).filter(({ code }) => !left.includes(code));
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

function appraised(
  claims: Claims,
  expected: readonly ExpectedValues[],
  request: JudgeRequest,
): AppraisalResult {
  const { evidence, now, reportData, addedRoots } = request;
  const common = { now, crypto: nodeCrypto, revocation: 'if-present' } as const;
  const entries = expected.map(({ values }) => withRoots(values, addedRoots));
  if (evidence.kind === 'az-snp' || evidence.kind === 'az-tdx') {
    const own = { nonce: fromHex(claims.azure?.nonce ?? '') };
    return appraiseAzure(evidence, entries, {
      ...common,
      expected: expectationOf(request) ?? own,
      developmentRoots: developmentRoots(evidence, expected, addedRoots),
    });
  }
  return appraise(evidence, entries, {
    ...common,
    expectedReportData: reportData ?? fromHex(claims.reportData),
    developmentRoots: 'as-listed',
  });
}

/** An added root counts for every entry: the user named it for this one judgement. */
function withRoots(values: AnyReferenceValues, added: readonly string[]): AnyReferenceValues {
  const roots = [...(hardwareOf(values).developmentRoots ?? []), ...added];
  if (values.tee === 'az-snp') {
    return { ...values, hardware: { ...values.hardware, developmentRoots: roots } };
  }
  if (values.tee === 'az-tdx') {
    return { ...values, hardware: { ...values.hardware, developmentRoots: roots } };
  }
  return { ...values, developmentRoots: roots };
}

/** The log counts beside everything else: a log of another boot refuses the evidence. */
function withEventLog(judgement: Judgement, claims: Claims, log: EventLog | undefined): Judgement {
  if (log === undefined) return judgement;
  const replayed = checkEventLog(log, claims, nodeCrypto);
  const failed = replayed.find(({ passed }) => !passed);
  const checks = [...judgement.checks, ...replayed];
  if (failed === undefined || !judgement.accepted) return { ...judgement, checks };
  return { ...judgement, checks, accepted: false, code: failed.code };
}

/** An entry of another TEE has none of the checks that show the evidence genuine. */
function sharedLength(checks: readonly Check[], genuine: readonly Check[]): number {
  const shares = genuine.every(({ code }, index) => checks[index]?.code === code);
  return shares ? genuine.length : 0;
}

function freshnessCodes({ kind }: AnyEvidence): readonly AttestationErrorCode[] {
  if (kind === 'snp') return ['SNP_REPORT_DATA'];
  if (kind === 'tdx') return ['TDX_REPORT_DATA'];
  return ['AZURE_NONCE', 'AZURE_USER_DATA'];
}
