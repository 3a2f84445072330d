/** The fuzzer of formats in its short form; `npm run formats:fuzz` tries for longer. */
import { describe, expect, it } from 'vitest';
import { utf8 } from '@witan/core';
import { KeysError } from '@witan/keys';
import { fuzz, fuzzAll, judge } from '../testing/fuzz/run.ts';
import type { Target } from '../testing/fuzz/targets.ts';

const target = (run: Target['run']): Target => ({
  name: 'planted',
  seeds: [utf8('a good input')],
  errors: ['KeysError'],
  secrets: ['the secret of an owner'],
  run,
});

describe('parsers of what owners, disks and replicas give', () => {
  it('refuse with typed errors that hold no secret, or give what is sound (I10)', async () => {
    const results = await fuzzAll(300, 1);
    expect(results.length).toBeGreaterThan(20);
    for (const result of results) {
      expect(result.problem, result.target).toBeUndefined();
      expect(result.accepted, result.target).toBeGreaterThan(0);
    }
  }, 120_000);
});

describe('the fuzzer', () => {
  it.each<[string, Target['run']]>([
    ['an error of another kind', () => JSON.parse('{') as undefined],
    ['something that is no error', () => Promise.reject(new Error('no'))],
    [
      'a secret in an error',
      () => {
        throw new KeysError('KEYS_PEM_UNREADABLE', 'no', {
          fields: { found: 'the secret of an owner' },
        });
      },
    ],
    [
      'a secret in a cause',
      () => {
        const cause = new Error('near the secret of an owner');
        throw new KeysError('KEYS_PEM_UNREADABLE', 'no', { cause });
      },
    ],
    ['a changed input that passes', () => 'a changed input passes'],
  ])('finds %s (planted bugs)', async (_what, run) => {
    const { problem, runs } = await fuzz(target(run), 10, 1);
    expect(problem).toBeDefined();
    expect(runs).toBe(1);
  });

  it('takes a typed refusal for what it is', async () => {
    const refusing = target(() => {
      throw new KeysError('KEYS_PEM_UNREADABLE', 'no', { fields: { found: 'x' } });
    });
    expect(await judge(refusing, utf8('x'))).toBe('refused');
    expect(await fuzz(refusing, 10, 1)).toMatchObject({ runs: 10, accepted: 0 });
  });
});
