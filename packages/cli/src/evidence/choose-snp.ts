/**
 * Which of many certificates and lists to hand to the SEV-SNP verifier: those that belong to the
 * report. A choice is no check: where nothing fits, the nearest is taken, so that the verifier says
 * what does not fit.
 */
import {
  AttestationError,
  isSignedBy,
  parseCertificate,
  parseCertificateTable,
  readVekExtensions,
  SNP_OFFSETS as AT,
  tcbBytes,
  productOfName,
  type Certificate,
  type SignedObject,
  type SnpEndorsements,
} from '@witan/attestation';
import { bytesEqual } from '@witan/core';
import { nodeCrypto } from '@witan/keys';
import type { FoundCertificate, FoundCrl, Material } from './material.ts';

/** Endorsements with the file of each; `evidence` for those that came with the report. */
export interface ChosenSnp {
  readonly endorsements: SnpEndorsements;
  readonly origins: Readonly<Record<string, string>>;
}

const VEK_NAMES = ['SEV-VCEK', 'SEV-VLEK'];
const WITH_EVIDENCE = 'with the evidence';

/** What is given in files goes before what came with the report. */
export function chooseSnp(report: Uint8Array, own: SnpEndorsements, given: Material): ChosenSnp {
  const origins: Record<string, string> = {};
  for (const name of Object.keys(own)) origins[name] = WITH_EVIDENCE;
  const chosen: { -readonly [Name in keyof SnpEndorsements]: SnpEndorsements[Name] } = { ...own };
  const take = (name: 'vek' | 'intermediate' | 'root', found: FoundCertificate | undefined) => {
    if (found === undefined) return;
    chosen[name] = found.certificate.der;
    origins[name] = found.path;
  };
  take('vek', chooseVek(report, given.certificates));
  const vek = parsed(chosen.vek) ?? parsed(tableVek(report, own));
  const authorities = given.certificates.filter(({ certificate }) => isAuthority(certificate));
  take('intermediate', issuerOf(vek, authorities, false));
  const intermediate = parsed(chosen.intermediate) ?? parsed(tableOf(own).intermediate);
  take('root', issuerOf(intermediate, authorities, true));
  const crl = chooseCrl(parsed(chosen.root), given.crls);
  if (crl !== undefined) {
    chosen.crl = crl.der;
    origins['crl'] = crl.path;
  }
  return { endorsements: chosen, origins };
}

/** The endorsement key of this chip at this TCB. */
function chooseVek(
  report: Uint8Array,
  certificates: readonly FoundCertificate[],
): FoundCertificate | undefined {
  const wanted = VEK_NAMES[signingKeyOf(report)] ?? VEK_NAMES[0];
  const score = ({ certificate }: FoundCertificate): number =>
    (certificate.subject.commonName === wanted ? 4 : 0) + fitOf(report, certificate);
  return certificates
    .filter(({ certificate }) => VEK_NAMES.includes(certificate.subject.commonName ?? ''))
    .toSorted((left, right) => score(right) - score(left))[0];
}

function fitOf(report: Uint8Array, certificate: Certificate): number {
  try {
    const { hardwareId, productName, tcb } = readVekExtensions(certificate);
    const chipId = report.subarray(AT.chipId, AT.chipId + (hardwareId?.byteLength ?? 0));
    const ofChip = hardwareId !== undefined && bytesEqual(hardwareId, chipId);
    const product = productOfName(productName.split('-')[0] ?? '');
    const reported = report.subarray(AT.reportedTcb, AT.reportedTcb + 8);
    const atTcb = product !== undefined && bytesEqual(tcbBytes(product, tcb), reported);
    return (ofChip ? 2 : 0) + (atTcb ? 1 : 0);
  } catch (error) {
    if (error instanceof AttestationError) return 0;
    throw error;
  }
}

/** The one that signed `object`, else one with the issuer's name, else any of that level. */
function issuerOf(
  object: (SignedObject & Pick<Certificate, 'issuer'>) | undefined,
  authorities: readonly FoundCertificate[],
  asRoot: boolean,
): FoundCertificate | undefined {
  const score = ({ certificate }: FoundCertificate): number => {
    if (object === undefined) return 0;
    const named = bytesEqual(certificate.subject.der, object.issuer.der);
    return named ? 1 + (isSignedBy(object, certificate, nodeCrypto) ? 1 : 0) : 0;
  };
  return authorities
    .filter(({ certificate }) => isSelfIssued(certificate) === asRoot)
    .map((found) => ({ found, score: score(found) }))
    .toSorted((left, right) => right.score - left.score)[0]?.found;
}

function chooseCrl(root: Certificate | undefined, crls: readonly FoundCrl[]): FoundCrl | undefined {
  const score = ({ crl }: FoundCrl): number => {
    if (root === undefined || !bytesEqual(crl.issuer.der, root.subject.der)) return 0;
    return isSignedBy(crl, root, nodeCrypto) ? 2 : 1;
  };
  return crls
    .filter(({ crl }) => crl.issuer.commonName?.startsWith('ARK-') === true)
    .map((found) => ({ found, score: score(found) }))
    .toSorted(
      (left, right) =>
        right.score - left.score || right.found.crl.thisUpdate - left.found.crl.thisUpdate,
    )[0]?.found;
}

function isAuthority({ subject }: Certificate): boolean {
  const name = subject.commonName ?? '';
  return /^(ARK|SEV)-/.test(name) && !VEK_NAMES.includes(name);
}

function isSelfIssued({ issuer, subject }: Certificate): boolean {
  return bytesEqual(issuer.der, subject.der);
}

function signingKeyOf(report: Uint8Array): number {
  return ((report[AT.keyInfo] ?? 0) >>> 2) & 7;
}

function tableOf({ certificateTable }: SnpEndorsements): ReturnType<typeof parseCertificateTable> {
  if (certificateTable === undefined) return {};
  try {
    return parseCertificateTable(certificateTable);
  } catch (error) {
    if (error instanceof AttestationError) return {};
    throw error;
  }
}

function tableVek(report: Uint8Array, own: SnpEndorsements): Uint8Array | undefined {
  const { vcek, vlek } = tableOf(own);
  return signingKeyOf(report) === 0 ? vcek : vlek;
}

function parsed(der: Uint8Array | undefined): Certificate | undefined {
  if (der === undefined) return undefined;
  try {
    return parseCertificate(der);
  } catch (error) {
    if (error instanceof AttestationError) return undefined;
    throw error;
  }
}
