/**
 * Deciding over approvals that are collected one by one. An approval that would complete a change
 * is not recorded: the leader carries out the change itself with all approvals, by the command for
 * it, so that a change takes effect in one way only and exactly once.
 */
import type { Crypto, UnixMillis } from '@witan/core';
import {
  approvalRule,
  checkAllowed,
  checkApproval,
  checkSignature,
  isRaw,
  ManifestError,
  parseDetachedJws,
  parseManifest,
  revocationBytes,
  type OwnerRole,
  type ParseReferenceValues,
} from '@witan/manifest';
import { contentOf, proposalId, refuseWithdrawn, ROLE_OF } from './approval-content.ts';
import type { ApproveCommand, WithdrawCommand } from './commands.ts';
import * as limits from './limits.ts';
import {
  liveApprovals,
  type Proposal,
  type ProposalTable,
  type ProposedAction,
  type Withdrawal,
} from './proposals.ts';
import { refused, type CommandResult, type Refused } from './results.ts';
import { refuseStep } from './rotate.ts';
import { refuseSlots } from './slot-changes.ts';
import type { StateView } from './view.ts';

/** What deciding looks at. */
export type ApprovalView<ReferenceValues> = Pick<
  StateView<ReferenceValues>,
  'clusterId' | 'epoch' | 'head' | 'manifest' | 'members' | 'rotations' | 'slotChanges' | 'slots'
>;

/** A proposal as it is from now on. */
export interface Proposed {
  readonly proposal: Proposal;
  /** The leader's clock. */
  readonly timeMs: UnixMillis;
}

export interface ApproveOutcome {
  readonly result: CommandResult;
  readonly proposed?: Proposed;
}

/** Decides without changing anything. */
export function decideApprove<ReferenceValues>(
  view: ApprovalView<ReferenceValues>,
  table: ProposalTable,
  command: ApproveCommand,
  parseReferenceValues: ParseReferenceValues<ReferenceValues>,
  crypto: Crypto,
): ApproveOutcome {
  const { previousTransition: found, action } = command;
  if (found !== view.head) return { result: { kind: 'conflict', expected: view.head, found } };
  const refusal = refuseAction(view, action);
  if (refusal !== undefined) return { result: refusal };
  try {
    if (action.kind === 'manifest')
      parseManifest(action.manifest, { parseReferenceValues, crypto });
    return record(view, table, command, crypto);
  } catch (error) {
    return { result: refusalOf(error) };
  }
}

function refuseAction(view: ApprovalView<unknown>, action: ProposedAction): Refused | undefined {
  if (view.manifest === undefined) {
    const expected = 'a manifest in force; the first is set with all approvals at once';
    return refused('PROPOSAL_NEEDS_MANIFEST', 'manifest', expected, 'none');
  }
  if (action.kind === 'rotation') return refuseStep(view, action);
  return action.kind === 'slots' ? refuseSlots(view, action) : undefined;
}

/** @throws ManifestError for whatever the approval lacks */
function record(
  view: ApprovalView<unknown>,
  table: ProposalTable,
  { action, approval, timeMs }: ApproveCommand,
  crypto: Crypto,
): ApproveOutcome {
  const inForce = view.manifest ?? { owners: [], updateThreshold: 0 };
  const rules = { inForce, isFirst: false, action: ROLE_OF[action.kind], timeMs, crypto };
  const { threshold } = checkAllowed(rules);
  const content = contentOf(view, action, crypto);
  if (isRaw(approval.signature)) {
    const fields = { path: 'approval', expected: 'a JWS with an expiry', found: 'raw signature' };
    throw new ManifestError('APPROVAL_MALFORMED', fields);
  }
  checkApproval(approval, content, rules, 'approval');
  const id = proposalId(content, crypto);
  const withdrawn = refuseWithdrawn(table, [approval], id);
  if (withdrawn !== undefined) return { result: withdrawn };
  const before = table.get(id);
  const live = before === undefined ? [] : liveApprovals(before, timeMs);
  const owner = approval.ownerFingerprint;
  const known = live.some((one) => one.ownerFingerprint === owner);
  if (known) {
    const result = { kind: 'approval-recorded', proposal: id, isNew: false } as const;
    return { result: { ...result, count: live.length, needed: threshold } };
  }
  const count = live.length + 1;
  if (count >= threshold) {
    return { result: refused('APPROVALS_COMPLETE', 'approval', 'the change itself', count) };
  }
  const isOpen = live.length > 0 && before !== undefined;
  if (!isOpen && table.openedBy(owner, timeMs) >= limits.PROPOSALS_PER_OWNER_MAX) {
    const { PROPOSALS_PER_OWNER_MAX: most } = limits;
    return { result: refused('PROPOSALS_FULL', 'approval', most, most + 1) };
  }
  const proposal: Proposal = {
    id,
    previousTransition: view.head,
    action,
    opener: isOpen ? before.opener : owner,
    approvals: [...live, approval],
  };
  return {
    result: { kind: 'approval-recorded', proposal: id, isNew: true, count, needed: threshold },
    proposed: { proposal, timeMs },
  };
}

/** Roles that approve something. */
const DECIDING: readonly OwnerRole[] = ['update', 'membership'];

export interface WithdrawOutcome {
  readonly result: CommandResult;
  readonly withdrawal?: Withdrawal;
}

/** Decides without changing anything. */
export function decideWithdraw(
  view: ApprovalView<unknown>,
  table: ProposalTable,
  { proposal, revocation, timeMs }: WithdrawCommand,
  crypto: Crypto,
): WithdrawOutcome {
  const owner = revocation.ownerFingerprint;
  const path = 'revocation';
  try {
    const known = view.manifest?.owners.find(({ fingerprint }) => fingerprint === owner);
    if (known === undefined) {
      const expected = 'fingerprint of an owner in the manifest in force';
      throw new ManifestError('APPROVAL_UNKNOWN_OWNER', { path, expected, found: owner });
    }
    // An auditor's word changes nothing, and who only holds a share has nothing to take back.
    if (!known.roles.some((role) => DECIDING.includes(role))) {
      const expected = DECIDING.join(' or ');
      throw new ManifestError('APPROVAL_ROLE_MISSING', { path, expected, found: owner });
    }
    const { clusterId, head } = view;
    const content = revocationBytes({ clusterId, previousTransition: head, proposal });
    const use = 'witan-revocation+jws';
    const of = { approval: revocation, owner: known, content, path, use } as const;
    checkSignature(of, { timeMs, crypto });
  } catch (error) {
    return { result: refusalOf(error) };
  }
  const stated = parseDetachedJws(revocation.signature)?.header.expiresSeconds ?? 0;
  const until = table.voidUntil(owner, proposal);
  if (until !== undefined && stated <= until) {
    return { result: { kind: 'approval-withdrawn', proposal, isNew: false } };
  }
  const own = table.withdrawals.filter((one) => one.owner === owner).length;
  if (until === undefined && own >= limits.WITHDRAWALS_PER_OWNER_MAX) {
    const { WITHDRAWALS_PER_OWNER_MAX: most } = limits;
    return { result: refused('WITHDRAWALS_FULL', path, most, most + 1) };
  }
  const recorded = table.get(proposal)?.approvals.find((one) => one.ownerFingerprint === owner);
  const header = recorded && parseDetachedJws(recorded.signature)?.header;
  const untilSeconds = Math.max(stated, header?.expiresSeconds ?? 0);
  return {
    result: { kind: 'approval-withdrawn', proposal, isNew: true },
    withdrawal: { owner, proposal, untilSeconds },
  };
}

function refusalOf(error: unknown): Refused {
  if (!(error instanceof ManifestError)) throw error;
  const { path, expected, found } = error.fields;
  return refused(error.code, path, expected, found);
}

/** How many approvals an action takes now. */
export function neededFor(
  view: Pick<StateView<unknown>, 'manifest'>,
  action: ProposedAction,
): number {
  const { manifest } = view;
  return manifest === undefined ? 0 : approvalRule(manifest, ROLE_OF[action.kind]).threshold;
}
