/**
 * The append-only log itself: hashes of leaves, its root, and proofs (RFC 6962 section 2.1). Holds
 * no leaves. Memory is bounded by leaving out what older proofs would need: all hashes of the
 * newest leaves, then one for each tile of 256, then one for each block of 2^20 (record 0064).
 */
import { assert, type CanonicalReader, type CanonicalWriter, type Crypto } from '@witan/core';
import { ManifestError } from '../errors.ts';
import {
  frontierShape,
  MERKLE_HASH_BYTES,
  nodeHash,
  rootOfFrontier,
  splitPoint,
} from './hashing.ts';
import { NodeStore } from './node-store.ts';
import type { TreeHead } from './proofs.ts';

const LEVEL_MAX = 53;

/** How much of a log is kept; a smaller log is kept whole. */
export interface LogLimits {
  /** A tile is a perfect subtree of that level. */
  readonly tileLevel: number;
  /** A block likewise; above the level of tiles. */
  readonly blockLevel: number;
  /** Newest leaves with a hash of their own each; a multiple of a tile. */
  readonly leafHashesMax: number;
  /** Newest leaves with a hash for each tile; a multiple of a block. */
  readonly tiledLeavesMax: number;
}

/** 32 MiB of hashes, and 64 MiB for a quarter of a milliard leaves. */
export const LOG_LIMITS: LogLimits = {
  tileLevel: 8,
  blockLevel: 20,
  leafHashesMax: 2 ** 19,
  tiledLeavesMax: 2 ** 28,
};

/** A log that grows, with its head and the proofs that can still be made. */
export class MerkleLog {
  readonly #nodes: NodeStore = new NodeStore();
  readonly #limits: LogLimits;
  readonly #crypto: Crypto;
  #size = 0;
  #head: TreeHead | undefined;

  constructor(crypto: Crypto, limits: LogLimits = LOG_LIMITS) {
    this.#crypto = crypto;
    this.#limits = limits;
  }

  /**
   * A log of which nothing is known but its perfect subtrees: it grows and has a head, no proofs.
   *
   * @throws ManifestError MERKLE_PROOF_MALFORMED
   */
  static fromFrontier(size: number, frontier: readonly Uint8Array[], crypto: Crypto): MerkleLog {
    const shape = Number.isSafeInteger(size) && size >= 0 ? frontierShape(size) : [];
    const isFitting =
      shape.length === frontier.length &&
      frontier.every(({ byteLength }) => byteLength === MERKLE_HASH_BYTES);
    if (!isFitting) {
      const fields = { path: 'frontier', expected: shape.length, found: frontier.length };
      throw new ManifestError('MERKLE_PROOF_MALFORMED', fields);
    }
    const log = new MerkleLog(crypto);
    log.#size = size;
    for (const [at, { level, index }] of shape.entries()) {
      log.#nodes.push(level, frontier[at] ?? new Uint8Array(), index);
    }
    return log;
  }

  get size(): number {
    return this.#size;
  }

  /** Leaves before this one have no hash of their own any more. */
  get hashesFrom(): number {
    return keptFrom(this.#size, this.#limits.leafHashesMax, this.#tile);
  }

  get #tile(): number {
    return 2 ** this.#limits.tileLevel;
  }

  get #block(): number {
    return 2 ** this.#limits.blockLevel;
  }

  get #tilesFrom(): number {
    const from = keptFrom(this.#size, this.#limits.tiledLeavesMax, this.#block);
    return Math.min(from, Math.floor(this.hashesFrom / this.#block) * this.#block);
  }

  /** Size and root now. */
  head(): TreeHead {
    this.#head ??= {
      size: this.#size,
      root: rootOfFrontier(this.frontier(this.#size), this.#crypto),
    };
    return this.#head;
  }

  /** @param hash `leafHash` of the next leaf */
  append(hash: Uint8Array): void {
    assert(hash.byteLength === MERKLE_HASH_BYTES, 'a leaf hash has 32 bytes');
    this.#push(0, this.#size, hash);
    this.#size += 1;
    this.#head = undefined;
    if (this.#size % this.#tile !== 0) return;
    const { tileLevel, blockLevel } = this.#limits;
    this.#nodes.dropBefore(0, tileLevel, this.hashesFrom);
    this.#nodes.dropBefore(tileLevel, blockLevel, this.#tilesFrom);
  }

  /** The hash of a leaf. @throws ManifestError MERKLE_PRUNED */
  leafHash(index: number): Uint8Array {
    return this.#node(0, index);
  }

  /** Perfect subtrees of the first `size` leaves. @throws ManifestError as `inclusionProof` */
  frontier(size: number): readonly Uint8Array[] {
    this.#checkSize(size);
    return frontierShape(size).map(({ level, index }) => this.#node(level, index));
  }

  /**
   * `PATH(index, D[0:size])`, from the leaf upwards.
   *
   * @throws ManifestError MERKLE_OUT_OF_RANGE, MERKLE_PRUNED where its hashes are not kept
   */
  inclusionProof(index: number, size: number = this.#size): readonly Uint8Array[] {
    this.#checkSize(size);
    if (!Number.isSafeInteger(index) || index < 0 || index >= size)
      throw outOfRange('index', `below ${size}`, index);
    // A hash of the leaf's own is not in its proof, but without one nothing can be told apart.
    if (index < this.hashesFrom) throw pruned(this.hashesFrom, index);
    const proof: Uint8Array[] = [];
    let start = 0;
    let end = size;
    while (end - start > 1) {
      const middle = start + splitPoint(end - start);
      if (index < middle) {
        proof.push(this.#rangeRoot(middle, end));
        end = middle;
      } else {
        proof.push(this.#rangeRoot(start, middle));
        start = middle;
      }
    }
    return proof.toReversed();
  }

  /** `PROOF(before, D[0:size])`. @throws ManifestError as `inclusionProof` */
  consistencyProof(before: number, size: number = this.#size): readonly Uint8Array[] {
    this.#checkSize(size);
    if (!Number.isSafeInteger(before) || before < 0 || before > size) {
      throw outOfRange('size', `up to ${size}`, before);
    }
    if (before === 0 || before === size) return [];
    const proof: Uint8Array[] = [];
    let start = 0;
    let end = size;
    while (before < end) {
      const middle = start + splitPoint(end - start);
      if (before <= middle) {
        proof.push(this.#rangeRoot(middle, end));
        end = middle;
      } else {
        proof.push(this.#rangeRoot(start, middle));
        start = middle;
      }
    }
    if (start > 0) proof.push(this.#rangeRoot(start, end));
    return proof.toReversed();
  }

  /** What is kept, without whatever follows from it. */
  write(writer: CanonicalWriter): void {
    writer.u64(this.#size);
    for (const [level, first, end] of this.#layers()) {
      for (let index = first; index < end; index += 1) writer.fixed(this.#node(level, index));
    }
  }

  /** Reads what `write` wrote, under the same limits. @throws CanonicalError */
  static read(reader: CanonicalReader, crypto: Crypto, limits: LogLimits = LOG_LIMITS): MerkleLog {
    const log = new MerkleLog(crypto, limits);
    log.#size = reader.u64();
    for (const [level, first, end] of log.#layers()) {
      for (let index = first; index < end; index += 1) {
        log.#push(level, index, reader.fixed(MERKLE_HASH_BYTES));
      }
    }
    return log;
  }

  /** Blocks, tiles and leaves whose hashes stand for everything: level, first node, end. */
  #layers(): readonly (readonly [number, number, number])[] {
    const [tiles, leaves] = [this.#tilesFrom, this.hashesFrom];
    const { tileLevel, blockLevel } = this.#limits;
    return [
      [blockLevel, 0, tiles / this.#block],
      [tileLevel, tiles / this.#tile, leaves / this.#tile],
      [0, leaves, this.#size],
    ];
  }

  /** Adds a node and every parent that it completes. */
  #push(level: number, index: number, hash: Uint8Array): void {
    let [at, node, up] = [index, hash, level];
    this.#nodes.push(up, node, at);
    while (at % 2 === 1 && up < LEVEL_MAX) {
      const left = this.#nodes.get(up, at - 1);
      assert(left !== undefined, 'whatever is kept begins with a left node');
      node = nodeHash(left, node, this.#crypto);
      at = (at - 1) / 2;
      up += 1;
      this.#nodes.push(up, node, at);
    }
  }

  #rangeRoot(start: number, end: number): Uint8Array {
    const width = end - start;
    const level = Math.round(Math.log2(width));
    if (2 ** level === width && start % width === 0) return this.#node(level, start / width);
    const middle = start + splitPoint(width);
    return nodeHash(this.#rangeRoot(start, middle), this.#rangeRoot(middle, end), this.#crypto);
  }

  #node(level: number, index: number): Uint8Array {
    const node = this.#nodes.get(level, index);
    if (node === undefined) throw pruned(this.hashesFrom, index * 2 ** level);
    return node;
  }

  #checkSize(size: number): void {
    const isSize = Number.isSafeInteger(size) && size >= 0 && size <= this.#size;
    if (!isSize) throw outOfRange('size', `up to ${this.#size}`, size);
  }
}

function keptFrom(size: number, keptMax: number, unit: number): number {
  return Math.max(0, Math.floor((size - keptMax) / unit) * unit);
}

function outOfRange(path: string, expected: string, found: number): ManifestError {
  return new ManifestError('MERKLE_OUT_OF_RANGE', { path, expected, found: String(found) });
}

function pruned(expected: number, found: number): ManifestError {
  return new ManifestError('MERKLE_PRUNED', { path: 'leaf', expected: `from ${expected}`, found });
}
