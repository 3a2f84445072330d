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
  type AzureEvidence,
  type Evidence,
  type SnpProduct,
} from '@witan/attestation';
import { describeError, isAllZero } from '@witan/core';
import type { CommandContext } from '../context.ts';
import { table, type Json, type Printer } from '../printer.ts';
import { readEvidenceFile, type EvidenceFile } from './evidence-file.ts';
import type { Field } from './fields.ts';
import { certificatesIn, type ShownCertificate } from './show-certificates.ts';
import { hclSections, quoteSections, type ShownSection } from './show-azure.ts';
import { readOther, type ShownOther } from './show-other.ts';
import { snpFields } from './show-snp.ts';
import { tdxFields } from './show-tdx.ts';
import { folded } from './text.ts';

const HEX_COLUMNS = 64;

/** @throws CliError CLI_FILE_UNREADABLE */
export async function showEvidence({ printer }: CommandContext, path: string): Promise<void> {
  const other = await readOther(path);
  if (other !== undefined) {
    const { format, encoding, sections, certificates } = other;
    const sound = sections.every(({ error }) => error === undefined);
    printer.result(
      { ...jsonOf({ ...other, path }), kind: format, encoding, structure: soundness(sound) },
      describeSections(path, other, sections, certificates),
    );
    return;
  }
  const file = await readEvidenceFile(path);
  const { evidence } = file;
  if (evidence.kind === 'az-snp' || evidence.kind === 'az-tdx') {
    const sections = azureSections(evidence);
    const certificates = certificatesIn(evidence);
    const sound = sections.every(({ error }) => error === undefined);
    printer.result(
      {
        ...jsonOf({ ...file, sections, certificates }),
        tee: evidence.kind,
        structure: soundness(sound),
        notes: file.notes,
      },
      describeSections(path, file, sections, certificates),
    );
    return;
  }
  showPlain(printer, file, evidence);
}

function soundness(sound: boolean): string {
  return sound ? 'sound' : 'not sound';
}

function jsonOf({
  path,
  format,
  encoding,
  fileBytes,
  sections,
  certificates,
}: Omit<ShownOther, 'certificates'> &
  Pick<ShownOther, 'certificates'> & { readonly path: string }): Readonly<Record<string, Json>> {
  return {
    ok: true,
    path,
    format,
    encoding,
    fileBytes,
    verified: false,
    sections: sections.map(({ title, fields, error }) => ({
      title,
      error: error?.code ?? null,
      fields: fields.map(fieldToJson),
    })),
    certificates: certificates.map((each) => ({ ...each, sha256: each.sha256 ?? null })),
  };
}

function fieldToJson({ offset, size, ...field }: Field): Json {
  return { offset: offset ?? null, size: size ?? null, ...field };
}

function azureSections(evidence: AzureEvidence): readonly ShownSection[] {
  const quote =
    evidence.kind === 'az-tdx' ? [{ title: 'TDX quote', fields: tdxFields(evidence.quote) }] : [];
  return [...hclSections(evidence.hclReport), ...quote, ...quoteSections(evidence.tpmQuote)];
}

function describeSections(
  path: string,
  { format, encoding, fileBytes }: Pick<ShownOther, 'format' | 'encoding' | 'fileBytes'>,
  sections: readonly ShownSection[],
  certificates: readonly ShownCertificate[],
): string {
  const head = [
    ['File', path],
    ['Form', `${format} (${encoding}, ${fileBytes} bytes)`],
  ];
  const parts = sections.map(({ title, fields, error }) => {
    const refused = error === undefined ? '' : `NOT SOUND: ${describeError(error)}\n`;
    return `\n${title}\n${refused}${table(fields.flatMap(rowsOf))}`;
  });
  const inside = certificates.flatMap(describeCertificate).join('');
  const last = inside === '' ? '' : `\nCertificates and lists\n${inside}`;
  const end = '\nNothing was verified: use witan evidence verify.\n';
  return `${table(head)}${parts.join('')}${last}${end}`;
}

/** An SEV-SNP report or a TDX quote. */
function showPlain(printer: Printer, file: EvidenceFile, evidence: Evidence): void {
  const { path } = file;
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
      fields: fields.map(fieldToJson),
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
  const at = offset === undefined ? '' : `0x${offset.toString(16).padStart(3, '0')}`;
  const bytes = size === undefined ? '' : String(size);
  const lines = folded(value, HEX_COLUMNS);
  // A short meaning stands behind a short value; everything else gets lines of its own.
  const [only = ''] = meaning;
  if (lines.length === 1 && meaning.length === 1 && value.length + only.length <= 90) {
    return [[at, bytes, name, `${value}  ${only}`]];
  }
  return [
    ...lines.map((line, index) => (index === 0 ? [at, bytes, name, line] : ['', '', '', line])),
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
