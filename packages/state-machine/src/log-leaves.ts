/** What each change of the state leaves in the audit log. */
import { unixMillis, type Crypto, type Sha256Hex } from '@witan/core';
import {
  manifestDigest,
  recoveryHash,
  type LeafEvent,
  type LeafMember,
  type LogLeaf,
  type SignedRecovery,
  rotationText,
  versionsOf,
} from '@witan/manifest';
import type { Command } from './commands.ts';
import { APPROVAL_LEAVES_SINCE } from './features.ts';
import type { NewGeneration } from './ledger.ts';
import type { Rotation } from './lifecycle.ts';
import type { ProposedAction } from './proposals.ts';
import type { CommandResult, IssuedIdentity } from './results.ts';
import type { SlotChange } from './slot-changes.ts';
import type { MembershipResult, StateView } from './view.ts';

type Place = Pick<StateView<unknown>, 'epoch' | 'generation'>;
type After = Place & Pick<StateView<unknown>, 'manifest' | 'rotations' | 'versions'>;

/** What a command did; see `leavesOfCommand`. */
export interface Done {
  readonly index: number;
  readonly command: Command | undefined;
  readonly result: CommandResult;
  readonly next: NewGeneration<unknown> | undefined;
  readonly slots?: SlotChange | undefined;
  readonly rotation?: Rotation | undefined;
}

/** @param after the state with the command's effect */
export function leavesOfCommand(after: After, done: Done, crypto: Crypto): readonly LogLeaf[] {
  const { index, result, next, slots, rotation } = done;
  if (result.kind === 'issued') return leavesOfIssuance(after, done, result.record);
  if (result.kind === 'approval-recorded' || result.kind === 'approval-withdrawn') {
    return result.isNew ? leavesOfWaiting(after, done, result.proposal, crypto) : [];
  }
  if (next !== undefined) {
    const { transition } = next.signed;
    const { manifestDigest, approvals, timeMs } = transition;
    return placed(after, index, timeMs, [
      ...approvedBy(approvals, `generation ${transition.generation}`),
      { kind: 'update', transitionHash: next.head, manifestDigest },
      ...revocationOf(next.withdrawn),
    ]);
  }
  if (rotation !== undefined) {
    const { number, step, version, approvals, timeMs } = rotation.record;
    return placed(after, index, timeMs, [
      ...approvedBy(approvals, `rotation ${number}`),
      { kind: 'rotation', number, step: rotationText(step), version },
    ]);
  }
  if (slots === undefined) return [];
  return placed(after, index, slots.timeMs, [
    ...approvedBy(slots.approvals, `slots ${slots.number}`),
    { kind: 'slots', number: slots.number, slots: slots.slots },
  ]);
}

/** What waits is told as well, from the state version on under which every member tells it. */
function leavesOfWaiting(
  after: After,
  { index, command }: Done,
  proposal: Sha256Hex,
  crypto: Crypto,
): readonly LogLeaf[] {
  if (after.versions.inUse < APPROVAL_LEAVES_SINCE) return [];
  if (command?.kind === 'withdraw') {
    const { ownerFingerprint: owner } = command.revocation;
    return placed(after, index, command.timeMs, [{ kind: 'withdrawal', owner, proposal }]);
  }
  if (command?.kind !== 'approve') return [];
  const { approval, action, timeMs } = command;
  const what = `proposal ${proposal} ${wordsOf(action, crypto)}`;
  return placed(after, index, timeMs, approvedBy([approval], what));
}

function wordsOf(action: ProposedAction, crypto: Crypto): string {
  switch (action.kind) {
    case 'manifest':
      return `manifest ${manifestDigest(action.manifest, crypto)}`;
    case 'slots':
      return `slots ${action.number + 1}`;
    case 'rotation':
      return `rotation ${action.number + 1}: ${rotationText(action.step)}`;
    default:
      return action satisfies never;
  }
}

function revocationOf(workloads: readonly string[]): readonly LeafEvent[] {
  return workloads.length === 0 ? [] : [{ kind: 'revocation', workloads }];
}

/** A release is one leaf beside its certificate, made before either is handed out (I3). */
function leavesOfIssuance(
  after: After,
  { index, command }: Done,
  record: IssuedIdentity,
): readonly LogLeaf[] {
  const { serial, workload } = record;
  const recorded = command?.kind === 'issue-certificate' ? command.recorded : undefined;
  const grants = after.manifest?.workloads.get(workload)?.secrets ?? [];
  const secrets = grants.flatMap((grant) => {
    const { name } = grant;
    const { rotations } = after;
    const least = rotations.seeds.leastVersion(name);
    return versionsOf(grant, rotations.secretVersion(name), least).map((version) => ({
      name,
      version,
    }));
  });
  const { spkiSha256, evidenceSha256, notBeforeMs, notAfterMs, servedBy } = record;
  const issuance: LeafEvent = {
    kind: 'issuance',
    serial,
    workload,
    spkiSha256,
    evidenceSha256,
    measurement: recorded?.measurement ?? '',
    notBeforeMs,
    notAfterMs,
    servedBy,
  };
  const release: LeafEvent = { kind: 'release', serial, workload, secrets };
  const events = secrets.length === 0 ? [issuance] : [issuance, release];
  return placed(after, index, recorded?.timeMs ?? notBeforeMs, events);
}

/** One for each change of the configuration, also where a joint one is left. */
export function leavesOfMembership(
  after: Place & Pick<StateView<unknown>, 'members'>,
  index: number,
  { added, removed }: MembershipResult,
): readonly LogLeaf[] {
  const voters = after.members.filter(({ role }) => role === 'voter').map(({ slot }) => slot);
  const event: LeafEvent = {
    kind: 'membership',
    added: added.map(memberOf),
    removed: removed.map(memberOf),
    voters: [...new Set(voters)].toSorted(),
  };
  return placed(after, index, 0, [event]);
}

export function leavesOfRecovery(
  after: Place,
  index: number,
  { recovery }: SignedRecovery,
  crypto: Crypto,
): readonly LogLeaf[] {
  const { key, owners, participants, acceptedMissing, timeMs } = recovery;
  const hash = recoveryHash(recovery, crypto);
  const who = { key, owners, participants, acceptedMissing };
  return placed(after, index, timeMs, [{ kind: 'recovery', recoveryHash: hash, ...who }]);
}

function approvedBy(
  approvals: readonly { readonly ownerFingerprint: LeafOwner }[],
  action: string,
): readonly LeafEvent[] {
  return approvals.map(({ ownerFingerprint: owner }) => ({ kind: 'approval', owner, action }));
}

type LeafOwner = (LeafEvent & { readonly kind: 'approval' })['owner'];

function memberOf({ slot, incarnation }: LeafMember): LeafMember {
  return { slot, incarnation };
}

function placed(
  { epoch, generation }: Place,
  index: number,
  timeMs: number,
  events: readonly LeafEvent[],
): readonly LogLeaf[] {
  return events.map((event) => ({
    index,
    epoch,
    generation,
    timeMs: unixMillis(timeMs),
    ...event,
  }));
}
