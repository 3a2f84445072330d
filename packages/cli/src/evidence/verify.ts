/**
 * `witan evidence verify`: judges evidence in a file with endorsements in files, offline. The time
 * is an input, so old evidence can be judged as of its day.
 */
import { parseHclReport, type EventLog } from '@witan/attestation';
import type { Clock, UnixMillis } from '@witan/core';
import type { CommandContext } from '../context.ts';
import { CliError } from '../errors.ts';
import type { AnyEvidence } from './binary-evidence.ts';
import { chooseSnp } from './choose-snp.ts';
import { chooseTdx } from './choose-tdx.ts';
import { gatherEndorsements } from './endorsement-paths.ts';
import { readEventLogFile } from './event-log-file.ts';
import { readEvidenceFile, type EvidenceFile } from './evidence-file.ts';
import { readExpectedValues } from './expected-values.ts';
import { judge, type Judgement } from './judge.ts';
import { mergeMaterial, readMaterialFile, type Material } from './material.ts';
import { nonceReportData, parseQuoteNonce, parseReportData } from './report-data.ts';
import { prepareToken, writeToken } from './token.ts';
import { readTrustRoots, type AddedRoot } from './trust-roots.ts';
import { verificationToJson } from './verdict-json.ts';
import { describeVerification } from './verdict-text.ts';

/** Options of the command, as commander gives them. */
export interface VerifyEvidenceOptions {
  readonly endorsements?: readonly string[];
  readonly collateral?: string;
  readonly referenceValues?: string;
  readonly at?: string;
  readonly trustRoot?: readonly string[];
  readonly reportData?: string;
  readonly nonce?: string;
  readonly quoteNonce?: string;
  readonly eventLog?: string;
  readonly allowDebug?: boolean;
  readonly token?: string;
  readonly signingKey?: string;
  readonly jwks?: string;
}

/** A judgement with everything that went into it. */
export interface Verification {
  readonly file: EvidenceFile;
  readonly now: UnixMillis;
  /** The file of each endorsement that was used. */
  readonly origins: Readonly<Record<string, string>>;
  readonly ignored: readonly string[];
  readonly roots: readonly AddedRoot[];
  /** Whether reference values were given. */
  readonly compared: boolean;
  readonly reportData: Uint8Array | undefined;
  /** Whether anything that the verifier chose was compared. */
  readonly isFresh: boolean;
  readonly eventLog: EventLog | undefined;
  readonly judgement: Judgement;
}

/**
 * @throws CliError CLI_VERIFICATION_FAILED after the report was printed; CLI_USAGE,
 *   CLI_FILE_UNREADABLE, CLI_FILE_EXISTS, CLI_FILE_NOT_WRITTEN, CLI_REFERENCE_VALUES_INVALID;
 *   ManifestError, KeysError
 */
export async function verifyEvidence(
  context: CommandContext,
  path: string,
  options: VerifyEvidenceOptions,
  clock: Clock,
): Promise<void> {
  const token = await prepareToken(options);
  const verification = await verificationOf(path, options, clock);
  const { judgement } = verification;
  if (judgement.accepted && token !== undefined) await writeToken(token, verification, clock);
  const text = describeVerification(verification);
  const written = judgement.accepted && token !== undefined ? `Token written: ${token.path}\n` : '';
  const json = verificationToJson(verification);
  context.printer.result(
    { ...json, ...(written === '' ? {} : { token: token?.path }) },
    text + written,
  );
  if (judgement.accepted) return;
  const fields = { code: judgement.code ?? '', path };
  throw new CliError('CLI_VERIFICATION_FAILED', 'the evidence is refused', { fields });
}

async function verificationOf(
  path: string,
  options: VerifyEvidenceOptions,
  clock: Clock,
): Promise<Verification> {
  const now = options.at === undefined ? clock.now() : parseTime(options.at);
  const reportData = reportDataOf(options);
  const quoteNonce =
    options.quoteNonce === undefined ? undefined : parseQuoteNonce(options.quoteNonce);
  const file = await readEvidenceFile(path);
  demandFitting(options, file.evidence);
  const eventLog =
    options.eventLog === undefined ? undefined : await readEventLogFile(options.eventLog);
  const roots = await readTrustRoots(options.trustRoot ?? []);
  const gathered = await gatherEndorsements(options.endorsements ?? []);
  const collateral =
    options.collateral === undefined
      ? []
      : [await readMaterialFile(options.collateral, 'collateral')];
  // An added root is a certificate of the chain as well; it need not be named twice.
  const material = mergeMaterial([
    gathered.material,
    ...collateral,
    { certificates: roots, crls: [], documents: [] },
  ]);
  const { evidence, origins } = withEndorsements(file.evidence, material, now);
  const expected =
    options.referenceValues === undefined
      ? undefined
      : await readExpectedValues(options.referenceValues);
  const addedRoots = roots.map(({ fingerprint }) => fingerprint);
  const judgement = judge({
    evidence,
    now,
    expected,
    reportData,
    addedRoots,
    ...(quoteNonce === undefined ? {} : { quoteNonce }),
    ...(options.allowDebug === undefined ? {} : { allowDebug: options.allowDebug }),
    ...(eventLog === undefined ? {} : { eventLog }),
  });
  const { ignored } = gathered;
  const compared = expected !== undefined;
  const isFresh = reportData !== undefined || quoteNonce !== undefined;
  return { file, now, origins, ignored, roots, compared, reportData, isFresh, eventLog, judgement };
}

/** Options that only some evidence has a meaning for. @throws CliError CLI_USAGE */
function demandFitting(options: VerifyEvidenceOptions, { kind }: AnyEvidence): void {
  if (options.allowDebug === true && options.referenceValues !== undefined) {
    throw excluding('--allow-debug or --reference-values, whose field debug says it');
  }
  if (options.quoteNonce !== undefined && kind !== 'az-snp' && kind !== 'az-tdx') {
    const fields = { option: '--quote-nonce', expected: 'evidence of Azure', found: kind };
    throw new CliError('CLI_USAGE', 'an option does not fit the evidence', { fields });
  }
  if (options.eventLog !== undefined && kind !== 'tdx') {
    const fields = { option: '--event-log', expected: 'a TDX quote', found: kind };
    throw new CliError('CLI_USAGE', 'an option does not fit the evidence', { fields });
  }
}

function excluding(expected: string): CliError {
  const fields = { expected, found: 'both' };
  return new CliError('CLI_USAGE', 'two options exclude each other', { fields });
}

function withEndorsements(
  evidence: AnyEvidence,
  material: Material,
  now: UnixMillis,
): { readonly evidence: AnyEvidence; readonly origins: Readonly<Record<string, string>> } {
  if (evidence.kind === 'snp') {
    const { report, endorsements: own } = evidence;
    const { endorsements, origins } = chooseSnp(report, own, material);
    return { evidence: { kind: 'snp', report, endorsements }, origins };
  }
  if (evidence.kind === 'az-snp') {
    // Recognised before, so its structure is sound.
    const { hardwareReport } = parseHclReport(evidence.hclReport);
    const chosen = chooseSnp(hardwareReport, evidence.endorsements, material);
    return {
      evidence: { ...evidence, endorsements: chosen.endorsements },
      origins: chosen.origins,
    };
  }
  const { quote, endorsements: own } = evidence;
  const { endorsements, origins } = chooseTdx(quote, own, material, now);
  return { evidence: { ...evidence, endorsements }, origins };
}

function reportDataOf(options: VerifyEvidenceOptions): Uint8Array | undefined {
  const { reportData, nonce, quoteNonce } = options;
  if ([reportData, nonce, quoteNonce].filter((each) => each !== undefined).length > 1) {
    throw excluding('one of --report-data, --nonce and --quote-nonce');
  }
  if (reportData !== undefined) return parseReportData(reportData);
  return nonce === undefined ? undefined : nonceReportData(nonce);
}

const TIME = /^\d{4}-\d\d-\d\d(T\d\d:\d\d(:\d\d(\.\d{1,3})?)?(Z|[+-]\d\d:\d\d))?$/;

/** RFC 3339, or a day, which begins at midnight UTC. @throws CliError CLI_USAGE */
function parseTime(text: string): UnixMillis {
  const millis = TIME.test(text) ? Date.parse(text) : Number.NaN;
  if (!Number.isNaN(millis) && millis >= 0) return millis as UnixMillis;
  const fields = { option: '--at', expected: 'such as 2026-06-01T00:00:00Z', found: text };
  throw new CliError('CLI_USAGE', 'an option is wrong; see --help', { fields });
}
