/**
 * Before anything is sent: every key belongs to an owner whose approval counts, and they suffice.
 */
import type { KeyObject } from 'node:crypto';
import type { ReferenceValues } from '@witan/attestation';
import { Secret, type Sha256Hex } from '@witan/core';
import { loadApprovalKey, signJws, spkiFingerprint, spkiOf } from '@witan/keys';
import {
  approvalRule,
  jwsAlgorithmOf,
  type Approval,
  type Owner,
  type ValidatedManifest,
} from '@witan/manifest';
import { CliError } from '../errors.ts';
import { readInput } from '../files.ts';

/** A key that may approve. */
export interface OwnerKey {
  readonly name: string;
  readonly fingerprint: Sha256Hex;
  readonly keyKind: Owner['keyKind'];
  readonly key: KeyObject;
}

/** What the keys are to approve, and whether other owners may do so later. */
export interface OwnerKeysFor {
  readonly action?: 'update' | 'membership';
  readonly othersFollow?: boolean;
}

/** How long an approval counts that is sent at once. */
const EXPIRES_SECONDS = 3600;

/**
 * @param inForce the manifest whose owners decide
 * @throws CliError CLI_KEY_NOT_AN_OWNER, CLI_THRESHOLD_NOT_MET; KeysError
 */
export async function readOwnerKeys(
  paths: readonly string[],
  inForce: ValidatedManifest<ReferenceValues>,
  { action = 'update', othersFollow = false }: OwnerKeysFor = {},
): Promise<readonly OwnerKey[]> {
  const { role, threshold } = approvalRule(inForce, action);
  const keys = new Map<string, OwnerKey>();
  for (const path of paths) {
    const key = loadApprovalKey(new Secret(await readInput(path, 'owner key')));
    const fingerprint = spkiFingerprint(spkiOf(key));
    const owner = inForce.owners.find((item) => item.fingerprint === fingerprint);
    if (owner?.roles.includes(role) !== true) {
      const able = inForce.owners.filter(({ roles }) => roles.includes(role));
      const expected = able.map(({ name, fingerprint: id }) => `${name} ${id}`).join(', ');
      const fields = { path, role, expected, found: fingerprint };
      throw new CliError('CLI_KEY_NOT_AN_OWNER', 'key is not an owner’s', { fields });
    }
    const { name, keyKind } = owner;
    keys.set(fingerprint, { name, fingerprint, keyKind, key });
  }
  if (keys.size < threshold && !othersFollow) {
    const fields = { expected: threshold, found: keys.size };
    throw new CliError('CLI_THRESHOLD_NOT_MET', 'more owners have to approve', { fields });
  }
  return [...keys.values()];
}

/**
 * Each key's approval of the content.
 *
 * @param lastsSeconds how long it counts; an hour where absent
 */
export function approveWith(
  keys: readonly OwnerKey[],
  content: Uint8Array,
  lastsSeconds: number = EXPIRES_SECONDS,
): Promise<readonly Approval[]> {
  const expiresSeconds = Math.floor(Date.now() / 1000) + lastsSeconds;
  return Promise.all(
    keys.map(async ({ fingerprint: owner, keyKind, key }): Promise<Approval> => {
      const algorithm = jwsAlgorithmOf(keyKind);
      const header = { algorithm, expiresSeconds, owner, use: 'witan-approval+jws' } as const;
      return { ownerFingerprint: owner, signature: await signJws(key, header, content) };
    }),
  );
}
