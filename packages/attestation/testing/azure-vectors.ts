/**
 * One Azure vector: the paravisor's report, its document, the vTPM's quote and what the index says
 * of each binding. Evidence is the JSON of an attester, or an HCL report with `quote.bin` and
 * `td-quote.bin` in the same folder.
 */
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import {
  azureEvidenceOf,
  HCL_MAGIC,
  INTEL_ROOTS,
  AMD_ROOTS,
  AttestationError,
  parseAzureReferenceValues,
  parseHclReport,
  parseRuntimeData,
  parseTdxQuote,
  parseTpmAttest,
  parseTpmQuoteBincode,
  verifySnpAzure,
  verifyTdxAzure,
  type AzureEvidence,
  type AzureReferenceValues,
  type TpmQuote,
} from '../src/index.ts';
import { toHex, unixMillis } from '@witan/core';
import { certificatesIn } from './vector-files.ts';
import { differences, objectOf, objectsOf, stringOf, type Json } from './json.ts';
import { testCrypto } from './node-crypto.ts';
import { readCollateral } from './tdx-collateral-file.ts';
import { referenceJsonFor } from './tdx-vectors.ts';

/** Runs a vector and says what is wrong. Every statement of the index is judged, true or false. */
export function runAzureVector(folder: string, vector: Json): readonly string[] {
  const path = join(folder, stringOf(vector['file']) ?? '');
  const expects = stringOf(vector['expected']) ?? stringOf(objectOf(vector['snp'])['expected']);
  const evidence = attempt(() => readAzureEvidence(path));
  const facts = evidence === undefined ? undefined : attempt(() => factsOf(evidence));
  if (evidence === undefined || facts === undefined) {
    return expects?.startsWith('reject') === true ? [] : ['the evidence is malformed'];
  }
  const known = Object.keys(facts).filter((name) => vector[name] !== undefined);
  const expected = Object.fromEntries(known.map((name) => [name, lowerHex(vector[name])]));
  const unknown = Object.keys(vector).filter((name) => !KNOWN.includes(name) && !(name in facts));
  return [
    ...unknown.map((name) => `the index says something unknown: ${name}`),
    ...differences(expected, facts, 'azure'),
    ...verdictProblems(folder, vector, evidence, facts),
  ];
}

const KNOWN = ['file', 'note', 'snp', 'tdx', 'verdicts_with_collateral', 'expected', 'verdict_at'];

interface Facts {
  readonly hcl_magic: string;
  readonly hw_report_type: string;
  readonly runtime_data_sha256: string;
  readonly user_data: string | undefined;
  readonly report_data_binds_runtime_data: boolean;
  readonly td_report_data_binds_runtime_data: boolean;
  readonly tpm_quote: Readonly<Record<string, unknown>>;
}

/** Each fact by itself, so that one wrong binding does not hide the others. */
function factsOf(evidence: AzureEvidence): Facts {
  const { hclReport, tpmQuote } = evidence;
  const hcl = parseHclReport(hclReport);
  const digest = testCrypto.hash('sha256', hcl.runtimeData);
  const at = hcl.tee === 'snp' ? 0x50 : 128;
  const bound = toHex(digest) + '00'.repeat(32);
  const binds = toHex(hcl.hardwareReport.subarray(at, at + 64)) === bound;
  const quoted =
    evidence.kind === 'az-tdx' ? toHex(parseTdxQuote(evidence.quote).body.reportData) : undefined;
  const magic = new DataView(hclReport.buffer, hclReport.byteOffset).getUint32(0, true);
  return {
    hcl_magic: magic === HCL_MAGIC ? 'HCLA' : magic.toString(16),
    hw_report_type: hcl.tee.toUpperCase(),
    runtime_data_sha256: toHex(digest),
    user_data: parseRuntimeData(hcl.runtimeData).userData,
    report_data_binds_runtime_data: binds,
    td_report_data_binds_runtime_data: binds && quoted === bound,
    tpm_quote: quoteFacts(tpmQuote, hcl.runtimeData),
  };
}

function quoteFacts(
  { message, signature, pcrs }: TpmQuote,
  runtimeData: Uint8Array,
): Facts['tpm_quote'] {
  const { attestationKey } = parseRuntimeData(runtimeData);
  const view = new DataView(message.buffer, message.byteOffset);
  const attest = attempt(() => parseTpmAttest(message));
  const digest = toHex(testCrypto.hash('sha256', ...pcrs));
  return {
    magic_ff544347: view.getUint32(0) === 0xff544347,
    type_8018: view.getUint16(4) === 0x8018,
    nonce_hex: attest === undefined ? undefined : toHex(attest.extraData),
    pcr_digest_ok: attest !== undefined && toHex(attest.pcrDigest) === digest,
    signature_ok: testCrypto.verify({
      algorithm: 'rsa-pkcs1-sha256',
      publicKey: attestationKey.spki,
      data: message,
      signature,
    }),
  };
}

/** The verifier accepts exactly what the index says holds together. */
function verdictProblems(
  folder: string,
  vector: Json,
  evidence: AzureEvidence,
  facts: Facts,
): readonly string[] {
  const quote = objectOf(vector['tpm_quote']);
  const holds = [vector, quote].every((each) =>
    Object.values(each).every((fact) => fact !== false),
  );
  const attest = attempt(() => parseTpmAttest(evidence.tpmQuote.message));
  const nonce = attest?.extraData ?? new Uint8Array();
  if (evidence.kind === 'az-snp') {
    const snp = objectOf(vector['snp']);
    const expected =
      holds && (stringOf(snp['expected'] ?? vector['expected']) ?? 'accept') === 'accept';
    const at = stringOf(snp['verdict_at']) ?? stringOf(vector['verdict_at']) ?? '';
    const found = snpVerdict(folder, snp, evidence, at, nonce);
    return (found === 'accepted') === expected ? [] : [`expected ${expected}, found ${found}`];
  }
  const tdx = objectOf(vector['tdx']);
  const judged = vector['verdicts_with_collateral'] ?? tdx['verdicts_with_collateral'];
  const problems = objectsOf(judged).flatMap((verdict) => {
    const words = stringOf(verdict['verdict']) ?? '';
    const expected = holds && words.startsWith('accept');
    const found = tdxVerdict(folder, verdict, evidence, nonce);
    return (found === 'accepted') === expected ? [] : [`expected ${words}, found ${found}`];
  });
  const isConsistent = !holds || facts.td_report_data_binds_runtime_data;
  return isConsistent ? problems : [...problems, 'the quote does not bind the document'];
}

function snpVerdict(
  folder: string,
  snp: Json,
  evidence: AzureEvidence & { readonly kind: 'az-snp' },
  at: string,
  nonce: Uint8Array,
): string {
  const files = objectOf(snp['files']);
  const chain = certificatesIn(folder, stringOf(files['chain']) ?? '');
  const [intermediate, root] = chain.length === 3 ? chain.slice(1) : chain;
  const named = stringOf(files['endorsement_key_certificate']) ?? 'inside the JSON';
  const [given] = named === 'inside the JSON' ? [] : certificatesIn(folder, named);
  const vek = given ?? evidence.endorsements.vek;
  const { hardwareReport } = parseHclReport(evidence.hclReport);
  const hex = (from: number, to: number): string => toHex(hardwareReport.subarray(from, to));
  const values = {
    tee: 'az-snp',
    hardware: {
      tee: 'snp',
      measurement: [hex(0x90, 0xc0)],
      hostData: hex(0xc0, 0xe0),
      products: ['Milan', 'Genoa', 'Turin'],
      minimumTcb: { bootloader: 0, tee: 0, snp: 0, microcode: 0 },
      provisionalFirmware: true,
    },
    ...demandsFor(evidence),
  };
  const referenceValues = parseAzureReferenceValues(values, 'vector');
  if (referenceValues.tee !== 'az-snp') return 'other reference values';
  const endorsements = {
    ...(vek === undefined ? {} : { vek }),
    ...(intermediate === undefined ? {} : { intermediate }),
    ...(root === undefined ? {} : { root }),
  };
  const verdict = verifySnpAzure({
    evidence: { ...evidence, endorsements },
    options: {
      now: unixMillis(Date.parse(at)),
      crypto: testCrypto,
      roots: { production: AMD_ROOTS, development: [] },
      revocation: 'if-present',
      expected: { nonce },
      referenceValues,
    },
  });
  return verdict.ok ? 'accepted' : verdict.code;
}

function tdxVerdict(
  folder: string,
  json: Json,
  evidence: AzureEvidence & { readonly kind: 'az-tdx' },
  nonce: Uint8Array,
): string {
  const hardware = { ...referenceJsonFor(evidence.quote), septVeClear: true };
  const values = { tee: 'az-tdx', hardware, ...demandsFor(evidence) };
  const referenceValues: AzureReferenceValues = parseAzureReferenceValues(values, 'vector');
  if (referenceValues.tee !== 'az-tdx') return 'other reference values';
  const collateral = join(folder, stringOf(json['collateral']) ?? '');
  const verdict = verifyTdxAzure({
    evidence: { ...evidence, endorsements: readCollateral(collateral) },
    options: {
      now: unixMillis(Date.parse(stringOf(json['at']) ?? '')),
      crypto: testCrypto,
      roots: { production: INTEL_ROOTS, development: [] },
      expected: { nonce },
      referenceValues,
    },
  });
  return verdict.ok ? 'accepted' : verdict.code;
}

/** Demands the registers that the evidence shows. */
function demandsFor({ tpmQuote }: AzureEvidence): Json {
  const pcrs = Object.fromEntries(tpmQuote.pcrs.map((pcr, index) => [index, [toHex(pcr)]]));
  return { pcrs: tpmQuote.pcrs.length === 24 ? pcrs : 'any', secureBoot: false };
}

/** Evidence from JSON, or from an HCL report with its companions in the same folder. */
export function readAzureEvidence(path: string): AzureEvidence {
  const bytes = new Uint8Array(readFileSync(path));
  if (path.endsWith('.json')) return azureEvidenceOf(JSON.parse(Buffer.from(bytes).toString()));
  const beside = (name: string): Uint8Array =>
    new Uint8Array(readFileSync(join(dirname(path), name)));
  const tpmQuote = parseTpmQuoteBincode(beside('quote.bin'));
  if (parseHclReport(bytes).tee === 'snp') {
    return { kind: 'az-snp', hclReport: bytes, tpmQuote, endorsements: {} };
  }
  const quote = existsSync(join(dirname(path), 'td-quote.bin'))
    ? beside('td-quote.bin')
    : new Uint8Array();
  return { kind: 'az-tdx', hclReport: bytes, quote, tpmQuote, endorsements: {} };
}

function lowerHex(value: unknown): unknown {
  return typeof value === 'string' && /^[0-9A-F]{8,}$/i.test(value) ? value.toLowerCase() : value;
}

function attempt<Result>(read: () => Result): Result | undefined {
  try {
    return read();
  } catch (error) {
    if (error instanceof AttestationError) return undefined;
    throw error;
  }
}
