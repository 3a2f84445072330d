/** Who holds the same secret, and who does not (I9). */
import { describe, expect, it } from 'vitest';
import { clusterId, sha256Hex, toHex } from '@witan/core';
import { createSeed } from '@witan/keys';
import type { SecretGrant, SecretKind } from '@witan/manifest';
import type { SeedsView } from '@witan/state-machine';
import { releasedSecrets } from '../src/services/secrets.ts';

const seed = createSeed();
const CLUSTER = clusterId('c1'.repeat(32));
const [ONE, OTHER] = [sha256Hex('a1'.repeat(32)), sha256Hex('a2'.repeat(32))];

function released(
  workload: string,
  kind: SecretKind,
  pod = ONE,
  change: Partial<SecretGrant> & { readonly rotatedTo?: number; readonly id?: string } = {},
): readonly string[] {
  const { rotatedTo = 0, id = CLUSTER, ...rest } = change;
  const grant = { name: 'key', kind, version: 1, keep: 1, ...rest };
  const seeds = { leastVersion: () => 1, ofSecret: () => 1 } as unknown as SeedsView;
  const rotations = { secretVersion: () => rotatedTo, seeds };
  const source = { clusterId: clusterId(id), rotations, seedOf: () => seed };
  const secrets = releasedSecrets({ name: workload, secrets: [grant] }, pod, source);
  return secrets.map(({ version, value }) => `${version}:${toHex(value)}`);
}

describe('a secret', () => {
  it('that is shared is the same for all workloads and pods', () => {
    expect(released('web', 'shared')).toEqual(released('db', 'shared', OTHER));
  });

  it('of a workload is the same for its pods, and no other workload has it', () => {
    expect(released('web', 'workload')).toEqual(released('web', 'workload', OTHER));
    expect(released('web', 'workload')).not.toEqual(released('db', 'workload'));
  });

  it('of a pod goes with the key that it had certified', () => {
    expect(released('web', 'pod')).toEqual(released('web', 'pod'));
    expect(released('web', 'pod')).not.toEqual(released('web', 'pod', OTHER));
    expect(released('web', 'pod')).not.toEqual(released('db', 'pod'));
  });

  it('is another for each kind, name, version and cluster', () => {
    const all = [
      released('web', 'shared'),
      released('web', 'workload'),
      released('web', 'pod'),
      released('web', 'shared', ONE, { name: 'other' }),
      released('web', 'shared', ONE, { version: 2, keep: 0 }),
      released('web', 'shared', ONE, { id: 'c2'.repeat(32) }),
    ].flat();
    expect(new Set(all.map((one) => one.split(':')[1])).size).toBe(all.length);
  });

  it('stays readable in older versions, as far as the manifest keeps them', () => {
    const [first] = released('web', 'workload');
    const after = released('web', 'workload', ONE, { rotatedTo: 2 });
    expect(after).toHaveLength(2);
    expect(after[1]).toBe(first);
    expect(released('web', 'workload', ONE, { rotatedTo: 2, keep: 0 })).toEqual([after[0]]);
    const later = released('web', 'workload', ONE, { rotatedTo: 4, keep: 3 });
    expect(later.at(-1)).toBe(first);
  });
});
