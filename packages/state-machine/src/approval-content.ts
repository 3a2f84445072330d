/** What owners sign for an action, how it is named, and whose word was taken back. */
import { sha256Hex, toHex, type Crypto, type Sha256Hex } from '@witan/core';
import {
  approvalBytes,
  manifestDigest,
  rotationBytes,
  slotChangeBytes,
  type Approval,
} from '@witan/manifest';
import type { ProposalTable, ProposedAction } from './proposals.ts';
import { refused, type Refused } from './results.ts';
import type { StateView } from './view.ts';

/** What owners sign to approve an action on this very state. */
export function contentOf(
  view: Pick<StateView<unknown>, 'clusterId' | 'epoch' | 'head' | 'slots'>,
  action: ProposedAction,
  crypto: Crypto,
): Uint8Array {
  const { clusterId, epoch, head: previousTransition, slots: from } = view;
  if (action.kind === 'manifest') {
    const digest = manifestDigest(action.manifest, crypto);
    return approvalBytes({ clusterId, previousTransition, manifestDigest: digest });
  }
  const place = { clusterId, epoch, previousTransition, number: action.number };
  if (action.kind === 'rotation') return rotationBytes({ ...place, step: action.step });
  return slotChangeBytes({ ...place, from, to: action.slots });
}

/** The name of a proposal: SHA-256 of what owners sign. */
export function proposalId(content: Uint8Array, crypto: Crypto): Sha256Hex {
  return sha256Hex(toHex(crypto.hash('sha256', content)));
}

/** Which owners decide over an action. */
export const ROLE_OF: Readonly<Record<ProposedAction['kind'], 'update' | 'membership'>> = {
  manifest: 'update',
  slots: 'membership',
  rotation: 'update',
};

/** The refusal where an owner has taken one of these approvals back. */
export function refuseWithdrawn(
  table: ProposalTable,
  approvals: readonly Approval[],
  id: Sha256Hex,
): Refused | undefined {
  const withdrawn = approvals.find((approval) => table.isWithdrawn(approval, id));
  if (withdrawn === undefined) return undefined;
  const until = table.voidUntil(withdrawn.ownerFingerprint, id) ?? 0;
  const expected = `an approval that expires after ${until} (Unix seconds)`;
  return refused('APPROVAL_WITHDRAWN', 'approvals', expected, withdrawn.ownerFingerprint);
}
