/** How keys grow old and certificates end before their time: rotations and revocations together. */
import { assert, type CanonicalReader, type CanonicalWriter } from '@witan/core';
import type { NewGeneration } from './ledger.ts';
import type { IssuedIdentity } from './results.ts';
import { Revocations } from './revocations.ts';
import type { GivenShares } from './recovery-shares.ts';
import { Rotations, type RotationRecord } from './rotations.ts';
import type { SeedCandidate, SeedRecord, Seeds } from './seeds.ts';

/** A step that was decided, with what it brings. */
export interface Rotation {
  readonly record: RotationRecord;
  readonly certificates: readonly Uint8Array[];
  /** With `seed activate`. */
  readonly seed?: ActivatedSeed | undefined;
}

/** A seed that comes into force, and its shares. */
export interface ActivatedSeed {
  readonly record: SeedRecord;
  readonly shares: GivenShares;
}

export class Lifecycle {
  readonly rotations: Rotations;
  readonly revocations: Revocations;

  constructor(
    rotations: Rotations = new Rotations(),
    revocations: Revocations = new Revocations(),
  ) {
    this.rotations = rotations;
    this.revocations = revocations;
  }

  /** @param inUse the certificates in force before the step */
  rotated(
    { record, certificates, seed }: Rotation,
    inUse: {
      readonly rootCertificate: Uint8Array | undefined;
      readonly meshCaCertificate: Uint8Array | undefined;
    },
  ): void {
    const { rootCertificate: root, meshCaCertificate: meshCa } = inUse;
    assert(root !== undefined && meshCa !== undefined, 'rotations follow a manifest');
    this.rotations.append(record, certificates, { root, meshCa });
    const { step, index } = record;
    if (step.target !== 'seed') return;
    const { seeds } = this.rotations;
    if (step.step === 'prepare') seeds.prepared(index);
    else if (step.step === 'retire') seeds.retired(index);
    else {
      assert(seed !== undefined, 'a seed comes into force with its link');
      seeds.activated(seed.record);
    }
  }

  /** Whoever held the next seed may be gone with what was lost. */
  recovered(): void {
    this.rotations.seeds.recovered();
  }

  candidateRecorded(candidate: SeedCandidate): void {
    this.rotations.seeds.recorded(candidate);
  }

  manifestSet(
    next: Pick<NewGeneration<unknown>, 'withdrawn' | 'signed'>,
    index: number,
    issued: Iterable<IssuedIdentity>,
  ): void {
    this.rotations.manifestSet();
    const { timeMs } = next.signed.transition;
    this.revocations.revoke(next.withdrawn, { index, timeMs }, issued);
  }

  write(writer: CanonicalWriter): void {
    this.rotations.write(writer);
    this.revocations.write(writer);
  }

  /** @param reader absent for a snapshot from before there was any of this */
  static read(reader: CanonicalReader | undefined, seeds: Seeds): Lifecycle {
    if (reader === undefined) return new Lifecycle();
    return new Lifecycle(Rotations.read(reader, seeds), Revocations.read(reader));
  }
}
