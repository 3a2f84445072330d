/**
 * AMD product lines, by the names that the key distribution service uses.
 *
 * A product decides the root certificate, the layout of TCB_VERSION and the form of CHIP_ID.
 */

/** A product line of AMD, as the key distribution service names it. */
export type SnpProduct = 'Milan' | 'Genoa' | 'Turin';

/** All supported product lines. */
export const SNP_PRODUCTS: readonly SnpProduct[] = ['Milan', 'Genoa', 'Turin'];

/** CPUID family, model and stepping as report versions from 3 on carry them. */
export interface SnpCpuid {
  /** Combined base and extended family, for example 0x19. */
  readonly family: number;
  /** Combined base and extended model. */
  readonly model: number;
  readonly stepping: number;
}

interface ModelRange {
  readonly family: number;
  readonly first: number;
  readonly last: number;
  readonly product: SnpProduct;
}

/** Genoa-X, Bergamo and Siena share Genoa's chain. Venice has no published root: not listed. */
const MODELS: readonly ModelRange[] = [
  { family: 0x19, first: 0x00, last: 0x0f, product: 'Milan' },
  { family: 0x19, first: 0x10, last: 0x1f, product: 'Genoa' },
  { family: 0x19, first: 0xa0, last: 0xaf, product: 'Genoa' },
  { family: 0x1a, first: 0x00, last: 0x11, product: 'Turin' },
];

/** @returns the product line of a processor, or undefined for one that is not supported */
export function productOfCpuid(cpuid: SnpCpuid): SnpProduct | undefined {
  return MODELS.find(
    (range) =>
      range.family === cpuid.family && range.first <= cpuid.model && cpuid.model <= range.last,
  )?.product;
}

/** @returns the product line with that name, or undefined */
export function productOfName(name: string): SnpProduct | undefined {
  return SNP_PRODUCTS.find((product) => product === name);
}
