/**
 * Who still holds a certificate from before a step of a rotation, which replicas are asked again
 * and again, kept as certificates come and go. It follows from the records, is in no snapshot, and
 * decides nothing: a command is decided by looking at all records (`heldSinceBefore`).
 */
import type { IssuedTable } from './issued-table.ts';
import type { IssuedIdentity } from './results.ts';
import type { StateView } from './view.ts';

/** Keys whose newest valid certificate is from before a step. */
export interface HoldersLeft {
  readonly count: number;
  /** Of these workloads, in alphabetical order. */
  readonly workloads: readonly string[];
}

/** What may be asked. */
export interface HeldView {
  /**
   * Keys whose newest valid certificate is from before a step of a rotation, and is not revoked.
   *
   * @param sinceIndex log index of the step
   */
  holdersLeft(sinceIndex: number, nowMs: number): HoldersLeft;
}

type Source = Pick<StateView<unknown>, 'issued' | 'revocationOf'>;

/** See the head of this file. */
export class HeldCertificates implements HeldView {
  readonly #source: Source;
  #left: LeftOf | undefined;

  constructor(source: Source) {
    this.#source = source;
  }

  /** Records a certificate in the table that the answers are about. */
  add(record: IssuedIdentity, table: IssuedTable): void {
    const pruned = table.add(record);
    if (this.#left?.changed(record, pruned) === false) this.#left = undefined;
  }

  /** Another step is the one to ask about, or a manifest has revoked something, or may have. */
  forget(): void {
    this.#left = undefined;
  }

  holdersLeft(sinceIndex: number, nowMs: number): HoldersLeft {
    const known = this.#left;
    // A clock that went back may bring certificates back to life.
    const isFit = known !== undefined && known.sinceIndex === sinceIndex && known.atMs <= nowMs;
    this.#left = isFit ? known : new LeftOf(this.#source, sinceIndex, nowMs);
    return this.#left.at(nowMs);
  }
}

/** The holders that one step waits for, fewer with each renewal and with time. */
class LeftOf {
  readonly sinceIndex: number;
  /** The latest time that was asked about. */
  atMs: number;
  readonly #byKey = new Map<string, IssuedIdentity>();
  /** Those that expire first come last. */
  readonly #byExpiry: IssuedIdentity[];
  readonly #countOf = new Map<string, number>();
  /** The newest certificate of every key, also of those that do not count, and how many it has. */
  readonly #ofKey = new Map<string, { readonly newest: number; readonly count: number }>();

  constructor(source: Source, sinceIndex: number, nowMs: number) {
    this.sinceIndex = sinceIndex;
    this.atMs = nowMs;
    for (const record of source.issued()) {
      this.#byKey.set(record.spkiSha256, record);
      this.#came(record);
    }
    for (const [key, record] of this.#byKey) {
      const isValid = record.notAfterMs > nowMs && source.revocationOf(record) === undefined;
      if (isValid && record.index < sinceIndex) this.#count(record, 1);
      else this.#byKey.delete(key);
    }
    this.#byExpiry = [...this.#byKey.values()].toSorted((a, b) => b.notAfterMs - a.notAfterMs);
  }

  at(nowMs: number): HoldersLeft {
    this.atMs = nowMs;
    for (;;) {
      const next = this.#byExpiry.at(-1);
      if (next === undefined || next.notAfterMs > nowMs) break;
      this.#byExpiry.pop();
      this.#drop(next);
    }
    return { count: this.#byKey.size, workloads: [...this.#countOf.keys()].toSorted() };
  }

  /** @returns false where only a look at all records tells who is left now */
  changed(record: IssuedIdentity, pruned: readonly IssuedIdentity[]): boolean {
    let isBack = false;
    for (const one of pruned) {
      this.#drop(one);
      isBack = this.#went(one) || isBack;
    }
    const renewed = this.#byKey.get(record.spkiSha256);
    if (renewed !== undefined) this.#drop(renewed);
    this.#came(record);
    return !isBack;
  }

  #came({ spkiSha256, index }: IssuedIdentity): void {
    const count = (this.#ofKey.get(spkiSha256)?.count ?? 0) + 1;
    this.#ofKey.set(spkiSha256, { newest: index, count });
  }

  /** @returns whether a key's newest record went while an older one that lives longer stays */
  #went({ spkiSha256, index }: IssuedIdentity): boolean {
    const { newest = 0, count = 0 } = this.#ofKey.get(spkiSha256) ?? {};
    if (count > 1) this.#ofKey.set(spkiSha256, { newest, count: count - 1 });
    else this.#ofKey.delete(spkiSha256);
    return count > 1 && index === newest;
  }

  #drop(record: IssuedIdentity): void {
    if (this.#byKey.get(record.spkiSha256) !== record) return;
    this.#byKey.delete(record.spkiSha256);
    this.#count(record, -1);
  }

  #count({ workload }: IssuedIdentity, by: 1 | -1): void {
    const count = (this.#countOf.get(workload) ?? 0) + by;
    if (count === 0) this.#countOf.delete(workload);
    else this.#countOf.set(workload, count);
  }
}
