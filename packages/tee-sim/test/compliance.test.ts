/** One suite for configfs-tsm on SEV-SNP, on TDX, and on the real thing where there is one. */
import { existsSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import {
  createTsmProvider,
  nodeTsmFileSystem,
  readLocalConfigId,
  TD_CONFIG_ID_PATH,
  TSM_BASE_PATH,
} from '@witan/attester';
import { SimulatedHost } from '../src/hardware/host.ts';
import { guestHardware, type HardwarePlan } from '../src/hardware/guest-hardware.ts';
import { configIdOf, treeFileSystem, TSM_ROOT, type TsmFaults } from '../src/index.ts';
import { freshDirectory, hierarchyOf } from './support/hierarchy.ts';
import {
  PROVIDER_CASES,
  testTsmCompliance,
  type Provide,
  type TsmUnderTest,
} from './support/provider-compliance.ts';

const host = new SimulatedHost(freshDirectory(), hierarchyOf('Genoa'));
const configDigest = new Uint8Array(32).fill(0xc0);
const reportData = new Uint8Array(64).fill(7);

function simulated(plan: HardwarePlan, faults: TsmFaults = {}): TsmUnderTest {
  const inputs = { program: new Uint8Array(48).fill(1), vcpus: 1, configDigest, chip: 'chip-0' };
  return { fs: treeFileSystem(guestHardware(host, inputs, plan, faults).tree) };
}

describe.each([
  ['SEV-SNP', { tee: 'snp' }],
  ['TDX, quotes of version 4', { tee: 'tdx' }],
  ['TDX, quotes of version 5', { tee: 'tdx', overrides: { version: 5 } }],
] as const satisfies readonly (readonly [string, HardwarePlan])[])(
  'a simulated directory of %s',
  (_name, plan) => {
    testTsmCompliance(() => simulated(plan));

    const retry = { delayMs: 1, delayMsMax: 2 };
    const codeWith = async (faults: TsmFaults): Promise<string> => {
      const { fs } = simulated(plan, faults);
      const provider = createTsmProvider({ fs, accept: ['snp', 'tdx'], retry });
      return await provider.collect(reportData).then(
        ({ kind }) => kind,
        (error: { readonly code: string }) => error.code,
      );
    };

    it('retries EBUSY, lost commits and intruders, and gives up on what stays', async () => {
      for (const faults of [
        { inblobLostCount: 2 },
        { outblobBusyCount: 2, outblobInterruptedCount: 2 },
        { intruderCount: 2 },
      ]) {
        expect(await codeWith(faults)).toBe(plan.tee);
      }
      expect(await codeWith({ inblobLostCount: 1000 })).toBe('ATTESTER_BUSY');
      expect(await codeWith({ outblobBusyCount: 1000 })).toBe('ATTESTER_BUSY');
      expect(await codeWith({ intruderCount: 1000 })).toBe('ATTESTER_CONTENDED');
      expect(await codeWith({ noProvider: true })).toBe('ATTESTER_NO_TEE');
    });

    it('leaves no item behind, whatever happens', async () => {
      const { fs } = simulated(plan, { outblobBusyCount: 100, intruderCount: 100 });
      const provider = createTsmProvider({ fs, accept: ['snp', 'tdx'], retry });
      for (let i = 0; i < 10; i += 1) await provider.collect(reportData).catch(() => undefined);
      // The tree has room for 64 items: all of it must be free.
      const names = Array.from({ length: 64 }, (_, index) => `${TSM_ROOT}/item-${index}`);
      const made = await Promise.allSettled(names.map(async (name) => await fs.mkdir(name)));
      expect(made.every(({ status }) => status === 'fulfilled')).toBe(true);
    });
  },
);

describe('a provider that does not keep to the rules is found by the suite', () => {
  /** Names of the cases that fail. */
  async function failing(provide: Provide): Promise<readonly string[]> {
    const failed: string[] = [];
    for (const { name, run } of PROVIDER_CASES) {
      await run(simulated({ tee: 'snp' }), provide).catch(() => failed.push(name));
    }
    return failed;
  }

  const real: Provide = (fs) => createTsmProvider({ fs, accept: ['snp', 'tdx'] });

  it('finds nothing in the real one', async () => {
    expect(await failing(real)).toEqual([]);
  });

  it('finds one that does not look at the generation', async () => {
    // The real provider, which is shown the number that it hopes for.
    const blind: Provide = (fs) =>
      real({
        ...fs,
        readFile: async (path, bytesMax) =>
          path.endsWith('/generation')
            ? new TextEncoder().encode('1\n')
            : await fs.readFile(path, bytesMax),
      });
    expect(await failing(blind)).toEqual([
      'tries again when another writer came between its write and its read',
      'tries again when another writer wrote the same bytes',
      'tries again when the write of its report data did not take effect',
    ]);
  });

  it('finds one that remembers a report', async () => {
    const remembering: Provide = (fs) => {
      const provider = real(fs);
      let first: ReturnType<typeof provider.collect> | undefined;
      return {
        get kind() {
          return provider.kind;
        },
        collect: async (data) => await (first ??= provider.collect(data)),
      };
    };
    expect(await failing(remembering)).toContain(
      'gives evidence over the bytes that were asked for, fresh each time',
    );
  });
});

// Only a confidential VM has a directory to run against; elsewhere this shows as skipped.
describe.skipIf(!existsSync(TSM_BASE_PATH))(`the kernel's own ${TSM_BASE_PATH}`, () => {
  testTsmCompliance(() => ({ fs: nodeTsmFileSystem }));
});

describe('MRCONFIGID without the host in between', () => {
  it('is what was measured, also where the quote is of another guest', async () => {
    const plan: HardwarePlan = {
      tee: 'tdx',
      overrides: { mrConfigId: new Uint8Array(48).fill(9) },
    };
    const found = await readLocalConfigId(simulated(plan).fs);
    expect(found).toEqual(configIdOf(configDigest));
  });

  it.each([
    ['SEV-SNP', { tee: 'snp' }],
    ['a kernel before 6.16', { tee: 'tdx', withoutLocalMeasurements: true }],
  ] as const)('is not there on %s', async (_name, plan) => {
    expect(await readLocalConfigId(simulated(plan).fs)).toBeUndefined();
  });

  it.each([
    ['EACCES', 'ATTESTER_FORBIDDEN'],
    ['EIO', 'ATTESTER_IO'],
  ])('gives a typed error for %s', async (code, expected) => {
    const readFile = (): Promise<Uint8Array> =>
      Promise.reject(Object.assign(new Error(code), { code }));
    await expect(readLocalConfigId({ readFile })).rejects.toMatchObject({ code: expected });
  });

  it('is refused when it has another length', async () => {
    const readFile = (path: string): Promise<Uint8Array> =>
      Promise.resolve(new Uint8Array(path === TD_CONFIG_ID_PATH ? 32 : 0));
    await expect(readLocalConfigId({ readFile })).rejects.toMatchObject({ code: 'ATTESTER_IO' });
  });
});
