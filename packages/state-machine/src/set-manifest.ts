/**
 * Deciding over `set-manifest`: compare-and-swap on the newest transition, validation, approvals
 * under the rules in force, and the signature that makes the new transition part of the history.
 */
import type { Crypto, Sha256Hex, UnixMillis } from '@witan/core';
import {
  checkApprovals,
  isTransitionSignatureValid,
  ManifestError,
  nextTransition,
  parseManifest,
  transitionHash,
  TRANSITIONS_MAX,
  withdrawnWorkloads,
  type Approval,
  type ParseReferenceValues,
  type Transition,
} from '@witan/manifest';
import { contentOf, proposalId, refuseWithdrawn } from './approval-content.ts';
import type { SetManifestCommand } from './commands.ts';
import type { FoundingKeys, NewGeneration } from './ledger.ts';
import type { ProposalTable } from './proposals.ts';
import { nextShares } from './recovery-shares.ts';
import { refused, type CommandResult, type Refused } from './results.ts';
import type { StateView } from './view.ts';

/** What the leader adds to the state to make the next transition. */
export interface TransitionInput {
  readonly manifestDigest: Sha256Hex;
  readonly approvals: readonly Approval[];
  readonly timeMs: UnixMillis;
}

/**
 * The transition that a manifest would make now. The leader signs `transitionBytes` of it with the
 * history key; every replica builds the same one when it applies the command.
 */
export function transitionFor(
  view: Pick<StateView<unknown>, 'clusterId' | 'epoch' | 'generation' | 'head'>,
  input: TransitionInput,
): Transition {
  return nextTransition({
    clusterId: view.clusterId,
    epoch: view.epoch,
    previousGeneration: view.generation,
    previous: view.head,
    ...input,
  });
}

export type SetManifestOutcome<ReferenceValues> =
  | { readonly result: CommandResult; readonly next?: never }
  | { readonly result: CommandResult; readonly next: NewGeneration<ReferenceValues> };

/** Decides without changing anything. */
export function decideSetManifest<ReferenceValues>(
  view: StateView<ReferenceValues>,
  table: ProposalTable,
  command: SetManifestCommand,
  parseReferenceValues: ParseReferenceValues<ReferenceValues>,
  crypto: Crypto,
): SetManifestOutcome<ReferenceValues> {
  if (command.previousTransition !== view.head) {
    const found = command.previousTransition;
    return { result: { kind: 'conflict', expected: view.head, found } };
  }
  if (view.generation >= TRANSITIONS_MAX) {
    const result = refused('HISTORY_FULL', 'transitions', TRANSITIONS_MAX, view.generation + 1);
    return { result };
  }
  const content = contentOf(view, { kind: 'manifest', manifest: command.manifest }, crypto);
  const withdrawn = refuseWithdrawn(table, command.approvals, proposalId(content, crypto));
  if (withdrawn !== undefined) return { result: withdrawn };
  const founding = foundingKeys(view, command);
  if (isRefused(founding)) return { result: founding };
  try {
    return decideNext(view, command, founding, parseReferenceValues, crypto);
  } catch (error) {
    if (!(error instanceof ManifestError)) throw error;
    const { path, expected, found } = error.fields;
    return { result: refused(error.code, path, expected, found) };
  }
}

/** @throws ManifestError for whatever manifest or approvals lack */
function decideNext<ReferenceValues>(
  view: StateView<ReferenceValues>,
  command: SetManifestCommand,
  founding: FoundingKeys | undefined,
  parseReferenceValues: ParseReferenceValues<ReferenceValues>,
  crypto: Crypto,
): SetManifestOutcome<ReferenceValues> {
  const manifest = parseManifest(command.manifest, { parseReferenceValues, crypto });
  const approvals = checkApprovals({
    inForce: view.manifest ?? manifest,
    isFirst: view.manifest === undefined,
    subject: {
      clusterId: view.clusterId,
      previousTransition: view.head,
      manifestDigest: manifest.digest,
    },
    approvals: command.approvals,
    timeMs: command.timeMs,
    crypto,
  });
  const transition = transitionFor(view, {
    manifestDigest: manifest.digest,
    approvals,
    timeMs: command.timeMs,
  });
  const signed = { transition, signature: command.transitionSignature };
  const historyPublicKey = founding?.historyPublicKey ?? view.historyPublicKey;
  if (
    historyPublicKey === undefined ||
    !isTransitionSignatureValid(signed, historyPublicKey, crypto)
  ) {
    const expected = 'a signature by the history key over the new transition';
    const result = refused('TRANSITION_SIGNATURE_INVALID', 'transition', expected, 'another');
    return { result };
  }
  // Last, so that a leader deals shares for approved manifests alone.
  const shares = nextShares(view.clusterId, view.shares, manifest, command.recoveryHeader);
  if ('kind' in shares) return { result: shares };
  const head = transitionHash(transition, crypto);
  const { meshCaCertificate } = command;
  return {
    result: { kind: 'manifest-set', generation: transition.generation, transitionHash: head },
    next: {
      signed,
      head,
      manifest,
      meshCaCertificate,
      founding,
      shares,
      withdrawn: view.manifest === undefined ? [] : withdrawnWorkloads(view.manifest, manifest),
    },
  };
}

/** Root certificate and history key come with the first manifest and never again (I8). */
function foundingKeys(
  view: StateView<unknown>,
  command: SetManifestCommand,
): FoundingKeys | Refused | undefined {
  const { rootCertificate, historyPublicKey } = command;
  if (view.manifest !== undefined) {
    if (rootCertificate === undefined && historyPublicKey === undefined) return undefined;
    const path = rootCertificate === undefined ? 'historyPublicKey' : 'rootCertificate';
    return refused('FOUNDING_FIELDS_REPEATED', path, 'nothing after the first manifest', 'a value');
  }
  if (rootCertificate !== undefined && historyPublicKey !== undefined) {
    return { rootCertificate, historyPublicKey };
  }
  const path = rootCertificate === undefined ? 'rootCertificate' : 'historyPublicKey';
  return refused('FOUNDING_FIELDS_MISSING', path, 'a value with the first manifest', 'nothing');
}

function isRefused(value: FoundingKeys | Refused | undefined): value is Refused {
  return value !== undefined && 'kind' in value;
}
