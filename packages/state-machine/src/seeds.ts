/**
 * Which seed is in force, and what depends on which. No seed is here: a seed is known by a digest
 * that it alone has, and by the public half of its history key.
 *
 * A seed changes in three steps. After `prepare` the leader draws the next one and hands it to
 * every member, outside of the log; then it records the candidate with those who hold it.
 * `activate` puts the candidate into force that owners have approved by its commitment. `retire`
 * forgets the former one, once nothing depends on it. See
 * docs/decisions/0070-rotation-of-the-seed.md.
 */
import {
  assert,
  incarnationId,
  sha256Hex,
  type CanonicalReader,
  type CanonicalWriter,
  type Generation,
  type IncarnationId,
  type Sha256Hex,
} from '@witan/core';
import {
  decodeSeedLink,
  encodeSeedLink,
  HistoryKeys,
  SEED_LINK_BYTES_MAX,
  SEEDS_MAX,
  type SignedSeedLink,
} from '@witan/manifest';
import { badValue, readHex, writeHex } from './codec.ts';
import * as limits from './limits.ts';

/** The next seed, as the leader has recorded it. */
export interface SeedCandidate {
  readonly number: number;
  readonly digest: Sha256Hex;
  /** DER SubjectPublicKeyInfo of the history key that derives from it. */
  readonly historyPublicKey: Uint8Array;
  /** What owners approve: see `seedCommitment`. */
  readonly commitment: Sha256Hex;
  /** Who has confirmed to hold it, ascending. */
  readonly holders: readonly IncarnationId[];
}

/** A seed after the first. */
export interface SeedRecord {
  /** How it came from the one before, with the owners' approvals. */
  readonly signed: SignedSeedLink;
  /** Log index of the step that put it into force. */
  readonly index: number;
  /** The first version under it of each secret that was listed then. */
  readonly firstVersions: ReadonlyMap<string, number>;
}

/** Where the rotation of the seed stands. */
export interface SeedsView {
  readonly phase: 'idle' | 'prepared' | 'activated';
  /** Number of the seed in force; 1 for the founding's. */
  readonly number: number;
  /** The lowest number of a seed that something may still derive from. */
  readonly usableFrom: number;
  readonly candidate: SeedCandidate | undefined;
  /** Seed n at n-2. */
  readonly records: readonly SeedRecord[];
  /** Log index of the step that began this phase. */
  readonly sinceIndex: number;
  /** SHA-256 that the seed of a number has; undefined for the first, which has the cluster id. */
  digestOf(number: number): Sha256Hex | undefined;
  /** The history keys. @param founding the first one; undefined before the first manifest */
  keysFrom(founding: Uint8Array | undefined): HistoryKeys | undefined;
  /** The seed that was in force when a log entry was applied. */
  atIndex(index: number): number;
  /** The seed that the mesh CA of a generation derives from, as its manifest brought it. */
  ofGeneration(generation: Generation): number;
  /** The seed that a version of a secret derives from. */
  ofSecret(name: string, version: number): number;
  /** The lowest version of a secret that there still is. */
  leastVersion(name: string): number;
}

const FIRST = 1;
const PHASES: readonly SeedsView['phase'][] = ['idle', 'prepared', 'activated'];

/** See the head of this file. */
export class Seeds implements SeedsView {
  readonly #records: SeedRecord[] = [];
  #phase: SeedsView['phase'] = 'idle';
  #candidate: SeedCandidate | undefined;
  #usableFrom = FIRST;
  #sinceIndex = 0;

  get phase(): SeedsView['phase'] {
    return this.#phase;
  }

  get number(): number {
    return this.#records.length + FIRST;
  }

  get usableFrom(): number {
    return this.#usableFrom;
  }

  get candidate(): SeedCandidate | undefined {
    return this.#candidate;
  }

  get records(): readonly SeedRecord[] {
    return this.#records;
  }

  get sinceIndex(): number {
    return this.#sinceIndex;
  }

  /** Whether no step of a rotation was ever taken. */
  get isUntouched(): boolean {
    return this.#phase === 'idle' && this.#records.length === 0;
  }

  digestOf(number: number): Sha256Hex | undefined {
    return this.#records[number - FIRST - 1]?.signed.link.seedDigest;
  }

  keysFrom(founding: Uint8Array | undefined): HistoryKeys | undefined {
    if (founding === undefined) return undefined;
    const links = this.#records.map(({ signed }) => signed.link);
    return HistoryKeys.trusted(founding, links);
  }

  atIndex(index: number): number {
    return FIRST + this.#records.filter((record) => record.index <= index).length;
  }

  ofGeneration(generation: Generation): number {
    const before = this.#records.filter(({ signed }) => signed.link.generation < generation);
    return FIRST + before.length;
  }

  ofSecret(name: string, version: number): number {
    const at = this.#records.findLastIndex(
      ({ firstVersions }) => version >= (firstVersions.get(name) ?? 0),
    );
    return at + 1 + FIRST;
  }

  leastVersion(name: string): number {
    const oldest = this.#records[this.#usableFrom - FIRST - 1];
    return Math.max(1, oldest?.firstVersions.get(name) ?? 0);
  }

  /** To which version secrets were raised with the newest seed; 0 for none. */
  raisedTo(name: string): number {
    return (
      this.#records
        .findLast(({ firstVersions }) => firstVersions.has(name))
        ?.firstVersions.get(name) ?? 0
    );
  }

  prepared(index: number): void {
    assert(this.#phase === 'idle', 'steps of a rotation come in their order');
    this.#phase = 'prepared';
    this.#sinceIndex = index;
  }

  /** @param candidate of the number that follows */
  recorded(candidate: SeedCandidate): void {
    assert(candidate.number === this.number + 1, 'seeds have no gap');
    this.#candidate = candidate;
  }

  activated(record: SeedRecord): void {
    assert(record.signed.link.number === this.number + 1, 'seeds have no gap');
    this.#records.push(record);
    this.#candidate = undefined;
    this.#phase = 'activated';
    this.#sinceIndex = record.index;
  }

  retired(index: number): void {
    assert(this.#phase === 'activated', 'steps of a rotation come in their order');
    this.#phase = 'idle';
    this.#usableFrom = this.number;
    this.#sinceIndex = index;
  }

  /** A recovery has lost whoever held the candidate: another one is drawn. */
  recovered(): void {
    this.#candidate = undefined;
  }

  write(writer: CanonicalWriter): void {
    writer.u8(PHASES.indexOf(this.#phase)).u32(this.#usableFrom).u64(this.#sinceIndex);
    writer.optional(this.#candidate, writeCandidate);
    writer.list(this.#records, (to, { signed, index, firstVersions }) => {
      to.bytes(encodeSeedLink(signed)).u64(index);
      to.list([...firstVersions], (into, [name, version]) => into.text(name).u64(version));
    });
  }

  /** Takes up what `write` wrote; the links are checked with the history. */
  restore(reader: CanonicalReader): void {
    const phase = PHASES[reader.u8()];
    if (phase === undefined) throw badValue('another phase of a rotation');
    this.#phase = phase;
    this.#usableFrom = reader.u32();
    this.#sinceIndex = reader.u64();
    this.#candidate = reader.optional(readCandidate);
    this.#records.push(...reader.list(SEEDS_MAX, readRecord));
    const { number, usableFrom, candidate } = this;
    const former = phase === 'activated' ? number - 1 : number;
    if (usableFrom !== former || (candidate !== undefined && phase !== 'prepared')) {
      throw badValue('a seed in no phase of its rotation');
    }
    if (candidate !== undefined && candidate.number !== number + 1) {
      throw badValue('a candidate of another number');
    }
  }
}

/** Writes a candidate, as the state and commands hold it. */
export function writeCandidate(writer: CanonicalWriter, candidate: SeedCandidate): void {
  writer.u32(candidate.number);
  writeHex(writer, candidate.digest);
  writer.bytes(candidate.historyPublicKey);
  writeHex(writer, candidate.commitment);
  writer.list(candidate.holders, writeHex);
}

/** Reads what `writeCandidate` wrote. */
export function readCandidate(reader: CanonicalReader): SeedCandidate {
  const candidate = {
    number: reader.u32(),
    digest: sha256Hex(readHex(reader, 32)),
    historyPublicKey: reader.bytes(limits.PUBLIC_KEY_BYTES_MAX),
    commitment: sha256Hex(readHex(reader, 32)),
    holders: reader.list(limits.MEMBERS_MAX, (from) => incarnationId(readHex(from, 32))),
  };
  const { holders } = candidate;
  const areAscending = holders.every((holder, at) => holder > (holders[at - 1] ?? ''));
  if (!areAscending) throw badValue('holders in another order');
  return candidate;
}

function readRecord(reader: CanonicalReader): SeedRecord {
  const signed = decodeSeedLink(reader.bytes(SEED_LINK_BYTES_MAX));
  const index = reader.u64();
  const pairs = reader.list(limits.SECRET_NAMES_MAX, (from): readonly [string, number] => [
    from.text(limits.SECRET_NAME_BYTES_MAX),
    from.u64(),
  ]);
  const areAscending = pairs.every(([name], at) => name > (pairs[at - 1]?.[0] ?? ''));
  if (!areAscending) throw badValue('secrets in another order');
  return { signed, index, firstVersions: new Map(pairs) };
}
