import { describe, expect, it } from 'vitest';
import { utf8 } from '@witan/core';
import { parseManifest, versionsOf, withdrawnWorkloads, type SecretGrant } from '../src/index.ts';
import {
  bytesOf,
  codeOf,
  draftManifest,
  edited,
  nodeCrypto,
  parseReferenceValues,
  testKey,
} from './support.ts';

const draft = draftManifest([testKey()]);

function secretsOf(secrets: unknown): readonly SecretGrant[] {
  const bytes = bytesOf(edited(draft, { 'workloads/web/secrets': secrets }));
  const manifest = parseManifest(bytes, { parseReferenceValues, crypto: nodeCrypto });
  return manifest.workloads.get('web')?.secrets ?? [];
}

describe('secrets of a workload', () => {
  it('are names, or say kind, lowest version and how many older ones are kept', () => {
    expect(
      secretsOf(['a', { name: 'b' }, { name: 'c', kind: 'pod', version: 3, keep: 0 }]),
    ).toEqual([
      { name: 'a', kind: 'workload', version: 1, keep: 1 },
      { name: 'b', kind: 'workload', version: 1, keep: 1 },
      { name: 'c', kind: 'pod', version: 3, keep: 0 },
    ]);
  });

  it.each<[string, unknown, string]>([
    ['another kind', [{ name: 'a', kind: 'cluster' }], 'MANIFEST_BAD_VALUE'],
    ['version 0', [{ name: 'a', version: 0 }], 'MANIFEST_BAD_VALUE'],
    ['a version without end', [{ name: 'a', version: 1_000_001 }], 'MANIFEST_BAD_VALUE'],
    ['too many to keep', [{ name: 'a', keep: 17 }], 'MANIFEST_BAD_VALUE'],
    ['no name', [{ kind: 'pod' }], 'MANIFEST_MISSING_FIELD'],
    ['a name that is a path', [{ name: '../a' }], 'MANIFEST_BAD_VALUE'],
    ['an unknown field', [{ name: 'a', value: 'x' }], 'MANIFEST_UNKNOWN_FIELD'],
    ['one name twice', ['a', { name: 'a', kind: 'pod' }], 'MANIFEST_DUPLICATE_VALUE'],
    ['a number', [7], 'MANIFEST_WRONG_TYPE'],
  ])('are refused with %s (I10)', (_what, secrets, code) => {
    expect(codeOf(() => secretsOf(secrets))).toBe(code);
  });

  it('have versions from the current one down, as far as they are kept', () => {
    const grant = { name: 'a', kind: 'shared', version: 3, keep: 2 } as const;
    expect(versionsOf(grant, 0)).toEqual([3, 2, 1]);
    expect(versionsOf(grant, 5)).toEqual([5, 4, 3]);
    expect(versionsOf({ ...grant, version: 1 }, 0)).toEqual([1]);
    expect(versionsOf({ ...grant, keep: 0 }, 9)).toEqual([9]);
  });
});

describe('what a manifest takes away', () => {
  const before = { bytes: bytesOf(draft) };
  const after = (edits: Parameters<typeof edited>[1]) =>
    withdrawnWorkloads(before, { bytes: bytesOf(edited(draft, edits)) });

  it('is a workload, or one of its reference values, and nothing else', () => {
    expect(after({})).toEqual([]);
    expect(after({ 'workloads/db': undefined })).toEqual(['db']);
    expect(after({ 'workloads/web/referenceValues': [{ measurement: 'ab' }] })).toEqual(['web']);
    const more = [{ measurement: 'ab' }, { measurement: 'aa' }];
    expect(after({ 'workloads/web/referenceValues': more })).toEqual([]);
    expect(after({ 'workloads/web/dnsNames': ['other'] })).toEqual([]);
    expect(after({ workloads: {} })).toEqual(['web', 'db']);
  });

  it('is nothing where only the order of keys is another', () => {
    const one = utf8('{"workloads":{"a":{"referenceValues":[{"x":1,"y":2}]}}}');
    const other = utf8('{"workloads":{"a":{"referenceValues":[{"y":2,"x":1}]}}}');
    expect(withdrawnWorkloads({ bytes: one }, { bytes: other })).toEqual([]);
  });
});
