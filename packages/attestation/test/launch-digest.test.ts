import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { cpuSignature, snpFirmwareDigest, snpLaunchDigests } from '../src/index.ts';
import type { SnpLaunchPlan } from '../src/index.ts';
import { testCrypto } from '../testing/node-crypto.ts';
import { codeOf } from './support/code-of.ts';

const GUIDS = {
  footer: 'de82b596b21ff745baeaa366c55a082d',
  hashTable: '1f3755723b3a044b927b1da6efa8d454',
  resetBlock: 'de71f7007e1acb4f890e68c77e2fb44e',
  metadata: '666588dc4a989847a75e5585a7bf67cc',
};
const METADATA_FROM_END = 1024;

interface ImagePlan {
  readonly sections?: readonly (readonly [gpa: number, byteLength: number, type: number])[];
  readonly hashTableGpa?: number;
  readonly resetEip?: number;
  readonly version?: number;
}

/** A firmware image of two pages with a GUID table and metadata. */
function image(plan: ImagePlan = {}): Uint8Array {
  const bytes = Buffer.alloc(8192, 0xcc);
  const sections = plan.sections ?? [
    [0x800000, 0x2000, 1],
    [0x80d000, 0x1000, 2],
    [0x80e000, 0x1000, 3],
    [0x80f000, 0x1000, 4],
    [0x810000, 0x1000, 0x10],
  ];
  const metadata = bytes.length - METADATA_FROM_END;
  bytes.write('ASEV', metadata);
  bytes.writeUInt32LE(16 + 12 * sections.length, metadata + 4);
  bytes.writeUInt32LE(plan.version ?? 1, metadata + 8);
  bytes.writeUInt32LE(sections.length, metadata + 12);
  for (const [index, section] of sections.entries()) {
    for (const [field, value] of section.entries()) {
      bytes.writeUInt32LE(value, metadata + 16 + 12 * index + 4 * field);
    }
  }
  const entries: readonly (readonly [guid: string, values: readonly number[]])[] = [
    [GUIDS.metadata, [METADATA_FROM_END]],
    [GUIDS.hashTable, [plan.hashTableGpa ?? 0x810c00, 0x400]],
    [GUIDS.resetBlock, [plan.resetEip ?? 0x80b004]],
  ];
  let end = bytes.length - 32 - 18;
  for (const [guid, values] of entries) {
    const length = 18 + 4 * values.length;
    bytes.write(guid, end - 16, 'hex');
    bytes.writeUInt16LE(length, end - 18);
    for (const [index, value] of values.entries()) {
      bytes.writeUInt32LE(value, end - length + 4 * index);
    }
    end -= length;
  }
  bytes.write(GUIDS.footer, bytes.length - 48, 'hex');
  bytes.writeUInt16LE(bytes.length - 32 - end, bytes.length - 50);
  return new Uint8Array(bytes);
}

const plan: SnpLaunchPlan = {
  firmware: image(),
  boot: { kernel: Uint8Array.of(1), initrd: Uint8Array.of(2), commandLine: 'quiet' },
  vmms: ['qemu'],
  vcpuCounts: [1],
  vcpuSignatures: [cpuSignature(25, 1, 1)],
  guestFeatures: [1n],
};
const digestsOf = (changes: Partial<SnpLaunchPlan> = {}): readonly string[] =>
  snpLaunchDigests({ ...plan, ...changes }, testCrypto).map(({ digest }) => digest);
const refusal = (changes: Partial<SnpLaunchPlan>): string => codeOf(() => digestsOf(changes));

describe('launch digests', () => {
  it('name each combination once and differ by each part', () => {
    const launches = snpLaunchDigests(
      {
        ...plan,
        vmms: ['qemu', 'gce', 'ec2'],
        vcpuCounts: [1, 4, 2],
        vcpuSignatures: [0x800f12, 0xa00f11],
        guestFeatures: [0x1n, 0x21n],
      },
      testCrypto,
    );
    expect(launches).toHaveLength(3 * 3 * 2 * 2);
    const ofQemu = launches.filter(({ vmm }) => vmm === 'qemu');
    expect(new Set(ofQemu.map(({ digest }) => digest)).size).toBe(ofQemu.length);
    expect(launches.slice(0, 3).map(({ vcpuCount }) => vcpuCount)).toEqual([1, 4, 2]);
    // EC2 and GCE do not tell the guest the processor's signature.
    expect(new Set(launches.map(({ digest }) => digest)).size).toBe(12 + 6 + 6);
  });

  it.each<[string, Partial<SnpLaunchPlan>]>([
    ['kernel', { boot: { ...plan.boot, kernel: Uint8Array.of(9) } }],
    ['initrd', { boot: { kernel: Uint8Array.of(1), commandLine: 'quiet' } }],
    ['command line', { boot: { ...plan.boot, kernel: Uint8Array.of(1), commandLine: 'debug' } }],
    ['firmware', { firmware: image().with(0, 1) }],
    ['address of other vCPUs', { firmware: image({ resetEip: 0 }) }],
  ])('change with the %s', (_, changes) => {
    const both = { vcpuCounts: [2] };
    expect(digestsOf({ ...changes, ...both })).not.toEqual(digestsOf(both));
  });

  it('are the same without initrd and with an empty one', () => {
    const boot = { kernel: Uint8Array.of(1) };
    expect(digestsOf({ boot })).toEqual(
      digestsOf({ boot: { ...boot, initrd: new Uint8Array(), commandLine: '' } }),
    );
  });

  it('can start from the digest of the image, with only its end at hand', () => {
    const firmwareDigest = snpFirmwareDigest(plan.firmware, testCrypto);
    const end = plan.firmware.slice(4096);
    expect(digestsOf({ firmware: end, firmwareDigest })).toEqual(digestsOf());
    expect(digestsOf({ firmware: end })).not.toEqual(digestsOf());
  });

  it('are refused for a kernel that the firmware would not check', () => {
    expect(refusal({ firmware: image({ hashTableGpa: 0 }) })).toBe('LAUNCH_PLAN_INVALID');
    const sections = [[0x800000, 0x1000, 1]] as const;
    expect(refusal({ firmware: image({ sections }) })).toBe('LAUNCH_PLAN_INVALID');
  });

  it.each<[string, Partial<SnpLaunchPlan>]>([
    ['no vCPU', { vcpuCounts: [0] }],
    ['too many vCPUs', { vcpuCounts: [513] }],
    ['nothing to choose from', { vmms: [] }],
    ['a signature of 33 bits', { vcpuSignatures: [2 ** 32] }],
    ['features of 65 bits', { guestFeatures: [1n << 64n] }],
    ['a short firmware digest', { firmwareDigest: 'ab' }],
    ['endless work', { vcpuCounts: [512], guestFeatures: Array.from({ length: 200 }, () => 1n) }],
  ])('are refused for %s', (_, changes) => {
    expect(refusal(changes)).toBe('LAUNCH_PLAN_INVALID');
  });

  it.each<[string, Uint8Array]>([
    ['is empty', new Uint8Array()],
    ['has no whole pages', image().slice(1)],
    ['has no table', new Uint8Array(4096)],
    ['has metadata of another version', image({ version: 2 })],
    [
      'has a section of unknown type',
      image({
        sections: [
          [0, 4096, 99],
          [4096, 4096, 0x10],
        ],
      }),
    ],
    ['has a section that is not of whole pages', image({ sections: [[0, 4095, 1]] })],
    ['has sections of gigabytes', image({ sections: [[0, 0xfffff000, 1]] })],
    ['has kernel hashes across a page', image({ hashTableGpa: 0x810ff0 })],
  ])('are refused for a firmware that %s', (_, firmware) => {
    expect(refusal({ firmware })).toBe('LAUNCH_FIRMWARE_MALFORMED');
  });

  it('are refused, with a code, for any damage of table and metadata (I10)', () => {
    const healthy = image();
    fc.assert(
      fc.property(fc.integer({ min: 7168, max: 8191 }), fc.nat(255), (at, value) => {
        expect(refusal({ firmware: healthy.with(at, value) })).toMatch(/^(accepted|LAUNCH_)/);
      }),
    );
  });
});

describe('a CPUID signature', () => {
  it.each([
    [23, 1, 2, 0x800f12],
    [23, 49, 0, 0x830f10],
    [25, 1, 1, 0xa00f11],
    [25, 17, 0, 0xa10f10],
  ])('of family %i, model %i, stepping %i is as published', (family, model, stepping, expected) => {
    expect(cpuSignature(family, model, stepping)).toBe(expected);
  });
});
