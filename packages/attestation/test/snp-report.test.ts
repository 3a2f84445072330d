import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  AttestationError,
  SNP_REPORT_BYTES,
  guestPolicyAbi,
  guestPolicyHas,
  parseSnpReport,
  platformHas,
  productOfCpuid,
  serializeSnpReport,
  tcbBytes,
  tcbParts,
  tcbPartsBelow,
  type SnpReport,
} from '../src/index.ts';
import { codeOf } from './support/code-of.ts';
import { plainReport } from '../testing/snp-hierarchy.ts';

const bytesOf = (length: number): fc.Arbitrary<Uint8Array> =>
  fc.uint8Array({ minLength: length, maxLength: length });
const byte = fc.integer({ min: 0, max: 255 });
const u32 = fc.integer({ min: 0, max: 0xffffffff });
const u64 = fc.bigInt({ min: 0n, max: (1n << 64n) - 1n });
const firmware = fc.record({ major: byte, minor: byte, build: byte });

const reports: fc.Arbitrary<SnpReport> = fc
  .record({
    version: fc.integer({ min: 2, max: 5 }),
    guestSvn: u32,
    policy: fc.bigInt({ min: 0n, max: (1n << 26n) - 1n }).map((bits) => bits | 0x20000n),
    familyId: bytesOf(16),
    imageId: bytesOf(16),
    vmpl: u32,
    signatureAlgorithm: fc.constant(1),
    currentTcb: bytesOf(8),
    platformInfo: u64,
    authorKeyEnabled: fc.boolean(),
    chipKeyMasked: fc.constant(false),
    signingKey: fc.integer({ min: 0, max: 1 }),
    reportData: bytesOf(64),
    measurement: bytesOf(48),
    hostData: bytesOf(32),
    idKeyDigest: bytesOf(48),
    authorKeyDigest: bytesOf(48),
    reportId: bytesOf(32),
    reportIdMigrationAgent: bytesOf(32),
    reportedTcb: bytesOf(8),
    cpuid: fc.record({ family: byte, model: byte, stepping: byte }),
    chipId: bytesOf(64),
    committedTcb: bytesOf(8),
    currentFirmware: firmware,
    committedFirmware: firmware,
    launchTcb: bytesOf(8),
    launchMitigations: u64,
    currentMitigations: u64,
    signature: bytesOf(96),
  })
  .map((report) => ({
    ...report,
    cpuid: report.version >= 3 ? report.cpuid : undefined,
    launchMitigations: report.version >= 5 ? report.launchMitigations : 0n,
    currentMitigations: report.version >= 5 ? report.currentMitigations : 0n,
  }));

describe('a report', () => {
  it('comes back from its bytes, for every version', () => {
    fc.assert(
      fc.property(reports, (report) => {
        const bytes = serializeSnpReport(report);
        expect(bytes.byteLength).toBe(SNP_REPORT_BYTES);
        expect(parseSnpReport(bytes)).toEqual(report);
      }),
    );
  });

  it('has one encoding: whatever parses is written back byte for byte', () => {
    const healthy = serializeSnpReport(plainReport('Milan'));
    fc.assert(
      fc.property(fc.nat(SNP_REPORT_BYTES - 1), byte, (at, value) => {
        const bytes = Uint8Array.from(healthy);
        bytes[at] = value;
        const code = codeOf(() => {
          expect(serializeSnpReport(parseSnpReport(bytes))).toEqual(bytes);
        });
        expect(code).toMatch(/^(accepted|SNP_)/);
      }),
      { numRuns: 2000 },
    );
  });

  it('is read from the middle of a larger buffer', () => {
    const bytes = serializeSnpReport(plainReport('Turin'));
    const buffer = new Uint8Array(SNP_REPORT_BYTES + 20);
    buffer.set(bytes, 7);
    const view = buffer.subarray(7, 7 + SNP_REPORT_BYTES);
    expect(parseSnpReport(view)).toEqual(parseSnpReport(bytes));
  });

  it('does not change when the buffer that it came from does', () => {
    const bytes = serializeSnpReport(plainReport('Milan'));
    const report = parseSnpReport(bytes);
    bytes.fill(0);
    expect(report.measurement[0]).toBe(0x3e);
    expect(report.signature.byteLength).toBe(96);
  });

  it('of another length is refused, whatever the bytes are (I10)', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 2500 }), (bytes) => {
        expect(() => parseSnpReport(bytes)).toThrow(AttestationError);
      }),
    );
  });
});

describe('TCB_VERSION', () => {
  it('has the layout of its product', () => {
    const bytes = Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8);
    expect(tcbParts('Milan', bytes)).toEqual({ bootloader: 1, tee: 2, snp: 7, microcode: 8 });
    expect(tcbParts('Genoa', bytes)).toEqual(tcbParts('Milan', bytes));
    expect(tcbParts('Turin', bytes)).toEqual({
      fmc: 1,
      bootloader: 2,
      tee: 3,
      snp: 4,
      microcode: 8,
    });
  });

  it('comes back from its parts', () => {
    fc.assert(
      fc.property(bytesOf(8), fc.constantFrom('Milan', 'Genoa', 'Turin'), (bytes, product) => {
        const parts = tcbParts(product, bytes);
        expect(tcbParts(product, tcbBytes(product, parts))).toEqual(parts);
      }),
    );
  });

  it('is compared part by part, not as a number', () => {
    const minimum = { bootloader: 4, tee: 0, snp: 24, microcode: 0 };
    const tcb = { bootloader: 3, tee: 0, snp: 24, microcode: 255 };
    expect(tcbPartsBelow(tcb, minimum)).toEqual(['bootloader']);
    expect(tcbPartsBelow({ ...minimum, fmc: 0 }, { ...minimum, fmc: 1 })).toEqual(['fmc']);
  });
});

describe('products', () => {
  const cases = [
    [0x19, 0x00, 'Milan'],
    [0x19, 0x0f, 'Milan'],
    [0x19, 0x10, 'Genoa'],
    [0x19, 0x1f, 'Genoa'],
    [0x19, 0x20, undefined],
    [0x19, 0xa0, 'Genoa'],
    [0x19, 0xaf, 'Genoa'],
    [0x19, 0xb0, undefined],
    [0x1a, 0x00, 'Turin'],
    [0x1a, 0x11, 'Turin'],
    [0x1a, 0x12, undefined],
    [0x1a, 0x50, undefined],
    [0x17, 0x31, undefined],
    [0, 0, undefined],
  ] as const;

  it.each(cases)('family %i model %i is %s', (family, model, product) => {
    expect(productOfCpuid({ family, model, stepping: 0 })).toBe(product);
  });
});

describe('flags', () => {
  it('are read at their bit', () => {
    expect(guestPolicyHas(0xb0000n, 'debugAllowed')).toBe(true);
    expect(guestPolicyHas(0x30000n, 'debugAllowed')).toBe(false);
    expect(guestPolicyHas(0x70000n, 'migrationAgentAllowed')).toBe(true);
    expect(guestPolicyAbi(0x3011fn)).toEqual({ major: 1, minor: 31 });
    expect(platformHas(0x25n, 'aliasCheckComplete')).toBe(true);
    expect(platformHas(0x25n, 'tsme')).toBe(false);
  });
});
