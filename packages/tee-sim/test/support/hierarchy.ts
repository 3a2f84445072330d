/** Directories with a hierarchy: RSA keys are made once for each product and test file. */
import { copyFileSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { SnpProduct } from '@witan/attestation';
import { afterAll } from 'vitest';
import { loadOrCreateHierarchy, type Hierarchy } from '../../src/index.ts';

const base = mkdtempSync(join(tmpdir(), 'witan-sim-'));
afterAll(() => rmSync(base, { recursive: true, force: true }));

let count = 0;
const hierarchies = new Map<SnpProduct, Hierarchy>();

export function freshDirectory(): string {
  count += 1;
  const directory = join(base, `d${count}`);
  mkdirSync(directory, { mode: 0o700 });
  return directory;
}

const directoryOf = (product: SnpProduct): string => {
  const directory = join(base, product);
  mkdirSync(directory, { recursive: true, mode: 0o700 });
  return directory;
};

export function hierarchyOf(product: SnpProduct): Hierarchy {
  const known = hierarchies.get(product) ?? loadOrCreateHierarchy(directoryOf(product), product);
  hierarchies.set(product, known);
  return known;
}

/** A new directory that holds a copy of the test file's hierarchy. */
export function simDirectory(product: SnpProduct = 'Genoa'): string {
  hierarchyOf(product);
  const directory = freshDirectory();
  copyFileSync(join(directoryOf(product), 'hierarchy.json'), join(directory, 'hierarchy.json'));
  return directory;
}
