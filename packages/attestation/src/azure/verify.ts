/**
 * Evidence of Azure's confidential VMs: from bytes to a verdict. The hardware's report is verified
 * as any other. Then the chain goes on: report data bind the paravisor's document, the document
 * holds the vTPM's key, the key signed a quote over registers and nonce.
 *
 * All that stands and falls with the paravisor: any guest could put a key of its own into such a
 * document. What makes it believable is that the report is of VMPL 0 and that its launch digest is
 * a known one, which is for the reference values to say.
 */
import { bytesEqual, toHex, type Crypto, type UnixMillis } from '@witan/core';
import { CheckList } from '../check-list.ts';
import type { RefusedVerdict, Verdict } from '../claims.ts';
import { AttestationError } from '../errors.ts';
import type { SnpClaims } from '../snp/claims.ts';
import { verifySnpGenuine, type GenuineSnp } from '../snp/genuine.ts';
import type { SnpGenuineOptions } from '../snp/options.ts';
import { judgeSnp } from '../snp/policy.ts';
import type { TdxClaims } from '../tdx/claims.ts';
import { verifyTdxGenuine, type GenuineTdx } from '../tdx/genuine.ts';
import type { TdxGenuineOptions } from '../tdx/options.ts';
import { judgeTdx } from '../tdx/policy.ts';
import { refusedBy, verdictOf } from '../verdict.ts';
import type { AzureClaims } from './claims.ts';
import type { AzSnpEvidence, AzTdxEvidence, AzureEvidence } from './evidence.ts';
import { parseHclReport, type HclReport } from './hcl-report.ts';
import { judgeAzure, type AzureExpectation } from './policy.ts';
import type { AzSnpReferenceValues, AzTdxReferenceValues } from './reference-values.ts';
import { parseRuntimeData, runtimeReportData, type RuntimeData } from './runtime-data.ts';
import { checkTdReport } from './td-report.ts';
import { bareTpmSignature, joinedPcrs, parseTpmAttest, selectedPcrs } from './tpm-quote.ts';
import type { TpmAttest } from './tpm-quote.ts';

/** Everything in the evidence that was parsed before anything was verified. */
interface Parts {
  readonly hcl: HclReport;
  readonly runtime: RuntimeData;
  readonly runtimeDigest: Uint8Array;
  readonly attest: TpmAttest;
  readonly pcrs: ReadonlyMap<number, Uint8Array>;
}

/** Genuine evidence together with the checks that show it. */
export interface EstablishedAzSnp {
  readonly kind: 'genuine';
  readonly tee: 'az-snp';
  readonly genuine: GenuineSnp;
  readonly checks: CheckList;
}

/** Genuine evidence together with the checks that show it. */
export interface EstablishedAzTdx {
  readonly kind: 'genuine';
  readonly tee: 'az-tdx';
  readonly genuine: GenuineTdx;
  readonly checks: CheckList;
  readonly now: UnixMillis;
}

/** A refusal before any reference values. */
export interface RefusedAzure {
  readonly kind: 'refused';
  readonly verdict: RefusedVerdict<never>;
}

/** Evidence with what is needed to judge it. */
export interface AzSnpVerifyRequest {
  readonly evidence: AzSnpEvidence;
  readonly options: SnpGenuineOptions & {
    readonly expected: AzureExpectation;
    readonly referenceValues: AzSnpReferenceValues;
  };
}

/** Evidence with what is needed to judge it. */
export interface AzTdxVerifyRequest {
  readonly evidence: AzTdxEvidence;
  readonly options: TdxGenuineOptions & {
    readonly expected: AzureExpectation;
    readonly referenceValues: AzTdxReferenceValues;
  };
}

/** Decides whether evidence is genuine, without regard to reference values. Never throws. */
export function establishSnpAzure(
  evidence: AzSnpEvidence,
  options: SnpGenuineOptions,
): EstablishedAzSnp | RefusedAzure {
  return guarded((checks) => {
    const parts = readParts(evidence, 'snp', options.crypto, checks);
    const { hardwareReport } = parts.hcl;
    const genuine = verifySnpGenuine(hardwareReport, evidence.endorsements, options, checks);
    const { vmpl } = genuine.claims;
    checks.demand('AZURE_VMPL', vmpl === 0, 'the paravisor, VMPL 0', vmpl);
    const azure = checkBindings(evidence, parts, genuine.report.reportData, options, checks);
    const claims = withAzure(genuine.claims, azure, parts.pcrs);
    return { kind: 'genuine', tee: 'az-snp', genuine: { ...genuine, claims }, checks };
  });
}

/** The same for TDX, where the TDREPORT in the HCL report must be the quote's. Never throws. */
export function establishTdxAzure(
  evidence: AzTdxEvidence,
  options: TdxGenuineOptions,
): EstablishedAzTdx | RefusedAzure {
  return guarded((checks) => {
    const parts = readParts(evidence, 'tdx', options.crypto, checks);
    const genuine = verifyTdxGenuine(evidence.quote, evidence.endorsements, options, checks);
    checkTdReport(parts.hcl.hardwareReport, genuine.quote.body, checks);
    const azure = checkBindings(evidence, parts, genuine.quote.body.reportData, options, checks);
    const claims = withAzure(genuine.claims, azure, parts.pcrs);
    const { now } = options;
    return { kind: 'genuine', tee: 'az-tdx', genuine: { ...genuine, claims }, checks, now };
  });
}

/** Judges genuine evidence against one set of reference values. */
export function concludeSnpAzure(
  { genuine, checks }: EstablishedAzSnp,
  referenceValues: AzSnpReferenceValues,
  expected: AzureExpectation,
  crypto: Crypto,
): Verdict<SnpClaims> {
  const all = new CheckList(checks);
  judgeSnp(genuine, referenceValues.hardware, genuine.report.reportData, all);
  judgeAzure(genuine.claims, referenceValues, expected, crypto, all);
  return verdictOf(all, genuine.claims, genuine.validUntil);
}

/** Judges genuine evidence against one set of reference values. */
export function concludeTdxAzure(
  { genuine, checks, now }: EstablishedAzTdx,
  referenceValues: AzTdxReferenceValues,
  expected: AzureExpectation,
  crypto: Crypto,
): Verdict<TdxClaims> {
  const all = new CheckList(checks);
  judgeTdx(genuine, referenceValues.hardware, genuine.quote.body.reportData, now, all);
  judgeAzure(genuine.claims, referenceValues, expected, crypto, all);
  return verdictOf(all, genuine.claims, genuine.validUntil);
}

/** Verifies and judges evidence. Never throws for anything in the request's bytes. */
export function verifySnpAzure({ evidence, options }: AzSnpVerifyRequest): Verdict<SnpClaims> {
  const established = establishSnpAzure(evidence, options);
  if (established.kind === 'refused') return established.verdict;
  const { referenceValues, expected, crypto } = options;
  return concludeSnpAzure(established, referenceValues, expected, crypto);
}

/** Verifies and judges evidence. Never throws for anything in the request's bytes. */
export function verifyTdxAzure({ evidence, options }: AzTdxVerifyRequest): Verdict<TdxClaims> {
  const established = establishTdxAzure(evidence, options);
  if (established.kind === 'refused') return established.verdict;
  const { referenceValues, expected, crypto } = options;
  return concludeTdxAzure(established, referenceValues, expected, crypto);
}

function guarded<Established>(
  establish: (checks: CheckList) => Established,
): Established | RefusedAzure {
  const checks = new CheckList();
  try {
    return establish(checks);
  } catch (error) {
    if (!(error instanceof AttestationError)) throw error;
    return { kind: 'refused', verdict: refusedBy(error, checks) };
  }
}

/** Structure of everything first: it is cheap and needs no key. */
function readParts(
  { hclReport, tpmQuote }: AzureEvidence,
  tee: HclReport['tee'],
  crypto: Crypto,
  checks: CheckList,
): Parts {
  const hcl = parseHclReport(hclReport);
  checks.judge('AZURE_HCL_MALFORMED', true, 'an HCL report', `version ${hcl.headerVersion}`);
  checks.demand('AZURE_HCL_TYPE', hcl.tee === tee, tee, hcl.tee);
  const runtime = parseRuntimeData(hcl.runtimeData);
  const bits = 8 * runtime.attestationKey.modulus.byteLength;
  checks.judge('AZURE_ATTESTATION_KEY', true, 'an RSA key', `RSA, ${bits} bits`);
  const attest = parseTpmAttest(tpmQuote.message);
  checks.judge('AZURE_QUOTE_TYPE', true, 'a quote of a TPM', 'a quote of a TPM');
  const pcrs = selectedPcrs(attest, tpmQuote.pcrs);
  checks.judge('AZURE_PCR_SELECTION', true, 'SHA-256 registers', [...pcrs.keys()].join(' '));
  return { hcl, runtime, runtimeDigest: crypto.hash('sha256', hcl.runtimeData), attest, pcrs };
}

/** From the hardware's report data to the nonce in the quote. */
function checkBindings(
  { tpmQuote }: AzureEvidence,
  { runtime, runtimeDigest, attest, pcrs }: Parts,
  reportData: Uint8Array,
  { crypto }: { readonly crypto: Crypto },
  checks: CheckList,
): AzureClaims {
  const bound = runtimeReportData(runtimeDigest);
  const isBound = bytesEqual(reportData, bound);
  checks.demand('AZURE_RUNTIME_DATA', isBound, toHex(bound), toHex(reportData));
  const { spki, modulus } = runtime.attestationKey;
  const signed = crypto.verify({
    algorithm: 'rsa-pkcs1-sha256',
    publicKey: spki,
    data: tpmQuote.message,
    signature: bareTpmSignature(tpmQuote.signature, modulus.byteLength),
  });
  checks.demand('AZURE_QUOTE_SIGNATURE', signed);
  const digest = crypto.hash('sha256', joinedPcrs(pcrs));
  const isDigest = bytesEqual(digest, attest.pcrDigest);
  checks.demand('AZURE_PCR_DIGEST', isDigest, toHex(attest.pcrDigest), toHex(digest));
  checks.note('paravisor', 'vTPM and registers are worth what the measured paravisor is worth');
  return {
    runtimeDataDigest: toHex(runtimeDigest),
    userData: runtime.userData,
    vmConfiguration: runtime.vmConfiguration,
    attestationKey: toHex(crypto.hash('sha256', spki)),
    nonce: toHex(attest.extraData),
    pcrSelection: attest.pcrSelection,
    resetCount: attest.clock.resetCount,
    restartCount: attest.clock.restartCount,
  };
}

function withAzure<OfTee extends SnpClaims | TdxClaims>(
  claims: OfTee,
  azure: AzureClaims,
  pcrs: Parts['pcrs'],
): OfTee {
  const registers = [...pcrs].map(([pcr, value]) => ({ name: `pcr${pcr}`, value: toHex(value) }));
  return { ...claims, measurements: [...claims.measurements, ...registers], azure };
}
