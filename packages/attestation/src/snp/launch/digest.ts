/**
 * Launch digests: what the MEASUREMENT of a guest will be, from what it is launched with (AMD
 * SEV-SNP firmware ABI, SNP_LAUNCH_UPDATE and PAGE_INFO).
 *
 * One image has many digests, one for each number and kind of vCPUs, set of features and virtual
 * machine monitor. All of them are explicit here, and the result is a set.
 */
import { fromHex, toHex, type Crypto } from '@witan/core';
import { AttestationError } from '../../errors.ts';
import {
  PAGE_BYTES,
  SECTION_TYPE,
  parseFirmware,
  type FirmwareImage,
  type FirmwareSection,
} from './firmware.ts';
import { kernelHashesPage, type DirectBoot } from './kernel-hashes.ts';
import { BOOT_EIP, vmsaPage, type VmmKind } from './vmsa.ts';

/** Everything on which launch digests depend. Each list holds the values that may occur. */
export interface SnpLaunchPlan {
  /** The whole firmware image, or with `firmwareDigest` at least its end. */
  readonly firmware: Uint8Array;
  /** The digest after the pages of the image, hex, where only the end of it is at hand. */
  readonly firmwareDigest?: string;
  /** What the firmware boots directly; left out where it boots from a disk. */
  readonly boot?: DirectBoot;
  readonly vmms: readonly VmmKind[];
  /** Numbers of vCPUs, each from 1 to 512. */
  readonly vcpuCounts: readonly number[];
  /** CPUID signatures; see `cpuSignature`. */
  readonly vcpuSignatures: readonly number[];
  /** SEV_FEATURES: 0x1 for SEV-SNP alone. */
  readonly guestFeatures: readonly bigint[];
}

/** One way to launch, and its digest. */
export interface SnpLaunchDigest {
  /** 48 bytes in lower-case hex. */
  readonly digest: string;
  readonly vmm: VmmKind;
  readonly vcpuCount: number;
  readonly vcpuSignature: number;
  readonly guestFeatures: bigint;
}

const PAGE_TYPE = { normal: 1, vmsa: 2, zero: 3, unmeasured: 4, secrets: 5, cpuid: 6 } as const;
const DIGEST_BYTES = 48;
const PAGE_INFO_BYTES = 0x70;
const VMSA_GPA = 0xffff_ffff_f000n;
const FOUR_GIB = 0x1_0000_0000;
const ZERO_DIGEST = new Uint8Array(DIGEST_BYTES);
const VCPUS_MAX = 512;
/** vCPU pages of all combinations together, which bounds the work. */
const VCPU_PAGES_MAX = 100_000;

/** Product, model and stepping as CPUID Fn0000_0001 EAX has them. */
export function cpuSignature(family: number, model: number, stepping: number): number {
  const [low, extended] = family > 0xf ? [0xf, family - 0xf] : [family, 0];
  return (
    (extended << 20) | ((model >> 4) << 16) | (low << 8) | ((model & 0xf) << 4) | (stepping & 0xf)
  );
}

/** Signatures of the processor models that QEMU names so. */
export const CPU_SIGNATURES: Readonly<
  Record<'EPYC' | 'EPYC-Rome' | 'EPYC-Milan' | 'EPYC-Genoa', number>
> = {
  EPYC: cpuSignature(23, 1, 2),
  'EPYC-Rome': cpuSignature(23, 49, 0),
  'EPYC-Milan': cpuSignature(25, 1, 1),
  'EPYC-Genoa': cpuSignature(25, 17, 0),
};

/**
 * Calculates the digests of all combinations of the plan's lists.
 *
 * @throws AttestationError LAUNCH_PLAN_INVALID or LAUNCH_FIRMWARE_MALFORMED
 */
export function snpLaunchDigests(plan: SnpLaunchPlan, crypto: Crypto): readonly SnpLaunchDigest[] {
  checkPlan(plan);
  const { firmwareDigest: seed, boot, vcpuCounts, vcpuSignatures, guestFeatures } = plan;
  const firmware = parseFirmware(plan.firmware);
  const image = seed === undefined ? extendImage(firmware, crypto) : fromHex(seed);
  const kinds = vcpuSignatures.flatMap((vcpuSignature) =>
    guestFeatures.map((features) => ({ vcpuSignature, guestFeatures: features })),
  );
  return plan.vmms.flatMap((vmm) => {
    const memory = extendSections(image, firmware, boot, vmm, crypto);
    return kinds.flatMap((kind) =>
      extendVcpus(memory, firmware, { vmm, ...kind }, vcpuCounts, crypto),
    );
  });
}

/** The digest after the pages of an image, which `SnpLaunchPlan.firmwareDigest` stands for. */
export function snpFirmwareDigest(firmware: Uint8Array, crypto: Crypto): string {
  return toHex(extendImage(parseFirmware(firmware), crypto));
}

/** The image lies right below 4 GiB. */
function extendImage({ bytes }: FirmwareImage, crypto: Crypto): Uint8Array {
  const start = FOUR_GIB - bytes.byteLength;
  const digest = new LaunchDigest(ZERO_DIGEST, crypto);
  for (let at = 0; at < bytes.byteLength; at += PAGE_BYTES) {
    digest.page(PAGE_TYPE.normal, BigInt(start + at), bytes.subarray(at, at + PAGE_BYTES));
  }
  return digest.value;
}

function extendSections(
  image: Uint8Array,
  { sections, hashTableGpa }: FirmwareImage,
  boot: DirectBoot | undefined,
  vmm: VmmKind,
  crypto: Crypto,
): Uint8Array {
  const isCpuid = ({ type }: FirmwareSection): boolean => type === SECTION_TYPE.cpuid;
  const digest = new LaunchDigest(image, crypto);
  const hashes =
    boot === undefined || hashTableGpa === undefined
      ? undefined
      : kernelHashesPage(boot, hashTableGpa, crypto);
  const takesHashes = sections.some(({ type }) => type === SECTION_TYPE.kernelHashes);
  if (boot !== undefined && (hashes === undefined || !takesHashes)) {
    // The firmware would boot any kernel: its digest says nothing about this one.
    throw new AttestationError('LAUNCH_PLAN_INVALID', {
      expected: 'a firmware that checks kernel hashes',
    });
  }
  // EC2 adds the CPUID page last.
  const ordered =
    vmm === 'ec2'
      ? [...sections.filter((section) => !isCpuid(section)), ...sections.filter(isCpuid)]
      : sections;
  for (const section of ordered) extendSection(digest, section, hashes, vmm);
  return digest.value;
}

function extendSection(
  digest: LaunchDigest,
  { gpa, byteLength, type }: FirmwareSection,
  hashes: Uint8Array | undefined,
  vmm: VmmKind,
): void {
  switch (type) {
    case SECTION_TYPE.secMemory: {
      digest.range(vmm === 'gce' ? PAGE_TYPE.unmeasured : PAGE_TYPE.zero, gpa, byteLength);
      return;
    }
    case SECTION_TYPE.svsmCallingArea: {
      digest.range(PAGE_TYPE.zero, gpa, byteLength);
      return;
    }
    case SECTION_TYPE.secrets:
    case SECTION_TYPE.cpuid: {
      const pageType = type === SECTION_TYPE.secrets ? PAGE_TYPE.secrets : PAGE_TYPE.cpuid;
      digest.page(pageType, BigInt(gpa));
      return;
    }
    case SECTION_TYPE.kernelHashes: {
      if (hashes === undefined) digest.range(PAGE_TYPE.zero, gpa, byteLength);
      else digest.page(PAGE_TYPE.normal, BigInt(gpa), hashes);
      return;
    }
    default:
      throw new AttestationError('LAUNCH_FIRMWARE_MALFORMED', {
        expected: 'a known type of section',
        found: type,
      });
  }
}

/** The digests of all counts, each built on the one of fewer vCPUs. */
function extendVcpus(
  memory: Uint8Array,
  { resetEip }: FirmwareImage,
  kind: Omit<SnpLaunchDigest, 'digest' | 'vcpuCount'>,
  counts: readonly number[],
  crypto: Crypto,
): readonly SnpLaunchDigest[] {
  const most = Math.max(...counts);
  if (most > 1 && resetEip === undefined) {
    throw new AttestationError('LAUNCH_FIRMWARE_MALFORMED', { expected: 'an SEV-ES reset block' });
  }
  const digest = new LaunchDigest(memory, crypto);
  const boot = crypto.hash('sha384', vmsaPage({ ...kind, eip: BOOT_EIP }));
  const other = crypto.hash('sha384', vmsaPage({ ...kind, eip: resetEip ?? 0 }));
  const after: string[] = [];
  for (let vcpu = 0; vcpu < most; vcpu += 1) {
    digest.hashed(PAGE_TYPE.vmsa, VMSA_GPA, vcpu === 0 ? boot : other);
    after.push(toHex(digest.value));
  }
  return counts.map((vcpuCount) => ({ digest: after[vcpuCount - 1] ?? '', ...kind, vcpuCount }));
}

/** A digest in the making: every page goes into it together with the digest so far. */
class LaunchDigest {
  #value: Uint8Array;
  readonly #crypto: Crypto;

  constructor(value: Uint8Array, crypto: Crypto) {
    this.#value = value;
    this.#crypto = crypto;
  }

  get value(): Uint8Array {
    return this.#value;
  }

  page(type: number, gpa: bigint, contents?: Uint8Array): void {
    const hash = contents === undefined ? ZERO_DIGEST : this.#crypto.hash('sha384', contents);
    this.hashed(type, gpa, hash);
  }

  /** Pages whose contents are not measured, or are zeros by their type. */
  range(type: number, gpa: number, byteLength: number): void {
    for (let at = 0; at < byteLength; at += PAGE_BYTES) this.page(type, BigInt(gpa + at));
  }

  hashed(type: number, gpa: bigint, contentsHash: Uint8Array): void {
    const info = new Uint8Array(PAGE_INFO_BYTES);
    info.set(this.#value);
    info.set(contentsHash, DIGEST_BYTES);
    const view = new DataView(info.buffer);
    view.setUint16(0x60, PAGE_INFO_BYTES, true);
    view.setUint8(0x62, type);
    view.setBigUint64(0x68, gpa, true);
    this.#value = this.#crypto.hash('sha384', info);
  }
}

function checkPlan(plan: SnpLaunchPlan): void {
  const { firmwareDigest, vcpuCounts, vcpuSignatures, guestFeatures, vmms } = plan;
  const demand = (good: boolean, expected: string): void => {
    if (!good) throw new AttestationError('LAUNCH_PLAN_INVALID', { expected });
  };
  const whole = (value: number, min: number, max: number): boolean =>
    Number.isInteger(value) && value >= min && value <= max;
  demand(
    firmwareDigest === undefined || /^[0-9a-f]{96}$/.test(firmwareDigest),
    'a firmware digest of 48 bytes in lower-case hex',
  );
  demand(
    [vcpuCounts, vcpuSignatures, guestFeatures, vmms].every(({ length }) => length > 0),
    'at least one value in each list',
  );
  demand(
    vcpuCounts.every((count) => whole(count, 1, VCPUS_MAX)),
    `1 to ${VCPUS_MAX} vCPUs`,
  );
  demand(
    vcpuSignatures.every((signature) => whole(signature, 0, 0xffff_ffff)),
    'CPUID signatures of 32 bits',
  );
  demand(
    guestFeatures.every((features) => features >= 0n && features < 1n << 64n),
    'SEV_FEATURES of 64 bits',
  );
  const combinations = vmms.length * vcpuSignatures.length * guestFeatures.length;
  demand(
    combinations * Math.max(...vcpuCounts) <= VCPU_PAGES_MAX && vcpuCounts.length <= VCPUS_MAX,
    `at most ${VCPU_PAGES_MAX} vCPU pages`,
  );
}
