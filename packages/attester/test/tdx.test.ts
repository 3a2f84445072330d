import { describe, expect, it } from 'vitest';
import {
  createTsmProvider,
  detectTee,
  type AttesterError,
  type Evidence,
  type EvidenceProvider,
  type TsmProviderOptions,
} from '../src/index.ts';
import { fakeTsm, type Knobs } from './support/fake-tsm.ts';

const reportData = new Uint8Array(64).map((_, index) => 255 - index);
const retry = { attemptsMax: 2, delayMs: 1 };
const both = ['snp', 'tdx'] as const;

function provider(
  knobs: Knobs,
  options: Partial<TsmProviderOptions<'snp' | 'tdx'>> = {},
): { readonly tsm: ReturnType<typeof fakeTsm>; readonly own: EvidenceProvider<'snp' | 'tdx'> } {
  const tsm = fakeTsm(knobs);
  return { tsm, own: createTsmProvider({ fs: tsm.fs, accept: both, retry, ...options }) };
}

const outcomeOf = async (own: EvidenceProvider<'snp' | 'tdx'>): Promise<string> =>
  await own.collect(reportData).then(
    (evidence: Evidence) => evidence.kind,
    (error: AttesterError) => error.code,
  );

describe('collecting a TDX quote through configfs-tsm', () => {
  it.each(['tdx4', 'tdx5'] as const)('takes the same steps as for a report (%s)', async (tee) => {
    const { tsm, own } = provider({ tee });
    const evidence = await own.collect(reportData);
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
    expect(evidence).toMatchObject({ kind: 'tdx', quote: { byteLength: 5000 } });
    expect(evidence.endorsements).toEqual({});
  });

  it('asks for no privilege level, which TDX does not have', async () => {
    const { tsm, own } = provider({ tee: 'tdx4' }, { privlevel: 1 });
    expect(await outcomeOf(own)).toBe('tdx');
    expect(tsm.log).not.toContain('write privlevel');
  });

  it('passes over an auxblob, empty or not', async () => {
    for (const auxblob of ['', 'something']) {
      const { own } = provider({ tee: 'tdx4', content: { auxblob } });
      expect((await own.collect(reportData)).endorsements).toEqual({});
    }
  });

  it('leaves the quote whole, with the zeros behind it', async () => {
    const quote = new Uint8Array(8000);
    quote[0] = 4;
    quote.set(reportData, 48 + 520);
    const { own } = provider({ tee: 'tdx4', content: { outblob: quote } });
    expect(await own.collect(reportData)).toMatchObject({ quote });
  });

  it.each<readonly [string, Uint8Array, string]>([
    ['is empty', new Uint8Array(), 'ATTESTER_REPORT_SIZE'],
    ['ends before its report data does', new Uint8Array(48 + 520 + 63), 'ATTESTER_REPORT_SIZE'],
    ['binds other data', new Uint8Array(5000), 'ATTESTER_REPORT_DATA_MISMATCH'],
    // Right for version 4, where version 5 has them six bytes later.
    ['has them at the place of another version', misplaced(), 'ATTESTER_REPORT_DATA_MISMATCH'],
  ])('refuses a quote that %s', async (_what, outblob, code) => {
    const { tsm, own } = provider({ tee: 'tdx4', content: { outblob } });
    expect(await outcomeOf(own)).toBe(code);
    expect(tsm.items.size).toBe(0);
  });
});

function misplaced(): Uint8Array {
  const quote = new Uint8Array(5000);
  quote[0] = 5;
  quote.set(reportData, 48 + 520);
  return quote;
}

describe('the kind of a provider', () => {
  it('is the one that the kernel names', async () => {
    for (const [tee, kind] of [
      ['snp', 'snp'],
      ['tdx5', 'tdx'],
    ] as const) {
      const { own } = provider({ tee });
      await own.collect(reportData);
      expect(own.kind).toBe(kind);
    }
  });

  it('cannot be read before it is known', () => {
    const expected = expect.objectContaining({ code: 'ATTESTER_KIND_UNKNOWN' }) as Error;
    expect(() => provider({}).own.kind).toThrow(expected);
  });

  it('is known from the start when there is no choice', () => {
    const { fs } = fakeTsm();
    expect(createTsmProvider({ fs }).kind).toBe('snp');
    expect(createTsmProvider({ fs, accept: ['tdx'] }).kind).toBe('tdx');
  });

  it('is refused when the caller does not accept it', async () => {
    const { tsm, own } = provider({ tee: 'snp' }, { accept: ['tdx'] });
    expect(await outcomeOf(own)).toBe('ATTESTER_PROVIDER_UNKNOWN');
    expect(tsm.log).not.toContain('write inblob');
    expect(tsm.items.size).toBe(0);
  });

  it('is what detecting the TEE says', async () => {
    expect(await detectTee({ fs: fakeTsm({ tee: 'tdx5' }).fs })).toEqual({ kind: 'tdx' });
  });
});
