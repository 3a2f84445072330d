/** Which secrets an attested workload receives, by the manifest in force. */
import type { ClusterId, Sha256Hex } from '@witan/core';
import { deriveSecret, type SecretOwner, type Seed } from '@witan/keys';
import { versionsOf, type Workload } from '@witan/manifest';

/** A secret in one version. */
export interface ReleasedSecret {
  readonly name: string;
  readonly version: number;
  /** 32 bytes. */
  readonly value: Uint8Array;
}

/** What secrets are made from. */
export interface SecretSource {
  readonly seed: Seed;
  readonly clusterId: ClusterId;
  /** To which version a secret was rotated; 0 for never. */
  readonly rotatedTo: (name: string) => number;
}

/**
 * Each secret in its current version, and behind it in those that the manifest keeps.
 *
 * @param spkiSha256 the key that the pod had certified, and proved to hold
 */
export function releasedSecrets(
  workload: Pick<Workload<unknown>, 'name' | 'secrets'>,
  spkiSha256: Sha256Hex,
  { seed, clusterId, rotatedTo }: SecretSource,
): readonly ReleasedSecret[] {
  return workload.secrets.flatMap((grant) => {
    const { name, kind } = grant;
    const owner: SecretOwner =
      kind === 'shared' ? { kind } : { kind, workload: workload.name, spkiSha256 };
    return versionsOf(grant, rotatedTo(name)).map((version) => {
      const value = deriveSecret(seed, clusterId, owner, name, version).expose();
      return { name, version, value };
    });
  });
}
