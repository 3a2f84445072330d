/** The processors of one simulated host: one trust root for each product line, and one for TDX. */
import type { SnpProduct } from '@witan/attestation';
import { loadOrCreateSecondHierarchy, type Hierarchy } from '../hierarchy/store.ts';
import { loadOrCreateTdxRoot, type TdxRoot } from '../hierarchy/tdx-store.ts';
import { Chips } from './chips.ts';

/** The SEV-SNP processors of one product line. */
export interface SnpHost {
  readonly hierarchy: Hierarchy;
  readonly chips: Chips;
}

/** All processors that a directory has keys for. */
export class SimulatedHost {
  readonly tdx: TdxRoot;
  readonly primary: SnpHost;
  readonly #directory: string;
  readonly #others = new Map<SnpProduct, SnpHost>();

  /** @param hierarchy of the product line that the directory was made for */
  constructor(directory: string, hierarchy: Hierarchy) {
    this.#directory = directory;
    this.primary = { hierarchy, chips: new Chips(hierarchy) };
    this.tdx = loadOrCreateTdxRoot(directory);
  }

  /**
   * The processors of a product line; making the keys of another one takes a second or two.
   *
   * @throws TeeSimError TEESIM_STATE_CORRUPT
   */
  snp(product?: SnpProduct): SnpHost {
    if (product === undefined || product === this.primary.hierarchy.product) return this.primary;
    const known = this.#others.get(product);
    if (known !== undefined) return known;
    const hierarchy = loadOrCreateSecondHierarchy(this.#directory, product);
    const host = { hierarchy, chips: new Chips(hierarchy) };
    this.#others.set(product, host);
    return host;
  }
}
