/**
 * Whether a quote is genuine and what Intel says about its platform: parts A to L of the order of
 * checks. A platform that is revoked or below every level is refused here; no reference values can
 * accept it.
 */
import { bytesEqual, concatBytes, fromHex, isAllZero, toHex, type UnixMillis } from '@witan/core';
import type { AttestationErrorCode } from '../errors.ts';
import { AttestationError } from '../errors.ts';
import type { CheckList } from '../check-list.ts';
import { COLLATERAL_DOCUMENT_BYTES_MAX } from '../limits.ts';
import type { Certificate } from '../x509/certificate.ts';
import { checkCrl, checkPckChain, checkTcbSigner, readPckChain, required } from './chain.ts';
import type { AcceptedTdxRoot } from './chain.ts';
import type { TdxClaims } from './claims.ts';
import {
  parseQeIdentity,
  parseTcbInfo,
  type Document,
  type ModuleSigner,
  type QeIdentity,
  type TcbInfo,
} from './collateral.ts';
import { claimsOfTdx } from './to-claims.ts';
import type { TdxEndorsements, TdxGenuineOptions } from './options.ts';
import { readPckExtensions, type PckExtensions } from './pck.ts';
import { parseTdxQuote, type QuotingEnclaveReport, type TdReport, type TdxQuote } from './quote.ts';
import { moduleIdentityOf, rateTdx, type TdxRating } from './tcb.ts';

/** A quote whose signature leads to an accepted root. */
export interface GenuineTdx {
  readonly quote: TdxQuote;
  readonly pck: PckExtensions;
  readonly claims: TdxClaims;
  readonly validUntil: UnixMillis;
}

/** Everything that the claims are made of. */
export interface TdxFacts {
  readonly quote: TdxQuote;
  readonly pck: PckExtensions;
  readonly root: AcceptedTdxRoot;
  readonly rating: TdxRating;
  readonly tcbInfo: TcbInfo;
  readonly qeIdentity: QeIdentity;
}

/** SubjectPublicKeyInfo of an uncompressed P-256 point, up to the point. */
const P256_SPKI_PREFIX: Uint8Array = fromHex(
  '3059301306072a8648ce3d020106082a8648ce3d03010703420004',
);

/**
 * Verifies a quote down from a root and rates its platform.
 *
 * @param checks receives every check; also complete when this throws
 * @throws AttestationError with the code of the first check that fails
 */
export function verifyTdxGenuine(
  quoteBytes: Uint8Array,
  endorsements: TdxEndorsements,
  options: TdxGenuineOptions,
  checks: CheckList,
): GenuineTdx {
  const quote = parseTdxQuote(quoteBytes);
  checks.judge('TDX_QUOTE_VERSION', true, '4 or 5', quote.version);
  const chain = readPckChain(quote.pckChain);
  const root = checkPckChain(chain, options, checks);
  const rootCrl = checkCrl('rootCrl', endorsements.rootCrl, chain.root, options, checks);
  const { serial } = chain.authority;
  checks.demand('TDX_CA_REVOKED', !rootCrl.revokedSerials.has(serial), 'not listed', serial);
  const pckCrl = checkCrl('pckCrl', endorsements.pckCrl, chain.authority, options, checks);
  const pckSerial = chain.pck.serial;
  checks.demand('TDX_PCK_REVOKED', !pckCrl.revokedSerials.has(pckSerial), 'not listed', pckSerial);
  const pck = readPckExtensions(chain.pck);

  const { tcbInfoIssuerChain: tcbPem, qeIdentityIssuerChain: qePem } = endorsements;
  const signerOf = (name: string, pem: Uint8Array | undefined): Certificate =>
    checkTcbSigner(name, pem, chain.root, rootCrl, options, checks);
  const tcbSigner = signerOf('tcbInfoIssuerChain', tcbPem);
  // Intel signs both documents with one key, so the second chain is nearly always the first again.
  const same = tcbPem !== undefined && qePem !== undefined && bytesEqual(tcbPem, qePem);
  const qeSigner = same ? tcbSigner : signerOf('qeIdentityIssuerChain', qePem);
  const tcbInfo = readTcbInfo(endorsements, tcbSigner, pck, options, checks);
  const qeIdentity = readQeIdentity(endorsements, qeSigner, options, checks);

  checkModule(quote.body, tcbInfo, checks);
  checkQuotingEnclave(quote, chain.pck, qeIdentity, options, checks);
  checks.demand('TDX_QUOTE_SIGNATURE', isQuoteSigned(quote, options));
  const rating = rate(quote, pck, tcbInfo, qeIdentity, checks);
  noteFindings(quote, root, checks);
  const ends = [
    chain.root.notAfter,
    chain.authority.notAfter,
    chain.pck.notAfter,
    tcbSigner.notAfter,
    qeSigner.notAfter,
    rootCrl.nextUpdate,
    pckCrl.nextUpdate,
    tcbInfo.nextUpdate,
    qeIdentity.nextUpdate,
  ];
  const facts: TdxFacts = { quote, pck, root, rating, tcbInfo, qeIdentity };
  return { quote, pck, claims: claimsOfTdx(facts), validUntil: Math.min(...ends) as UnixMillis };
}

/** Row 6. */
function readTcbInfo(
  { tcbInfo: bytes, tcbInfoSignature }: TdxEndorsements,
  signer: Certificate,
  pck: PckExtensions,
  options: TdxGenuineOptions,
  checks: CheckList,
): TcbInfo {
  const signed = signedDocument('tcbInfo', bytes, tcbInfoSignature, signer, options);
  checks.demand('TDX_TCB_INFO_SIGNATURE', signed.good);
  const tcbInfo = parseTcbInfo(signed.document);
  checks.judge('TDX_TCB_INFO_ID', true, 'TDX version 3', tcbInfo.id);
  demandFresh('TDX_TCB_INFO_VALIDITY', tcbInfo, options, checks);
  checks.demand('TDX_FMSPC_MISMATCH', tcbInfo.fmspc === pck.fmspc, pck.fmspc, tcbInfo.fmspc);
  checks.demand('TDX_PCEID_MISMATCH', tcbInfo.pceId === pck.pceId, pck.pceId, tcbInfo.pceId);
  return tcbInfo;
}

/** Row 7. */
function readQeIdentity(
  { qeIdentity: bytes, qeIdentitySignature }: TdxEndorsements,
  signer: Certificate,
  options: TdxGenuineOptions,
  checks: CheckList,
): QeIdentity {
  const signed = signedDocument('qeIdentity', bytes, qeIdentitySignature, signer, options);
  checks.demand('TDX_QE_IDENTITY_SIGNATURE', signed.good);
  const qeIdentity = parseQeIdentity(signed.document);
  checks.judge('TDX_QE_IDENTITY_ID', true, 'TD_QE version 2', qeIdentity.id);
  demandFresh('TDX_QE_IDENTITY_VALIDITY', qeIdentity, options, checks);
  return qeIdentity;
}

function signedDocument(
  name: 'tcbInfo' | 'qeIdentity',
  bytes: Uint8Array | undefined,
  signature: Uint8Array | undefined,
  signer: Certificate,
  { crypto }: TdxGenuineOptions,
): { readonly document: Uint8Array; readonly good: boolean } {
  const document = required(name, bytes);
  if (document.byteLength > COLLATERAL_DOCUMENT_BYTES_MAX) {
    throw new AttestationError('TDX_COLLATERAL_MALFORMED', {
      endorsement: name,
      expected: COLLATERAL_DOCUMENT_BYTES_MAX,
      found: document.byteLength,
    });
  }
  const good = crypto.verify({
    algorithm: 'ecdsa-p256-sha256',
    publicKey: signer.spki,
    data: document,
    signature: required(`${name}Signature`, signature),
  });
  return { document, good };
}

/** Rows 8 and 9: who signed the TDX module. */
function checkModule(body: TdReport, tcbInfo: TcbInfo, checks: CheckList): void {
  const majorVersion = body.teeTcbSvn[1] ?? 0;
  const signer: ModuleSigner | undefined =
    majorVersion === 0 ? tcbInfo.module : moduleIdentityOf(tcbInfo.moduleIdentities, majorVersion);
  checks.demand(
    'TDX_MODULE_IDENTITY',
    signer !== undefined,
    tcbInfo.moduleIdentities.map(({ id }) => id).join(', '),
    `major version ${majorVersion}`,
  );
  if (signer === undefined) return;
  const found = toHex(body.mrSignerSeam);
  checks.demand('TDX_MODULE_SIGNER', found === signer.mrSigner, signer.mrSigner, found);
  const attributes = littleEndian(fromHex(signer.attributes));
  const mask = littleEndian(fromHex(signer.attributesMask));
  checks.demand(
    'TDX_MODULE_ATTRIBUTES',
    body.seamAttributes === 0n && (body.seamAttributes & mask) === attributes,
    `0x${attributes.toString(16)}`,
    `0x${body.seamAttributes.toString(16)}`,
  );
}

/** Rows 10 and 11. */
function checkQuotingEnclave(
  quote: TdxQuote,
  pck: Certificate,
  identity: QeIdentity,
  { crypto }: TdxGenuineOptions,
  checks: CheckList,
): void {
  const { qeReport } = quote;
  const signed = crypto.verify({
    algorithm: 'ecdsa-p256-sha256',
    publicKey: pck.spki,
    data: qeReport.bytes,
    signature: quote.qeReportSignature,
  });
  checks.demand('TDX_QE_REPORT_SIGNATURE', signed);
  const bound = crypto.hash('sha256', quote.attestationKey, quote.qeAuthenticationData);
  const expected = concatBytes(bound, new Uint8Array(32));
  checks.demand(
    'TDX_QE_REPORT_DATA',
    toHex(qeReport.reportData) === toHex(expected),
    toHex(expected),
    toHex(qeReport.reportData),
  );
  const wrong = mismatchOf(qeReport, identity);
  checks.demand('TDX_QE_MISMATCH', wrong === undefined, 'the identity', wrong ?? 'the identity');
}

function mismatchOf(report: QuotingEnclaveReport, identity: QeIdentity): string | undefined {
  const miscMask = Number.parseInt(identity.miscSelectMask, 16);
  const misc = Number.parseInt(identity.miscSelect, 16);
  if ((report.miscSelect & miscMask) >>> 0 !== misc) return 'MISCSELECT';
  const mask = fromHex(identity.attributesMask);
  const masked = report.attributes.map((byte, index) => byte & (mask[index] ?? 0));
  if (toHex(masked) !== identity.attributes) return 'ATTRIBUTES';
  if (toHex(report.mrSigner) !== identity.mrSigner) return 'MRSIGNER';
  return report.isvProdId === identity.isvProdId ? undefined : 'ISVPRODID';
}

function isQuoteSigned(quote: TdxQuote, { crypto }: TdxGenuineOptions): boolean {
  return crypto.verify({
    algorithm: 'ecdsa-p256-sha256',
    publicKey: concatBytes(P256_SPKI_PREFIX, quote.attestationKey),
    data: quote.signed,
    signature: quote.signature,
  });
}

/** Parts G to L. */
function rate(
  { body, qeReport }: TdxQuote,
  { components, pceSvn }: PckExtensions,
  tcbInfo: TcbInfo,
  qeIdentity: QeIdentity,
  checks: CheckList,
): TdxRating {
  const { teeTcbSvn, teeTcbSvn2 } = body;
  const rating = rateTdx(
    { components, pceSvn, teeTcbSvn, teeTcbSvn2, qeIsvSvn: qeReport.isvSvn },
    {
      platform: tcbInfo.levels,
      moduleIdentities: tcbInfo.moduleIdentities,
      quotingEnclave: qeIdentity.levels,
    },
  );
  const { status } = rating;
  const refusals = [
    ['TDX_TCB_REVOKED', 'Revoked'],
    ['TDX_TCB_NOT_SUPPORTED', 'NotSupported'],
  ] as const satisfies readonly (readonly [AttestationErrorCode, string])[];
  for (const [code, refused] of refusals) {
    const found = [status, ...rating.advisories].join(', ');
    checks.demand(code, status !== refused, `not ${refused}`, found);
  }
  return rating;
}

function noteFindings(quote: TdxQuote, root: AcceptedTdxRoot, checks: CheckList): void {
  if (root.simulated) checks.note('simulated', 'the chain ends in a development root');
  if (!isAllZero(quote.trailing)) {
    checks.note(
      'unsigned-bytes',
      `${quote.trailing.byteLength} bytes behind the quote are ignored`,
    );
  }
}

function demandFresh(
  code: AttestationErrorCode,
  { issueDate, nextUpdate }: Document,
  { now }: TdxGenuineOptions,
  checks: CheckList,
): void {
  const fresh = issueDate <= now && now <= nextUpdate;
  checks.demand(code, fresh, `${issueDate} to ${nextUpdate} ms`, `${now} ms`);
}

/** Attributes stand in the documents in the byte order of the report. */
function littleEndian(bytes: Uint8Array): bigint {
  return BigInt(`0x${toHex(bytes.toReversed())}`);
}
