import { describe, expect, it } from 'vitest';
import { AttestationError, parseReferenceValues, parseSnpReferenceValues } from '../src/index.ts';

const minimal = {
  tee: 'snp',
  measurement: ['ab'.repeat(48)],
  hostData: '00'.repeat(32),
  products: ['Milan'],
  minimumTcb: { bootloader: 4, tee: 0, snp: 24, microcode: 219 },
};

const code = 'REFERENCE_VALUES_INVALID';

function problem(value: unknown): unknown {
  try {
    parseReferenceValues(value, 'workloads.web');
  } catch (error) {
    if (!(error instanceof AttestationError)) throw error;
    return { code: error.code, ...error.fields };
  }
  return 'accepted';
}

describe('reference values', () => {
  it('get the stricter default for everything that is left out', () => {
    expect(parseReferenceValues(minimal, '')).toEqual({
      ...minimal,
      debug: false,
      policy: {
        migrationAgent: false,
        smt: true,
        cxl: false,
        singleSocket: false,
        aes256Xts: false,
        raplDisabled: false,
        ciphertextHiding: false,
        pageSwapDisabled: false,
        abiMinimum: '0.0',
      },
      provisionalFirmware: false,
      platformRequired: [],
      platformForbidden: [],
      vmpl: 0,
      signers: ['VCEK', 'VLEK'],
      guestSvnMinimum: 0,
    });
  });

  it('parse to themselves when they are complete', () => {
    const once = parseSnpReferenceValues(
      {
        ...minimal,
        products: ['Turin', 'Milan'],
        minimumTcb: { ...minimal.minimumTcb, fmc: 1 },
        minimumLaunchTcb: minimal.minimumTcb,
        minimumCommittedTcb: minimal.minimumTcb,
        idKeyDigest: ['11'.repeat(48)],
        authorKeyDigest: ['11'.repeat(48)],
        familyId: ['11'.repeat(16)],
        imageId: ['11'.repeat(16)],
        chipIds: ['11'.repeat(64)],
        cspIds: ['CN=x'],
        mitigationMask: '0x3f',
        developmentRoots: ['22'.repeat(32)],
      },
      '',
    );
    expect(parseSnpReferenceValues(JSON.parse(JSON.stringify(once)), '')).toEqual(once);
  });

  const missing = Object.keys(minimal);
  it.each(missing)('are refused without %s', (name) => {
    const { [name as 'tee']: _, ...rest } = minimal;
    expect(problem(rest)).toMatchObject({ code, path: `workloads.web.${name}` });
  });

  const wrong: readonly (readonly [string, object, string])[] = [
    ['an unknown field', { measurements: [] }, 'workloads.web.measurements'],
    ['no measurement', { measurement: [] }, 'workloads.web.measurement'],
    ['a short measurement', { measurement: ['ab'] }, 'workloads.web.measurement[0]'],
    ['upper-case hex', { measurement: ['AB'.repeat(48)] }, 'workloads.web.measurement[0]'],
    [
      'a repeated measurement',
      { measurement: ['ab'.repeat(48), 'ab'.repeat(48)] },
      'workloads.web.measurement',
    ],
    ['a list of host data', { hostData: ['00'.repeat(32)] }, 'workloads.web.hostData'],
    ['an unknown product', { products: ['Venice'] }, 'workloads.web.products[0]'],
    [
      'a TCB part above 255',
      { minimumTcb: { ...minimal.minimumTcb, snp: 256 } },
      'workloads.web.minimumTcb.snp',
    ],
    ['a TCB without a part', { minimumTcb: { bootloader: 1 } }, 'workloads.web.minimumTcb.tee'],
    [
      'a TCB with an unknown part',
      { minimumTcb: { ...minimal.minimumTcb, psp: 1 } },
      'workloads.web.minimumTcb.psp',
    ],
    ['a text for a truth value', { debug: 'no' }, 'workloads.web.debug'],
    ['an unknown policy demand', { policy: { debug: true } }, 'workloads.web.policy.debug'],
    [
      'an ABI that is no version',
      { policy: { abiMinimum: '1' } },
      'workloads.web.policy.abiMinimum',
    ],
    ['a VMPL of 4', { vmpl: 4 }, 'workloads.web.vmpl'],
    ['a fraction', { vmpl: 0.5 }, 'workloads.web.vmpl'],
    ['no signer', { signers: [] }, 'workloads.web.signers'],
    ['an empty chip list', { chipIds: [] }, 'workloads.web.chipIds'],
    ['a mask without 0x', { mitigationMask: '3f' }, 'workloads.web.mitigationMask'],
    [
      'an unknown platform flag',
      { platformRequired: ['SMT'] },
      'workloads.web.platformRequired[0]',
    ],
    ['an empty provider', { cspIds: [''] }, 'workloads.web.cspIds[0]'],
    ['an inherited field', { __proto__: { debug: true }, hostData: 1 }, 'workloads.web.hostData'],
    [
      'too many chips',
      { chipIds: Array.from({ length: 1025 }, () => '11'.repeat(64)) },
      'workloads.web.chipIds',
    ],
  ];

  it.each(wrong)('are refused with %s (I10)', (_, change, path) => {
    expect(problem({ ...minimal, ...change })).toMatchObject({ code, path });
  });

  it.each([undefined, null, 7, 'snp', [], {}, { tee: 'sgx' }, { tee: {} }])(
    'cannot be %j',
    (value) => {
      expect(problem(value)).toMatchObject({ code, path: 'workloads.web.tee' });
    },
  );

  it('show at most a short part of a hostile value', () => {
    const fields = problem({ ...minimal, hostData: 'x'.repeat(10_000_000) });
    expect(JSON.stringify(fields).length).toBeLessThan(300);
  });
});
