/**
 * One TDX vector: its quote, its collateral, its expected verdict, rating and decoded fields.
 */
import { join } from 'node:path';
import {
  INTEL_ROOTS,
  parseTdxQuote,
  parseTdxReferenceValues,
  verifyTdx,
  type TdReport,
  type TdxReferenceValues,
  type TdxVerdict,
  type TdxVerifyRequest,
} from '../src/index.ts';
import { toHex, unixMillis } from '@witan/core';
import { testCrypto } from './node-crypto.ts';
import { differences, objectOf, objectsOf, stringOf, stringsOf, type Json } from './json.ts';
import { codeProblems } from './outcome.ts';
import { readCollateral } from './tdx-collateral-file.ts';
import { decodedPck, decodedQe, decodedTd } from './tdx-decoded.ts';
import { chainProblems } from './tdx-signatures.ts';
import { tdxCodesFor, tdxPermissionsFor, TDX_NOT_WAIVABLE } from './tdx-words.ts';
import { readNamed } from './vector-files.ts';

/** A verdict that an index expects, in one form for all indexes. */
interface Expectation {
  readonly at: string;
  readonly collateral: string;
  readonly outcome: string;
  readonly words: readonly string[];
  readonly tcbStatus: string | undefined;
  readonly advisories: readonly string[];
  readonly levels: Json;
  /** What the default policy does not like about the trust domain. */
  readonly findings: readonly string[];
}

/** Runs a synthetic vector, which has one verdict. */
export function runSyntheticTdxVector(
  folder: string,
  vector: Json,
  developmentRoots: readonly string[],
): readonly string[] {
  const files = objectOf(vector['files']);
  const quote = readNamed(folder, stringOf(files['quote']) ?? '');
  const expectation = syntheticExpectation(vector);
  const problems = verdictProblems(
    expectation,
    judge(folder, quote, expectation, developmentRoots),
  );
  const strict = judge(folder, quote, expectation, []);
  return strict.ok || strict.claims !== undefined
    ? [...problems, 'genuine although its root is not a production one (I11)']
    : problems;
}

/** Runs a real quote with each collateral that its index names. */
export function runTdxVector(folder: string, vector: Json): readonly string[] {
  const quote = readNamed(folder, stringOf(vector['file']) ?? '');
  const verdicts = Array.isArray(vector['verdicts_with_collateral'])
    ? vector['verdicts_with_collateral'].map(objectOf)
    : [];
  const parsed = parseTdxQuote(quote);
  return [
    ...differences(vector['bytes'] ?? quote.byteLength, quote.byteLength, 'bytes'),
    ...differences(vector['quote_version'], parsed.version, 'quote_version'),
    ...differences(vector['trailing_bytes'], parsed.trailing.byteLength, 'trailing_bytes'),
    ...differences(vector['td'], decodedTd(parsed), 'td'),
    ...differences(vector['qe'], decodedQe(parsed), 'qe'),
    ...differences(vector['pck'], decodedPck(parsed), 'pck'),
    ...chainProblems(parsed, objectOf(vector['signature_chain'])),
    ...verdicts.flatMap((verdict) => {
      const expectation = expectationOf(verdict);
      return verdictProblems(expectation, judge(folder, quote, expectation, []));
    }),
  ];
}

/** Evidence that a TDX verifier must refuse by its TEE type. */
export function runSgxVector(folder: string, vector: Json): readonly string[] {
  const quote = readNamed(folder, stringOf(vector['file']) ?? '');
  const verdict = verifyTdx({
    quote,
    endorsements: {},
    options: {
      now: unixMillis(0),
      crypto: testCrypto,
      roots: { production: INTEL_ROOTS, development: [] },
      expectedReportData: new Uint8Array(64),
      referenceValues: referenceValuesFor(undefined, []),
    },
  });
  return verdict.ok || verdict.code !== 'TDX_TEE_TYPE' ? ['not refused by its TEE type'] : [];
}

function syntheticExpectation(vector: Json): Expectation {
  return {
    at: stringOf(vector['at']) ?? '',
    collateral: stringOf(objectOf(vector['files'])['collateral']) ?? '',
    outcome: stringOf(vector['expect']) ?? '',
    words: stringsOf(objectOf(vector['checked'])['failed']),
    tcbStatus: stringOf(vector['tcb_status']),
    advisories: stringsOf(vector['advisories']),
    levels: {},
    findings: [],
  };
}

function expectationOf(verdict: Json): Expectation {
  const text = stringOf(verdict['verdict']) ?? '';
  const underPolicy = text === 'reject under an UpToDate-only policy';
  return {
    at: stringOf(verdict['at']) ?? '',
    collateral: stringOf(verdict['collateral']) ?? '',
    outcome: underPolicy ? 'reject-policy' : (text.split(' ')[0] ?? ''),
    words: underPolicy ? ['status'] : [/\((.*)\)/.exec(text)?.[1] ?? ''],
    tcbStatus: stringOf(verdict['tcb_status']),
    advisories: stringsOf(verdict['advisory_ids']),
    levels: objectOf(verdict['levels']),
    findings: stringsOf(verdict['td_policy_findings']),
  };
}

/** The accepted verdicts of a vector as requests, for other uses of the same evidence. */
export function tdxRequestsOf(
  folder: string,
  vector: Json,
  developmentRoots: readonly string[],
): readonly TdxVerifyRequest[] {
  const synthetic = vector['file'] === undefined;
  const files = objectOf(vector['files']);
  const name = stringOf(synthetic ? files['quote'] : vector['file']) ?? '';
  const quote = readNamed(folder, name);
  const expectations = synthetic
    ? [syntheticExpectation(vector)]
    : objectsOf(vector['verdicts_with_collateral']).map(expectationOf);
  return expectations
    .filter(({ outcome }) => outcome === 'accept')
    .map((expectation) =>
      requestFor(folder, quote, expectation, synthetic ? developmentRoots : []),
    );
}

function judge(
  folder: string,
  quote: Uint8Array,
  expectation: Expectation,
  developmentRoots: readonly string[],
): TdxVerdict {
  return verifyTdx(requestFor(folder, quote, expectation, developmentRoots));
}

function requestFor(
  folder: string,
  quote: Uint8Array,
  { at, collateral, outcome, findings }: Expectation,
  developmentRoots: readonly string[],
): TdxVerifyRequest {
  const body = bodyOf(quote);
  const serviceTd = toHex(body?.mrServiceTd ?? new Uint8Array(48));
  const permissions = outcome === 'accept' ? tdxPermissionsFor(findings, serviceTd) : {};
  return {
    quote,
    endorsements: readCollateral(join(folder, collateral)),
    options: {
      now: unixMillis(Date.parse(at)),
      crypto: testCrypto,
      roots: { production: INTEL_ROOTS, development: developmentRoots },
      expectedReportData: body?.reportData ?? new Uint8Array(64),
      referenceValues: referenceValuesFor(quote, developmentRoots, permissions),
    },
  };
}

function bodyOf(quote: Uint8Array): TdReport | undefined {
  try {
    return parseTdxQuote(quote).body;
  } catch {
    return undefined;
  }
}

function referenceValuesFor(
  quote: Uint8Array | undefined,
  developmentRoots: readonly string[],
  permissions: Json = {},
): TdxReferenceValues {
  const json = referenceJsonFor(quote ?? new Uint8Array());
  const roots = developmentRoots.length === 0 ? {} : { developmentRoots };
  return parseTdxReferenceValues({ ...json, ...roots, ...permissions }, 'vector');
}

/** Reference values that want what stands in a quote, whether or not it parses. */
export function referenceJsonFor(quote: Uint8Array): Json {
  const zero = '00'.repeat(48);
  const body = 48 + (quote[0] === 5 ? 6 : 0);
  const hex = (offset: number): string => {
    const at = body + offset;
    return quote.byteLength < at + 48 ? zero : toHex(quote.slice(at, at + 48));
  };
  return {
    tee: 'tdx',
    mrTd: [hex(136)],
    rtmr0: [hex(328)],
    rtmr1: [hex(376)],
    rtmr2: [hex(424)],
    rtmr3: [hex(472)],
    mrConfigId: hex(184),
    mrOwner: hex(232),
    mrOwnerConfig: hex(280),
  };
}

function verdictProblems(expected: Expectation, verdict: TdxVerdict): readonly string[] {
  const found = verdict.ok ? 'accept' : verdict.claims === undefined ? 'reject' : 'reject-policy';
  const name = `${expected.collateral} at ${expected.at}`;
  const code = verdict.ok ? '' : verdict.code;
  const unwaivable = !verdict.ok && TDX_NOT_WAIVABLE.includes(verdict.code);
  if (found !== expected.outcome && !(unwaivable && expected.outcome.startsWith('reject'))) {
    return [`${name}: expected ${expected.outcome}, found ${found} ${code}`];
  }
  const { words } = expected;
  return [
    ...(verdict.ok
      ? []
      : codeProblems(words.map(tdxCodesFor), verdict.checks, `${words.join(', ')} with ${name}`)),
    ...findingProblems(expected, verdict, name),
    ...ratingProblems(expected, verdict, name),
  ];
}

/** Every finding of the index is a check of ours that failed, where the quote is refused. */
function findingProblems(
  { findings }: Expectation,
  verdict: TdxVerdict,
  name: string,
): readonly string[] {
  if (verdict.ok || verdict.claims === undefined) return [];
  return findings.flatMap((finding) =>
    codeProblems([tdxCodesFor(finding)], verdict.checks, `${finding} with ${name}`),
  );
}

/** Compares rating and advisories, which a refusal by rating carries in its details. */
function ratingProblems(
  expected: Expectation,
  verdict: TdxVerdict,
  name: string,
): readonly string[] {
  const rating = [expected.tcbStatus ?? '', ...expected.advisories].join(', ');
  const { claims } = verdict;
  if (claims === undefined) {
    const byRating = !verdict.ok && /^TDX_TCB_(REVOKED|NOT_SUPPORTED)$/.test(verdict.code);
    return byRating ? differences(rating, verdict.detail['found'], `${name} rating`) : [];
  }
  const { sgx, platform, module, quotingEnclave } = claims.levels;
  const levels = {
    sgx_pce: sgx,
    tdx: platform,
    // The index speaks of the platform's level where a module has none of its own.
    module: module === 'NotApplicable' ? (expected.levels['module'] ?? module) : module,
    qe: quotingEnclave,
  };
  const found = [claims.tcbStatus, ...claims.advisories].join(', ');
  return [
    ...differences(rating, found, `${name} rating`),
    ...differences(expected.levels, levels, `${name} levels`),
  ];
}
