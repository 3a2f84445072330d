/**
 * The signatures of a quote by themselves, for vectors that state them without a whole verdict:
 * PCK chain up to the root, report of the quoting enclave, quote.
 */
import {
  certificateFingerprint,
  INTEL_ROOTS,
  isSignedBy,
  parseCertificate,
  parsePemCertificates,
  type Certificate,
  type TdxQuote,
} from '../src/index.ts';
import { bytesEqual, concatBytes, fromHex } from '@witan/core';
import { differences, type Json } from './json.ts';
import { testCrypto } from './node-crypto.ts';

const P256_SPKI_PREFIX = fromHex('3059301306072a8648ce3d020106082a8648ce3d03010703420004');

/** The certificates of a quote from the leaf to the root, in whatever order they stand there. */
export function pckChainOf({ pckChain }: TdxQuote): readonly Certificate[] {
  const all = parsePemCertificates(Buffer.from(pckChain).toString('latin1')).map(parseCertificate);
  const chain: Certificate[] = [];
  let next = all.find(
    ({ subject }) => !all.some(({ issuer }) => bytesEqual(issuer.der, subject.der)),
  );
  while (next !== undefined && !chain.includes(next)) {
    const { issuer }: Certificate = next;
    chain.push(next);
    next = all.find(({ subject }) => bytesEqual(subject.der, issuer.der));
  }
  return chain;
}

/** Signatures that are wrong: of the quoting enclave's report by the PCK, and of the quote. */
export function quoteSignatureProblems(quote: TdxQuote, pckSpki: Uint8Array): readonly string[] {
  const algorithm = 'ecdsa-p256-sha256';
  const bound = testCrypto.hash('sha256', quote.attestationKey, quote.qeAuthenticationData);
  const facts: readonly (readonly [string, boolean])[] = [
    [
      'report of the quoting enclave',
      testCrypto.verify({
        algorithm,
        publicKey: pckSpki,
        data: quote.qeReport.bytes,
        signature: quote.qeReportSignature,
      }),
    ],
    ['binding of the attestation key', bytesEqual(bound, quote.qeReport.reportData.slice(0, 32))],
    [
      'quote',
      testCrypto.verify({
        algorithm,
        publicKey: concatBytes(P256_SPKI_PREFIX, quote.attestationKey),
        data: quote.signed,
        signature: quote.signature,
      }),
    ],
  ];
  return facts.filter(([, good]) => !good).map(([what]) => `signature: ${what}`);
}

/** An index's `signature_chain`: dates of the PCK, and whether all leads to Intel's root. */
export function chainProblems(quote: TdxQuote, expected: Json): readonly string[] {
  if (Object.keys(expected).length === 0) return [];
  const chain = pckChainOf(quote);
  const [pck, , root] = chain;
  if (pck === undefined || root === undefined) return ['the chain is incomplete'];
  const unsigned = chain.filter(
    (certificate, at) => !isSignedBy(certificate, chain[at + 1] ?? root, testCrypto),
  );
  const pinned = INTEL_ROOTS.includes(certificateFingerprint(testCrypto, root.der));
  const good =
    pinned && unsigned.length === 0 && quoteSignatureProblems(quote, pck.spki).length === 0;
  const found = {
    valid_from_pck: isoSeconds(pck.notBefore),
    pck_not_after: isoSeconds(pck.notAfter),
    quote_signature_and_QE_and_PCK_chain_to_Intel_root: good,
  };
  const compared = Object.keys(found).filter((name) => expected[name] !== undefined);
  return differences(
    Object.fromEntries(compared.map((name) => [name, expected[name]])),
    found,
    'signature_chain',
  );
}

/** A time as index files have it. */
export function isoSeconds(millis: number): string {
  return new Date(millis).toISOString().replace('.000Z', 'Z');
}
