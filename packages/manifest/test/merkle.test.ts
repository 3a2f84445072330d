/** The Merkle log beside a naive one that follows RFC 6962 section 2.1 word for word. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { CanonicalReader, CanonicalWriter } from '@witan/core';
import {
  leafHash,
  ManifestError,
  MERKLE_PROOF_HASHES_MAX,
  MerkleLog,
  nodeHash,
  verifyConsistency,
  verifyFrontier,
  verifyInclusion,
  type LogLimits,
} from '../src/index.ts';
import { codeOf, nodeCrypto, refusalOf } from './support.ts';

const hash = (number: number): Uint8Array =>
  leafHash(Uint8Array.of(number >> 8, number), nodeCrypto);
const hashes = (size: number): Uint8Array[] => Array.from({ length: size }, (_, at) => hash(at));
const pair = (left: Uint8Array, right: Uint8Array) => nodeHash(left, right, nodeCrypto);

function largestPowerBelow(size: number): number {
  for (let k = 1; ; k *= 2) if (k * 2 >= size) return k;
}

/** MTH */
function root(d: readonly Uint8Array[]): Uint8Array {
  const [first] = d;
  if (first === undefined) return nodeCrypto.hash('sha256');
  if (d.length === 1) return first;
  const k = largestPowerBelow(d.length);
  return pair(root(d.slice(0, k)), root(d.slice(k)));
}

/** PATH */
function path(m: number, d: readonly Uint8Array[]): readonly Uint8Array[] {
  if (d.length <= 1) return [];
  const k = largestPowerBelow(d.length);
  return m < k
    ? [...path(m, d.slice(0, k)), root(d.slice(k))]
    : [...path(m - k, d.slice(k)), root(d.slice(0, k))];
}

/** SUBPROOF */
function subproof(m: number, d: readonly Uint8Array[], whole: boolean): readonly Uint8Array[] {
  if (m === d.length) return whole ? [] : [root(d)];
  const k = largestPowerBelow(d.length);
  return m <= k
    ? [...subproof(m, d.slice(0, k), whole), root(d.slice(k))]
    : [...subproof(m - k, d.slice(k), false), root(d.slice(0, k))];
}

function logOf(size: number, limits?: LogLimits): MerkleLog {
  const log = new MerkleLog(nodeCrypto, limits);
  for (const one of hashes(size)) log.append(one);
  return log;
}

const SMALL: LogLimits = { tileLevel: 2, blockLevel: 4, leafHashesMax: 8, tiledLeavesMax: 32 };

const bytesOf = (log: MerkleLog): Uint8Array => {
  const writer = new CanonicalWriter();
  log.write(writer);
  return writer.finish();
};

describe('the log', () => {
  it('agrees with the naive one on every root, path and proof', () => {
    const all = hashes(40);
    const log = logOf(40);
    for (let size = 1; size <= 40; size += 1) {
      const d = all.slice(0, size);
      expect(logOf(size).head()).toEqual({ size, root: root(d) });
      for (let m = 0; m < size; m += 1) {
        expect(log.inclusionProof(m, size)).toEqual(path(m, d));
        if (m > 0) expect(log.consistencyProof(m, size)).toEqual(subproof(m, d, true));
      }
    }
  });

  it('makes proofs that are accepted, from every size to every other', () => {
    const log = logOf(34);
    const heads = Array.from({ length: 35 }, (_, size) => logOf(size).head());
    for (const after of heads) {
      for (const before of heads.slice(0, after.size + 1)) {
        const proof = log.consistencyProof(before.size, after.size);
        verifyConsistency(before, after, proof, nodeCrypto);
        expect(proof.length).toBeLessThanOrEqual(8);
        if (before.size === after.size) continue;
        const inclusion = log.inclusionProof(before.size, after.size);
        verifyInclusion(hash(before.size), before.size, after, inclusion, nodeCrypto);
      }
      verifyFrontier(after, log.frontier(after.size), nodeCrypto);
    }
  });

  it('keeps bounded hashes of a log that grows, and the same root', () => {
    const whole = logOf(300);
    const log = new MerkleLog(nodeCrypto, SMALL);
    for (const [size, one] of hashes(300).entries()) {
      log.append(one);
      expect(log.head().size).toBe(size + 1);
      const read = MerkleLog.read(new CanonicalReader(bytesOf(log)), nodeCrypto, SMALL);
      expect(bytesOf(read)).toEqual(bytesOf(log));
      expect(read.head()).toEqual(log.head());
    }
    expect(log.head()).toEqual(whole.head());
    // at most 18 blocks of 16, at most 12 tiles of 4, at most 12 leaves.
    expect(bytesOf(log).byteLength).toBeLessThanOrEqual(8 + 32 * (18 + 12 + 12));
    for (let index = log.hashesFrom; index < 300; index += 1) {
      expect(log.inclusionProof(index)).toEqual(whole.inclusionProof(index));
      expect(log.consistencyProof(index)).toEqual(whole.consistencyProof(index));
    }
    expect(log.consistencyProof(288)).toEqual(whole.consistencyProof(288));
    expect(log.consistencyProof(16)).toEqual(whole.consistencyProof(16));
    expect(codeOf(() => log.inclusionProof(log.hashesFrom - 1))).toBe('MERKLE_PRUNED');
    expect(codeOf(() => log.consistencyProof(19))).toBe('MERKLE_PRUNED');
    expect(codeOf(() => log.frontier(21))).toBe('MERKLE_PRUNED');
  });

  it('goes on after a snapshot as if there had been none', () => {
    const cut = fc.integer({ min: 0, max: 120 });
    const check = fc.property(cut, cut, (size, more) => {
      const log = logOf(size, SMALL);
      const read = MerkleLog.read(new CanonicalReader(bytesOf(log)), nodeCrypto, SMALL);
      for (let at = size; at < size + more; at += 1) {
        log.append(hash(at));
        read.append(hash(at));
      }
      expect(bytesOf(read)).toEqual(bytesOf(log));
      expect(read.head()).toEqual(log.head());
    });
    fc.assert(check, { numRuns: 25 });
  });

  it('says that a leaf or size does not exist (I10)', () => {
    const log = logOf(3);
    for (const bad of [3, -1, 1.5, Number.NaN]) {
      expect(codeOf(() => log.inclusionProof(bad))).toBe('MERKLE_OUT_OF_RANGE');
    }
    for (const bad of [4, -1, 0.5]) {
      expect(codeOf(() => log.consistencyProof(bad))).toBe('MERKLE_OUT_OF_RANGE');
      expect(codeOf(() => log.frontier(bad))).toBe('MERKLE_OUT_OF_RANGE');
    }
  });
});

describe('hostile proofs', () => {
  const log = logOf(21);
  const after = log.head();
  const before = logOf(13).head();
  const consistency = log.consistencyProof(13);
  const inclusion = log.inclusionProof(6);
  const other = { ...after, root: hash(999) };

  it('refuses a leaf, place or root that the proof is not for', () => {
    const check = (leaf: Uint8Array, index: number, head = after) =>
      codeOf(() => {
        verifyInclusion(leaf, index, head, inclusion, nodeCrypto);
      });
    expect(check(hash(7), 6)).toBe('MERKLE_INCLUSION_INVALID');
    expect(check(hash(6), 5)).toBe('MERKLE_INCLUSION_INVALID');
    expect(check(hash(6), 6, other)).toBe('MERKLE_INCLUSION_INVALID');
    expect(check(hash(6), 21)).toBe('MERKLE_PROOF_MALFORMED');
    expect(check(hash(6), 2 ** 53)).toBe('MERKLE_PROOF_MALFORMED');
    expect(check(hash(6), 6, { ...after, size: -1 })).toBe('MERKLE_PROOF_MALFORMED');
    expect(check(hash(6).subarray(1), 6)).toBe('MERKLE_PROOF_MALFORMED');
  });

  it('refuses a log that shrank or forked, and says what it found', () => {
    const shrunk = refusalOf(() => {
      verifyConsistency(after, before, [], nodeCrypto);
    });
    expect(shrunk.code).toBe('MERKLE_LOG_SHRANK');
    expect(shrunk.fields).toMatchObject({ expected: 21, found: 13 });
    const cases = [
      [{ ...before, root: hash(1) }, after],
      [before, other],
      [after, other],
      [{ size: 0, root: hash(1) }, after],
    ] as const;
    for (const [left, right] of cases) {
      const proof = left === before || left.size === 13 ? consistency : [];
      const check = () => {
        verifyConsistency(left, right, proof, nodeCrypto);
      };
      expect(codeOf(check)).toBe('MERKLE_INCONSISTENT');
    }
    const wrong = () => {
      verifyFrontier(other, log.frontier(21), nodeCrypto);
    };
    expect(codeOf(wrong)).toBe('MERKLE_INCONSISTENT');
  });

  it('never accepts a changed proof, and refuses each with a typed error (fuzz)', () => {
    const change = fc.record({
      what: fc.constantFrom('flip', 'drop', 'add', 'swap', 'cut'),
      at: fc.nat(1000),
      bit: fc.nat(255),
    });
    const changed = (
      proof: readonly Uint8Array[],
      c: { what: string; at: number; bit: number },
    ): readonly Uint8Array[] => {
      const copy: Uint8Array[] = proof.map((one) => Uint8Array.from(one));
      const at = c.at % Math.max(1, copy.length);
      const one = copy[at];
      if (c.what === 'drop') copy.splice(at, 1);
      else if (c.what === 'add') copy.splice(at, 0, hash(1000 + c.bit));
      else if (c.what === 'swap') copy.splice(at, 1, hash(1000 + c.bit));
      else if (one !== undefined && c.what === 'cut') copy[at] = one.subarray(0, c.bit % 32);
      else if (one !== undefined) one[c.bit >> 3] = (one[c.bit >> 3] ?? 0) ^ (1 << (c.bit & 7));
      return copy;
    };
    const check = fc.property(fc.integer({ min: 1, max: 20 }), change, (size, c) => {
      const old = logOf(size).head();
      const checks = [
        () => {
          verifyConsistency(old, after, changed(log.consistencyProof(size), c), nodeCrypto);
        },
        () => {
          verifyInclusion(
            hash(size),
            size,
            after,
            changed(log.inclusionProof(size), c),
            nodeCrypto,
          );
        },
        () => {
          verifyFrontier(after, changed(log.frontier(21), c), nodeCrypto);
        },
      ];
      for (const attempt of checks) expect(attempt).toThrow(ManifestError);
    });
    fc.assert(check, { numRuns: 400 });
  });

  it('bounds what it looks at, and believes no size (fuzz)', () => {
    const many = Array.from({ length: MERKLE_PROOF_HASHES_MAX + 2 }, () => hash(0));
    const attempt = () => {
      verifyInclusion(hash(0), 0, after, many, nodeCrypto);
    };
    expect(codeOf(attempt)).toBe('MERKLE_PROOF_MALFORMED');
    const number = fc.oneof(fc.maxSafeInteger(), fc.double(), fc.nat(40));
    const proof = fc.array(fc.uint8Array({ minLength: 31, maxLength: 33 }), { maxLength: 60 });
    const random = fc.property(number, number, proof, (left, right, hashes_) => {
      const head = { size: right, root: hash(5) };
      const tries = [
        () => {
          verifyInclusion(hash(1), left, head, hashes_, nodeCrypto);
        },
        () => {
          verifyConsistency({ size: left, root: hash(4) }, head, hashes_, nodeCrypto);
        },
        () => {
          verifyFrontier(head, hashes_, nodeCrypto);
        },
      ];
      for (const one of tries) expect(one).toThrow(ManifestError);
    });
    fc.assert(random, { numRuns: 400 });
  });
});
