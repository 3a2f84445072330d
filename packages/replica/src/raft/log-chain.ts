/**
 * The hash chain over the log:
 *
 *     link(i) = SHA-256(link(i-1) | index u64 | term u64 | type u8 | data)
 *
 * Equal links at an index mean equal logs up to it, from the genesis on, so one comparison with a
 * live leader confirms a whole log that was read from a disk, which by itself proves nothing (I4).
 *
 * The link as of a snapshot's index travels behind the snapshot's data, so that a replica that
 * starts from a snapshot continues the same chain. An engine without a hash function keeps zeros.
 */
import { bytesEqual, utf8 } from '@witan/core';
import type { Entry, EntryType } from 'raft-ts';
import { writeU53 } from './u53.ts';

/** Length of a link in bytes. */
export const LINK_BYTES = 32;

/** SHA-256 over the parts, one behind the other. */
export type HashParts = (...parts: readonly Uint8Array[]) => Uint8Array;

const LABEL = utf8('witan/log-chain/v1');
const TYPE_CODES: Readonly<Record<EntryType, number>> = {
  EntryNormal: 0,
  EntryConfChange: 1,
  EntryConfChangeV2: 2,
};
/** Index, term and type of the entry that is hashed now: made once, since every entry is hashed. */
const HEAD = new Uint8Array(17);
const ZEROS = new Uint8Array(LINK_BYTES);

/** No hash function: every link is zeros, and `LogChain.confirms` is always false. */
export const NO_HASH: HashParts = () => ZEROS;

/** The link of an entry behind the link of the entry before it. */
export function nextLink(hash: HashParts, previous: Uint8Array, entry: Entry): Uint8Array {
  writeU53(HEAD, 0, entry.index);
  writeU53(HEAD, 8, entry.term);
  HEAD[16] = TYPE_CODES[entry.type];
  return hash(previous, HEAD, entry.data);
}

/** Puts a link behind a snapshot's data. */
export function joinLink(data: Uint8Array, link: Uint8Array): Uint8Array {
  const joined = new Uint8Array(data.byteLength + LINK_BYTES);
  joined.set(data);
  joined.set(link, data.byteLength);
  return joined;
}

/** Takes them apart; data that is too short to hold a link has the link of zeros. */
export function splitLink(joined: Uint8Array): {
  readonly data: Uint8Array;
  readonly link: Uint8Array;
} {
  const at = joined.byteLength - LINK_BYTES;
  if (at < 0) return { data: joined, link: ZEROS };
  return { data: joined.subarray(0, at), link: joined.slice(at) };
}

const NO_CONTEXT = new Uint8Array(0);

/** The links of a log that can be cut at both ends, like the log itself. */
export class LogChain {
  readonly #hash: HashParts;
  readonly #context: Uint8Array;
  #base: { index: number; link: Uint8Array } = { index: 0, link: ZEROS };
  #links: Uint8Array[] = [];

  /** @param context what the log belongs to: logs of different contexts have no link in common */
  constructor(hash: HashParts, context: Uint8Array = NO_CONTEXT) {
    this.#hash = hash;
    this.#context = context;
  }

  /** The link of the state that an epoch begins with. */
  genesis(): Uint8Array {
    return this.#hash(LABEL, this.#context);
  }

  /** Starts anew behind a snapshot. */
  reset(index: number, link: Uint8Array): void {
    this.#base = { index, link };
    this.#links = [];
  }

  /** Entries in order without a gap; what they replace goes. */
  append(entries: readonly Entry[]): void {
    for (const entry of entries) {
      const at = entry.index - this.#base.index - 1;
      if (at < 0) continue;
      this.#links.length = Math.min(this.#links.length, at);
      const previous = this.#links.at(-1) ?? this.#base.link;
      this.#links.push(nextLink(this.#hash, previous, entry));
    }
  }

  /** Forgets the links before `index`. */
  compact(index: number): void {
    const link = this.at(index);
    if (link === undefined) return;
    this.#links.splice(0, index - this.#base.index);
    this.#base = { index, link };
  }

  /** The link of an entry; undefined before the compaction point and behind the end. */
  at(index: number): Uint8Array | undefined {
    if (index === this.#base.index) return this.#base.link;
    return this.#links[index - this.#base.index - 1];
  }

  /** Whether this log has exactly the entries that gave `link` at `index`. */
  confirms(index: number, link: Uint8Array): boolean {
    const own = this.at(index);
    return own !== undefined && !bytesEqual(own, ZEROS) && bytesEqual(own, link);
  }
}
