/** Reads a launch request from outside into a checked value. */
import { isAbsolute } from 'node:path';
import { SNP_PRODUCTS, type SnpProduct } from '@witan/attestation';
import { TeeSimError } from '../errors.ts';
import { SNP_COLLATERAL, TDX_COLLATERAL } from '../hardware/collateral.ts';
import { decodeFields, type FieldTable } from '../hardware/field-table.ts';
import type { HardwarePlan } from '../hardware/guest-hardware.ts';
import { SNP_OVERRIDES } from '../hardware/snp-overrides.ts';
import { TDX_OVERRIDES } from '../hardware/tdx-overrides.ts';
import type { TsmFaults } from '../hardware/tsm-tree.ts';
import { PROGRAMS, type ProgramSpec } from '../programs.ts';
import { CONTROL_LIMITS } from '../wire/control.ts';
import type { FieldReader } from '../wire/fields.ts';

/** A launch that may be carried out. */
export interface LaunchRequest {
  readonly program: ProgramSpec;
  readonly initdata: Uint8Array;
  readonly args: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  readonly cwd: string | undefined;
  readonly chip: string;
  readonly vcpus: number;
  readonly hardware: HardwarePlan;
  readonly faults: TsmFaults;
  readonly stdoutPath: string | undefined;
  readonly stderrPath: string | undefined;
  /** Kill the guest when the client that launched it disconnects. */
  readonly attached: boolean;
}

const CHIP_DEFAULT = 'chip-0';
const CHIP_NAME = /^[a-zA-Z0-9._-]{1,64}$/;
const PROGRAM_NAME = /^[a-zA-Z0-9._-]{1,64}$/;
const FILES_MAX = 1024;
const COUNT_MAX = 1_000_000;
/** Any of these would change the code that runs without changing its measurement. */
const REFUSED_ENVIRONMENT =
  /^(NODE_OPTIONS|NODE_PATH|NODE_COMPILE_CACHE.*|LD_.*|DYLD_.*|WITAN_SIM_.*|WITAN_INITDATA)$/;

/**
 * @param allowForged whether the daemon runs with `--allow-overrides`
 * @throws TeeSimError TEESIM_REQUEST_MALFORMED, TEESIM_PROGRAM_UNKNOWN, TEESIM_ENV_REFUSED or
 *   TEESIM_OVERRIDE_REFUSED
 */
export function readLaunchRequest(reader: FieldReader, allowForged: boolean): LaunchRequest {
  const request: LaunchRequest = {
    program: readProgram(reader),
    initdata: reader.bytes('initdata', CONTROL_LIMITS.initdataBytesMax),
    args: reader.optional('args', (r, name) => r.texts(name, CONTROL_LIMITS.argumentsMax)) ?? [],
    env: reader.optional('env', readEnvironment) ?? {},
    cwd: reader.optional('cwd', absolutePath),
    chip: reader.optional('chip', chipName) ?? CHIP_DEFAULT,
    vcpus: readVcpus(reader),
    hardware: readHardware(reader, allowForged),
    faults: reader.optional('faults', readFaults) ?? {},
    stdoutPath: reader.optional('stdoutPath', absolutePath),
    stderrPath: reader.optional('stderrPath', absolutePath),
    attached: reader.optional('attached', (r, name) => r.boolean(name)) ?? false,
  };
  reader.end();
  return request;
}

function readHardware(reader: FieldReader, allowForged: boolean): HardwarePlan {
  const fields = <Values extends object>(
    name: string,
    table: FieldTable<Values>,
  ): Values | undefined =>
    reader.optional(name, (r) => decodeFields(table, r.object(name), allowForged));
  if (readTee(reader) === 'tdx') {
    return {
      tee: 'tdx',
      overrides: fields('overrides', TDX_OVERRIDES) ?? {},
      collateral: fields('collateral', TDX_COLLATERAL) ?? {},
      withoutLocalMeasurements:
        reader.optional('withoutLocalMeasurements', (r, name) => r.boolean(name)) ?? false,
    };
  }
  const product = readProduct(reader);
  return {
    tee: 'snp',
    ...(product === undefined ? {} : { product }),
    overrides: fields('overrides', SNP_OVERRIDES) ?? {},
    collateral: fields('collateral', SNP_COLLATERAL) ?? {},
  };
}

/**
 * What a guest runs in; SEV-SNP where nothing is said.
 *
 * @throws TeeSimError TEESIM_REQUEST_MALFORMED
 */
export function readTee(reader: FieldReader): 'snp' | 'tdx' {
  const tee = reader.optional('tee', (r, name) => r.text(name, 16)) ?? 'snp';
  if (tee === 'snp' || tee === 'tdx') return tee;
  throw malformed('tee', 'snp or tdx');
}

/** @throws TeeSimError TEESIM_REQUEST_MALFORMED */
export function readProduct(reader: FieldReader): SnpProduct | undefined {
  return reader.optional('product', (r, name) => {
    const text = r.text(name, 16);
    const product = SNP_PRODUCTS.find((known) => known === text);
    if (product === undefined) throw malformed(name, SNP_PRODUCTS.join(', '));
    return product;
  });
}

/** @throws TeeSimError TEESIM_REQUEST_MALFORMED */
export function readVcpus(reader: FieldReader): number {
  return reader.optional('vcpus', (r, n) => r.integer(n, 1, CONTROL_LIMITS.vcpusMax)) ?? 1;
}

/**
 * A name from the table, or `{name, entry, files, root?}`.
 *
 * @throws TeeSimError TEESIM_REQUEST_MALFORMED or TEESIM_PROGRAM_UNKNOWN
 */
export function readProgram(reader: FieldReader): ProgramSpec {
  if (typeof reader.raw('program') === 'string') {
    const name = reader.text('program', 64);
    const known = PROGRAMS.find((program) => program.name === name);
    if (known !== undefined) return known;
    throw new TeeSimError('TEESIM_PROGRAM_UNKNOWN', 'there is no program with that name', {
      fields: { expected: PROGRAMS.map((program) => program.name).join(', '), found: name },
    });
  }
  const own = reader.object('program');
  const name = own.text('name', 64);
  if (!PROGRAM_NAME.test(name)) throw malformed('program.name', 'letters, digits, . _ -');
  const root = own.optional('root', absolutePath);
  const spec: ProgramSpec = {
    name,
    entry: own.text('entry'),
    files: own.texts('files', FILES_MAX),
    ...(root === undefined ? {} : { root }),
  };
  own.end();
  return spec;
}

function readEnvironment(reader: FieldReader, field: string): Readonly<Record<string, string>> {
  const variables = reader.object(field);
  const names = variables.names();
  if (names.length > CONTROL_LIMITS.environmentMax) {
    throw malformed(field, `at most ${CONTROL_LIMITS.environmentMax} variables`);
  }
  const env: Record<string, string> = {};
  for (const name of names) {
    if (REFUSED_ENVIRONMENT.test(name)) {
      throw new TeeSimError('TEESIM_ENV_REFUSED', 'the variable would escape the measurement', {
        fields: { variable: name },
      });
    }
    if (!/^[A-Za-z_][A-Za-z0-9_]{0,127}$/.test(name)) throw malformed(field, 'variable names');
    env[name] = variables.text(name, 32 * 1024);
  }
  return env;
}

function readFaults(reader: FieldReader, field: string): TsmFaults {
  const faults = reader.object(field);
  const count = (name: keyof TsmFaults): number =>
    faults.optional(name, (r, n) => r.integer(n, 0, COUNT_MAX)) ?? 0;
  const read: TsmFaults = {
    inblobLostCount: count('inblobLostCount'),
    outblobBusyCount: count('outblobBusyCount'),
    outblobInterruptedCount: count('outblobInterruptedCount'),
    intruderCount: count('intruderCount'),
    noProvider: faults.optional('noProvider', (r, n) => r.boolean(n)) ?? false,
  };
  faults.end();
  return read;
}

function absolutePath(reader: FieldReader, field: string): string {
  const path = reader.text(field);
  if (!isAbsolute(path)) throw malformed(field, 'an absolute path');
  return path;
}

function chipName(reader: FieldReader, field: string): string {
  const chip = reader.text(field, 64);
  if (!CHIP_NAME.test(chip)) throw malformed(field, 'letters, digits, . _ -');
  return chip;
}

function malformed(field: string, expected: string): TeeSimError {
  return new TeeSimError('TEESIM_REQUEST_MALFORMED', 'the request has a bad field', {
    fields: { field, expected },
  });
}
