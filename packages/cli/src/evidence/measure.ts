/**
 * `witan evidence measure`: what the launch digest of a guest will be, from the files that it is
 * launched with, so that owners can make reference values themselves. One image has many digests;
 * all combinations of what is given are calculated.
 */
import {
  CPU_SIGNATURES,
  cpuSignature,
  parseReferenceValues,
  snpLaunchDigests,
  type DirectBoot,
  type SnpLaunchDigest,
  type VmmKind,
} from '@witan/attestation';
import { CodedError, fromUtf8, utf8 } from '@witan/core';
import { nodeCrypto } from '@witan/keys';
import type { CommandContext } from '../context.ts';
import { CliError } from '../errors.ts';
import { refuseExisting, writeOutput } from '../files.ts';
import { table, type Json } from '../printer.ts';
import { readBounded } from './input.ts';
import { isJsonObject } from './json-bytes.ts';

/** Options of the command, as commander gives them. */
export interface MeasureOptions {
  readonly firmware: string;
  readonly firmwareDigest?: string;
  readonly kernel?: string;
  readonly initrd?: string;
  readonly append?: string;
  readonly vcpus: string;
  readonly vcpuType?: string;
  readonly vmm: string;
  readonly guestFeatures: string;
  readonly into?: string;
  readonly out?: string;
}

const MIB: number = 1024 * 1024;
/** Firmware lies below 4 GiB; real images have up to 16 MiB. */
const FIRMWARE_BYTES_MAX: number = 64 * MIB;
/** The whole file is held in memory while it is hashed. */
const BOOT_BYTES_MAX: number = 1024 * MIB;
const VALUES_BYTES_MAX: number = MIB;
const VMMS: readonly VmmKind[] = ['qemu', 'ec2', 'gce'];
const DEFAULT_TYPE = 'EPYC-v4';
const SHA384_HEX = /^[0-9a-f]{96}$/;

/**
 * @throws AttestationError LAUNCH_PLAN_INVALID, LAUNCH_FIRMWARE_MALFORMED; CliError CLI_USAGE,
 *   CLI_FILE_UNREADABLE, CLI_FILE_EXISTS, CLI_FILE_NOT_WRITTEN, CLI_REFERENCE_VALUES_INVALID
 */
export async function measureLaunch(
  { printer }: CommandContext,
  options: MeasureOptions,
): Promise<void> {
  const { out } = options;
  if (out !== undefined) await refuseExisting([out]);
  const launches = await launchesOf(options);
  const measurement = [...new Set(launches.map(({ digest }) => digest))];
  const values = await valuesWith(options.into, measurement);
  const content = `${JSON.stringify(values, null, 2)}\n`;
  if (out !== undefined) await writeOutput({ path: out, content: utf8(content) });
  const rows = launches.map((launch) => [
    launch.vmm,
    `${launch.vcpuCount} vCPU`,
    `signature 0x${launch.vcpuSignature.toString(16)}`,
    `features 0x${launch.guestFeatures.toString(16)}`,
    launch.digest,
  ]);
  const written =
    out === undefined ? `\nReference values:\n${content}` : `\nReference values written: ${out}\n`;
  const ec2 = launches.some(({ vmm, vcpuCount }) => vmm === 'ec2' && vcpuCount > 1);
  const note = ec2
    ? '\nEC2 with more than one vCPU: no published digest confirms the further vCPUs.\n'
    : '';
  printer.result(
    {
      ok: true,
      launches: launches.map(launchToJson),
      referenceValues: values,
      unconfirmed: ec2 ? ['ec2 with more than one vCPU'] : [],
      ...(out === undefined ? {} : { out }),
    },
    `${table(rows)}${note}${written}`,
  );
}

async function launchesOf(options: MeasureOptions): Promise<readonly SnpLaunchDigest[]> {
  const { firmwareDigest, kernel, initrd, append } = options;
  if (firmwareDigest !== undefined && !SHA384_HEX.test(firmwareDigest)) {
    throw wrong(
      '--firmware-digest',
      '48 bytes as lower-case hex',
      `${firmwareDigest.length} signs`,
    );
  }
  if (kernel === undefined && (initrd !== undefined || append !== undefined)) {
    throw wrong('--kernel', 'the kernel that --initrd and --append belong to', 'none');
  }
  const boot = kernel === undefined ? undefined : await readBoot(kernel, initrd, append);
  return snpLaunchDigests(
    {
      firmware: await readBounded({ path: options.firmware, what: 'firmware' }, FIRMWARE_BYTES_MAX),
      ...(firmwareDigest === undefined ? {} : { firmwareDigest }),
      ...(boot === undefined ? {} : { boot }),
      vmms: listOf('--vmm', options.vmm, vmmOf),
      vcpuCounts: listOf('--vcpus', options.vcpus, countOf),
      vcpuSignatures: listOf('--vcpu-type', options.vcpuType ?? DEFAULT_TYPE, signatureOf),
      guestFeatures: listOf('--guest-features', options.guestFeatures, featuresOf),
    },
    nodeCrypto,
  );
}

async function readBoot(
  kernel: string,
  initrd: string | undefined,
  commandLine: string | undefined,
): Promise<DirectBoot> {
  return {
    kernel: await readBounded({ path: kernel, what: 'kernel' }, BOOT_BYTES_MAX),
    ...(initrd === undefined
      ? {}
      : { initrd: await readBounded({ path: initrd, what: 'initrd' }, BOOT_BYTES_MAX) }),
    ...(commandLine === undefined ? {} : { commandLine }),
  };
}

function listOf<Item>(
  option: string,
  text: string,
  read: (item: string) => Item | undefined,
): readonly Item[] {
  const items = text.split(',').map((item) => item.trim());
  return items.map((item) => {
    const value = read(item);
    if (value !== undefined) return value;
    throw wrong(option, EXPECTED[option] ?? 'another value', item.slice(0, 80));
  });
}

const EXPECTED: Readonly<Record<string, string>> = {
  '--vmm': VMMS.join(' or '),
  '--vcpus': 'numbers such as 1,2,4',
  '--vcpu-type': `${Object.keys(CPU_SIGNATURES).join(', ')} or 0x and the CPUID signature or F/M/S`,
  '--guest-features': 'SEV_FEATURES as 0x and hex digits',
};

function vmmOf(item: string): VmmKind | undefined {
  return VMMS.find((kind) => kind === item);
}

function countOf(item: string): number | undefined {
  return /^[1-9][0-9]{0,3}$/.test(item) ? Number(item) : undefined;
}

/** QEMU's name with or without its version, a signature, or family/model/stepping. */
function signatureOf(item: string): number | undefined {
  const name = item.replace(/-v[0-9]+$/, '');
  const named = Object.entries<number>(CPU_SIGNATURES).find(([known]) => known === name);
  if (named !== undefined) return named[1];
  if (/^0x[0-9a-fA-F]{1,8}$/.test(item)) return Number(item);
  const parts = /^(\d{1,3})\/(\d{1,3})\/(\d{1,2})$/.exec(item)?.slice(1).map(Number);
  if (parts === undefined) return undefined;
  const [family = 0, model = 0, stepping = 0] = parts;
  const fits = family <= 255 + 15 && model <= 255 && stepping <= 15;
  return fits ? cpuSignature(family, model, stepping) : undefined;
}

function featuresOf(item: string): bigint | undefined {
  return /^0x[0-9a-fA-F]{1,16}$/.test(item) ? BigInt(item) : undefined;
}

/** The measurement alone, or in the place of the one that the given reference values have. */
async function valuesWith(
  into: string | undefined,
  measurement: readonly string[],
): Promise<{ readonly [name: string]: Json }> {
  if (into === undefined) return { tee: 'snp', measurement };
  const bytes = await readBounded({ path: into, what: 'reference values' }, VALUES_BYTES_MAX);
  let value: unknown;
  try {
    value = JSON.parse(fromUtf8(bytes));
  } catch (cause) {
    const options = { fields: { path: into, expected: 'JSON' }, cause };
    throw new CliError('CLI_REFERENCE_VALUES_INVALID', 'reference values are not JSON', options);
  }
  if (!isJsonObject(value)) throw notValues({ path: into, expected: 'one object' });
  const changed = { ...value, measurement };
  try {
    parseReferenceValues(changed, '');
  } catch (cause) {
    if (!(cause instanceof CodedError)) throw cause;
    throw notValues(cause.fields, cause);
  }
  return changed;
}

function notValues(fields: CliError['fields'], cause?: unknown): CliError {
  const options = cause === undefined ? { fields } : { fields, cause };
  return new CliError('CLI_REFERENCE_VALUES_INVALID', 'reference values are not valid', options);
}

function launchToJson(launch: SnpLaunchDigest): Json {
  const { digest, vmm, vcpuCount, vcpuSignature, guestFeatures } = launch;
  return {
    digest,
    vmm,
    vcpuCount,
    vcpuSignature: `0x${vcpuSignature.toString(16)}`,
    guestFeatures: `0x${guestFeatures.toString(16)}`,
  };
}

function wrong(option: string, expected: string, found: string): CliError {
  const fields = { option, expected, found };
  return new CliError('CLI_USAGE', 'an option is wrong; see --help', { fields });
}
