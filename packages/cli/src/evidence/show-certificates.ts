/** Certificates and lists that come inside evidence: names, dates, and what vendors write there. */
import {
  AttestationError,
  certificateFingerprint,
  parseCertificate,
  parseCertificateTable,
  parseCrl,
  parsePemCertificates,
  readPckExtensions,
  readVekExtensions,
  tcbText,
  type Certificate,
} from '@witan/attestation';
import { BytesError, fromUtf8, toHex } from '@witan/core';
import { nodeCrypto } from '@witan/keys';
import type { AnyEvidence } from './binary-evidence.ts';
import { parsed } from './show-tdx.ts';
import { isoTime } from './text.ts';

/** A certificate or list for display. */
export interface ShownCertificate {
  /** Where in the evidence it stands. */
  readonly place: string;
  readonly subject: string;
  readonly issuer: string;
  /** Begin and end of validity, RFC 3339. */
  readonly validFrom: string;
  readonly validUntil: string;
  /** SHA-256 of the DER, hex; undefined for what cannot be parsed. */
  readonly sha256: string | undefined;
  readonly details: readonly string[];
}

/** All of them, in the order in which they stand. */
export function certificatesIn(evidence: AnyEvidence): readonly ShownCertificate[] {
  if (evidence.kind === 'tdx' || evidence.kind === 'az-tdx') {
    return ofQuote(evidence.quote, evidence.endorsements);
  }
  const { vek, intermediate, root, crl, certificateTable } = evidence.endorsements;
  return [
    ...present('vek', vek),
    ...present('intermediate', intermediate),
    ...present('root', root),
    ...(crl === undefined ? [] : [list('crl', crl)]),
    ...(certificateTable === undefined ? [] : ofTable(certificateTable)),
  ];
}

function ofTable(table: Uint8Array): readonly ShownCertificate[] {
  try {
    const { vcek, vlek, intermediate } = parseCertificateTable(table);
    return [
      ...present('certificate table: VCEK', vcek),
      ...present('certificate table: VLEK', vlek),
      ...present('certificate table: intermediate', intermediate),
    ];
  } catch (error) {
    return [unreadable('certificate table', error)];
  }
}

function ofQuote(
  quote: Uint8Array,
  { rootCrl, pckCrl }: { readonly rootCrl?: Uint8Array; readonly pckCrl?: Uint8Array },
): readonly ShownCertificate[] {
  const lists = [
    ...(rootCrl === undefined ? [] : [list('root CRL', rootCrl)]),
    ...(pckCrl === undefined ? [] : [list('PCK CRL', pckCrl)]),
  ];
  const chain = parsed(quote)?.pckChain;
  if (chain === undefined) return lists;
  try {
    const ders = parsePemCertificates(fromUtf8(chain));
    return [...ders.flatMap((der, at) => present(`PCK chain ${at + 1}`, der)), ...lists];
  } catch (error) {
    return [unreadable('PCK chain', error), ...lists];
  }
}

/** One certificate. @param place what it is called */
export function shownCertificate(place: string, der: Uint8Array): ShownCertificate {
  const [shown] = present(place, der);
  return shown ?? unreadable(place, new AttestationError('X509_MALFORMED'));
}

/** One revocation list. */
export function shownCrl(place: string, der: Uint8Array): ShownCertificate {
  return list(place, der);
}

function present(place: string, der: Uint8Array | undefined): readonly ShownCertificate[] {
  if (der === undefined) return [];
  try {
    const certificate = parseCertificate(der);
    return [
      {
        place,
        subject: certificate.subject.commonName ?? 'without a common name',
        issuer: certificate.issuer.commonName ?? 'without a common name',
        validFrom: isoTime(certificate.notBefore),
        validUntil: isoTime(certificate.notAfter),
        sha256: certificateFingerprint(nodeCrypto, der),
        details: detailsOf(certificate),
      },
    ];
  } catch (error) {
    return [unreadable(place, error)];
  }
}

function list(place: string, der: Uint8Array): ShownCertificate {
  try {
    const { issuer, thisUpdate, nextUpdate, revokedSerials } = parseCrl(der);
    return {
      place,
      subject: 'revocation list',
      issuer: issuer.commonName ?? 'without a common name',
      validFrom: isoTime(thisUpdate),
      validUntil: isoTime(nextUpdate),
      sha256: toHex(nodeCrypto.hash('sha256', der)),
      details: [`${revokedSerials.size} revoked`],
    };
  } catch (error) {
    return unreadable(place, error);
  }
}

function detailsOf(certificate: Certificate): readonly string[] {
  const name = certificate.subject.commonName;
  try {
    if (name === 'SEV-VCEK' || name === 'SEV-VLEK') return vekDetails(certificate);
    if (name === 'Intel SGX PCK Certificate') return pckDetails(certificate);
  } catch (error) {
    if (error instanceof AttestationError) return [`extensions: ${error.code}`];
    throw error;
  }
  return [];
}

function vekDetails(certificate: Certificate): readonly string[] {
  const { productName, tcb, hardwareId, cspId } = readVekExtensions(certificate);
  return [
    `product ${productName}, TCB ${tcbText(tcb)}`,
    ...(hardwareId === undefined ? [] : [`chip ${toHex(hardwareId)}`]),
    ...(cspId === undefined ? [] : [`provider ${JSON.stringify(cspId)}`]),
  ];
}

function pckDetails(certificate: Certificate): readonly string[] {
  const { fmspc, pceId, components, pceSvn, ...more } = readPckExtensions(certificate);
  const { platformInstanceId, dynamicPlatform, cachedKeys, smtEnabled } = more;
  const said = (flag: boolean | undefined): string => (flag === undefined ? 'not said' : `${flag}`);
  return [
    `FMSPC ${fmspc}, PCEID ${pceId}, PCE SVN ${pceSvn}, TCB components ${components.join(' ')}`,
    ...(platformInstanceId === undefined ? [] : [`platform instance ${platformInstanceId}`]),
    `dynamic platform ${said(dynamicPlatform)}, cached keys ${said(cachedKeys)}, ` +
      `SMT ${said(smtEnabled)}`,
  ];
}

function unreadable(place: string, error: unknown): ShownCertificate {
  if (!(error instanceof AttestationError) && !(error instanceof BytesError)) throw error;
  const unknown = { subject: 'unreadable', issuer: '', validFrom: '', validUntil: '' };
  return { place, ...unknown, sha256: undefined, details: [`${error.code}: ${error.message}`] };
}
