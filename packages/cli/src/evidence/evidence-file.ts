/** Evidence in a file, whatever its form: format and encoding are recognised by content. */
import {
  AttestationError,
  azureEvidenceOf,
  CERTIFICATE_BYTES_MAX,
  EVIDENCE_BYTES_MAX,
  parsePemCertificates,
  TDX_QUOTE_BYTES_MAX,
} from '@witan/attestation';
import { recogniseEvidence, type AnyEvidence, type RecognisedEvidence } from './binary-evidence.ts';
import { decodeContent } from './encoding.ts';
import { readBounded, unusable, type Source } from './input.ts';
import { bytesOfJson, isJsonObject, type JsonObject } from './json-bytes.ts';
import { reportOfJson } from './trustee-report.ts';

/** Evidence with where it came from. */
export interface EvidenceFile extends RecognisedEvidence {
  readonly path: string;
  readonly encoding: string;
  /** Size of the file in bytes. */
  readonly fileBytes: number;
}

/** Encoded evidence as text is at most twice as long, and line breaks. */
const FILE_BYTES_MAX: number = 2 * EVIDENCE_BYTES_MAX + EVIDENCE_BYTES_MAX / 16;
const EXPECTED =
  'an SEV-SNP report, a TDX quote or Witan’s encoded evidence; binary, hex, base64 or JSON';
const CHAIN_MAX = 8;

/** Members of JSON that hold a report or quote, in the order in which they are looked for. */
const EVIDENCE_MEMBERS = ['evidence', 'td_quote', 'quote', 'hcl_report', 'report'] as const;

/** @throws CliError CLI_FILE_UNREADABLE; AttestationError for malformed encoded evidence */
export async function readEvidenceFile(path: string): Promise<EvidenceFile> {
  const source: Source = { path, what: 'evidence' };
  const bytes = await readBounded(source, FILE_BYTES_MAX);
  const content = decodeContent(bytes);
  const common = { path, fileBytes: bytes.byteLength };
  switch (content.kind) {
    case 'pem': {
      const expected = 'evidence (give endorsements with --endorsements)';
      throw unusable(source, expected, 'PEM text, such as a certificate');
    }
    case 'json':
      return { ...recogniseJson(source, content.value), ...common, encoding: 'JSON' };
    case 'bytes': {
      const { encoding } = content;
      return { ...recognise(source, content.bytes), ...common, encoding };
    }
  }
}

function recognise(source: Source, bytes: Uint8Array): RecognisedEvidence {
  let recognised: ReturnType<typeof recogniseEvidence>;
  try {
    recognised = recogniseEvidence(bytes);
  } catch (cause) {
    if (!(cause instanceof AttestationError)) throw cause;
    throw unusable(source, EXPECTED, 'malformed encoded evidence', cause);
  }
  if ('evidence' in recognised) return recognised;
  throw unusable(source, recognised.expected ?? EXPECTED, recognised.found);
}

function recogniseJson(source: Source, value: unknown): RecognisedEvidence {
  if (!isJsonObject(value)) throw unusable(source, EXPECTED, 'JSON that is no object');
  const report = value['attestation_report'];
  if (isJsonObject(report)) return recogniseTrustee(source, report, value['cert_chain']);
  if (isJsonObject(value['tpm_quote'] ?? value['quote'])) return recogniseAzure(source, value);
  for (const member of EVIDENCE_MEMBERS) {
    const bytes = bytesOfJson(value[member], maxOf(member));
    if (bytes === undefined) continue;
    const recognised = recognise(source, bytes);
    const format = `${recognised.format}, member ${member} of JSON`;
    return { ...recognised, format, evidence: withVcek(recognised.evidence, value) };
  }
  const names = Object.keys(value).slice(0, 8).join(', ').slice(0, 200);
  const expected = `JSON with one of attestation_report, ${EVIDENCE_MEMBERS.join(', ')}`;
  throw unusable(source, expected, `JSON with ${names === '' ? 'no member' : names}`);
}

/** What the attesters of Confidential Containers write in Azure's machines. */
function recogniseAzure(source: Source, value: JsonObject): RecognisedEvidence {
  try {
    const evidence = azureEvidenceOf(value);
    const version = typeof value['version'] === 'number' ? value['version'] : 0;
    const name = evidence.kind === 'az-snp' ? 'SEV-SNP' : 'TDX';
    const format = `Azure ${name} evidence, version ${version}: HCL report and vTPM quote`;
    return { evidence, format, notes: [] };
  } catch (cause) {
    if (!(cause instanceof AttestationError)) throw cause;
    const { what, expected } = cause.fields;
    const wanted = `Azure evidence with ${String(what)}: ${String(expected)}`;
    throw unusable(source, wanted, 'malformed Azure evidence', cause);
  }
}

function maxOf(member: string): number {
  return member === 'evidence' ? EVIDENCE_BYTES_MAX : TDX_QUOTE_BYTES_MAX;
}

function recogniseTrustee(source: Source, json: JsonObject, chain: unknown): RecognisedEvidence {
  const report = reportOfJson(json);
  if ('missing' in report) {
    const expected = `the member attestation_report.${report.missing}`;
    throw unusable(source, expected, 'none, or one of another form');
  }
  const format = 'SEV-SNP report, field by field in JSON';
  const vek = (Array.isArray(chain) ? chain.slice(0, CHAIN_MAX) : [])
    .filter(isJsonObject)
    .find(({ ['cert_type']: type }) => type === 'VCEK' || type === 'VLEK');
  const der = bytesOfJson(vek?.['data'], CERTIFICATE_BYTES_MAX);
  const endorsements = der === undefined ? {} : { vek: der };
  return { evidence: { kind: 'snp', report, endorsements }, format, notes: [] };
}

/** Azure's evidence has the VCEK beside the report, as PEM or as base64. */
function withVcek(evidence: AnyEvidence, { vcek }: JsonObject): AnyEvidence {
  if (evidence.kind !== 'snp' || vcek === undefined) return evidence;
  const vek = certificateOf(vcek);
  if (vek === undefined) return evidence;
  return { ...evidence, endorsements: { ...evidence.endorsements, vek } };
}

function certificateOf(value: unknown): Uint8Array | undefined {
  if (typeof value !== 'string' || !value.includes('-----BEGIN')) {
    return bytesOfJson(value, CERTIFICATE_BYTES_MAX);
  }
  try {
    return parsePemCertificates(value)[0];
  } catch (error) {
    // A hint that cannot be read is as good as none.
    if (error instanceof AttestationError) return undefined;
    throw error;
  }
}
