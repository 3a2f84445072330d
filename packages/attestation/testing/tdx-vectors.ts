/**
 * One TDX vector: its quote, its collateral, its expected verdict, rating and decoded fields.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import {
  INTEL_ROOTS,
  parseTdxQuote,
  parseTdxReferenceValues,
  verifyTdx,
  type AttestationErrorCode,
  type TdxEndorsements,
  type TdxReferenceValues,
  type TdxVerdict,
} from '../src/index.ts';
import { toHex, unixMillis } from '@witan/core';
import { testCrypto } from './node-crypto.ts';
import { differences, objectOf, stringOf, stringsOf, type Json } from './json.ts';
import { decodedPck, decodedQe, decodedTd } from './tdx-decoded.ts';

/** Which codes an index's words allow. */
const CODES: Readonly<Record<string, readonly AttestationErrorCode[]>> = {
  'status Revoked': ['TDX_TCB_REVOKED'],
  'status NotSupported': ['TDX_TCB_NOT_SUPPORTED'],
  'TCB NotSupported': ['TDX_TCB_NOT_SUPPORTED'],
  'status undefined': ['TDX_MODULE_IDENTITY'],
  'TD DEBUG': ['TDX_DEBUG'],
  status: ['TDX_TCB_STATUS'],
  tdxModuleIdentityMissing: ['TDX_MODULE_IDENTITY'],
  seamAttr: ['TDX_MODULE_ATTRIBUTES'],
  seamAttrZero: ['TDX_MODULE_ATTRIBUTES'],
  qeMrsigner: ['TDX_QE_MISMATCH'],
  qeAttr: ['TDX_QE_MISMATCH'],
  qeIdId: ['TDX_QE_IDENTITY_ID'],
  qeIdExpired: ['TDX_QE_IDENTITY_VALIDITY'],
  tud: ['TDX_DEBUG'],
  mrServiceTd: ['TDX_SERVICE_TD'],
  quoteSig: ['TDX_QUOTE_SIGNATURE'],
  qeReportSig: ['TDX_QE_REPORT_SIGNATURE'],
  qeReportDataTail: ['TDX_QE_REPORT_DATA'],
  chainLen: ['TDX_PCK_CHAIN'],
  pckExpired: ['TDX_PCK_VALIDITY'],
  caRevoked: ['TDX_CA_REVOKED'],
  pckCrlExpired: ['TDX_CRL_VALIDITY'],
  pckCrlSig: ['TDX_CRL_SIGNATURE'],
  tcbInfoSig: ['TDX_TCB_INFO_SIGNATURE'],
  tcbInfoChain: ['TDX_TCB_SIGNER'],
  tcbInfoExpired: ['TDX_TCB_INFO_VALIDITY'],
  tcbInfoId: ['TDX_TCB_INFO_ID'],
  pceIdMismatch: ['TDX_PCEID_MISMATCH'],
  version: ['TDX_QUOTE_VERSION'],
  qeVendor: ['TDX_VENDOR_ID'],
  certType: ['TDX_CERTIFICATION_DATA'],
  'bodyType/size': ['TDX_BODY_TYPE'],
  EXC: ['TDX_QUOTE_MALFORMED'],
};

/** A verdict that an index expects, in one form for all indexes. */
interface Expectation {
  readonly at: string;
  readonly collateral: string;
  readonly outcome: string;
  readonly words: readonly string[];
  readonly tcbStatus: string | undefined;
  readonly advisories: readonly string[];
  readonly levels: Json;
}

/** Runs a synthetic vector, which has one verdict. */
export function runSyntheticTdxVector(
  folder: string,
  vector: Json,
  developmentRoots: readonly string[],
): readonly string[] {
  const files = objectOf(vector['files']);
  const quote = readQuote(folder, stringOf(files['quote']) ?? '');
  const expectation: Expectation = {
    at: stringOf(vector['at']) ?? '',
    collateral: stringOf(files['collateral']) ?? '',
    outcome: stringOf(vector['expect']) ?? '',
    words: stringsOf(objectOf(vector['checked'])['failed']),
    tcbStatus: stringOf(vector['tcb_status']),
    advisories: stringsOf(vector['advisories']),
    levels: {},
  };
  const problems = verdictProblems(
    expectation,
    judge(folder, quote, expectation, developmentRoots),
  );
  const strict = judge(folder, quote, expectation, []);
  return strict.ok
    ? [...problems, 'accepted although its root is not a production one (I11)']
    : problems;
}

/** Runs a real quote with each collateral that its index names. */
export function runTdxVector(folder: string, vector: Json): readonly string[] {
  const quote = readQuote(folder, stringOf(vector['file']) ?? '');
  const verdicts = Array.isArray(vector['verdicts_with_collateral'])
    ? vector['verdicts_with_collateral'].map(objectOf)
    : [];
  const parsed = parseTdxQuote(quote);
  return [
    ...differences(vector['quote_version'], parsed.version, 'quote_version'),
    ...differences(vector['trailing_bytes'], parsed.trailing.byteLength, 'trailing_bytes'),
    ...differences(vector['td'], decodedTd(parsed), 'td'),
    ...differences(vector['qe'], decodedQe(parsed), 'qe'),
    ...differences(vector['pck'], decodedPck(parsed), 'pck'),
    ...verdicts.flatMap((verdict) => {
      const expectation = expectationOf(verdict);
      return verdictProblems(expectation, judge(folder, quote, expectation, []));
    }),
  ];
}

/** Evidence that a TDX verifier must refuse by its TEE type. */
export function runSgxVector(folder: string, vector: Json): readonly string[] {
  const quote = readQuote(folder, stringOf(vector['file']) ?? '');
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
  };
}

function judge(
  folder: string,
  quote: Uint8Array,
  { at, collateral }: Expectation,
  developmentRoots: readonly string[],
): TdxVerdict {
  const reportData = quoteReportData(quote);
  return verifyTdx({
    quote,
    endorsements: readCollateral(join(folder, collateral)),
    options: {
      now: unixMillis(Date.parse(at)),
      crypto: testCrypto,
      roots: { production: INTEL_ROOTS, development: developmentRoots },
      expectedReportData: reportData ?? new Uint8Array(64),
      referenceValues: referenceValuesFor(quote, developmentRoots),
    },
  });
}

function quoteReportData(quote: Uint8Array): Uint8Array | undefined {
  try {
    return parseTdxQuote(quote).body.reportData;
  } catch {
    return undefined;
  }
}

function referenceValuesFor(
  quote: Uint8Array | undefined,
  developmentRoots: readonly string[],
): TdxReferenceValues {
  const json = referenceJsonFor(quote ?? new Uint8Array());
  return parseTdxReferenceValues(
    { ...json, ...(developmentRoots.length === 0 ? {} : { developmentRoots }) },
    'vector',
  );
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
  if (found !== expected.outcome) {
    return [`${name}: expected ${expected.outcome}, found ${found} ${code}`];
  }
  const allowed = expected.words.flatMap((words) => codesFor(words));
  const problems =
    verdict.ok || allowed.length === 0 || allowed.includes(verdict.code)
      ? []
      : [`${name}: expected a code for ${expected.words.join(', ')}, found ${code}`];
  return [...problems, ...ratingProblems(expected, verdict, name)];
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

function codesFor(words: string): readonly AttestationErrorCode[] {
  return CODES[words] ?? CODES[words.split(' ')[0] ?? ''] ?? [];
}

function readQuote(folder: string, name: string): Uint8Array {
  const [path = '', ...hints] = name.split(' ');
  const bytes = readFileSync(join(folder, path));
  if (hints.join(' ') !== '(hex text)') return new Uint8Array(bytes);
  return new Uint8Array(Buffer.from(bytes.toString('latin1').trim().replace(/^0x/, ''), 'hex'));
}

/** A collateral document of the vectors' common shape. */
export function readCollateral(path: string): TdxEndorsements {
  const json = objectOf(JSON.parse(readFileSync(path, 'utf8')));
  const hex = (name: string): Uint8Array =>
    new Uint8Array(Buffer.from(stringOf(json[name]) ?? '', 'hex'));
  const text = (name: string): Uint8Array =>
    new Uint8Array(Buffer.from(stringOf(json[name]) ?? '', 'utf8'));
  return {
    rootCrl: hex('root_ca_crl'),
    pckCrl: hex('pck_crl'),
    tcbInfoIssuerChain: text('tcb_info_issuer_chain'),
    tcbInfo: text('tcb_info'),
    tcbInfoSignature: hex('tcb_info_signature'),
    qeIdentityIssuerChain: text('qe_identity_issuer_chain'),
    qeIdentity: text('qe_identity'),
    qeIdentitySignature: hex('qe_identity_signature'),
  };
}
