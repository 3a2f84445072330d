/**
 * Where endorsements come from: AMD's key distribution service (KDS interface specification 57230)
 * and Intel's provisioning certification service (PCS API version 4), or mirrors with the same
 * paths. A mirror needs no trust: what it gives is verified down from pinned roots, so `http:` will
 * do as well.
 */
import {
  CERTIFICATE_BYTES_MAX,
  COLLATERAL_DOCUMENT_BYTES_MAX,
  CRL_BYTES_MAX,
  PEM_BYTES_MAX,
  SNP_TCB_PARTS,
  type SnpTcb,
  type SnpTcbPart,
} from '@witan/attestation';
import { EndorsementsError } from './errors.ts';
import type { EndorsementRequest } from './request.ts';

/** Base URLs, without a final slash. */
export interface BaseUrls {
  /** Default `https://kdsintf.amd.com`. */
  readonly amdKds: string;
  /** Default `https://api.trustedservices.intel.com`. */
  readonly intelPcs: string;
  /**
   * Serves the root's revocation list. Default `https://certificates.trustedservices.intel.com`.
   */
  readonly intelCertificates: string;
}

/** The vendors' own services. */
export const VENDOR_URLS: BaseUrls = {
  amdKds: 'https://kdsintf.amd.com',
  intelPcs: 'https://api.trustedservices.intel.com',
  intelCertificates: 'https://certificates.trustedservices.intel.com',
};

/** One HTTP request for one endorsement. */
export interface Source {
  readonly url: string;
  readonly bytesMax: number;
  /** The response header with the URL-encoded issuer chain; undefined where none is sent. */
  readonly chainHeader: string | undefined;
}

const SPL_NAMES: Readonly<Record<SnpTcbPart, string>> = {
  fmc: 'fmcSPL',
  bootloader: 'blSPL',
  tee: 'teeSPL',
  snp: 'snpSPL',
  microcode: 'ucodeSPL',
};

/**
 * Fills in defaults.
 *
 * @throws EndorsementsError ENDORSEMENTS_OPTION_INVALID for anything but plain http(s) URLs
 */
export function baseUrlsOf(given: Partial<BaseUrls> = {}): BaseUrls {
  const urls = { ...VENDOR_URLS, ...given };
  for (const [option, text] of Object.entries(urls)) {
    const url = URL.parse(text);
    const plain =
      url !== null &&
      ['http:', 'https:'].includes(url.protocol) &&
      url.username === '' &&
      url.password === '' &&
      url.search === '' &&
      url.hash === '';
    if (!plain) {
      const expected = 'an http or https URL without user, query and fragment';
      throw new EndorsementsError('ENDORSEMENTS_OPTION_INVALID', { fields: { option, expected } });
    }
  }
  return {
    amdKds: urls.amdKds.replace(/\/+$/, ''),
    intelPcs: urls.intelPcs.replace(/\/+$/, ''),
    intelCertificates: urls.intelCertificates.replace(/\/+$/, ''),
  };
}

/** Where to ask for an endorsement. */
export function sourceOf(request: EndorsementRequest, base: BaseUrls): Source {
  switch (request.kind) {
    case 'amd-vcek': {
      const { product, chipId, tcb } = request;
      const path = `/vcek/v1/${product}/${chipId}?${splQuery(tcb)}`;
      return plain(`${base.amdKds}${path}`, CERTIFICATE_BYTES_MAX);
    }
    case 'amd-chain':
      return plain(`${kdsProduct(request, base)}/cert_chain`, PEM_BYTES_MAX);
    case 'amd-crl':
      return plain(`${kdsProduct(request, base)}/crl`, CRL_BYTES_MAX);
    case 'intel-tcb-info':
      return {
        url: `${base.intelPcs}/tdx/certification/v4/tcb?fmspc=${request.fmspc}`,
        bytesMax: COLLATERAL_DOCUMENT_BYTES_MAX,
        chainHeader: 'tcb-info-issuer-chain',
      };
    case 'intel-qe-identity':
      return {
        url: `${base.intelPcs}/tdx/certification/v4/qe/identity`,
        bytesMax: COLLATERAL_DOCUMENT_BYTES_MAX,
        chainHeader: 'sgx-enclave-identity-issuer-chain',
      };
    case 'intel-pck-crl':
      return {
        url: `${base.intelPcs}/sgx/certification/v4/pckcrl?ca=${request.authority}&encoding=der`,
        bytesMax: CRL_BYTES_MAX,
        chainHeader: 'sgx-pck-crl-issuer-chain',
      };
    default:
      return plain(`${base.intelCertificates}/IntelSGXRootCA.der`, CRL_BYTES_MAX);
  }
}

function plain(url: string, bytesMax: number): Source {
  return { url, bytesMax, chainHeader: undefined };
}

function kdsProduct(
  request: Extract<EndorsementRequest, { readonly kind: 'amd-chain' | 'amd-crl' }>,
  base: BaseUrls,
): string {
  return `${base.amdKds}/${request.signer.toLowerCase()}/v1/${request.product}`;
}

/** Such as `blSPL=04&teeSPL=00&snpSPL=24&ucodeSPL=219`; Turin's begins with `fmcSPL`. */
function splQuery(tcb: SnpTcb): string {
  return SNP_TCB_PARTS.filter((part) => tcb[part] !== undefined)
    .map((part) => `${SPL_NAMES[part]}=${String(tcb[part]).padStart(2, '0')}`)
    .join('&');
}
