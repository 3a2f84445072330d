/**
 * Two TDX verifiers on the same quotes, collateral and times: Witan's and @phala/dcap-qvl. Where
 * they differ, a rule below says why; a difference that no rule explains is a failure.
 */
import { existsSync, globSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { QuoteVerifier } from '@phala/dcap-qvl';
import {
  INTEL_ROOTS,
  parseCertificate,
  parsePemCertificates,
  parseQeIdentity,
  parseTcbInfo,
  parseTdxQuote,
  parseTdxReferenceValues,
  rateTdx,
  readPckExtensions,
  verifyTdx,
  type AttestationErrorCode,
  type TdxVerdict,
} from '@witan/attestation';
import {
  certificatesIn,
  objectOf,
  objectsOf,
  collateralOf,
  readNamed,
  referenceJsonFor,
  stringOf,
  type Json,
} from '@witan/attestation/testing';
import { fromHex, toHex, unixMillis } from '@witan/core';
import { nodeCrypto } from '@witan/keys';

/** One quote with collateral at a time. */
export interface Comparison {
  readonly name: string;
  readonly quote: Uint8Array;
  /** As a QuoteCollateralV3. */
  readonly collateral: Json;
  /** DER; Intel's own where there is none. */
  readonly root: Uint8Array | undefined;
  readonly atMs: number;
}

/** What a verifier says: the rating of a genuine quote, or why it is none. */
interface Outcome {
  readonly status: string | undefined;
  readonly advisories: readonly string[];
  readonly detail: string;
}

/** Both answers, and what rules need beside them. */
interface Answers {
  readonly ours: TdxVerdict;
  readonly theirs: Outcome;
  /** What our rules say of a platform whose TDX module had no identity. */
  readonly withoutModule: Outcome | undefined;
}

/** A reason for which the peer may say something else. */
export interface Explanation {
  readonly name: string;
  readonly explains: (answers: Answers) => boolean;
}

/** The peer accepts what we refuse for a reason that it does not look for. */
const notLookedFor =
  (...codes: readonly AttestationErrorCode[]): Explanation['explains'] =>
  ({ ours, theirs }) =>
    !ours.ok &&
    ours.claims === undefined &&
    codes.includes(ours.code) &&
    theirs.status !== undefined;

/** Both refuse, the peer by rules of its own, we by reference values. */
const refusedByPolicy =
  (detail: RegExp, ...codes: readonly AttestationErrorCode[]): Explanation['explains'] =>
  ({ ours, theirs }) =>
    !ours.ok &&
    ours.claims !== undefined &&
    detail.test(theirs.detail) &&
    ours.checks.some(({ code, passed }) => !passed && codes.includes(code));

/** What is known of the peer, version 0.3.9, each with what it does. */
export const EXPLANATIONS: readonly Explanation[] = [
  {
    name: 'it does not check revocation lists for time, issuer or signature',
    explains: notLookedFor('TDX_CRL_VALIDITY', 'TDX_CRL_SIGNATURE', 'TDX_CRL_ISSUER'),
  },
  {
    name: 'it does not compare PCEID, vendor id, or the second half of the QE report data',
    explains: notLookedFor('TDX_PCEID_MISMATCH', 'TDX_VENDOR_ID', 'TDX_QE_REPORT_DATA'),
  },
  {
    name: 'it does not ask for the name of the TCB signing certificate',
    explains: notLookedFor('TDX_TCB_SIGNER'),
  },
  {
    name: 'it looks neither for an identity of the TDX module nor at its signer and attributes',
    explains: notLookedFor('TDX_MODULE_IDENTITY', 'TDX_MODULE_SIGNER', 'TDX_MODULE_ATTRIBUTES'),
  },
  {
    name: 'it rates by the platform level alone, compared from index 0, and never by the module',
    explains: ({ theirs, withoutModule }) =>
      withoutModule !== undefined &&
      (withoutModule.status === 'NotSupported'
        ? theirs.detail.includes('No matching TCB level')
        : saysSame(withoutModule, theirs)),
  },
  {
    name: 'it reads 32 bytes of QE authentication data, whatever their length field says',
    explains: ({ ours, theirs }) => ours.ok && theirs.detail.includes('QE report hash mismatch'),
  },
  {
    name: 'it refuses debugging itself, which here is up to reference values',
    explains: refusedByPolicy(/Debug mode/, 'TDX_DEBUG'),
  },
  {
    name: 'it refuses service TDs itself, which here is up to reference values',
    explains: refusedByPolicy(/Invalid mr service td/, 'TDX_SERVICE_TD'),
  },
  {
    name: 'it judges other TD attributes itself, which here is up to reference values',
    explains: refusedByPolicy(
      /SEPT_VE_DISABLE|PKS|KL|Reserved/i,
      'TDX_ATTRIBUTES',
      'TDX_ATTRIBUTES_RESERVED',
    ),
  },
  {
    name: 'it takes sizes in the quote as upper bounds; here they must be exact',
    explains: notLookedFor('TDX_QUOTE_MALFORMED'),
  },
];

/** The quotes of an index file with each of their collaterals. */
export function comparisonsIn(indexFile: string): readonly Comparison[] {
  const folder = dirname(indexFile);
  const index = readJson(indexFile);
  return objectsOf(index['tdx']).flatMap((vector) => {
    const files = objectOf(vector['files']);
    const name = stringOf(vector['file']) ?? stringOf(files['quote']) ?? '';
    const quote = readNamed(folder, name);
    const rootName = stringOf(files['root']);
    const root = rootName === undefined ? undefined : certificatesIn(folder, rootName)[0];
    const verdicts = objectsOf(vector['verdicts_with_collateral']);
    const pairs: readonly Json[] =
      vector['file'] === undefined ? [{ ...files, at: vector['at'] }] : verdicts;
    return pairs.map((pair) => ({
      name: `${name} with ${stringOf(pair['collateral']) ?? ''}`,
      quote,
      collateral: readJson(join(folder, stringOf(pair['collateral']) ?? '')),
      root,
      atMs: Date.parse(stringOf(pair['at']) ?? ''),
    }));
  });
}

/** All index files below the paths. */
export function comparisonsBelow(paths: readonly string[]): readonly Comparison[] {
  return paths.flatMap((path) => {
    if (!existsSync(path)) throw new Error(`no such file or folder: ${path}`);
    const files = path.endsWith('.json')
      ? [path]
      : globSync('**/index.json', { cwd: path }).map((found) => join(path, found));
    return files.toSorted().flatMap(comparisonsIn);
  });
}

/** What came of one comparison. */
export interface Difference {
  readonly name: string;
  readonly ours: string;
  readonly theirs: string;
  /** Names of the rules; empty when nothing explains it. */
  readonly explanations: readonly string[];
}

/**
 * @param explanations the rules to go by
 * @returns undefined when both say the same
 */
export function compare(
  comparison: Comparison,
  explanations: readonly Explanation[] = EXPLANATIONS,
): Difference | undefined {
  const ours = judgeHere(comparison);
  const theirs = judgeThere(comparison);
  const outcome = outcomeOf(ours);
  if (saysSame(outcome, theirs)) return undefined;
  const answers = { ours, theirs, withoutModule: rateWithoutModule(comparison, ours) };
  return {
    name: comparison.name,
    ours: describe(outcome),
    theirs: describe(theirs),
    explanations: explanations.filter(({ explains }) => explains(answers)).map(({ name }) => name),
  };
}

function saysSame(one: Outcome, other: Outcome): boolean {
  const texts = [one, other].map(({ status, advisories }) => [status, ...advisories].join());
  return texts[0] === texts[1];
}

/** Only for quotes that came as far as their rating, of modules that have an identity. */
function rateWithoutModule(
  { quote, collateral }: Comparison,
  ours: TdxVerdict,
): Outcome | undefined {
  const rated = ours.claims !== undefined || /^TDX_TCB_(REV|NOT)/.test(ours.ok ? '' : ours.code);
  if (!rated) return undefined;
  const { body, qeReport, pckChain } = parseTdxQuote(quote);
  if ((body.teeTcbSvn[1] ?? 0) === 0) return undefined;
  const { tcbInfo, qeIdentity } = collateralOf(collateral);
  const [leaf] = parsePemCertificates(Buffer.from(pckChain).toString('latin1'));
  if (tcbInfo === undefined || qeIdentity === undefined || leaf === undefined) return undefined;
  const { components, pceSvn } = readPckExtensions(parseCertificate(leaf));
  const { status, advisories } = rateTdx(
    {
      components,
      pceSvn,
      teeTcbSvn: body.teeTcbSvn.with(1, 0),
      teeTcbSvn2: undefined,
      qeIsvSvn: qeReport.isvSvn,
    },
    {
      platform: parseTcbInfo(tcbInfo).levels,
      moduleIdentities: [],
      quotingEnclave: parseQeIdentity(qeIdentity).levels,
    },
  );
  return { status, advisories, detail: '' };
}

function judgeHere({ quote, collateral, root, atMs }: Comparison): TdxVerdict {
  const development = root === undefined ? [] : [toHex(nodeCrypto.hash('sha256', root))];
  return verifyTdx({
    quote,
    endorsements: collateralOf(collateral),
    options: {
      now: unixMillis(atMs),
      crypto: nodeCrypto,
      roots: { production: INTEL_ROOTS, development },
      expectedReportData: reportDataOf(quote),
      referenceValues: parseTdxReferenceValues(
        {
          ...referenceJsonFor(quote),
          ...(root === undefined ? {} : { developmentRoots: development }),
        },
        'differential',
      ),
    },
  });
}

function reportDataOf(quote: Uint8Array): Uint8Array {
  try {
    return parseTdxQuote(quote).body.reportData;
  } catch {
    return fromHex('00'.repeat(64));
  }
}

/** A quote that only the reference values refuse has a rating all the same. */
function outcomeOf(verdict: TdxVerdict): Outcome {
  const { claims } = verdict;
  return {
    status: claims?.tcbStatus,
    advisories: claims?.advisories ?? [],
    detail: verdict.ok ? '' : verdict.code,
  };
}

function judgeThere({ quote, collateral, root, atMs }: Comparison): Outcome {
  const verifier =
    root === undefined ? QuoteVerifier.newProd() : QuoteVerifier.newWithRootCa(Buffer.from(root));
  try {
    const { status, advisory_ids: advisories } = verifier.verify(
      Buffer.from(quote),
      collateral as unknown as Parameters<typeof verifier.verify>[1],
      atMs / 1000,
    );
    return { status, advisories: advisories.toSorted(), detail: '' };
  } catch (error) {
    return { status: undefined, advisories: [], detail: String(error) };
  }
}

function readJson(path: string): Json {
  return objectOf(JSON.parse(readFileSync(path, 'utf8')));
}

function describe({ status, advisories, detail }: Outcome): string {
  return status === undefined ? `refused: ${detail}` : [status, ...advisories].join(', ');
}
