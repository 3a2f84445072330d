/**
 * Roots that the user adds to the pinned ones of AMD and Intel (invariant I11): known by their
 * fingerprint, and never added in silence.
 */
import { certificateFingerprint } from '@witan/attestation';
import { bytesEqual } from '@witan/core';
import { nodeCrypto } from '@witan/keys';
import { unusable } from './input.ts';
import { readMaterialFile, type FoundCertificate } from './material.ts';

/** A root that the user named. */
export interface AddedRoot extends FoundCertificate {
  /** SHA-256 of the DER certificate, hex. */
  readonly fingerprint: string;
  readonly name: string;
}

const WHAT = 'trust root';

/**
 * Takes the self-issued certificates of the files.
 *
 * @throws CliError CLI_FILE_UNREADABLE when a file has none
 */
export async function readTrustRoots(paths: readonly string[]): Promise<readonly AddedRoot[]> {
  const roots: AddedRoot[] = [];
  for (const path of paths) {
    const { certificates } = await readMaterialFile(path, WHAT);
    const own = certificates.filter(({ certificate: { issuer, subject } }) =>
      bytesEqual(issuer.der, subject.der),
    );
    if (own.length === 0) {
      const found = `${certificates.length} certificates, each issued by another`;
      throw unusable({ path, what: WHAT }, 'a root certificate, which issued itself', found);
    }
    for (const each of own) {
      const { der, subject } = each.certificate;
      const fingerprint = certificateFingerprint(nodeCrypto, der);
      roots.push({ ...each, fingerprint, name: subject.commonName ?? 'without a name' });
    }
  }
  return roots;
}

/** What is said about them, loudly. */
export function warnOfRoots(roots: readonly AddedRoot[]): string {
  return roots
    .map(
      ({ name, path, fingerprint }) =>
        `TRUST ROOT ADDED BY OPTION: ${name} from ${path}\n  SHA-256 ${fingerprint}\n` +
        '  Whoever holds its key can make evidence that is accepted here.\n',
    )
    .join('');
}
