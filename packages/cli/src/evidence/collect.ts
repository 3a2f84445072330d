/**
 * `witan evidence collect`: fresh evidence about this machine, in Witan's encoding, with the
 * endorsements that the host hands out.
 */
import { randomBytes } from 'node:crypto';
import { encodeAzureEvidence, encodeEvidence } from '@witan/attestation';
import type { CollectOptions, Evidence } from '@witan/attester';
import { fromUtf8, toBase64, toHex } from '@witan/core';
import type { CommandContext } from '../context.ts';
import { CliError } from '../errors.ts';
import { refuseExisting, writeOutput } from '../files.ts';
import { nonceReportData, parseReportData } from './report-data.ts';

/** Options of the command, as commander gives them. */
export interface CollectEvidenceOptions {
  readonly reportData?: string;
  readonly nonce?: string;
  readonly source?: string;
  readonly out?: string;
}

/** Where evidence may come from. */
export type EvidenceSource = 'auto' | 'configfs' | 'azure';

/** A provider of any kind, as far as the command needs it. */
export interface Collector {
  collect(reportData: Uint8Array, options?: CollectOptions): Promise<Evidence>;
}

/** Makes a provider for a source. */
export type ProviderOf = (source: EvidenceSource) => Collector;

const SOURCES: readonly EvidenceSource[] = ['auto', 'configfs', 'azure'];

const NONCE_BYTES = 32;

/** @throws AttesterError; CliError CLI_USAGE, CLI_FILE_EXISTS, CLI_FILE_NOT_WRITTEN */
export async function collectEvidence(
  { printer, signal }: CommandContext,
  options: CollectEvidenceOptions,
  providerOf: ProviderOf,
): Promise<void> {
  const { reportData, nonce } = chosenData(options);
  const provider = providerOf(sourceOf(options));
  const { out } = options;
  if (out !== undefined) await refuseExisting([out]);
  const evidence = await provider.collect(reportData, { signal });
  const { encoded, text } = encodedForms(evidence);
  if (out !== undefined) await writeOutput({ path: out, content: encoded });
  const checkWith =
    nonce === undefined ? `--report-data ${toHex(reportData)}` : `--nonce ${shellQuoted(nonce)}`;
  const value = {
    ok: true,
    tee: evidence.kind,
    nonce: nonce ?? null,
    reportData: toHex(reportData),
    ...(out === undefined ? { evidence: text.trimEnd() } : { out }),
  };
  if (out === undefined) {
    printer.note(`Verify it with ${checkWith}\n`);
    printer.result(value, text);
    return;
  }
  printer.result(
    value,
    `Evidence written: ${out} (${encoded.byteLength} bytes)\n` +
      `Verify it with    witan evidence verify ${out} ${checkWith}\n`,
  );
}

/** Witan's encoding; for Azure the JSON that verifiers of Confidential Containers read as well. */
function encodedForms(evidence: Evidence): {
  readonly encoded: Uint8Array;
  readonly text: string;
} {
  if (evidence.kind === 'az-snp' || evidence.kind === 'az-tdx') {
    const encoded = encodeAzureEvidence(evidence);
    return { encoded, text: fromUtf8(encoded) };
  }
  const encoded = encodeEvidence(evidence);
  return { encoded, text: `${toBase64(encoded)}\n` };
}

function sourceOf({ source = 'auto' }: CollectEvidenceOptions): EvidenceSource {
  const known = SOURCES.find((each) => each === source);
  if (known !== undefined) return known;
  const fields = { option: '--source', expected: SOURCES.join(', '), found: source.slice(0, 80) };
  throw new CliError('CLI_USAGE', 'an option is wrong; see --help', { fields });
}

/** A nonce of this run where the user gives nothing: evidence is never made for nothing at all. */
function chosenData({ reportData, nonce }: CollectEvidenceOptions): {
  readonly reportData: Uint8Array;
  readonly nonce: string | undefined;
} {
  if (reportData === undefined) {
    const chosen = nonce ?? toHex(randomBytes(NONCE_BYTES));
    return { reportData: nonceReportData(chosen), nonce: chosen };
  }
  if (nonce === undefined) return { reportData: parseReportData(reportData), nonce };
  const fields = { expected: '--report-data or --nonce', found: 'both' };
  throw new CliError('CLI_USAGE', 'two options exclude each other', { fields });
}

/** A word for a shell, to be copied. */
function shellQuoted(text: string): string {
  return /^[\w.:@/-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`;
}
