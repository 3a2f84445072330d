import { describe, expect, it } from 'vitest';
import fc from 'fast-check';
import {
  AttesterError,
  createTsmProvider,
  detectTee,
  TSM_BASE_PATH,
  type CollectOptions,
  type Evidence,
  type TsmProviderOptions,
} from '../src/index.ts';
import { fakeTsm, type FakeTsm, type Knobs } from './support/fake-tsm.ts';

const reportData = new Uint8Array(64).map((_, index) => index);
const retry = { attemptsMax: 3, delayMs: 1, delayMsMax: 1 };

async function collect(
  knobs: Knobs = {},
  options: Partial<TsmProviderOptions> = {},
  collectOptions: CollectOptions = {},
): Promise<{ readonly tsm: FakeTsm; readonly outcome: Evidence | AttesterError }> {
  const tsm = fakeTsm(knobs);
  const provider = createTsmProvider({ fs: tsm.fs, retry, ...options });
  try {
    return { tsm, outcome: await provider.collect(reportData, collectOptions) };
  } catch (error) {
    if (!(error instanceof AttesterError)) throw error;
    return { tsm, outcome: error };
  }
}

const codeOf = (outcome: Evidence | AttesterError): string =>
  outcome instanceof AttesterError ? outcome.code : 'collected';

describe('collecting evidence through configfs-tsm', () => {
  it('takes the documented steps in their order', async () => {
    const { tsm, outcome } = await collect();
    expect(tsm.log).toEqual([
      'mkdir',
      'read provider',
      'write inblob',
      'read generation',
      'read outblob',
      'read auxblob',
      'read generation',
      'rmdir',
    ]);
    expect(outcome).toMatchObject({
      kind: 'snp',
      endorsements: { certificateTable: Uint8Array.of(1, 2, 3) },
    });
  });

  it('writes a wanted privilege level before the report data', async () => {
    const { tsm, outcome } = await collect({}, { privlevel: 0 });
    expect(tsm.log.slice(2, 4)).toEqual(['write privlevel', 'write inblob']);
    expect(codeOf(outcome)).toBe('collected');
  });

  it('uses a directory of its own below the base path for each request', async () => {
    const tsm = fakeTsm();
    const provider = createTsmProvider({ fs: tsm.fs });
    await Promise.all(Array.from({ length: 20 }, async () => await provider.collect(reportData)));
    expect(new Set(tsm.names).size).toBe(20);
    for (const name of tsm.names)
      expect(name).toMatch(/^\/sys\/kernel\/config\/tsm\/report\/witan-[0-9a-f]{32}$/);
    expect(tsm.names[0]?.startsWith(TSM_BASE_PATH)).toBe(true);
    expect(tsm.items.size).toBe(0);
  });

  it('binds what the caller passed, even if the caller changes the array meanwhile', async () => {
    const tsm = fakeTsm();
    const mine = reportData.slice();
    const collecting = createTsmProvider({ fs: tsm.fs }).collect(mine);
    mine.fill(0);
    const { report } = await collecting;
    expect(report.slice(0x50, 0x90)).toEqual(reportData);
  });

  it('gives the 1184 bytes of a padded report', async () => {
    const padded = new Uint8Array(4000);
    padded.set(reportData, 0x50);
    const { outcome } = await collect({ content: { outblob: padded } });
    expect(outcome).toMatchObject({ report: { byteLength: 1184 } });
  });

  it.each([{ content: { auxblob: '' } }, { errno: { 'read auxblob': 'ENOENT' } }] as const)(
    'does without a certificate table: %j',
    async (knobs) => {
      expect((await collect(knobs)).outcome).toMatchObject({ endorsements: {} });
      expect((await collect(knobs)).outcome).not.toHaveProperty('endorsements.certificateTable');
    },
  );
});

describe('a failing TEE', () => {
  it.each<readonly [string, Knobs, string]>([
    ['has no configfs-tsm', { errno: { mkdir: 'ENOENT' } }, 'ATTESTER_NO_TSM'],
    ['has no provider', { errno: { mkdir: 'ENXIO' } }, 'ATTESTER_NO_TEE'],
    ['forbids', { errno: { mkdir: 'EACCES' } }, 'ATTESTER_FORBIDDEN'],
    ['forbids later', { errno: { 'write inblob': 'EPERM' } }, 'ATTESTER_FORBIDDEN'],
    ['is not accepted', { tee: 'tdx4' }, 'ATTESTER_PROVIDER_UNKNOWN'],
    ['is unknown', { content: { provider: 'arm_cca_guest\n' } }, 'ATTESTER_PROVIDER_UNKNOWN'],
    ['loses its provider', { errno: { 'read outblob': 'ENXIO' } }, 'ATTESTER_NO_TEE'],
    ['is busy', { errno: { 'read outblob': 'EBUSY' } }, 'ATTESTER_BUSY'],
    ['is interrupted', { errno: { 'read auxblob': 'EINTR' } }, 'ATTESTER_BUSY'],
    ['is busy at mkdir', { errno: { mkdir: 'EBUSY' } }, 'ATTESTER_BUSY'],
    ['loses the write', { content: { generation: '0\n' } }, 'ATTESTER_BUSY'],
    ['shows a foreign write', { content: { generation: '2\n' } }, 'ATTESTER_CONTENDED'],
    ['counts in words', { content: { generation: 'many' } }, 'ATTESTER_CONTENDED'],
    ['fails', { errno: { 'read outblob': 'EIO' } }, 'ATTESTER_IO'],
    ['gives a short report', { content: { outblob: 'short' } }, 'ATTESTER_REPORT_SIZE'],
    [
      'binds other data',
      { content: { outblob: new Uint8Array(1184) } },
      'ATTESTER_REPORT_DATA_MISMATCH',
    ],
    ['keeps the item', { errno: { rmdir: 'EBUSY' } }, 'ATTESTER_CLEANUP_FAILED'],
  ])('that %s gives a typed error', async (_what, knobs, code) => {
    const { tsm, outcome } = await collect(knobs);
    expect(codeOf(outcome)).toBe(code);
    if (code !== 'ATTESTER_CLEANUP_FAILED') expect(tsm.items.size).toBe(0);
  });

  it('that is missing is reported with the next step to take', async () => {
    for (const errno of ['ENOENT', 'ENXIO', 'EACCES']) {
      const { outcome } = await collect({ errno: { mkdir: errno } });
      expect(outcome).toMatchObject({
        fields: { nextStep: expect.stringMatching(/\w+/) as string },
      });
    }
  });

  it('that stays busy is asked no more often than the limit', async () => {
    const { tsm } = await collect({ errno: { 'read outblob': 'EBUSY' } });
    expect(tsm.log.filter((step) => step === 'read outblob')).toHaveLength(3);
    expect(new Set(tsm.names).size).toBe(3);
  });

  it('that fails for good is not asked again', async () => {
    const { tsm } = await collect({ errno: { 'read outblob': 'EIO' } });
    expect(tsm.log.filter((step) => step === 'mkdir')).toHaveLength(1);
  });

  it('refuses a privilege level with the reason', async () => {
    const knobs = { errno: { 'write privlevel': 'EINVAL' } };
    const { outcome } = await collect(knobs, { privlevel: 1 });
    expect(codeOf(outcome)).toBe('ATTESTER_PRIVLEVEL_REFUSED');
  });

  it('never leaves an item behind and never throws anything untyped (I10)', async () => {
    const operations = [
      'mkdir',
      'read provider',
      'write inblob',
      'read generation',
      'read outblob',
      'read auxblob',
    ];
    const errnos = ['EBUSY', 'EINTR', 'EIO', 'EINVAL', 'ENOENT', 'ENXIO', 'EEXIST', 'whatever'];
    await fc.assert(
      fc.asyncProperty(
        fc.dictionary(fc.constantFrom(...operations), fc.constantFrom(...errnos)),
        fc.dictionary(
          fc.constantFrom('provider', 'generation', 'outblob'),
          fc.uint8Array({ maxLength: 2000 }),
        ),
        async (errno, content) => {
          const fast = { retry: { attemptsMax: 2, delayMs: 0 } };
          const { tsm } = await collect({ errno, content }, fast);
          expect(tsm.items.size).toBe(0);
        },
      ),
      { numRuns: 200 },
    );
  });
});

describe('the caller', () => {
  it.each([0, 63, 65])('cannot bind %i bytes', async (byteLength) => {
    const tsm = fakeTsm();
    const collecting = createTsmProvider({ fs: tsm.fs }).collect(new Uint8Array(byteLength));
    await expect(collecting).rejects.toMatchObject({ code: 'ATTESTER_REPORT_DATA_SIZE' });
    expect(tsm.log).toEqual([]);
  });

  it.each([-1, 4, 0.5, Number.NaN])('cannot ask for privilege level %d', (privlevel) => {
    expect(() => createTsmProvider({ fs: fakeTsm().fs, privlevel })).toThrow(
      expect.objectContaining({ code: 'ATTESTER_PRIVLEVEL_RANGE' }) as Error,
    );
  });

  it('can give up before the first step', async () => {
    const { tsm, outcome } = await collect({}, {}, { signal: AbortSignal.abort() });
    expect(codeOf(outcome)).toBe('ATTESTER_ABORTED');
    expect(tsm.log).toEqual([]);
  });

  it('can give up between two steps, and the item is removed', async () => {
    const controller = new AbortController();
    const before = (operation: string): void => {
      if (operation === 'write inblob') controller.abort();
    };
    const { tsm, outcome } = await collect({ before }, {}, { signal: controller.signal });
    expect(codeOf(outcome)).toBe('ATTESTER_ABORTED');
    expect(tsm.log.at(-1)).toBe('rmdir');
    expect(tsm.items.size).toBe(0);
  });

  it('can give up while waiting for a busy TEE', async () => {
    const signal = AbortSignal.timeout(30);
    const patient = { retry: { attemptsMax: 100, delayMs: 60_000, delayMsMax: 60_000 } };
    const { outcome } = await collect({ errno: { mkdir: 'EBUSY' } }, patient, { signal });
    expect(codeOf(outcome)).toBe('ATTESTER_ABORTED');
  });
});

describe('detecting the TEE', () => {
  it.each<readonly [Knobs, object]>([
    [{}, { kind: 'snp' }],
    [{ content: { provider: 'tdx_guest\n' } }, { kind: 'tdx' }],
    [{ content: { provider: 'arm_cca_guest\n' } }, { kind: 'unknown', provider: 'arm_cca_guest' }],
    [{ errno: { mkdir: 'ENOENT' } }, { kind: 'none', error: { code: 'ATTESTER_NO_TSM' } }],
    [{ errno: { 'read provider': 'EIO' } }, { kind: 'none', error: { code: 'ATTESTER_IO' } }],
  ])('with %j gives %j', async (knobs, expected) => {
    const tsm = fakeTsm(knobs);
    expect(await detectTee({ fs: tsm.fs })).toMatchObject(expected);
    expect(tsm.items.size).toBe(0);
  });

  it('finds none on a machine without configfs-tsm', async () => {
    const found = await detectTee({ basePath: '/nonexistent/tsm/report' });
    expect(found).toMatchObject({ kind: 'none', error: { code: 'ATTESTER_NO_TSM' } });
  });
});
