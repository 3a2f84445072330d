/**
 * What has grown old by the owners' wish: versions of secrets, sealing keys, and both CAs. A CA
 * changes in three steps. `prepare` makes the next one and gives it out beside the one in use,
 * `activate` lets it sign, `retire` takes the former one out. Between the first and the last step
 * workloads accept what either has signed.
 */
import {
  assert,
  sha256Hex,
  unixMillis,
  type CanonicalReader,
  type CanonicalWriter,
  type Generation,
  type Sha256Hex,
  type UnixMillis,
} from '@witan/core';
import {
  APPROVALS_MAX,
  readApproval,
  ROTATION_TEXT_BYTES_MAX,
  rotationOfText,
  rotationText,
  writeApproval,
  type Approval,
  type RotationStep,
} from '@witan/manifest';
import { badValue, readHex, writeHex } from './codec.ts';
import * as limits from './limits.ts';
import { Seeds, type SeedsView } from './seeds.ts';

/** One step, as it is kept. */
export interface RotationRecord {
  /** 1 for the first, then one more each. */
  readonly number: number;
  readonly step: RotationStep;
  /** What it brought in: a secret's version, the number of a CA or seed; 0 for sealing keys. */
  readonly version: number;
  /** The transition that was in force. */
  readonly transition: Sha256Hex;
  /** One per owner, in ascending order of fingerprints. */
  readonly approvals: readonly Approval[];
  /** The leader's clock. Informative. */
  readonly timeMs: UnixMillis;
  /** Log index of the command. */
  readonly index: number;
}

/** Where the rotation of one CA stands. Certificates are DER. */
export interface CaState {
  readonly phase: 'idle' | 'prepared' | 'activated';
  /** Number of the newest CA that a rotation has made; 0 for none. */
  readonly newest: number;
  /** Number of the one in use; 0 for the one that came without a rotation. */
  readonly active: number;
  /** Of the one in use; absent where it is still the one that came with a manifest. */
  readonly certificate: Uint8Array | undefined;
  /** Of the one that follows, and of the one before, as far as they are given out beside it. */
  readonly beside: Uint8Array | undefined;
  /** Log index of the step that began this phase. */
  readonly sinceIndex: number;
}

/** From one root to the next: what those follow who know the earlier one. */
export interface RootLink {
  /** The later root, self-signed, DER. */
  readonly certificate: Uint8Array;
  /** The later root's key, signed by the earlier root, DER. */
  readonly cross: Uint8Array;
}

const IDLE: CaState = {
  phase: 'idle',
  newest: 0,
  active: 0,
  certificate: undefined,
  beside: undefined,
  sinceIndex: 0,
};

const PHASES: readonly CaState['phase'][] = ['idle', 'prepared', 'activated'];

/** What is in the state of rotations; see the head of this file. */
export interface RotationsView {
  readonly records: readonly RotationRecord[];
  readonly root: CaState;
  readonly meshCa: CaState;
  /** Every change of the root, oldest first; the newest may still be prepared. */
  readonly rootLinks: readonly RootLink[];
  /** The seeds of the cluster, by what may be known of them. */
  readonly seeds: SeedsView;
  /** To which version a secret was rotated; 0 for never. */
  secretVersion(name: string): number;
  /** The seed that a root's key derives from. @param rotation number of the root */
  seedOfRoot(rotation: number): number;
  /** The seed that a mesh CA's key derives from. @param rotation 0: as its manifest brought it */
  seedOfMeshCa(generation: Generation, rotation: number): number;
}

export class Rotations implements RotationsView {
  readonly #records: RotationRecord[] = [];
  readonly #links: RootLink[] = [];
  readonly seeds: Seeds;
  #root: CaState = IDLE;
  #meshCa: CaState = IDLE;

  constructor(seeds: Seeds = new Seeds()) {
    this.seeds = seeds;
  }

  get records(): readonly RotationRecord[] {
    return this.#records;
  }

  get root(): CaState {
    return this.#root;
  }

  get meshCa(): CaState {
    return this.#meshCa;
  }

  get rootLinks(): readonly RootLink[] {
    return this.#links;
  }

  secretVersion(name: string): number {
    const newest = this.#records.findLast(
      ({ step }) => step.target === 'secret' && step.name === name,
    );
    return Math.max(newest?.version ?? 0, this.seeds.raisedTo(name));
  }

  seedOfRoot(rotation: number): number {
    return this.#seedOf('root', rotation) ?? 1;
  }

  seedOfMeshCa(generation: Generation, rotation: number): number {
    return this.#seedOf('mesh-ca', rotation) ?? this.seeds.ofGeneration(generation);
  }

  /** The seed of a CA that a rotation has made. */
  #seedOf(target: 'root' | 'mesh-ca', rotation: number): number | undefined {
    const made = this.#records.find(
      ({ step, version }) =>
        step.target === target && step.step === 'prepare' && version === rotation,
    );
    return made === undefined ? undefined : this.seeds.atIndex(made.index);
  }

  /**
   * @param certificates what the step brings: see `certificatesOf`
   * @param inUse the certificates in force before it, by the ledger
   */
  append(
    record: RotationRecord,
    certificates: readonly Uint8Array[],
    inUse: { readonly root: Uint8Array; readonly meshCa: Uint8Array },
  ): void {
    assert(record.number === this.#records.length + 1, 'steps of rotations have no gap');
    this.#records.push(record);
    const { step, index } = record;
    const [first, second] = certificates;
    if (step.target === 'mesh-ca') {
      this.#meshCa = stepped(this.#meshCa, step.step, index, inUse.meshCa, first);
    } else if (step.target === 'root') {
      if (step.step === 'prepare') {
        assert(first !== undefined && second !== undefined, 'a root comes with its link');
        this.#links.push({ certificate: first, cross: second });
      }
      this.#root = stepped(this.#root, step.step, index, inUse.root, first);
      // The same mesh CA, signed by the root that is in use from now on.
      if (step.step === 'activate') this.#meshCa = { ...this.#meshCa, certificate: first };
    }
  }

  /** A manifest brings a mesh CA of its own, which no rotation has made. */
  manifestSet(): void {
    this.#meshCa = { ...IDLE, newest: this.#meshCa.newest };
  }

  write(writer: CanonicalWriter): void {
    writer.list(this.#records, writeRecord);
    for (const ca of [this.#root, this.#meshCa]) writeCa(writer, ca);
    writer.list(this.#links, (to, { certificate, cross }) => to.bytes(certificate).bytes(cross));
  }

  static read(reader: CanonicalReader, seeds: Seeds): Rotations {
    const rotations = new Rotations(seeds);
    const records = reader.list(limits.ROTATIONS_MAX, readRecord);
    for (const [at, { number, approvals }] of records.entries()) {
      if (number !== at + 1) throw badValue('a step of a rotation out of order');
      if (approvals.length === 0) throw badValue('a step of a rotation that nobody approved');
    }
    rotations.#records.push(...records);
    rotations.#root = readCa(reader);
    rotations.#meshCa = readCa(reader);
    const links = reader.list(limits.ROTATIONS_MAX, (from) => ({
      certificate: from.bytes(limits.CERTIFICATE_BYTES_MAX),
      cross: from.bytes(limits.CERTIFICATE_BYTES_MAX),
    }));
    rotations.#links.push(...links);
    return rotations;
  }
}

/** What a step does to the keys that replicas seal with; see `ApplyResult`. */
export function keysAfter(
  rotation: { readonly record: Pick<RotationRecord, 'step'> } | undefined,
): { readonly rekeys: boolean; readonly isSeedNew: boolean } {
  const { step } = rotation?.record ?? {};
  const isSeedNew = step?.target === 'seed' && step.step !== 'prepare';
  return { rekeys: step?.target === 'sealing' || isSeedNew, isSeedNew };
}

/** How many certificates a step brings. */
export function certificateCountOf(step: RotationStep): number {
  if (step.target !== 'root' && step.target !== 'mesh-ca') return 0;
  if (step.step === 'prepare') return step.target === 'root' ? 2 : 1;
  // A new root signs the mesh CA anew.
  return step.step === 'activate' && step.target === 'root' ? 1 : 0;
}

/** The phase in which a step may be taken. */
export function phaseFor(step: 'prepare' | 'activate' | 'retire'): CaState['phase'] {
  return step === 'prepare' ? 'idle' : step === 'activate' ? 'prepared' : 'activated';
}

function stepped(
  before: CaState,
  step: 'prepare' | 'activate' | 'retire',
  sinceIndex: number,
  inUse: Uint8Array,
  made: Uint8Array | undefined,
): CaState {
  assert(before.phase === phaseFor(step), 'steps of a rotation come in their order');
  const at = { ...before, sinceIndex };
  switch (step) {
    case 'prepare':
      return { ...at, phase: 'prepared', newest: before.newest + 1, beside: made };
    case 'activate': {
      const { newest: active, beside: certificate } = before;
      return { ...at, phase: 'activated', active, certificate, beside: inUse };
    }
    case 'retire':
      return { ...at, phase: 'idle', beside: undefined };
    default:
      return step satisfies never;
  }
}

function writeRecord(writer: CanonicalWriter, record: RotationRecord): void {
  writer.u64(record.number).text(rotationText(record.step)).u64(record.version);
  writeHex(writer, record.transition);
  writer.list(record.approvals, writeApproval).u64(record.timeMs).u64(record.index);
}

function readRecord(reader: CanonicalReader): RotationRecord {
  return {
    number: reader.u64(),
    step: readStep(reader),
    version: reader.u64(),
    transition: sha256Hex(readHex(reader, 32)),
    approvals: reader.list(APPROVALS_MAX, readApproval),
    timeMs: unixMillis(reader.u64()),
    index: reader.u64(),
  };
}

/** Reads a step's text. */
export function readStep(reader: CanonicalReader): RotationStep {
  const step = rotationOfText(reader.text(ROTATION_TEXT_BYTES_MAX));
  if (step === undefined) throw badValue('another step of a rotation');
  return step;
}

function writeCa(writer: CanonicalWriter, ca: CaState): void {
  writer.u8(PHASES.indexOf(ca.phase)).u64(ca.newest).u64(ca.active);
  for (const bytes of [ca.certificate, ca.beside]) {
    writer.optional(bytes, (to, der) => to.bytes(der));
  }
  writer.u64(ca.sinceIndex);
}

function readCa(reader: CanonicalReader): CaState {
  const phase = PHASES[reader.u8()];
  if (phase === undefined) throw badValue('another phase of a rotation');
  const certificate = (from: CanonicalReader) => from.bytes(limits.CERTIFICATE_BYTES_MAX);
  const [newest, active] = [reader.u64(), reader.u64()];
  const ca: CaState = {
    phase,
    newest,
    active,
    certificate: reader.optional(certificate),
    beside: reader.optional(certificate),
    sinceIndex: reader.u64(),
  };
  const hasBoth = (phase === 'idle') === (ca.beside === undefined);
  if (active > newest || !hasBoth) throw badValue('a CA in no phase of its rotation');
  return ca;
}
