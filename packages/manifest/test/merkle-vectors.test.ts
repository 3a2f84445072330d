/**
 * Known answers: leaves, roots and proofs of the reference test data of certificate transparency
 * (github.com/google/certificate-transparency, cpp/merkletree/merkle_tree_test.cc; the same in
 * github.com/transparency-dev/merkle, testonly/constants.go), and the examples of RFC 6962 section
 * 2.1.3, which name nodes and give no numbers.
 */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { fromHex, toHex } from '@witan/core';
import {
  emptyRoot,
  leafHash,
  ManifestError,
  MerkleLog,
  nodeHash,
  verifyConsistency,
  verifyInclusion,
} from '../src/index.ts';
import { consistencyProbes, inclusionProbes, type Probe } from './merkle-probes.ts';
import { nodeCrypto } from './support.ts';

const LEAVES = [
  '',
  '00',
  '10',
  '2021',
  '3031',
  '40414243',
  '5051525354555657',
  '606162636465666768696a6b6c6d6e6f',
].map(fromHex);

const ROOTS = [
  'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855',
  '6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d',
  'fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125',
  'aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77',
  'd37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7',
  '4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4',
  '76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef',
  'ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c',
  '5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328',
];

/** Index from 0, size, audit path. */
const INCLUSIONS: readonly (readonly [number, number, readonly string[]])[] = [
  [0, 1, []],
  [
    0,
    8,
    [
      '96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7',
      '5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e',
      '6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4',
    ],
  ],
  [
    5,
    8,
    [
      'bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b',
      'ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0',
      'd37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7',
    ],
  ],
  [2, 3, ['fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125']],
  [
    1,
    5,
    [
      '6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d',
      '5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e',
      'bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b',
    ],
  ],
];

/** Earlier size, later size, proof. */
const CONSISTENCIES: readonly (readonly [number, number, readonly string[]])[] = [
  [1, 1, []],
  [
    1,
    8,
    [
      '96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7',
      '5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e',
      '6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4',
    ],
  ],
  [
    6,
    8,
    [
      '0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a',
      'ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0',
      'd37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7',
    ],
  ],
  [
    2,
    5,
    [
      '5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e',
      'bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b',
    ],
  ],
];

const hashOf = (leaf: Uint8Array): Uint8Array => leafHash(leaf, nodeCrypto);
const rootOf = (size: number) => ({ size, root: fromHex(ROOTS[size] ?? '') });

function logOf(leaves: readonly Uint8Array[]): MerkleLog {
  const log = new MerkleLog(nodeCrypto);
  for (const leaf of leaves) log.append(hashOf(leaf));
  return log;
}

describe('reference data of certificate transparency', () => {
  it('gives the published root of every size, the empty one included', () => {
    expect(toHex(emptyRoot(nodeCrypto))).toBe(ROOTS[0]);
    const roots = ROOTS.map((_, size) => toHex(logOf(LEAVES.slice(0, size)).head().root));
    expect(roots).toEqual(ROOTS);
  });

  it.each(INCLUSIONS)('makes and accepts the path of leaf %i in %i', (index, size, path) => {
    expect(logOf(LEAVES).inclusionProof(index, size).map(toHex)).toEqual(path);
    const leaf = hashOf(LEAVES[index] ?? new Uint8Array());
    verifyInclusion(leaf, index, rootOf(size), path.map(fromHex), nodeCrypto);
  });

  it.each(CONSISTENCIES)('makes and accepts the proof from %i to %i', (before, size, path) => {
    expect(logOf(LEAVES).consistencyProof(before, size).map(toHex)).toEqual(path);
    verifyConsistency(rootOf(before), rootOf(size), path.map(fromHex), nodeCrypto);
  });
});

/** What passes nevertheless; each refusal has to be a typed one. */
function passing(probes: readonly Probe[]): readonly string[] {
  return probes.flatMap(([what, check]) => {
    try {
      check();
      return [what];
    } catch (error) {
      if (error instanceof ManifestError && error.code.startsWith('MERKLE_')) return [];
      throw error;
    }
  });
}

describe('the probes of the reference data', () => {
  it('pass for no leaf of any size of the reference tree', () => {
    const log = logOf(LEAVES);
    let count = 0;
    for (let size = 1; size <= LEAVES.length; size += 1) {
      for (let index = 0; index < size; index += 1) {
        const leaf = LEAVES[index] ?? new Uint8Array();
        const proof = log.inclusionProof(index, size);
        verifyInclusion(hashOf(leaf), index, rootOf(size), proof, nodeCrypto);
        const probes = inclusionProbes(leaf, index, rootOf(size), proof);
        expect(passing(probes), `${index} in ${size}`).toEqual([]);
        count += probes.length;
      }
    }
    expect(count).toBeGreaterThan(500);
  });

  it('pass between no two sizes of the reference tree', () => {
    const log = logOf(LEAVES);
    for (let size = 2; size <= LEAVES.length; size += 1) {
      for (let before = 1; before < size; before += 1) {
        const proof = log.consistencyProof(before, size);
        const probes = consistencyProbes(rootOf(before), rootOf(size), proof);
        expect(passing(probes), `${before} to ${size}`).toEqual([]);
      }
    }
  });
});

const SOURCE = join(
  process.env['WITAN_CT_SOURCES'] ?? '/usr/share/gocode/src',
  'github.com/google/certificate-transparency/go/merkletree/merkle_verifier_test.go',
);

/** The numbers of the source, as they stand there: leaves count from 1. */
function vectorsOf(source: string) {
  const hashes = (text: string) =>
    [...text.matchAll(/dh\("([0-9a-f]*)"\)/g)].map(([, hex]) => hex ?? '');
  const body = (name: string) =>
    new RegExp(`func ${name}\\(\\)[^]*?\\n}\\n`).exec(source)?.[0] ?? '';
  const rows = (name: string) =>
    [
      ...body(name).matchAll(
        /\{(\d+),\s*(\d+),\s*(\d+),\s*\[3?\]proofTestVector\{([^]*?)\}\}\}?,/g,
      ),
    ].map(([, first, second, length, proof]) => ({
      first: Number(first),
      second: Number(second),
      proof: hashes(proof ?? '').slice(0, Number(length)),
    }));
  return {
    leaves: hashes(body('getInputs')),
    roots: hashes(body('getRoots')),
    inclusions: rows('getInclusionTestVector').filter(({ first }) => first > 0),
    consistencies: rows('getConsistencyProofs'),
  };
}

// `apt-get install golang-github-google-certificate-transparency-dev` brings it.
describe.skipIf(!existsSync(SOURCE))('the reference data as Debian packages it', () => {
  const source = existsSync(SOURCE) ? readFileSync(SOURCE, 'utf8') : '';
  const { leaves, roots, inclusions, consistencies } = vectorsOf(source);
  const headOf = (size: number) => ({ size, root: fromHex(roots[size - 1] ?? '') });

  it('is the data above', () => {
    expect(leaves).toEqual(LEAVES.map(toHex));
    expect(roots).toEqual(ROOTS.slice(1));
    expect([inclusions.length, consistencies.length]).toEqual([5, 4]);
  });

  it('passes with every vector, and with none of the probes of each', () => {
    const log = logOf(leaves.map(fromHex));
    for (const { first, second, proof } of inclusions) {
      const path = proof.map(fromHex);
      const leaf = fromHex(leaves[first - 1] ?? '');
      expect(log.inclusionProof(first - 1, second).map(toHex)).toEqual(proof);
      verifyInclusion(hashOf(leaf), first - 1, headOf(second), path, nodeCrypto);
      expect(passing(inclusionProbes(leaf, first - 1, headOf(second), path))).toEqual([]);
    }
    for (const { first, second, proof } of consistencies) {
      const path = proof.map(fromHex);
      expect(log.consistencyProof(first, second).map(toHex)).toEqual(proof);
      verifyConsistency(headOf(first), headOf(second), path, nodeCrypto);
      if (proof.length === 0) continue;
      expect(passing(consistencyProbes(headOf(first), headOf(second), path))).toEqual([]);
    }
  });
});

describe('the tree of RFC 6962 section 2.1.3', () => {
  const leaves = [0, 1, 2, 3, 4, 5, 6].map((number) => Uint8Array.of(0xd0 + number));
  const [a, b, c, d, e, f, j] = leaves.map(hashOf) as [
    Uint8Array,
    Uint8Array,
    Uint8Array,
    Uint8Array,
    Uint8Array,
    Uint8Array,
    Uint8Array,
  ];
  const pair = (left: Uint8Array, right: Uint8Array) => nodeHash(left, right, nodeCrypto);
  const [g, h, i] = [pair(a, b), pair(c, d), pair(e, f)];
  const [k, l] = [pair(g, h), pair(i, j)];
  const log = logOf(leaves);

  it('has the root, audit paths and consistency proofs of the text', () => {
    expect(log.head().root).toEqual(pair(k, l));
    expect(log.inclusionProof(0)).toEqual([b, h, l]);
    expect(log.inclusionProof(3)).toEqual([c, g, l]);
    expect(log.inclusionProof(4)).toEqual([f, j, k]);
    expect(log.inclusionProof(6)).toEqual([i, k]);
    expect(log.consistencyProof(3)).toEqual([c, d, g, l]);
    expect(log.consistencyProof(4)).toEqual([l]);
    expect(log.consistencyProof(6)).toEqual([i, j, k]);
  });
});
