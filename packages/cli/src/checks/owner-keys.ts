/**
 * Before anything is sent: every key belongs to an owner whose approval counts, and they suffice.
 */
import type { KeyObject } from 'node:crypto';
import type { ReferenceValues } from '@witan/attestation';
import { Secret } from '@witan/core';
import { loadOwnerPrivateKey, spkiFingerprint, spkiOf } from '@witan/keys';
import { approvalRule, type ValidatedManifest } from '@witan/manifest';
import { CliError } from '../errors.ts';
import { readInput } from '../files.ts';

/** A key that may approve. */
export interface OwnerKey {
  readonly name: string;
  readonly fingerprint: string;
  readonly key: KeyObject;
}

/**
 * @param inForce the manifest whose owners decide
 * @param action what they approve: a manifest, or a change of slots
 * @throws CliError CLI_KEY_NOT_AN_OWNER, CLI_THRESHOLD_NOT_MET; KeysError
 */
export async function readOwnerKeys(
  paths: readonly string[],
  inForce: ValidatedManifest<ReferenceValues>,
  action: 'update' | 'membership' = 'update',
): Promise<readonly OwnerKey[]> {
  const keys = new Map<string, OwnerKey>();
  const { role, threshold } = approvalRule(inForce, action);
  for (const path of paths) {
    const key = loadOwnerPrivateKey(new Secret(await readInput(path, 'owner key')));
    const fingerprint = spkiFingerprint(spkiOf(key));
    const owner = inForce.owners.find((item) => item.fingerprint === fingerprint);
    if (owner?.roles.includes(role) !== true) {
      const expected = inForce.owners
        .map(({ name, fingerprint: id }) => `${name} ${id}`)
        .join(', ');
      const fields = { path, expected, found: fingerprint };
      throw new CliError('CLI_KEY_NOT_AN_OWNER', 'key is not an owner’s', { fields });
    }
    keys.set(fingerprint, { name: owner.name, fingerprint, key });
  }
  if (keys.size < threshold) {
    const fields = { expected: threshold, found: keys.size };
    throw new CliError('CLI_THRESHOLD_NOT_MET', 'more owners have to approve', { fields });
  }
  return [...keys.values()];
}
