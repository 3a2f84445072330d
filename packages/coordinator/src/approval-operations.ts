/**
 * What the leader makes of an owner's approval: a record that waits for more, or the change itself,
 * with every approval that still counts. Which of the two it is the state machine says in the end;
 * where another approval has come in between, the leader prepares again.
 */
import type { ReferenceValues } from '@witan/attestation';
import type { Clock, Crypto, Sha256Hex } from '@witan/core';
import type { Approval } from '@witan/manifest';
import {
  contentOf,
  encodeCommand,
  liveApprovals,
  neededFor,
  proposalId,
  type ProposedAction,
  type RequestKey,
  type StateMachine,
} from '@witan/state-machine';
import type { Operation } from './operations.ts';

/** One owner's approval. */
export interface ApproveOperation {
  readonly kind: 'approve';
  /** For the change, where this completes it. */
  readonly requestKey: RequestKey;
  readonly previousTransition: Sha256Hex;
  readonly action: ProposedAction;
  readonly approval: Approval;
}

/** One owner's withdrawal. */
export interface WithdrawOperation {
  readonly kind: 'withdraw';
  readonly proposal: Sha256Hex;
  readonly revocation: Approval;
}

/** The change that an approval completes; undefined where it takes more of them. */
export function completedBy(
  { action, approval, previousTransition, requestKey }: ApproveOperation,
  view: StateMachine<ReferenceValues>,
  { crypto, clock }: { readonly crypto: Crypto; readonly clock: Clock },
): Operation | undefined {
  if (previousTransition !== view.head) return undefined;
  const needed = neededFor(view, action);
  const id = proposalId(contentOf(view, action, crypto), crypto);
  const pending = view.proposals.find((proposal) => proposal.id === id);
  const nowMs = clock.now();
  const others = (pending === undefined ? [] : liveApprovals(pending, nowMs)).filter(
    ({ ownerFingerprint }) => ownerFingerprint !== approval.ownerFingerprint,
  );
  const approvals = [...others, approval];
  if (needed === 0 || approvals.length < needed) return undefined;
  const change = { requestKey, previousTransition, approvals };
  switch (action.kind) {
    case 'manifest':
      return { kind: 'set-manifest', manifest: action.manifest, ...change };
    case 'slots':
      return { kind: 'change-slots', number: action.number, slots: action.slots, ...change };
    case 'rotation':
      return { kind: 'rotate', number: action.number, step: action.step, ...change };
    default:
      return action satisfies never;
  }
}

/** The command that records an approval or a withdrawal, at the leader's time. */
export function approvalCommand(
  operation: ApproveOperation | WithdrawOperation,
  clock: Clock,
): Uint8Array {
  const timeMs = clock.now();
  if (operation.kind === 'withdraw') return encodeCommand({ ...operation, timeMs });
  const { kind, previousTransition, action, approval } = operation;
  return encodeCommand({ kind, previousTransition, action, approval, timeMs });
}
