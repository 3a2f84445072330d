/**
 * Which of many lists and documents to hand to the TDX verifier: those of the quote's platform
 * family that are in force at the time. A choice is no check, as with SEV-SNP.
 */
import {
  AttestationError,
  isValidAt,
  parseCertificate,
  parsePemCertificates,
  parseQeIdentity,
  parseTcbInfo,
  parseTdxQuote,
  readPckExtensions,
  toPem,
  type Certificate,
  type TdxEndorsements,
} from '@witan/attestation';
import { BytesError, bytesEqual, fromUtf8, utf8, type UnixMillis } from '@witan/core';
import type { FoundCrl, FoundDocument, Material } from './material.ts';

/** Endorsements with the file of each; those that came with the quote say so. */
export interface ChosenTdx {
  readonly endorsements: TdxEndorsements;
  readonly origins: Readonly<Record<string, string>>;
}

const ROOT_NAME = 'Intel SGX Root CA';
const SIGNER_NAME = 'Intel SGX TCB Signing';
const WITH_EVIDENCE = 'with the evidence';

/** What is given in files goes before what came with the quote. */
export function chooseTdx(
  quote: Uint8Array,
  own: TdxEndorsements,
  given: Material,
  now: UnixMillis,
): ChosenTdx {
  const chosen: { -readonly [Name in keyof TdxEndorsements]: TdxEndorsements[Name] } = { ...own };
  const origins: Record<string, string> = {};
  for (const name of Object.keys(own)) origins[name] = WITH_EVIDENCE;
  const chain = chainOf(quote);
  const pck = chain.find(({ subject }) => subject.commonName === 'Intel SGX PCK Certificate');
  const root = chain.find(({ issuer, subject }) => bytesEqual(issuer.der, subject.der));
  for (const [name, asRoot] of [
    ['rootCrl', true],
    ['pckCrl', false],
  ] as const) {
    const issuer = asRoot ? root?.subject.der : pck?.issuer.der;
    const found = chooseCrl(given.crls, asRoot, issuer, now);
    if (found === undefined) continue;
    chosen[name] = found.der;
    origins[name] = found.path;
  }
  for (const kind of ['tcbInfo', 'qeIdentity'] as const) {
    const found = chooseDocument(given.documents, kind, fmspcOf(pck), now);
    if (found === undefined) continue;
    chosen[kind] = found.document;
    chosen[`${kind}Signature`] = found.signature;
    origins[kind] = found.path;
    const issuerChain = found.chain ?? composeChain(given, now);
    if (issuerChain !== undefined) chosen[`${kind}IssuerChain`] = issuerChain;
  }
  return { endorsements: chosen, origins };
}

function chainOf(quote: Uint8Array): readonly Certificate[] {
  return orElse([], () =>
    parsePemCertificates(fromUtf8(parseTdxQuote(quote).pckChain)).map(parseCertificate),
  );
}

function fmspcOf(pck: Certificate | undefined): string | undefined {
  return pck === undefined ? undefined : orElse(undefined, () => readPckExtensions(pck).fmspc);
}

function chooseCrl(
  crls: readonly FoundCrl[],
  asRoot: boolean,
  issuer: Uint8Array | undefined,
  now: UnixMillis,
): FoundCrl | undefined {
  const score = ({ crl }: FoundCrl): number =>
    (issuer !== undefined && bytesEqual(crl.issuer.der, issuer) ? 2 : 0) +
    (crl.thisUpdate <= now && now <= crl.nextUpdate ? 1 : 0);
  return crls
    .filter(({ crl }) => crl.issuer.commonName?.startsWith('Intel SGX') === true)
    .filter(({ crl }) => (crl.issuer.commonName === ROOT_NAME) === asRoot)
    .toSorted(
      (left, right) => score(right) - score(left) || right.crl.thisUpdate - left.crl.thisUpdate,
    )[0];
}

function chooseDocument(
  documents: readonly FoundDocument[],
  kind: FoundDocument['kind'],
  fmspc: string | undefined,
  now: UnixMillis,
): FoundDocument | undefined {
  const rated = documents
    .filter((found) => found.kind === kind)
    .map((found) => {
      const { issueDate, nextUpdate, family } = datesOf(found);
      const ofFamily = family === undefined || family === fmspc;
      const inForce = issueDate <= now && now <= nextUpdate;
      return { found, issueDate, score: (ofFamily ? 2 : 0) + (inForce ? 1 : 0) };
    });
  return rated.toSorted(
    (left, right) => right.score - left.score || right.issueDate - left.issueDate,
  )[0]?.found;
}

interface Dates {
  readonly issueDate: number;
  readonly nextUpdate: number;
  /** FMSPC of a TCB info. */
  readonly family: string | undefined;
}

function datesOf({ kind, document }: FoundDocument): Dates {
  const unknown: Dates = { issueDate: 0, nextUpdate: 0, family: '' };
  return orElse(unknown, () => {
    if (kind === 'qeIdentity') return { ...parseQeIdentity(document), family: undefined };
    const { fmspc: family, issueDate, nextUpdate } = parseTcbInfo(document);
    return { issueDate, nextUpdate, family };
  });
}

/** For documents as Intel's service answers them: their chain comes apart from them. */
function composeChain({ certificates }: Material, now: UnixMillis): Uint8Array | undefined {
  const all = certificates.map(({ certificate }) => certificate);
  const signers = all.filter(({ subject }) => subject.commonName === SIGNER_NAME);
  const signer = signers.find((each) => isValidAt(each, now)) ?? signers[0];
  if (signer === undefined) return undefined;
  const roots = all.filter(({ subject }) => subject.commonName === ROOT_NAME).slice(0, 1);
  return utf8([signer, ...roots].map(({ der }) => toPem('CERTIFICATE', der)).join(''));
}

/** Malformed input is the verifier's business; here it only fits nothing. */
function orElse<Value>(otherwise: Value, read: () => Value): Value {
  try {
    return read();
  } catch (error) {
    if (error instanceof AttestationError || error instanceof BytesError) return otherwise;
    throw error;
  }
}
