/**
 * The audit log of the replicated state: an append-only Merkle log of what the cluster did. All
 * replicas append the same leaves at the same commands, so their heads are the same (decision
 * record 0064).
 */
import {
  assert,
  bytesEqual,
  unixMillis,
  type CanonicalReader,
  type CanonicalWriter,
  type Crypto,
} from '@witan/core';
import {
  decodeLeaf,
  leafBytes,
  leafHash,
  MerkleLog,
  type LeafPlace,
  type LogLeaf,
  type TreeHead,
} from '@witan/manifest';
import { badValue } from './codec.ts';
import { LeafWindow } from './leaf-window.ts';

/** What may be asked of the log. Proofs throw ManifestError MERKLE_OUT_OF_RANGE, MERKLE_PRUNED. */
export interface AuditLogView {
  readonly size: number;
  /** The oldest leaf that is kept whole. */
  readonly leavesFrom: number;
  head(): TreeHead;
  /** Undefined where the leaf is no longer kept, or not there yet. */
  leafBytes(index: number): Uint8Array | undefined;
  /** The first kept leaf of which `place` is at least `value`; `size` where there is none. */
  firstFrom(place: 'index' | 'epoch' | 'generation', value: number): number;
  frontier(size: number): readonly Uint8Array[];
  inclusionProof(index: number, size: number): readonly Uint8Array[];
  consistencyProof(before: number, size: number): readonly Uint8Array[];
}

export class AuditLog implements AuditLogView {
  readonly #crypto: Crypto;
  readonly #tree: MerkleLog;
  readonly #leaves: LeafWindow;
  #newest: LeafPlace | undefined;

  constructor(crypto: Crypto, parts?: { readonly tree: MerkleLog; readonly leaves: LeafWindow }) {
    this.#crypto = crypto;
    this.#tree = parts?.tree ?? new MerkleLog(crypto);
    this.#leaves = parts?.leaves ?? new LeafWindow();
    const bytes = this.#leaves.get(this.#tree.size - 1);
    this.#newest = bytes === undefined ? undefined : decodeLeaf(bytes);
  }

  get size(): number {
    return this.#tree.size;
  }

  get leavesFrom(): number {
    return this.#leaves.first;
  }

  head(): TreeHead {
    return this.#tree.head();
  }

  leafBytes(index: number): Uint8Array | undefined {
    return this.#leaves.get(index);
  }

  firstFrom(place: 'index' | 'epoch' | 'generation', value: number): number {
    let [low, high] = [this.leavesFrom, this.size];
    while (low < high) {
      const middle = Math.floor((low + high) / 2);
      const bytes = this.leafBytes(middle);
      assert(bytes !== undefined, 'kept leaves have no gap');
      if (decodeLeaf(bytes)[place] < value) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  frontier(size: number): readonly Uint8Array[] {
    return this.#tree.frontier(size);
  }

  inclusionProof(index: number, size: number): readonly Uint8Array[] {
    return this.#tree.inclusionProof(index, size);
  }

  consistencyProof(before: number, size: number): readonly Uint8Array[] {
    return this.#tree.consistencyProof(before, size);
  }

  /** A clock that went back, or none, gives the newest time known. */
  append(leaf: LogLeaf): void {
    const before = this.#newest;
    const timeMs = unixMillis(Math.max(leaf.timeMs, before?.timeMs ?? 0));
    const placed = { ...leaf, timeMs };
    const rises =
      before === undefined ||
      (before.index <= leaf.index &&
        before.epoch <= leaf.epoch &&
        before.generation <= leaf.generation);
    assert(rises, 'places of leaves only rise');
    const bytes = leafBytes(placed);
    this.#tree.append(leafHash(bytes, this.#crypto));
    this.#leaves.append(bytes);
    this.#newest = placed;
  }

  write(writer: CanonicalWriter): void {
    this.#tree.write(writer);
    this.#leaves.write(writer);
  }

  /** @param isThere false for snapshots from before there was a log @throws CanonicalError */
  static read(reader: CanonicalReader, crypto: Crypto, isThere: boolean): AuditLog {
    if (!isThere) return new AuditLog(crypto);
    const tree = MerkleLog.read(reader, crypto);
    const leaves = LeafWindow.read(reader, tree.size);
    for (let index = Math.max(leaves.first, tree.hashesFrom); index < tree.size; index += 1) {
      const leaf = leaves.get(index);
      const found = tree.leafHash(index);
      if (leaf === undefined || !bytesEqual(leafHash(leaf, crypto), found)) {
        throw badValue('a leaf of another hash');
      }
    }
    return new AuditLog(crypto, { tree, leaves });
  }
}
