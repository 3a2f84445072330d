/**
 * Which certificates count no longer although they have not expired: those of a workload that a
 * manifest has dropped, or whose reference values it has narrowed, as far as they were issued
 * before. Kept by workload and log index, so that the list of serial numbers follows from the
 * records of what was issued.
 */
import {
  unixMillis,
  type CanonicalReader,
  type CanonicalWriter,
  type UnixMillis,
} from '@witan/core';
import { badValue } from './codec.ts';
import * as limits from './limits.ts';
import type { IssuedIdentity } from './results.ts';

/** Certificates of one workload, up to a point of the log. */
export interface Revocation {
  readonly workload: string;
  /** Certificates recorded below this log index are revoked. */
  readonly beforeIndex: number;
  /** The clock of the leader that set the manifest. */
  readonly timeMs: UnixMillis;
}

export class Revocations {
  readonly #byWorkload = new Map<string, Revocation>();
  #number = 0;

  /** Grows with every change; the number of the list. */
  get number(): number {
    return this.#number;
  }

  values(): Iterable<Revocation> {
    return this.#byWorkload.values();
  }

  of(record: Pick<IssuedIdentity, 'workload' | 'index'>): Revocation | undefined {
    const found = this.#byWorkload.get(record.workload);
    return found !== undefined && record.index < found.beforeIndex ? found : undefined;
  }

  /**
   * @param workloads those that a manifest has dropped or narrowed
   * @param issued all records; entries that concern none of them are forgotten
   */
  revoke(
    workloads: readonly string[],
    at: { readonly index: number; readonly timeMs: UnixMillis },
    issued: Iterable<IssuedIdentity>,
  ): void {
    if (workloads.length === 0) return;
    for (const workload of workloads.toSorted()) {
      this.#byWorkload.delete(workload);
      this.#byWorkload.set(workload, { workload, beforeIndex: at.index, timeMs: at.timeMs });
    }
    const held = new Set<string>();
    for (const record of issued) {
      if (this.of(record) !== undefined) held.add(record.workload);
    }
    for (const workload of this.#byWorkload.keys()) {
      if (!held.has(workload)) this.#byWorkload.delete(workload);
    }
    this.#number += 1;
  }

  write(writer: CanonicalWriter): void {
    writer.u64(this.#number).list([...this.#byWorkload.values()], (to, revocation) => {
      to.text(revocation.workload).u64(revocation.beforeIndex).u64(revocation.timeMs);
    });
  }

  static read(reader: CanonicalReader): Revocations {
    const revocations = new Revocations();
    revocations.#number = reader.u64();
    const list = reader.list(limits.ISSUED_MAX, (from) => ({
      workload: from.text(limits.WORKLOAD_NAME_BYTES_MAX),
      beforeIndex: from.u64(),
      timeMs: unixMillis(from.u64()),
    }));
    for (const revocation of list) {
      const { workload } = revocation;
      if (revocations.#byWorkload.has(workload)) throw badValue('a workload revoked twice');
      revocations.#byWorkload.set(workload, revocation);
    }
    return revocations;
  }
}
