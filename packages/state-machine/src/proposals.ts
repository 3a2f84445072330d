/**
 * Changes that wait for more approvals, and approvals that their owners withdrew. Both are good for
 * the manifest in force alone, so the next one empties the table.
 *
 * Each owner has places of his own, for what he was the first to approve and for what he withdrew.
 * So nobody can fill the table for another, and its size is bounded by the number of owners (I10).
 */
import {
  sha256Hex,
  slotName,
  type CanonicalReader,
  type CanonicalWriter,
  type Sha256Hex,
  type SlotName,
  type UnixMillis,
} from '@witan/core';
import {
  APPROVALS_MAX,
  expiryOf,
  MANIFEST_BYTES_MAX,
  OWNERS_MAX,
  readApproval,
  rotationText,
  writeApproval,
  type Approval,
  type RotationStep,
} from '@witan/manifest';
import { badValue, readHex, writeHex } from './codec.ts';
import * as limits from './limits.ts';
import { readStep } from './rotations.ts';

/** What owners may approve. */
export type ProposedAction =
  | { readonly kind: 'manifest'; readonly manifest: Uint8Array }
  | { readonly kind: 'slots'; readonly number: number; readonly slots: readonly SlotName[] }
  | { readonly kind: 'rotation'; readonly number: number; readonly step: RotationStep };

/** A change with some of the approvals that it takes. */
export interface Proposal {
  /** SHA-256 of what the owners sign. */
  readonly id: Sha256Hex;
  /** The transition that it builds on. */
  readonly previousTransition: Sha256Hex;
  readonly action: ProposedAction;
  /**
   * Fingerprint of the owner in whose place it is: the first who approved, and after him the next
   * whose approval counts and who has a place.
   */
  readonly opener: Sha256Hex;
  /** One per owner, in the order of the log; all of them JWS. */
  readonly approvals: readonly Approval[];
}

/** An owner's word that approvals of a change no longer count. */
export interface Withdrawal {
  readonly owner: Sha256Hex;
  readonly proposal: Sha256Hex;
  /** Approvals that expire up to then are void, in seconds since 1970. */
  readonly untilSeconds: number;
}

/** When the approvals of a proposal have all expired, it is gone. */
function expiresMs({ approvals }: Proposal): number {
  return Math.max(0, ...approvals.map(({ signature }) => expiryOf(signature) ?? 0));
}

/** The approvals that still count at a time. */
export function liveApprovals(proposal: Proposal, timeMs: UnixMillis): readonly Approval[] {
  return proposal.approvals.filter(({ signature }) => (expiryOf(signature) ?? 0) >= timeMs);
}

/** Whether the owner in whose place it is still approves it. */
function isHeld(proposal: Proposal, timeMs: UnixMillis): boolean {
  const live = liveApprovals(proposal, timeMs);
  return live.some(({ ownerFingerprint }) => ownerFingerprint === proposal.opener);
}

/** See the head of this file. */
export class ProposalTable {
  readonly #proposals: Map<Sha256Hex, Proposal> = new Map();
  readonly #withdrawals: Map<string, Withdrawal> = new Map();

  get proposals(): readonly Proposal[] {
    return [...this.#proposals.values()];
  }

  get withdrawals(): readonly Withdrawal[] {
    return [...this.#withdrawals.values()];
  }

  get(id: Sha256Hex): Proposal | undefined {
    return this.#proposals.get(id);
  }

  /** Up to when an owner's approvals of a change are void; undefined where none was withdrawn. */
  voidUntil(owner: Sha256Hex, proposal: Sha256Hex): number | undefined {
    return this.#withdrawals.get(`${owner} ${proposal}`)?.untilSeconds;
  }

  /** Whether an owner withdrew this approval, or any that would expire as late. */
  isWithdrawn(approval: Approval, proposal: Sha256Hex): boolean {
    const until = this.voidUntil(approval.ownerFingerprint, proposal);
    return until !== undefined && (expiryOf(approval.signature) ?? 0) <= until * 1000;
  }

  /** Proposals that take an owner's places at a time. */
  openedBy(owner: Sha256Hex, timeMs: UnixMillis): number {
    return this.proposals.filter((one) => one.opener === owner && isHeld(one, timeMs)).length;
  }

  /** @param timeMs the leader's clock: what has expired by then is dropped, or moves */
  put(proposal: Proposal, timeMs: UnixMillis): void {
    for (const [id, one] of this.#proposals) {
      if (expiresMs(one) < timeMs) this.#proposals.delete(id);
    }
    this.#proposals.set(proposal.id, proposal);
    for (const one of this.proposals) {
      if (!isHeld(one, timeMs)) this.#move(one, liveApprovals(one, timeMs));
    }
  }

  withdraw(withdrawal: Withdrawal): void {
    const { owner, proposal: id } = withdrawal;
    this.#withdrawals.set(`${owner} ${id}`, withdrawal);
    const proposal = this.#proposals.get(id);
    if (proposal === undefined) return;
    const approvals = proposal.approvals.filter((one) => one.ownerFingerprint !== owner);
    const rest = { ...proposal, approvals };
    if (proposal.opener === owner) this.#move(rest, approvals);
    else this.#proposals.set(id, rest);
  }

  /**
   * Gives a change the place of another owner, or else drops it: whoever approves what others have
   * opened must not be able to keep their places taken.
   *
   * @param approvals those of owners who may give it a place
   */
  #move(proposal: Proposal, approvals: readonly Approval[]): void {
    this.#proposals.delete(proposal.id);
    const taken = (owner: Sha256Hex): number =>
      this.proposals.filter(({ opener }) => opener === owner).length;
    const next = approvals.find(
      ({ ownerFingerprint }) => taken(ownerFingerprint) < limits.PROPOSALS_PER_OWNER_MAX,
    );
    if (next === undefined) return;
    this.#proposals.set(proposal.id, { ...proposal, opener: next.ownerFingerprint });
  }

  /**
   * A full recovery goes on from this state: owners approve anew what they see then. What they have
   * taken back stays void, as approvals of manifests would count in the new epoch as well.
   */
  recovered(): ProposalTable {
    const table = new ProposalTable();
    for (const [name, withdrawal] of this.#withdrawals) table.#withdrawals.set(name, withdrawal);
    return table;
  }

  /** Another manifest is in force. */
  clear(): void {
    this.#proposals.clear();
    this.#withdrawals.clear();
  }

  /** One of these was carried out: the number that all others of its kind build on has passed. */
  drop(kind: 'slots' | 'rotation'): void {
    for (const [id, { action }] of this.#proposals) {
      if (action.kind === kind) this.#proposals.delete(id);
    }
  }

  write(writer: CanonicalWriter): void {
    writer.list(this.proposals, writeProposal);
    writer.list(this.withdrawals, (to, { owner, proposal, untilSeconds }) => {
      writeHex(to, owner);
      writeHex(to, proposal);
      to.u64(untilSeconds);
    });
  }

  /** @param head hash of the transition in force, on which everything here builds */
  static read(reader: CanonicalReader, head: Sha256Hex): ProposalTable {
    const table = new ProposalTable();
    for (const proposal of reader.list(limits.PROPOSALS_PER_OWNER_MAX * OWNERS_MAX, readProposal)) {
      const isFresh = !table.#proposals.has(proposal.id) && proposal.approvals.length > 0;
      if (!isFresh || proposal.previousTransition !== head) throw badValue('an odd proposal');
      table.#proposals.set(proposal.id, proposal);
    }
    const withdrawals = reader.list(limits.WITHDRAWALS_PER_OWNER_MAX * OWNERS_MAX, (from) => ({
      owner: sha256Hex(readHex(from, 32)),
      proposal: sha256Hex(readHex(from, 32)),
      untilSeconds: from.u64(),
    }));
    for (const withdrawal of withdrawals) {
      const { owner, proposal } = withdrawal;
      if (table.voidUntil(owner, proposal) !== undefined) throw badValue('a withdrawal twice');
      table.#withdrawals.set(`${owner} ${proposal}`, withdrawal);
    }
    return table;
  }
}

const ACTIONS: readonly ProposedAction['kind'][] = ['manifest', 'slots', 'rotation'];

/** Appends an action. */
export function writeAction(writer: CanonicalWriter, action: ProposedAction): void {
  writer.u8(ACTIONS.indexOf(action.kind));
  if (action.kind === 'manifest') writer.bytes(action.manifest);
  else if (action.kind === 'rotation') writer.u64(action.number).text(rotationText(action.step));
  else writer.u64(action.number).list(action.slots, (to, slot) => to.text(slot));
}

/** Reads what `writeAction` wrote. */
export function readAction(reader: CanonicalReader): ProposedAction {
  const kind = ACTIONS[reader.u8()];
  if (kind === 'manifest') return { kind, manifest: reader.bytes(MANIFEST_BYTES_MAX) };
  if (kind === undefined) throw badValue('another kind of action');
  if (kind === 'rotation') return { kind, number: reader.u64(), step: readStep(reader) };
  return {
    kind,
    number: reader.u64(),
    slots: reader.list(limits.SLOTS_MAX, (from) => slotName(from.text(63))),
  };
}

function writeProposal(writer: CanonicalWriter, proposal: Proposal): void {
  writeHex(writer, proposal.id);
  writeHex(writer, proposal.previousTransition);
  writeAction(writer, proposal.action);
  writeHex(writer, proposal.opener);
  writer.list(proposal.approvals, writeApproval);
}

function readProposal(reader: CanonicalReader): Proposal {
  return {
    id: sha256Hex(readHex(reader, 32)),
    previousTransition: sha256Hex(readHex(reader, 32)),
    action: readAction(reader),
    opener: sha256Hex(readHex(reader, 32)),
    approvals: reader.list(APPROVALS_MAX, readApproval),
  };
}
