import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { utf8 } from '@witan/core';
import { diffManifests, type ManifestChange } from '../src/index.ts';
import {
  bytesOf,
  draftManifest,
  edited,
  parse,
  testKey,
  type Draft,
  type Edits,
} from './support.ts';

const keys = [testKey(), testKey()];
const base = draftManifest(keys);

function changes(before: Draft, edits: Edits): readonly ManifestChange[] {
  return diffManifests(parse(bytesOf(before)), parse(bytesOf(edited(before, edits))));
}

function listed(all: readonly ManifestChange[]): readonly string[] {
  return all.map(({ kind, path }) => `${kind} ${path}`);
}

describe('the difference of two manifests', () => {
  it('is empty for the same content in another order and spacing', () => {
    const reordered = utf8(
      JSON.stringify(Object.fromEntries(Object.entries(base).toReversed()), null, 2),
    );
    expect(diffManifests(parse(bytesOf(base)), parse(reordered))).toEqual([]);
    const dnsNames = ['web', 'web.example.org'];
    expect(changes(base, { 'workloads/web/dnsNames': dnsNames })).toEqual([]);
    const owners = (base['owners'] as readonly unknown[]).toReversed();
    expect(changes(base, { owners })).toEqual([]);
  });

  it('names fields, list items, workloads and owners by path', () => {
    const web = 'workloads.web';
    expect(
      listed(
        changes(base, {
          'workloads/web/certificateLifetimeSeconds': 60,
          'workloads/web/dnsNames': ['new.example.org', 'web'],
          'workloads/web/secrets': undefined,
          'workloads/api': { referenceValues: [{ measurement: 'ee' }] },
          'workloads/db': undefined,
          'owners/1/name': 'carol',
          'owners/0/roles': ['update', 'recovery'],
          updateThreshold: 2,
          recoveryThreshold: 1,
        }),
      ),
    ).toEqual([
      `removed ${web}.dnsNames[0]`,
      `added ${web}.dnsNames[0]`,
      `removed ${web}.secrets`,
      `changed ${web}.certificateLifetimeSeconds`,
      'removed workloads.db',
      'added workloads.api',
      'added owners.owner-0.roles[1]',
      'removed owners.owner-1',
      'added owners.carol',
      'changed updateThreshold',
      'added recoveryThreshold',
    ]);
  });

  it('shows a key that was swapped under an owner name', () => {
    const other = testKey().pem;
    expect(changes(base, { 'owners/0/publicKey': other })).toEqual([
      {
        kind: 'changed',
        path: 'owners.owner-0.publicKey',
        before: keys[0]?.pem,
        after: other,
      },
    ]);
  });

  it('shows a change deep inside reference values that this package does not understand', () => {
    const tcb = 'coordinators/0/tcb';
    const before = edited(base, { [tcb]: { snp: 20, tee: 0 } });
    expect(changes(before, { [tcb]: { tee: 0, snp: 20 } })).toEqual([]);
    expect(listed(changes(before, { [tcb]: { snp: 8, tee: 0 } }))).toEqual([
      'removed coordinators[0]',
      'added coordinators[0]',
    ]);
  });
});

describe('error codes', () => {
  it('are each documented in errors.json, and nothing else is', () => {
    const source = readFileSync(new URL('../src/errors.ts', import.meta.url), 'utf8');
    const union = /ManifestErrorCode =([^;]*);/.exec(source)?.[1] ?? '';
    const codes = [...union.matchAll(/'([A-Z_]+)'/g)].map((match) => match[1]);
    const documented = JSON.parse(
      readFileSync(new URL('../errors.json', import.meta.url), 'utf8'),
    ) as Record<string, string>;
    expect(codes.length).toBeGreaterThan(0);
    expect(new Set(Object.keys(documented))).toEqual(new Set(codes));
  });
});
