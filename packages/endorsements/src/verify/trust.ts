/** What verifying an endorsement needs, and what it gives. */
import {
  AMD_ROOTS,
  AttestationError,
  INTEL_ROOTS,
  certificateFingerprint,
  isSignedBy,
  parseCertificate,
  parsePemCertificates,
  type Certificate,
  type SnpRoots,
  type TdxRoots,
} from '@witan/attestation';
import { BytesError, bytesEqual, fromUtf8, type Crypto, type UnixMillis } from '@witan/core';
import { EndorsementsError, type EndorsementsErrorCode } from '../errors.ts';
import type { Content } from '../content.ts';
import type { EndorsementRequest } from '../request.ts';

/** Which roots are accepted, and who checks signatures. */
export interface Trust {
  readonly crypto: Crypto;
  readonly snp: SnpRoots;
  readonly tdx: TdxRoots;
}

/** The roots of AMD and Intel, and no development root. */
export const VENDOR_ROOTS: Pick<Trust, 'snp' | 'tdx'> = {
  snp: { production: AMD_ROOTS, development: [] },
  tdx: { production: INTEL_ROOTS, development: [] },
};

/** What endorsements of a kind are made of, for those who put evidence together. */
export type ItemParts =
  | { readonly kind: 'certificate' }
  | { readonly kind: 'chain'; readonly intermediate: Uint8Array; readonly root: Uint8Array }
  | { readonly kind: 'crl' }
  | { readonly kind: 'document'; readonly document: Uint8Array; readonly signature: Uint8Array };

/** How new an endorsement is, for the rule that nothing older replaces it. */
export interface Version {
  /** thisUpdate or issueDate; undefined for certificates, which do not supersede each other. */
  readonly issuedAt: UnixMillis | undefined;
  /** Of Intel's documents; rises with each TCB recovery. */
  readonly tcbEvaluationDataNumber: number | undefined;
}

/** An endorsement that was verified down from an accepted root. Its time was not looked at. */
export interface VerifiedItem extends Content {
  readonly request: EndorsementRequest;
  readonly parts: ItemParts;
  readonly notBefore: UnixMillis;
  /** notAfter or nextUpdate. */
  readonly notAfter: UnixMillis;
  readonly version: Version;
  /** SHA-256 of the root certificate in hex. */
  readonly rootFingerprint: string;
}

/** What a verifier of one kind finds out. */
export type Findings = Omit<VerifiedItem, keyof Content | 'request'>;

/** @throws EndorsementsError ENDORSEMENTS_UNVERIFIED naming the check that failed */
export function demand(passed: boolean, check: string, found = ''): void {
  if (passed) return;
  const fields = found === '' ? { check } : { check, found };
  throw new EndorsementsError('ENDORSEMENTS_UNVERIFIED', { fields });
}

/**
 * Runs a reader of `@witan/attestation` and says which part it refused.
 *
 * @throws EndorsementsError with `code`, and the reader's error as its cause
 */
export function reading<Result>(
  what: string,
  read: () => Result,
  code: EndorsementsErrorCode = 'ENDORSEMENTS_ANSWER_UNUSABLE',
): Result {
  try {
    return read();
  } catch (error) {
    if (!(error instanceof AttestationError) && !(error instanceof BytesError)) throw error;
    throw new EndorsementsError(code, { fields: { what, reason: error.code }, cause: error });
  }
}

/** @throws EndorsementsError ENDORSEMENTS_ANSWER_UNUSABLE unless PEM holds 1 to 4 certificates */
export function readChain(what: string, pem: Uint8Array): readonly Certificate[] {
  const chain = reading(what, () => parsePemCertificates(fromUtf8(pem)).map(parseCertificate));
  if (chain.length === 0 || chain.length > 4) {
    throw new EndorsementsError('ENDORSEMENTS_ANSWER_UNUSABLE', {
      fields: { what, expected: '1 to 4 certificates', found: chain.length },
    });
  }
  return chain;
}

/** The certificate of a chain that issued itself, when its fingerprint is accepted. */
export function acceptedRoot(
  chain: readonly Certificate[],
  accepts: (fingerprint: string) => boolean,
  crypto: Crypto,
): { readonly root: Certificate; readonly rootFingerprint: string } {
  const root = chain.find(({ issuer, subject }) => bytesEqual(issuer.der, subject.der));
  const rootFingerprint = root === undefined ? 'none' : certificateFingerprint(crypto, root.der);
  const good = root !== undefined && accepts(rootFingerprint) && isSignedBy(root, root, crypto);
  if (good) return { root, rootFingerprint };
  throw new EndorsementsError('ENDORSEMENTS_UNVERIFIED', {
    fields: { check: 'root', expected: 'an accepted root', found: rootFingerprint },
  });
}

/** Whether `issuer` has the name and the key that `certificate` says it is issued by. */
export function isIssuedBy(certificate: Certificate, issuer: Certificate, crypto: Crypto): boolean {
  return (
    bytesEqual(certificate.issuer.der, issuer.subject.der) &&
    issuer.basicConstraints?.ca === true &&
    isSignedBy(certificate, issuer, crypto)
  );
}
