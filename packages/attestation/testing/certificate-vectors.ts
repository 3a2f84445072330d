/**
 * Vectors of certificates that stand without a report.
 */
import {
  AMD_ROOTS,
  certificateFingerprint,
  isSignedBy,
  parseCertificate,
  readVekExtensions,
} from '../src/index.ts';
import { testCrypto } from './node-crypto.ts';
import { differences, objectOf, stringOf, type Json } from './json.ts';
import { decodedCertificate } from './snp-decoded.ts';
import { isoSeconds } from './tdx-signatures.ts';
import { certificatesIn } from './vector-files.ts';

/** An endorsement key certificate with its chain. */
export function runCertificateVector(folder: string, vector: Json): readonly string[] {
  const [vek, ask, ark] = [
    ...certificatesIn(folder, stringOf(vector['file']) ?? ''),
    ...certificatesIn(folder, stringOf(vector['chain']) ?? ''),
  ].map(parseCertificate);
  if (vek === undefined || ask === undefined || ark === undefined) return ['chain is incomplete'];
  const decoded = decodedCertificate(vek, readVekExtensions(vek));
  const found = {
    not_before: decoded['not_before'],
    not_after: decoded['not_after'],
    // The ASN.1 tag of productName, which the reader demands.
    extensions: { ...objectOf(decoded['extensions']), tag2: 0x16 },
    verified_by_ask: isSignedBy(vek, ask, testCrypto),
    ask_by_ark: isSignedBy(ask, ark, testCrypto),
  };
  const compared = Object.keys(found).map((name) => [name, vector[name]]);
  return differences(Object.fromEntries(compared), found, 'certificate');
}

/** A file with an intermediate and its root, which must be a pinned one. */
export function runChainVector(
  folder: string,
  file: string,
  expected: readonly Json[],
): readonly string[] {
  const certificates = certificatesIn(folder, file).map(parseCertificate);
  const root = certificates.at(-1);
  if (root === undefined || certificates.length !== expected.length) return ['wrong count'];
  const found = certificates.map((certificate) => {
    const decoded = { not_before: certificate.notBefore, not_after: certificate.notAfter };
    return {
      subject_cn: certificate.subject.commonName,
      sha256: certificateFingerprint(testCrypto, certificate.der),
      not_before: isoSeconds(decoded.not_before),
      not_after: isoSeconds(decoded.not_after),
      signed_by_ark: isSignedBy(certificate, root, testCrypto),
    };
  });
  const pinned = AMD_ROOTS.some(({ sha256 }) => sha256 === found.at(-1)?.sha256);
  return [
    ...expected.flatMap((certificate, at) => differences(certificate, found[at], `${at}`)),
    ...(pinned ? [] : ['the root is not pinned']),
  ];
}
