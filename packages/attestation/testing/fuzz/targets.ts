/**
 * What is fuzzed: every parser, with inputs that it accepts and with what must hold for whatever
 * it accepts.
 */
import { createHash } from 'node:crypto';
import type * as Attestation from '../../src/index.ts';
import { concatBytes } from '@witan/core';
import { createTdxHierarchy, healthyTdReport, type TdxHierarchy } from '../tdx-hierarchy.ts';
import { certificateTableOf, reportSeeds } from './seeds.ts';

/** The package, or a copy of it. */
export type Package = typeof Attestation;

/** One parser. */
export interface Target {
  readonly name: string;
  /** The codes with which it may refuse. */
  readonly codes: RegExp;
  readonly seeds: readonly Uint8Array[];
  /**
   * Parses and says what is wrong with the result; nothing for a good one.
   *
   * @throws AttestationError for bytes that are refused
   */
  readonly run: (bytes: Uint8Array) => string | undefined;
}

const part = (bytes: Uint8Array | undefined): Uint8Array => bytes ?? new Uint8Array();

/** All parsers of a package. */
export function targetsOf(of: Package): readonly Target[] {
  const hierarchy = createTdxHierarchy({ pckCrl: { revoked: [5, 300, 70_000] } });
  const { endorsements, certificates } = hierarchy;
  const quotes = [
    hierarchy.quote(healthyTdReport()),
    hierarchy.quote(healthyTdReport({ teeTcbSvn2: undefined, mrServiceTd: undefined })),
  ];
  return [
    {
      name: 'snp report',
      codes: /^SNP_/,
      seeds: reportSeeds(),
      run: (bytes) => reportIsWrong(of, bytes),
    },
    { name: 'tdx quote', codes: /^TDX_/, seeds: quotes, run: (bytes) => quoteIsWrong(of, bytes) },
    {
      name: 'certificate',
      codes: /^X509_/,
      seeds: Object.values(certificates),
      run: (bytes) => {
        of.parseCertificate(bytes);
        return isStrictDer(bytes) ? undefined : 'accepted bytes that are not DER';
      },
    },
    {
      name: 'revocation list',
      codes: /^(CRL|X509)_/,
      seeds: [part(endorsements.rootCrl), part(endorsements.pckCrl)],
      run: (bytes) => crlIsWrong(of, bytes),
    },
    {
      name: 'pem',
      codes: /^PEM_/,
      seeds: [part(endorsements.tcbInfoIssuerChain), pemChainOf(hierarchy)],
      run: (bytes) => pemIsWrong(of, bytes),
    },
    ...documentTargets(of, hierarchy, quotes),
  ];
}

function documentTargets(
  of: Package,
  { endorsements, certificates }: TdxHierarchy,
  quotes: readonly Uint8Array[],
): readonly Target[] {
  return [
    {
      name: 'tcb info',
      codes: /^TDX_(COLLATERAL_MALFORMED|TCB_INFO_ID)$/,
      seeds: [part(endorsements.tcbInfo)],
      run: (bytes) => tcbInfoIsWrong(of, bytes),
    },
    {
      name: 'qe identity',
      codes: /^TDX_(COLLATERAL_MALFORMED|QE_IDENTITY_ID)$/,
      seeds: [part(endorsements.qeIdentity)],
      run: (bytes) => {
        const { isvProdId, levels } = of.parseQeIdentity(bytes);
        const svns = [isvProdId, ...levels.map(({ isvSvn }) => isvSvn)];
        return svns.every((svn) => svn >= 0 && svn <= 0xffff) ? undefined : 'SVN above 16 bits';
      },
    },
    {
      name: 'certificate table',
      codes: /^SNP_CERTIFICATE_TABLE_MALFORMED$/,
      seeds: [certificateTableOf(Object.values(certificates))],
      run: (bytes) => tableIsWrong(of, bytes),
    },
    {
      name: 'pck extension',
      codes: /^(X509_.*|TDX_PCK_EXTENSIONS)$/,
      seeds: [certificates.pck],
      run: (bytes) => {
        const { components, pceSvn } = of.readPckExtensions(of.parseCertificate(bytes));
        const fits = components.length === 16 && components.every((svn) => svn <= 255);
        return fits && pceSvn <= 0xffff ? undefined : 'SVN out of range';
      },
    },
    {
      name: 'evidence',
      codes: /^EVIDENCE_/,
      seeds: [of.encodeEvidence({ kind: 'tdx', quote: part(quotes[0]), endorsements })],
      run: (bytes) => {
        const again = of.encodeEvidence(of.decodeEvidence(bytes));
        return Buffer.compare(again, bytes) === 0 ? undefined : 'two encodings of one evidence';
      },
    },
  ];
}

function reportIsWrong(of: Package, bytes: Uint8Array): string | undefined {
  const again = of.serializeSnpReport(of.parseSnpReport(bytes));
  return Buffer.compare(again, bytes) === 0 ? undefined : 'two encodings of one report';
}

/** Every byte of a quote belongs to one part of it; none is skipped, none is read twice. */
function quoteIsWrong(of: Package, bytes: Uint8Array): string | undefined {
  const quote = of.parseTdxQuote(bytes);
  const fixed = 4 + 64 + 64 + 6 + 384 + 64 + 2 + 6;
  const variable = [quote.signed, quote.qeAuthenticationData, quote.pckChain, quote.trailing];
  const known = variable.reduce((sum, part) => sum + part.byteLength, fixed);
  const nul = bytes.byteLength - known;
  if (nul !== 0 && nul !== 1) return `${nul} bytes belong to no part`;
  const begins = Buffer.compare(quote.signed, bytes.subarray(0, quote.signed.byteLength)) === 0;
  return begins ? undefined : 'the signed bytes are not the first ones';
}

function crlIsWrong(of: Package, bytes: Uint8Array): string | undefined {
  const list = of.parseCrl(bytes);
  if (!isStrictDer(bytes)) return 'accepted bytes that are not DER';
  const hexes = [...list.revokedSerials];
  return hexes.every((serial) => /^([0-9a-f]{2})+$/.test(serial) && !/^00./.test(serial))
    ? undefined
    : 'a serial number that no certificate can have';
}

function pemIsWrong(of: Package, bytes: Uint8Array): string | undefined {
  const blocks = of.parsePem(Buffer.from(bytes).toString('latin1'));
  const again = of.parsePem(blocks.map(({ label, der }) => of.toPem(label, der)).join(''));
  const text = (all: typeof blocks): string =>
    all.map(({ label, der }) => `${label} ${Buffer.from(der).toString('hex')}`).join();
  return text(blocks) === text(again) ? undefined : 'blocks do not come back from their text';
}

function tcbInfoIsWrong(of: Package, bytes: Uint8Array): string | undefined {
  const { levels } = of.parseTcbInfo(bytes);
  const components = levels.flatMap(({ sgx, tdx }) => [sgx, tdx]);
  return components.every((svns) => svns.length === 16 && svns.every((svn) => svn <= 255))
    ? undefined
    : 'a component is no byte';
}

/** Each certificate has the length that its entry states. */
function tableIsWrong(of: Package, bytes: Uint8Array): string | undefined {
  const table = of.parseCertificateTable(bytes);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const lengths: number[] = [];
  for (let at = 0; at + 24 <= bytes.byteLength; at += 24) {
    lengths.push(view.getUint32(at + 20, true));
  }
  const certificates = Object.values<Uint8Array>({ ...table });
  return certificates.every(({ byteLength }) => lengths.includes(byteLength))
    ? undefined
    : 'a certificate is shorter than its entry says';
}

/** Depth to which the readers look at everything: the object, its three parts, and theirs. */
const READ_DEPTH = 2;

/**
 * Whether bytes are one value whose parts are written the only way there is, as far as lengths go.
 * What stands in extensions and names that mean nothing here is nobody's business.
 */
function isStrictDer(bytes: Uint8Array): boolean {
  const recoded = recode(bytes, READ_DEPTH);
  return recoded !== undefined && Buffer.compare(recoded, bytes) === 0;
}

/** Takes values apart and writes them again. Deliberately unlike the reader under test. */
function recode(bytes: Uint8Array, depth: number): Uint8Array | undefined {
  const values: Uint8Array[] = [];
  for (let at = 0; at < bytes.byteLength;) {
    const tag = bytes[at] ?? 0;
    const first = bytes[at + 1] ?? 0;
    const octets = first < 0x80 ? 0 : first & 0x7f;
    let length = first < 0x80 ? first : 0;
    for (let index = 0; index < octets; index += 1) {
      length = length * 256 + (bytes[at + 2 + index] ?? 0);
    }
    const start = at + 2 + octets;
    if (start + length > bytes.byteLength) return undefined;
    const content = bytes.subarray(start, start + length);
    const opaque = (tag & 0x20) === 0 || depth === 0;
    const inner = opaque ? content : recode(content, depth - 1);
    if (inner === undefined) return undefined;
    values.push(concatBytes(Uint8Array.of(tag, ...lengthOf(inner.byteLength)), inner));
    at = start + length;
  }
  return concatBytes(...values);
}

function lengthOf(length: number): readonly number[] {
  if (length < 0x80) return [length];
  const octets: number[] = [];
  for (let rest = length; rest > 0; rest = Math.floor(rest / 256)) octets.unshift(rest % 256);
  return [0x80 | octets.length, ...octets];
}

function pemChainOf({ certificates }: TdxHierarchy): Uint8Array {
  const text = Object.values(certificates).map(
    (der) =>
      `# ${createHash('sha256').update(der).digest('hex')}\r\n-----BEGIN CERTIFICATE-----\r\n` +
      `${Buffer.from(der).toString('base64')}\r\n-----END CERTIFICATE-----\r\n`,
  );
  return new Uint8Array(Buffer.from(text.join('')));
}
