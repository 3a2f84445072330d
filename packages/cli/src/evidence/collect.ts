/**
 * `witan evidence collect`: fresh evidence about this machine, in Witan's encoding, with the
 * endorsements that the host hands out.
 */
import { randomBytes } from 'node:crypto';
import { encodeEvidence } from '@witan/attestation';
import type { EvidenceProvider } from '@witan/attester';
import { toBase64, toHex } from '@witan/core';
import type { CommandContext } from '../context.ts';
import { CliError } from '../errors.ts';
import { refuseExisting, writeOutput } from '../files.ts';
import { nonceReportData, parseReportData } from './report-data.ts';

/** Options of the command, as commander gives them. */
export interface CollectEvidenceOptions {
  readonly reportData?: string;
  readonly nonce?: string;
  readonly out?: string;
}

const NONCE_BYTES = 32;

/** @throws AttesterError; CliError CLI_USAGE, CLI_FILE_EXISTS, CLI_FILE_NOT_WRITTEN */
export async function collectEvidence(
  { printer, signal }: CommandContext,
  options: CollectEvidenceOptions,
  provider: EvidenceProvider,
): Promise<void> {
  const { reportData, nonce } = chosenData(options);
  const { out } = options;
  if (out !== undefined) await refuseExisting([out]);
  const evidence = await provider.collect(reportData, { signal });
  const encoded = encodeEvidence(evidence);
  if (out !== undefined) await writeOutput({ path: out, content: encoded });
  const checkWith =
    nonce === undefined ? `--report-data ${toHex(reportData)}` : `--nonce ${shellQuoted(nonce)}`;
  const value = {
    ok: true,
    tee: evidence.kind,
    nonce: nonce ?? null,
    reportData: toHex(reportData),
    ...(out === undefined ? { evidence: toBase64(encoded) } : { out }),
  };
  if (out === undefined) {
    printer.note(`Verify it with ${checkWith}\n`);
    printer.result(value, `${toBase64(encoded)}\n`);
    return;
  }
  printer.result(
    value,
    `Evidence written: ${out} (${encoded.byteLength} bytes)\n` +
      `Verify it with    witan evidence verify ${out} ${checkWith}\n`,
  );
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
