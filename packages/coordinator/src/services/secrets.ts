/** Which secrets an attested workload receives, by the manifest in force. */
import type { ClusterId, Sha256Hex } from '@witan/core';
import { deriveSecret, type SecretOwner, type Seed } from '@witan/keys';
import { versionsOf, type Workload } from '@witan/manifest';
import type { RotationsView } from '@witan/state-machine';

/** A secret in one version. */
export interface ReleasedSecret {
  readonly name: string;
  readonly version: number;
  /** 32 bytes. */
  readonly value: Uint8Array;
}

/** What secrets are made from. */
export interface SecretSource {
  readonly clusterId: ClusterId;
  /** Which versions there are, and what each derives from. */
  readonly rotations: Pick<RotationsView, 'secretVersion' | 'seeds'>;
  /** A seed by its number; undefined where it is not held any more. */
  readonly seedOf: (number: number) => Seed | undefined;
}

/**
 * Each secret in its current version, and behind it in those that the manifest keeps.
 *
 * @param spkiSha256 the key that the pod had certified, and proved to hold
 */
export function releasedSecrets(
  workload: Pick<Workload<unknown>, 'name' | 'secrets'>,
  spkiSha256: Sha256Hex,
  { clusterId, rotations, seedOf }: SecretSource,
): readonly ReleasedSecret[] {
  return workload.secrets.flatMap((grant) => {
    const { name, kind } = grant;
    const owner: SecretOwner =
      kind === 'shared' ? { kind } : { kind, workload: workload.name, spkiSha256 };
    const { seeds } = rotations;
    const versions = versionsOf(grant, rotations.secretVersion(name), seeds.leastVersion(name));
    return versions.flatMap((version) => {
      const seed = seedOf(seeds.ofSecret(name, version));
      if (seed === undefined) return [];
      const value = deriveSecret(seed, clusterId, owner, name, version).expose();
      return [{ name, version, value }];
    });
  });
}
