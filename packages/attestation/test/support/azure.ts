/** Azure evidence that is accepted, with one thing changed at a time. */
import { toHex, unixMillis, type Crypto } from '@witan/core';
import {
  INTEL_ROOTS,
  parseAzureReferenceValues,
  verifySnpAzure,
  verifyTdxAzure,
  type AzSnpEvidence,
  type AzTdxEvidence,
  type AzureExpectation,
  type TdReport,
} from '../../src/index.ts';
import {
  attestationKey,
  createTdxHierarchy,
  documentReportData,
  healthyTdReport,
  makeTpmQuote,
  runtimeDocument,
  serializeHclReport,
  tdReportOf,
  TDX_NOW_MS,
  testCrypto,
  type TpmQuotePlan,
} from '../../testing/index.ts';
import { referenceJsonFor } from '../../testing/tdx-vectors.ts';
import { makeAuthorities, NOW_MS } from './hierarchy.ts';
import { referenceJson, scene, type Changes } from './scene.ts';

export const key = attestationKey();
export const NONCE: Uint8Array = new Uint8Array(Buffer.from('a nonce of the verifier'));

const remembered = new Map<string, boolean>();

/** Remembers what it verified: the chain is the same in every one of thousands of trials. */
const rememberingCrypto: Crypto = {
  hash: (algorithm, ...parts) => testCrypto.hash(algorithm, ...parts),
  verify: (check) => {
    const { algorithm, publicKey, data, signature } = check;
    const id = toHex(testCrypto.hash('sha256', publicKey, data, signature)) + algorithm;
    const known = remembered.get(id);
    if (known !== undefined) return known;
    const good = testCrypto.verify(check);
    remembered.set(id, good);
    return good;
  },
};

const milan = makeAuthorities('Milan');
const tdx = createTdxHierarchy();

export interface AzureChanges {
  readonly document?: Readonly<Record<string, unknown>>;
  readonly report?: Changes['report'];
  readonly quote?: Partial<TpmQuotePlan>;
}

export function snpEvidence({ document, report, quote }: AzureChanges = {}): AzSnpEvidence {
  const runtime = runtimeDocument(key, document);
  const healthy = scene(milan, {
    report: { reportData: documentReportData(runtime), ...report },
    endorsements: { crl: undefined },
  });
  return {
    kind: 'az-snp',
    hclReport: serializeHclReport('snp', healthy.report, runtime),
    tpmQuote: makeTpmQuote(key, { nonce: NONCE, ...quote }),
    endorsements: healthy.endorsements,
  };
}

export function tdxEvidence(
  changes: AzureChanges & {
    readonly body?: Partial<TdReport>;
    readonly tdReport?: (bytes: Uint8Array) => Uint8Array;
  } = {},
): AzTdxEvidence {
  const runtime = runtimeDocument(key, changes.document);
  const body = healthyTdReport({ reportData: documentReportData(runtime), ...changes.body });
  const tdReport = tdReportOf(body);
  return {
    kind: 'az-tdx',
    hclReport: serializeHclReport('tdx', changes.tdReport?.(tdReport) ?? tdReport, runtime),
    quote: tdx.quote(body, {}),
    tpmQuote: makeTpmQuote(key, { nonce: NONCE, ...changes.quote }),
    endorsements: tdx.endorsements,
  };
}

/** The outcome for evidence as it is: a code, or `accepted`. */
export function outcomeOf(
  evidence: AzSnpEvidence | AzTdxEvidence,
  demands: Readonly<Record<string, unknown>> = { pcrs: 'any' },
  expected: AzureExpectation = { nonce: NONCE },
): string {
  const verdict = verdictOf(evidence, demands, expected);
  return verdict.ok ? 'accepted' : verdict.code;
}

export function verdictOf(
  evidence: AzSnpEvidence | AzTdxEvidence,
  demands: Readonly<Record<string, unknown>> = { pcrs: 'any' },
  expected: AzureExpectation = { nonce: NONCE },
): ReturnType<typeof verifySnpAzure> | ReturnType<typeof verifyTdxAzure> {
  const common = { now: unixMillis(NOW_MS), crypto: rememberingCrypto, expected };
  if (evidence.kind === 'az-snp') {
    const hardware = referenceJson(milan);
    const values = parseAzureReferenceValues({ tee: 'az-snp', hardware, ...demands }, '');
    if (values.tee !== 'az-snp') throw new Error('other values');
    const roots = { production: [], development: [milan.fingerprint] };
    const options = {
      ...common,
      roots,
      revocation: 'if-present',
      referenceValues: values,
    } as const;
    return verifySnpAzure({ evidence, options });
  }
  const { quote } = evidence;
  const hardware = { ...referenceJsonFor(quote), developmentRoots: [tdx.fingerprint] };
  const values = parseAzureReferenceValues({ tee: 'az-tdx', hardware, ...demands }, '');
  if (values.tee !== 'az-tdx') throw new Error('other values');
  const roots = { production: INTEL_ROOTS, development: [tdx.fingerprint] };
  const now = unixMillis(TDX_NOW_MS);
  return verifyTdxAzure({ evidence, options: { ...common, now, roots, referenceValues: values } });
}

export function flipped(bytes: Uint8Array, bit: number): Uint8Array {
  const changed = Uint8Array.from(bytes);
  changed[bit >> 3] = (changed[bit >> 3] ?? 0) ^ (1 << (bit & 7));
  return changed;
}
