/**
 * What can be asked of a vendor, and its name.
 *
 * The name (key) is the same in the cache's index, in bundles and in reports to people. A key has
 * one spelling: parsing and writing it again gives the same text, or the key is refused.
 */
import { SNP_PRODUCTS, type SnpProduct, type SnpSigner, type SnpTcb } from '@witan/attestation';
import { KEY_LENGTH_MAX } from './limits.ts';

/** The certificate of a chip's endorsement key at one TCB. */
export interface AmdVcekRequest {
  readonly kind: 'amd-vcek';
  readonly product: SnpProduct;
  /** 64 bytes in lower-case hex; on Turin 8 bytes. */
  readonly chipId: string;
  readonly tcb: SnpTcb;
}

/** ASK or ASVK, and ARK. */
export interface AmdChainRequest {
  readonly kind: 'amd-chain';
  readonly product: SnpProduct;
  readonly signer: SnpSigner;
}

/** Revocation list of the ARK. */
export interface AmdCrlRequest {
  readonly kind: 'amd-crl';
  readonly product: SnpProduct;
  readonly signer: SnpSigner;
}

/** TCB info of TDX for a family of platforms. */
export interface IntelTcbInfoRequest {
  readonly kind: 'intel-tcb-info';
  /** 6 bytes in lower-case hex. */
  readonly fmspc: string;
}

/** Identity of the quoting enclave for trust domains. */
export interface IntelQeIdentityRequest {
  readonly kind: 'intel-qe-identity';
}

/** Which authority issued a PCK certificate. */
export type PckAuthority = 'platform' | 'processor';

/** Revocation list of an authority for PCK certificates. */
export interface IntelPckCrlRequest {
  readonly kind: 'intel-pck-crl';
  readonly authority: PckAuthority;
}

/** Revocation list of Intel's root. */
export interface IntelRootCrlRequest {
  readonly kind: 'intel-root-crl';
}

/** One endorsement, by what it endorses. */
export type EndorsementRequest =
  | AmdVcekRequest
  | AmdChainRequest
  | AmdCrlRequest
  | IntelTcbInfoRequest
  | IntelQeIdentityRequest
  | IntelPckCrlRequest
  | IntelRootCrlRequest;

/** Which kind of endorsement. */
export type EndorsementKind = EndorsementRequest['kind'];

/** All kinds, in the order in which bundles are written down for people. */
export const ENDORSEMENT_KINDS: readonly EndorsementKind[] = [
  'amd-vcek',
  'amd-chain',
  'amd-crl',
  'intel-tcb-info',
  'intel-qe-identity',
  'intel-pck-crl',
  'intel-root-crl',
];

/** The name of a request, such as `amd-crl/Milan/VCEK`. */
export function keyOf(request: EndorsementRequest): string {
  switch (request.kind) {
    case 'amd-vcek': {
      const { product, chipId, tcb } = request;
      return `amd-vcek/${product}/${chipId}/${tcbKeyOf(tcb)}`;
    }
    case 'amd-chain':
    case 'amd-crl':
      return `${request.kind}/${request.product}/${request.signer}`;
    case 'intel-tcb-info':
      return `intel-tcb-info/${request.fmspc}`;
    case 'intel-pck-crl':
      return `intel-pck-crl/${request.authority}`;
    default:
      return request.kind;
  }
}

/**
 * The inverse of `keyOf`.
 *
 * @returns undefined for anything that `keyOf` never writes
 */
export function parseKey(key: string): EndorsementRequest | undefined {
  if (key.length > KEY_LENGTH_MAX) return undefined;
  const request = read(key.split('/'));
  return request !== undefined && keyOf(request) === key ? request : undefined;
}

function tcbKeyOf(tcb: SnpTcb): string {
  const { fmc, bootloader, tee, snp, microcode } = tcb;
  const parts = [bootloader, tee, snp, microcode].join('.');
  return fmc === undefined ? parts : `${fmc}.${parts}`;
}

function read([kind, ...rest]: readonly string[]): EndorsementRequest | undefined {
  const [first = '', second = '', third = ''] = rest;
  switch (kind) {
    case 'amd-vcek':
      return readVcek(first, second, third);
    case 'amd-chain':
    case 'amd-crl': {
      const product = SNP_PRODUCTS.find((name) => name === first);
      const signer = (['VCEK', 'VLEK'] as const).find((name) => name === second);
      return product === undefined || signer === undefined ? undefined : { kind, product, signer };
    }
    case 'intel-tcb-info':
      return /^[0-9a-f]{12}$/.test(first) ? { kind, fmspc: first } : undefined;
    case 'intel-pck-crl': {
      const authority = (['platform', 'processor'] as const).find((name) => name === first);
      return authority === undefined ? undefined : { kind, authority };
    }
    case 'intel-qe-identity':
    case 'intel-root-crl':
      return { kind };
    default:
      return undefined;
  }
}

function readVcek(name: string, chipId: string, parts: string): AmdVcekRequest | undefined {
  const product = SNP_PRODUCTS.find((known) => known === name);
  const turin = product === 'Turin';
  const numbers = parts.split('.').map(Number);
  const [bootloader = -1, tee = -1, snp = -1, microcode = -1] = turin ? numbers.slice(1) : numbers;
  const isForm = turin ? /^[0-9a-f]{16}$/.test(chipId) : /^[0-9a-f]{128}$/.test(chipId);
  const areLevels = numbers.every((part) => Number.isInteger(part) && part >= 0 && part <= 255);
  if (product === undefined || !isForm || !areLevels || numbers.length !== (turin ? 5 : 4)) {
    return undefined;
  }
  const tcb = { bootloader, tee, snp, microcode };
  return {
    kind: 'amd-vcek',
    product,
    chipId,
    tcb: turin ? { fmc: numbers[0] ?? 0, ...tcb } : tcb,
  };
}
