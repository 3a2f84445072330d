/**
 * Files that are no evidence by themselves but belong to it: HCL reports, quotes of a vTPM, event
 * logs, certificates, revocation lists and Intel's collateral. Recognised by content.
 */
import {
  AttestationError,
  CCEL_SIGNATURE,
  HCL_MAGIC,
  looksLikeEventLog,
  parseQeIdentity,
  parseTcbInfo,
  parseTpmQuoteBincode,
  tpmQuoteOf,
  type TpmQuote,
} from '@witan/attestation';
import { decodeContent, type Content } from './encoding.ts';
import { readBounded } from './input.ts';
import { materialOf, type FoundDocument, type Material } from './material.ts';
import { attestSections, hclSections, plain, quoteSections } from './show-azure.ts';
import type { ShownSection } from './show-azure.ts';
import { shownCertificate, shownCrl, type ShownCertificate } from './show-certificates.ts';
import { ccelSections, eventLogSections } from './show-event-log.ts';
import { isoTime } from './text.ts';

/** What is shown of such a file. */
export interface ShownOther {
  readonly format: string;
  readonly encoding: string;
  readonly fileBytes: number;
  readonly sections: readonly ShownSection[];
  readonly certificates: readonly ShownCertificate[];
}

const FILE_BYTES_MAX: number = 64 * 1024 * 1024;
const TPM_GENERATED = 0xff544347;

/** @returns undefined for everything else, evidence among it. @throws CliError */
export async function readOther(path: string): Promise<ShownOther | undefined> {
  const bytes = await readBounded({ path, what: 'evidence' }, FILE_BYTES_MAX);
  const content = decodeContent(bytes);
  const known = sectionsOf(content) ?? materialSections(path, content);
  if (known === undefined) return undefined;
  const encoding = content.kind === 'bytes' ? content.encoding : content.kind.toUpperCase();
  return { certificates: [], ...known, encoding, fileBytes: bytes.byteLength };
}

type Known = Pick<ShownOther, 'format' | 'sections'> & Partial<ShownOther>;

function sectionsOf(content: Content): Known | undefined {
  if (content.kind === 'json') {
    const quote = attempt(() => tpmQuoteOf(content.value));
    return quote === undefined ? undefined : quoteOf(quote, 'JSON');
  }
  if (content.kind !== 'bytes' || content.bytes.byteLength < 8) return undefined;
  const { bytes } = content;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (view.getUint32(0, true) === HCL_MAGIC) {
    return { format: 'HCL report of Azure’s paravisor', sections: hclSections(bytes) };
  }
  if (view.getUint32(0) === TPM_GENERATED) {
    return { format: 'attested structure of a TPM', sections: attestSections(bytes) };
  }
  if (String.fromCharCode(...bytes.subarray(0, 4)) === CCEL_SIGNATURE) {
    return { format: 'ACPI table CCEL', sections: ccelSections(bytes) };
  }
  if (looksLikeEventLog(bytes)) {
    return { format: 'TCG2 event log', sections: eventLogSections(bytes) };
  }
  const quote = attempt(() => parseTpmQuoteBincode(bytes));
  return quote === undefined ? undefined : quoteOf(quote, 'bincode');
}

function quoteOf(quote: TpmQuote, form: string): Known {
  return { format: `quote of a vTPM in ${form}`, sections: quoteSections(quote) };
}

/** Certificates, lists and documents, each with what it says of itself. */
function materialSections(path: string, content: Content): Known | undefined {
  const material = attempt(() => materialOf({ path, what: 'endorsements' }, content));
  if (material === undefined) return undefined;
  const { certificates, crls, documents } = material;
  const shown = [
    ...certificates.map(({ certificate }, at) => shownCertificate(`${at + 1}`, certificate.der)),
    ...crls.map(({ der }) => shownCrl('list', der)),
  ];
  if (shown.length + documents.length === 0) return undefined;
  const format = `endorsements: ${counted(material)}`;
  return { format, sections: documents.map(documentSection), certificates: shown };
}

function counted({ certificates, crls, documents }: Material): string {
  const parts = [
    [certificates.length, 'certificate(s)'],
    [crls.length, 'revocation list(s)'],
    [documents.length, 'document(s) of Intel'],
  ] as const;
  const present = parts.filter(([count]) => count > 0);
  return present.map(([count, name]) => `${count} ${name}`).join(', ');
}

function documentSection({ kind, document }: FoundDocument): ShownSection {
  const title = kind === 'tcbInfo' ? 'TCB info' : 'Identity of the quoting enclave';
  try {
    const parsed = kind === 'tcbInfo' ? parseTcbInfo(document) : parseQeIdentity(document);
    const { id, issueDate, nextUpdate, tcbEvaluationDataNumber, levels } = parsed;
    const own =
      'fmspc' in parsed
        ? [plain('FMSPC', parsed.fmspc), plain('PCEID', parsed.pceId)]
        : [plain('MRSIGNER', parsed.mrSigner), plain('ISVPRODID', String(parsed.isvProdId))];
    return {
      title,
      fields: [
        plain('ID', id),
        ...own,
        plain('VALID', `${isoTime(issueDate)} to ${isoTime(nextUpdate)}`),
        plain('TCB EVALUATION DATA NUMBER', String(tcbEvaluationDataNumber)),
        ...levels.map(({ status, date }, index) =>
          plain(`LEVEL ${index + 1}`, `${status}, ${isoTime(date)}`),
        ),
      ],
    };
  } catch (error) {
    if (error instanceof AttestationError) return { title, fields: [], error };
    throw error;
  }
}

function attempt<Result>(read: () => Result): Result | undefined {
  try {
    return read();
  } catch (error) {
    // Whatever refuses it, it is not this; the next reader says what it is.
    if (error instanceof Error) return undefined;
    throw error;
  }
}
