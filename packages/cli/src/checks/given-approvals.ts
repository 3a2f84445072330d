/** Approvals that owners signed apart from each other, as `witan approve --out` writes them. */
import type { ReferenceValues } from '@witan/attestation';
import { fromUtf8, utf8 } from '@witan/core';
import { nodeCrypto } from '@witan/keys';
import {
  approvalRule,
  checkApproval,
  parseDetachedJws,
  type Approval,
  type ValidatedManifest,
} from '@witan/manifest';
import { CliError } from '../errors.ts';
import { readInput } from '../files.ts';

type Manifest = ValidatedManifest<ReferenceValues>;

/** An approval with the owner's name. */
export interface GivenApproval {
  readonly name: string;
  readonly approval: Approval;
}

/** @throws CliError CLI_APPROVAL_UNREADABLE, and of files */
export async function readApprovals(paths: readonly string[]): Promise<readonly ReadApproval[]> {
  return await Promise.all(
    paths.map(async (path) => {
      const text = textOf(await readInput(path, 'approval')).trim();
      const signature = utf8(text);
      const owner = parseDetachedJws(signature)?.header.owner;
      if (owner === undefined) {
        const fields = {
          path,
          expected: 'HEADER..SIGNATURE, a detached JWS',
          found: 'other bytes',
        };
        throw new CliError('CLI_APPROVAL_UNREADABLE', 'the file holds no approval', { fields });
      }
      return { path, approval: { ownerFingerprint: owner, signature } };
    }),
  );
}

/** An approval and where it was read. */
export interface ReadApproval {
  readonly path: string;
  readonly approval: Approval;
}

/**
 * Before anything is sent: each is by an owner who may, and of this very content. Whether it has
 * expired is the leader's to say (I5).
 *
 * @throws ManifestError that names the file
 */
export function checkGiven(
  read: readonly ReadApproval[],
  content: Uint8Array,
  inForce: Manifest,
  isFirst: boolean,
): readonly GivenApproval[] {
  return read.map(({ path, approval }) => {
    const rules = { inForce, isFirst, crypto: nodeCrypto };
    return { name: checkApproval(approval, content, rules, path).name, approval };
  });
}

/** @throws CliError CLI_THRESHOLD_NOT_MET unless so many different owners suffice */
export function refuseTooFew(owners: readonly string[], inForce: Manifest): void {
  const { threshold: expected } = approvalRule(inForce);
  const found = new Set(owners).size;
  if (found >= expected) return;
  const fields = { expected, found };
  throw new CliError('CLI_THRESHOLD_NOT_MET', 'more owners have to approve', { fields });
}

function textOf(bytes: Uint8Array): string {
  try {
    return fromUtf8(bytes);
  } catch {
    return '';
  }
}
