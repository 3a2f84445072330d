/**
 * Intel's own samples (SGX/TDX quote verification library): a folder of loose files under a test
 * root that is named like Intel's. A verifier must refuse them, also one that knows that root.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import {
  AttestationError,
  certificateFingerprint,
  INTEL_ROOTS,
  isSignedBy,
  parseCertificate,
  parseCrl,
  parseTcbInfo,
  parseTdxQuote,
  parseTdxReferenceValues,
  verifyTdx,
  type TdxEndorsements,
  type TdxQuote,
  type TdxVerdict,
} from '../src/index.ts';
import { bytesEqual, unixMillis } from '@witan/core';
import { testCrypto } from './node-crypto.ts';
import { objectOf, stringOf, type Json } from './json.ts';
import { signedObjectIn } from './signed-document.ts';
import { quoteSignatureProblems } from './tdx-signatures.ts';
import { referenceJsonFor } from './tdx-vectors.ts';
import { certificatesIn } from './vector-files.ts';

/** Runs one folder. */
export function runIntelSample(indexFolder: string, vector: Json): readonly string[] {
  const folder = join(indexFolder, dirname(stringOf(vector['files']) ?? ''));
  const read = (name: string): Uint8Array => new Uint8Array(readFileSync(join(folder, name)));
  const [root = new Uint8Array()] = certificatesIn(folder, 'trustedRootCaCert.pem');
  const fingerprint = certificateFingerprint(testCrypto, root);
  const quote = read('quote.dat');
  const endorsements = endorsementsIn(read);
  const facts = objectOf(vector['quote']);
  const isTdx = facts['version'] === 4 || facts['version'] === 5;
  const withRoot = judge(quote, endorsements, [fingerprint]);
  const byCode = isTdx ? 'TDX_PCK_CHAIN' : 'TDX_TEE_TYPE';
  return [
    ...(INTEL_ROOTS.includes(fingerprint) === (vector['root_is_real_intel_root'] ?? false)
      ? []
      : ['the root is another one than stated']),
    ...(stringOf(vector['expected'])?.startsWith('reject') === true ? [] : ['expects no refusal']),
    ...(judge(quote, endorsements, []).ok ? ['accepted with production roots'] : []),
    ...(!withRoot.ok && withRoot.code === byCode ? [] : [`not refused with ${byCode}`]),
    ...(vector['tcb_info'] === undefined ? [] : componentProblems(endorsements)),
    ...(vector['signatures_verified'] === undefined
      ? []
      : signatureProblems(folder, parseTdxQuote(quote), endorsements)),
  ];
}

function endorsementsIn(read: (name: string) => Uint8Array): TdxEndorsements {
  const tcbInfo = signedObjectIn(read('tcbInfo.json'), 'tcbInfo');
  const qeIdentity = signedObjectIn(read('qeIdentity.json'), 'enclaveIdentity');
  return {
    rootCrl: read('rootCaCrl.der'),
    pckCrl: read('intermediateCaCrl.der'),
    tcbInfoIssuerChain: read('tcbSignChain.pem'),
    tcbInfo: tcbInfo.document,
    tcbInfoSignature: tcbInfo.signature,
    qeIdentityIssuerChain: read('tcbSignChain.pem'),
    qeIdentity: qeIdentity.document,
    qeIdentitySignature: qeIdentity.signature,
  };
}

function judge(
  quote: Uint8Array,
  endorsements: TdxEndorsements,
  development: readonly string[],
): TdxVerdict {
  return verifyTdx({
    quote,
    endorsements,
    options: {
      now: unixMillis(Date.UTC(2023, 0, 1)),
      crypto: testCrypto,
      roots: { production: INTEL_ROOTS, development },
      expectedReportData: new Uint8Array(64),
      referenceValues: parseTdxReferenceValues(
        {
          ...referenceJsonFor(quote),
          ...(development.length === 0 ? {} : { developmentRoots: development }),
        },
        'sample',
      ),
    },
  });
}

/** The sample generator makes SVNs of 16 bits, which must not pass as bytes. */
function componentProblems({ tcbInfo }: TdxEndorsements): readonly string[] {
  try {
    parseTcbInfo(tcbInfo ?? new Uint8Array());
  } catch (error) {
    if (error instanceof AttestationError && error.code === 'TDX_COLLATERAL_MALFORMED') return [];
    throw error;
  }
  return ['TCB info with SVNs above 255 is read'];
}

/** That the sample is signed throughout, so that it is refused for the reasons above only. */
function signatureProblems(
  folder: string,
  quote: TdxQuote,
  endorsements: TdxEndorsements,
): readonly string[] {
  const certificates = readdirSync(folder)
    .filter((name) => name.endsWith('.pem') && !name.includes('Crl'))
    .flatMap((name) => certificatesIn(folder, name))
    .map(parseCertificate);
  const named = (name: string): (typeof certificates)[number] | undefined =>
    certificates.find(({ subject }) => subject.commonName === name);
  const pck = named('Intel SGX PCK Certificate');
  const signer = named('Intel SGX TCB Signing');
  if (pck === undefined || signer === undefined) return ['a certificate is missing'];
  const unsigned = certificates.filter(
    (certificate) =>
      !certificates.some(
        (issuer) =>
          bytesEqual(issuer.subject.der, certificate.issuer.der) &&
          isSignedBy(certificate, issuer, testCrypto),
      ),
  );
  const lists = [endorsements.rootCrl, endorsements.pckCrl].map((der) =>
    parseCrl(der ?? new Uint8Array()),
  );
  const unsignedLists = lists.filter(
    (list) => !certificates.some((issuer) => isSignedBy(list, issuer, testCrypto)),
  );
  return [
    ...unsigned.map(({ subject }) => `not signed: ${subject.commonName ?? ''}`),
    ...unsignedLists.map(({ issuer }) => `not signed: list of ${issuer.commonName ?? ''}`),
    ...quoteSignatureProblems(quote, pck.spki),
    ...(['tcbInfo', 'qeIdentity'] as const)
      .filter((name) => !isDocumentSigned(endorsements, name, signer.spki))
      .map((name) => `not signed: ${name}`),
  ];
}

function isDocumentSigned(
  endorsements: TdxEndorsements,
  name: 'tcbInfo' | 'qeIdentity',
  publicKey: Uint8Array,
): boolean {
  return testCrypto.verify({
    algorithm: 'ecdsa-p256-sha256',
    publicKey,
    data: endorsements[name] ?? new Uint8Array(),
    signature: endorsements[`${name}Signature`] ?? new Uint8Array(),
  });
}
