/**
 * AMD's root keys (ARK), pinned by the SHA-256 of their DER certificates, and development roots.
 *
 * The pins were compared with the certificate chains that AMD's key distribution service hands out
 * (`/vcek/v1/{product}/cert_chain`).
 */
import type { SnpProduct } from './product.ts';

/** A pinned root certificate of one product line. */
export interface SnpRootPin {
  readonly product: SnpProduct;
  /** SHA-256 of the DER certificate, lower-case hex. */
  readonly sha256: string;
}

/** The root keys of AMD. */
export const AMD_ROOTS: readonly SnpRootPin[] = [
  {
    product: 'Milan',
    sha256: '69d063b45344d26a2e94e1f4210de49ef555308287d4c174445c95639a540bcd',
  },
  {
    product: 'Genoa',
    sha256: '4c6598d19c18719c5dfd4a7d335f674e5bfe1d8f800cea2cf270c10d103db2f1',
  },
  {
    product: 'Turin',
    sha256: '1f084161a44bb6d93778a904877d4819cafa5d05ef4193b2ded9dd9c73dd3f6a',
  },
];

/** Which roots a verifier accepts. */
export interface SnpRoots {
  /** Pinned roots of real hardware; `AMD_ROOTS` unless a test needs others. */
  readonly production: readonly SnpRootPin[];
  /** SHA-256 of development roots, hex. Evidence under them is marked as simulated (I11). */
  readonly development: readonly string[];
}
