/**
 * `witan evidence show`: what a piece of evidence says, field by field. Nothing is verified; that
 * is said, and whether the structure alone would pass.
 */
import {
  AttestationError,
  parseCertificate,
  parseSnpReport,
  parseTdxQuote,
  productOfName,
  readVekExtensions,
  type Evidence,
  type SnpProduct,
} from '@witan/attestation';
import { describeError, isAllZero } from '@witan/core';
import type { CommandContext } from '../context.ts';
import { table } from '../printer.ts';
import { readEvidenceFile, type EvidenceFile } from './evidence-file.ts';
import type { Field } from './fields.ts';
import { certificatesIn, type ShownCertificate } from './show-certificates.ts';
import { snpFields } from './show-snp.ts';
import { tdxFields } from './show-tdx.ts';
import { folded } from './text.ts';

const HEX_COLUMNS = 64;

/** @throws CliError CLI_FILE_UNREADABLE */
export async function showEvidence({ printer }: CommandContext, path: string): Promise<void> {
  const file = await readEvidenceFile(path);
  const { evidence } = file;
  const fields =
    evidence.kind === 'snp'
      ? snpFields(evidence.report, productOf(evidence.endorsements.vek))
      : tdxFields(evidence.quote);
  const certificates = certificatesIn(evidence);
  const refusal = structureOf(evidence);
  const notes = [...file.notes, ...trailingNote(evidence)];
  printer.result(
    {
      ok: true,
      path,
      tee: evidence.kind,
      format: file.format,
      encoding: file.encoding,
      fileBytes: file.fileBytes,
      verified: false,
      structure: refusal === undefined ? 'sound' : refusal.code,
      notes,
      fields: fields.map((field) => ({ ...field })),
      certificates: certificates.map((each) => ({ ...each, sha256: each.sha256 ?? null })),
    },
    describe({ ...file, notes }, fields, certificates, refusal),
  );
}

function describe(
  { path, format, encoding, fileBytes, notes }: EvidenceFile,
  fields: readonly Field[],
  certificates: readonly ShownCertificate[],
  refusal: AttestationError | undefined,
): string {
  const head = [
    ['Evidence', path],
    ['Form', `${format} (${encoding}, ${fileBytes} bytes)`],
    ['Structure', refusal === undefined ? 'sound' : `NOT SOUND: ${describeError(refusal)}`],
    ...notes.map((note) => ['Note', note]),
  ];
  const rows = [['Offset', 'Bytes', 'Field', 'Value'], ...fields.flatMap(rowsOf)];
  const inside = certificates.flatMap(describeCertificate).join('');
  return (
    `${table(head)}\n${table(rows)}` +
    (inside === '' ? '' : `\nCertificates and lists inside\n${inside}`) +
    '\nNothing was verified: use witan evidence verify.\n'
  );
}

function rowsOf({ offset, size, name, value, meaning }: Field): readonly (readonly string[])[] {
  const at = `0x${offset.toString(16).padStart(3, '0')}`;
  const lines = folded(value, HEX_COLUMNS);
  // A short meaning stands behind a short value; everything else gets lines of its own.
  const [only = ''] = meaning;
  if (lines.length === 1 && meaning.length === 1 && value.length + only.length <= 90) {
    return [[at, String(size), name, `${value}  ${only}`]];
  }
  return [
    ...lines.map((line, index) =>
      index === 0 ? [at, String(size), name, line] : ['', '', '', line],
    ),
    ...meaning.map((line) => ['', '', '', `  ${line}`]),
  ];
}

function describeCertificate(shown: ShownCertificate): readonly string[] {
  const { place, subject, issuer, validFrom, validUntil, sha256, details } = shown;
  return [
    `  ${place}: ${subject}${issuer === '' ? '' : `, issued by ${issuer}`}\n`,
    ...(validFrom === '' ? [] : [`    valid    ${validFrom} to ${validUntil}\n`]),
    ...(sha256 === undefined ? [] : [`    SHA-256  ${sha256}\n`]),
    ...details.map((detail) => `    ${detail}\n`),
  ];
}

/** Why a parser refuses it; undefined when the structure is sound. */
function structureOf(evidence: Evidence): AttestationError | undefined {
  try {
    if (evidence.kind === 'snp') parseSnpReport(evidence.report);
    else parseTdxQuote(evidence.quote);
    return undefined;
  } catch (error) {
    if (error instanceof AttestationError) return error;
    throw error;
  }
}

function trailingNote(evidence: Evidence): readonly string[] {
  if (evidence.kind === 'snp' || structureOf(evidence) !== undefined) return [];
  const { trailing } = parseTdxQuote(evidence.quote);
  if (trailing.byteLength === 0) return [];
  const what = isAllZero(trailing) ? 'zero bytes' : 'UNSIGNED BYTES, not zero,';
  return [`${trailing.byteLength} ${what} follow the quote`];
}

/** The product that a certificate names, for reports that name none. */
function productOf(vek: Uint8Array | undefined): SnpProduct | undefined {
  if (vek === undefined) return undefined;
  try {
    return productOfName(readVekExtensions(parseCertificate(vek)).productName.split('-')[0] ?? '');
  } catch (error) {
    if (error instanceof AttestationError) return undefined;
    throw error;
  }
}
