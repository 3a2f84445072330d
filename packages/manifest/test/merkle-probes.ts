/**
 * What must not pass beside a proof that does: the probes that certificate transparency's reference
 * test makes of each of its vectors (go/merkletree/merkle_verifier_test.go, `verifierCheck` and
 * `verifierConsistencyCheck`), in words of our own.
 */
import { utf8 } from '@witan/core';
import {
  emptyRoot,
  leafHash,
  verifyConsistency,
  verifyInclusion,
  type TreeHead,
} from '../src/index.ts';
import { nodeCrypto } from './support.ts';

/** A check that has to fail, and what it has wrong. */
export type Probe = readonly [what: string, check: () => void];

type Path = readonly Uint8Array[];

/** The right proof, and a way to check another one. */
function brokenPaths(proof: Path, root: Uint8Array): readonly (readonly [string, Path])[] {
  const foreign = emptyRoot(nodeCrypto);
  const nothing = new Uint8Array(0);
  return [
    ...proof.map((_, at): readonly [string, Path] => [
      `another hash at ${at}`,
      proof.map((hash, place) => (place === at ? foreign : hash)),
    ]),
    ['nothing behind it', [...proof, nothing]],
    ['the root behind it', [...proof, root]],
    ['nothing before it', [nothing, ...proof]],
    ['the root before it', [root, ...proof]],
    ...(proof.length === 0
      ? []
      : ([
          ['its end cut off', proof.slice(0, -1)],
          ['its first hash twice', [proof[0] ?? nothing, ...proof]],
        ] as const)),
  ];
}

/** @param leaf the leaf itself, not its hash */
export function inclusionProbes(
  leaf: Uint8Array,
  index: number,
  head: TreeHead,
  proof: Path,
): readonly Probe[] {
  const hash = leafHash(leaf, nodeCrypto);
  const check = (
    what: string,
    change: Partial<{ hash: Uint8Array; index: number; head: TreeHead; proof: Path }>,
  ): Probe => {
    const one = { hash, index, head, proof, ...change };
    return [
      what,
      () => {
        verifyInclusion(one.hash, one.index, one.head, one.proof, nodeCrypto);
      },
    ];
  };
  const { size, root } = head;
  return [
    check('the index before', { index: index - 1 }),
    check('the index behind', { index: index + 1 }),
    check('an index of the other half', { index: index ^ 2 }),
    check('twice the size', { head: { size: size * 2, root } }),
    check('half of the size', { head: { size: Math.floor(size / 2), root } }),
    check('no size', { head: { size: 0, root } }),
    check('another leaf', { hash: leafHash(utf8('another leaf'), nodeCrypto) }),
    check('the leaf in the place of its hash', { hash: leaf }),
    check('another root', { head: { size, root: emptyRoot(nodeCrypto) } }),
    check('no root', { head: { size, root: new Uint8Array(0) } }),
    ...brokenPaths(proof, root).map(([what, broken]) => check(what, { proof: broken })),
  ];
}

/** For a proof that has hashes: between sizes that differ and are not 0. */
export function consistencyProbes(
  before: TreeHead,
  after: TreeHead,
  proof: Path,
): readonly Probe[] {
  const check = (
    what: string,
    change: Partial<{ before: TreeHead; after: TreeHead; proof: Path }>,
  ): Probe => {
    const one = { before, after, proof, ...change };
    return [
      what,
      () => {
        verifyConsistency(one.before, one.after, one.proof, nodeCrypto);
      },
    ];
  };
  const foreign = emptyRoot(nodeCrypto);
  return [
    check('one leaf less before', { before: { ...before, size: before.size - 1 } }),
    check('one leaf more before', { before: { ...before, size: before.size + 1 } }),
    check('another size before', { before: { ...before, size: before.size ^ 2 } }),
    check('twice the size', { after: { ...after, size: after.size * 2 } }),
    check('half of the size', { after: { ...after, size: Math.floor(after.size / 2) } }),
    check('another root before', { before: { ...before, root: foreign } }),
    check('another root', { after: { ...after, root: foreign } }),
    check('roots changed for each other', {
      before: { ...before, root: after.root },
      after: { ...after, root: before.root },
    }),
    check('time turned back', { before: after, after: before }),
    check('no proof', { proof: [] }),
    ...brokenPaths(proof, before.root).map(([what, broken]) => check(what, { proof: broken })),
  ];
}
