import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { runAzureVector } from '../testing/azure-vectors.ts';
import { runEventLogVector } from '../testing/event-log-vectors.ts';
import { indexFilesIn, vectorsIn } from '../testing/vectors.ts';

const folder = fileURLToPath(new URL('../../../../shared/vectors/attestation/', import.meta.url));

describe.skipIf(!existsSync(folder))('published and synthetic vectors', () => {
  const cases = existsSync(folder) ? indexFilesIn([folder]).flatMap(vectorsIn) : [];

  it.each(cases)('$name has its verdict and its fields', ({ run }) => {
    expect(run()).toEqual([]);
  });

  it('are found: at least 120', () => {
    expect(cases.length).toBeGreaterThanOrEqual(120);
  });
});

describe('the runner', () => {
  const problemsOf = (index: unknown): readonly string[] => {
    const own = mkdtempSync(join(tmpdir(), 'witan-vectors-'));
    try {
      const file = join(own, 'index.json');
      writeFileSync(file, JSON.stringify(index));
      return vectorsIn(file).flatMap(({ run }) => run());
    } finally {
      rmSync(own, { recursive: true });
    }
  };

  it.each([
    ['a vector', { vectors: [{ something: 'else' }] }],
    ['a section', { vectors: [], moon: [] }],
    ['an index without vectors', { source: 'nowhere' }],
  ])('fails %s of a shape that it does not know', (_, index) => {
    expect(problemsOf(index)).toEqual(['of no known shape']);
  });

  interface Index {
    readonly azure: readonly Readonly<Record<string, unknown>>[];
    readonly tdx: readonly Readonly<Record<string, unknown>>[];
  }
  const indexOf = (name: string): Index =>
    JSON.parse(readFileSync(join(folder, name, 'index.json'), 'utf8')) as Index;

  it.skipIf(!existsSync(folder))('notices each wrong statement about Azure evidence', () => {
    const own = join(folder, 'trustee');
    for (const vector of indexOf('trustee').azure) {
      expect(runAzureVector(own, vector)).toEqual([]);
      const quote = vector['tpm_quote'] as Readonly<Record<string, unknown>>;
      for (const name of ['pcr_digest_ok', 'signature_ok', 'magic_ff544347', 'nonce_hex']) {
        const wrong = { ...vector, tpm_quote: { ...quote, [name]: name === 'nonce_hex' && '00' } };
        expect(runAzureVector(own, wrong)).not.toEqual([]);
      }
      for (const name of ['runtime_data_sha256', 'user_data', 'hw_report_type', 'unheard']) {
        expect(runAzureVector(own, { ...vector, [name]: 'wrong' })).not.toEqual([]);
      }
    }
  });

  it.skipIf(!existsSync(folder))('notices a log that does not fit its quote', () => {
    const own = join(folder, 'go-tdx-guest');
    const vector = indexOf('go-tdx-guest').tdx.find(({ event_log: log }) => log !== undefined);
    const log = vector?.['event_log'] as Readonly<Record<string, unknown>>;
    expect(runEventLogVector(own, { ...vector, event_log: { ...log, events: 44 } })).toHaveLength(
      1,
    );
    const other = { ...vector, file: 'testdata/quote_v5_sample.dat' };
    expect(runEventLogVector(own, other)).not.toEqual([]);
  });
});
