/** A simulated guest and its evidence, made in this process, and the commands on a desk. */
import { encodeEvidence, type SnpEvidence } from '@witan/attestation';
import { toHex } from '@witan/core';
import { systemClock } from '@witan/keys';
import { inProcessEvidenceProvider, loadOrCreateHierarchy, type Hierarchy } from '@witan/tee-sim';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { addEvidence, type EvidencePorts } from '../../src/evidence/add-evidence.ts';
import { machineProvider } from '../../src/evidence/providers.ts';
import type { ExtraCommands } from '../../src/index.ts';
import { Desk, type Said } from './desk.ts';

/** Overrides of the simulated hardware; see `@witan/tee-sim`. */
export type Overrides = NonNullable<Parameters<typeof inProcessEvidenceProvider>[1]['overrides']>;

export const MEASUREMENT: Uint8Array = new Uint8Array(48).fill(0x11);
export const HOST_DATA: Uint8Array = new Uint8Array(32).fill(0x22);
export const REPORT_DATA: Uint8Array = new Uint8Array(64).fill(0x33);

const REAL_PORTS: EvidencePorts = { clock: systemClock, provider: machineProvider };

/** The evidence commands, with other ports where given, in place of those that are there. */
export function withEvidence(ports: EvidencePorts = REAL_PORTS): ExtraCommands {
  return (program, run) => {
    const groups = program.commands as unknown as { name(): string }[];
    const at = groups.findIndex((command) => command.name() === 'evidence');
    if (at !== -1) groups.splice(at, 1);
    addEvidence(program, run, ports);
  };
}

export class EvidenceScene {
  readonly desk: Desk;
  readonly hierarchy: Hierarchy;
  readonly #directory: string;

  private constructor(desk: Desk, hierarchy: Hierarchy, directory: string) {
    this.desk = desk;
    this.hierarchy = hierarchy;
    this.#directory = directory;
  }

  static async open(): Promise<EvidenceScene> {
    const directory = await mkdtemp(join(tmpdir(), 'witan-evidence-'));
    const hierarchy = loadOrCreateHierarchy(directory, 'Genoa');
    return new EvidenceScene(await Desk.open(), hierarchy, directory);
  }

  async close(): Promise<void> {
    await this.desk.close();
    await rm(this.#directory, { recursive: true });
  }

  async collect(overrides: Overrides = {}): Promise<SnpEvidence> {
    const guest = { measurement: MEASUREMENT, hostData: HOST_DATA, overrides };
    return await inProcessEvidenceProvider(this.hierarchy, guest).collect(REPORT_DATA);
  }

  /** Writes bytes and gives their path. */
  async put(name: string, bytes: Uint8Array | string): Promise<string> {
    await writeFile(this.desk.path(name), bytes);
    return this.desk.path(name);
  }

  /** Fresh evidence in Witan's encoding, as a file. */
  async encoded(name: string, overrides: Overrides = {}): Promise<string> {
    return await this.put(name, encodeEvidence(await this.collect(overrides)));
  }

  async rootFile(): Promise<string> {
    return await this.put('root.der', this.hierarchy.rootCertificate);
  }

  /** Reference values that the guest meets, with changes. */
  async values(name: string, changes: Readonly<Record<string, unknown>> = {}): Promise<string> {
    return await this.desk.write(name, {
      tee: 'snp',
      measurement: [toHex(MEASUREMENT)],
      hostData: toHex(HOST_DATA),
      products: ['Genoa'],
      minimumTcb: { bootloader: 0, tee: 0, snp: 0, microcode: 0 },
      ...changes,
    });
  }

  async witan(...argv: readonly string[]): Promise<Said> {
    return await this.desk.witan(['evidence', ...argv], withEvidence());
  }

  /** The one JSON object that a command prints. */
  async json(...argv: readonly string[]): Promise<{ readonly code: number; readonly value: Json }> {
    const { code, stdout } = await this.witan(...argv, '--json');
    return { code, value: JSON.parse(stdout) as Json };
  }
}

/** What the tests look at in the commands' JSON. */
export interface Json {
  readonly [name: string]: unknown;
  readonly checks?: readonly JsonCheck[];
  readonly entries?: readonly { readonly name: string; readonly checks: readonly JsonCheck[] }[];
  readonly fields?: readonly { readonly name: string; readonly meaning: readonly string[] }[];
}

export interface JsonCheck {
  readonly code: string;
  readonly passed: boolean;
}
