/**
 * The replicated state. A deterministic function of the log: no clock, no random numbers, no I/O.
 * It is mutable inside, and read-only for everybody but the driver that applies the log.
 *
 * Input is trusted to be *committed* and nothing more: a malformed or forbidden command gives a
 * result, so no proposer can stop a replica (I10). Whether a view is current is not decided here
 * (I5), and no key material is ever part of the state, but what is encrypted in recovery shares.
 */
import {
  assert,
  type ClusterId,
  type Crypto,
  type Epoch,
  type Generation,
  type Sha256Hex,
  type SlotName,
} from '@witan/core';
import {
  type HistoryKeys,
  verifyRecoveries,
  type Floor,
  type LogLeaf,
  type ParseReferenceValues,
  type SignedRecovery,
  type SignedTransition,
  type ValidatedManifest,
} from '@witan/manifest';
import { AuditLog, type AuditLogView } from './audit-log.ts';
import type { RequestKey } from './commands.ts';
import { decideCommand } from './decide.ts';
import { STATE_VERSION } from './features.ts';
import { HeldCertificates, type HeldView } from './held-certificates.ts';
import { IssuedTable } from './issued-table.ts';
import { Ledger } from './ledger.ts';
import { Lifecycle } from './lifecycle.ts';
import { leavesOfCommand, leavesOfMembership, leavesOfRecovery } from './log-leaves.ts';
import type {
  Configuration,
  ConfigurationViolation,
  MemberInfo,
  MemberRecord,
  MembershipChange,
} from './members.ts';
import { Membership } from './membership.ts';
import {
  historyKeysFor,
  membershipOf,
  readSnapshot,
  writeSnapshot,
  type Decision,
  type Parts,
} from './parts.ts';
import { ProposalTable, type Proposal, type Withdrawal } from './proposals.ts';
import type { GivenShares } from './recovery-shares.ts';
import type { Genesis, SnapshotOptions, StateMachineOptions } from './options.ts';
import { RequestTable } from './request-table.ts';
import {
  isRemembered,
  type CommandResult,
  type IssuedIdentity,
  type RememberedResult,
} from './results.ts';
import type { Revocation } from './revocations.ts';
import { keysAfter, type RotationsView } from './rotations.ts';
import type { SlotChange } from './slot-changes.ts';
import { Versions, type VersionsView } from './versions.ts';
import type { ApplyResult, MembershipResult, StateView } from './view.ts';

/** The state and the only ways to change it; everybody else is given its `StateView`. */
export class StateMachine<ReferenceValues> implements StateView<ReferenceValues> {
  readonly clusterId: ClusterId;
  readonly epoch: Epoch;
  readonly #held: HeldCertificates = new HeldCertificates(this);
  readonly #parseReferenceValues: ParseReferenceValues<ReferenceValues>;
  readonly #stateVersion: number;
  readonly #membership: Membership;
  readonly #ledger: Ledger<ReferenceValues>;
  readonly #issued: IssuedTable;
  readonly #requests: RequestTable;
  readonly #lifecycle: Lifecycle;
  readonly #log: AuditLog;
  readonly #proposals: ProposalTable;
  readonly #versions: Versions;
  #appliedIndex: number;

  private constructor(
    parts: Parts<ReferenceValues>,
    options: StateMachineOptions<ReferenceValues>,
  ) {
    this.clusterId = parts.clusterId;
    this.epoch = parts.epoch;
    this.#appliedIndex = parts.appliedIndex;
    this.#membership = parts.membership;
    this.#ledger = parts.ledger;
    this.#issued = parts.issued;
    this.#requests = parts.requests;
    this.#lifecycle = parts.lifecycle;
    this.#log = parts.log;
    this.#proposals = parts.proposals;
    this.#versions = parts.versions;
    this.#parseReferenceValues = options.parseReferenceValues;
    this.#stateVersion = options.stateVersion ?? STATE_VERSION;
  }

  /** The state of a new cluster, without a manifest. Its snapshot is what founders hand out. */
  static genesis<ReferenceValues>(
    genesis: Genesis,
    options: SnapshotOptions<ReferenceValues>,
  ): StateMachine<ReferenceValues> {
    const membership = new Membership(genesis.slots);
    const voters = genesis.members.map((member) => member.nodeId);
    const change = { voters, votersOutgoing: [], learners: [], added: genesis.members };
    assert(membership.check(change) === undefined, 'a founding obeys I2');
    membership.apply(change);
    const parts = {
      clusterId: genesis.clusterId,
      epoch: genesis.epoch,
      appliedIndex: genesis.appliedIndex ?? 0,
      membership,
      ledger: new Ledger<ReferenceValues>(),
      issued: new IssuedTable(),
      requests: new RequestTable(),
      lifecycle: new Lifecycle(),
      log: new AuditLog(options.crypto),
      proposals: new ProposalTable(),
      versions: new Versions(),
    };
    return new StateMachine(parts, options);
  }

  /**
   * The state that a recovered cluster starts its new epoch with: all that this one holds, under
   * new members, with the recovery in its history (I7). Takes one log index more, so that no index
   * stands for two states.
   *
   * @param members the new epoch's first voters, each for a slot of this cluster
   * @throws ManifestError when the record does not follow this history
   * @throws StateMachineError RECOVERY_MISFIT when it goes on from another state than this one
   */
  reopened(
    signed: SignedRecovery,
    members: readonly MemberInfo[],
    options: SnapshotOptions<ReferenceValues>,
  ): StateMachine<ReferenceValues> {
    const { epoch, from } = signed.recovery;
    const { crypto } = options;
    const keys = historyKeysFor(signed.recovery, this);
    verifyRecoveries([...this.recoveries, signed], this.clusterId, keys, crypto);
    const copy = readSnapshot(this.encodeSnapshot(), options);
    const membership = membershipOf(this.#membership, members);
    copy.ledger.recovered(signed, crypto);
    copy.lifecycle.recovered();
    const appliedIndex = from.index + 1;
    const proposals = copy.proposals.recovered();
    // The version stays in use; who the members are that have it is to be said anew.
    const versions = new Versions(copy.versions.inUse);
    const parts = { ...copy, epoch, appliedIndex, membership, proposals, versions };
    const opened = new StateMachine(parts, options);
    opened.#record(leavesOfRecovery(opened, appliedIndex, signed, crypto));
    return opened;
  }

  get slots(): readonly SlotName[] {
    return this.#membership.slots;
  }

  get slotChanges(): readonly SlotChange[] {
    return this.#membership.slotChanges;
  }

  get appliedIndex(): number {
    return this.#appliedIndex;
  }

  get manifest(): ValidatedManifest<ReferenceValues> | undefined {
    return this.#ledger.manifest;
  }

  get generation(): Generation {
    return this.#ledger.generation;
  }

  get head(): Sha256Hex {
    return this.#ledger.head;
  }

  get transitions(): readonly SignedTransition[] {
    return this.#ledger.transitions;
  }

  get recoveries(): readonly SignedRecovery[] {
    return this.#ledger.recoveries;
  }

  get recoveryHead(): Sha256Hex {
    return this.#ledger.recoveryHead;
  }

  get historyPublicKey(): Uint8Array | undefined {
    return this.historyKeys?.newest;
  }

  get historyKeys(): HistoryKeys | undefined {
    return this.rotations.seeds.keysFrom(this.#ledger.founding?.historyPublicKey);
  }

  get rootCertificate(): Uint8Array | undefined {
    return this.rotations.root.certificate ?? this.#ledger.founding?.rootCertificate;
  }

  get meshCaCertificate(): Uint8Array | undefined {
    return this.rotations.meshCa.certificate ?? this.#ledger.meshCaCertificate;
  }

  get rotations(): RotationsView {
    return this.#lifecycle.rotations;
  }

  get revocationNumber(): number {
    return this.#lifecycle.revocations.number;
  }

  revocationOf(record: IssuedIdentity): Revocation | undefined {
    return this.#lifecycle.revocations.of(record);
  }

  get held(): HeldView {
    return this.#held;
  }

  get shares(): GivenShares {
    return this.#ledger.shares;
  }

  get log(): AuditLogView {
    return this.#log;
  }

  get members(): readonly MemberRecord[] {
    return this.#membership.members;
  }

  get configuration(): Configuration {
    return this.#membership.configuration;
  }

  get proposals(): readonly Proposal[] {
    return this.#proposals.proposals;
  }

  get withdrawals(): readonly Withdrawal[] {
    return this.#proposals.withdrawals;
  }

  get versions(): VersionsView {
    return this.#versions;
  }

  get issuedCount(): number {
    return this.#issued.size;
  }

  isIssuedFullFor(workload: string, recordsMax: number, notBeforeMs: number): boolean {
    return this.#issued.isFullFor(workload, recordsMax, notBeforeMs);
  }

  manifestBytes(number: Generation): Uint8Array | undefined {
    return this.#ledger.manifestBytes(number);
  }

  issued(): Iterable<IssuedIdentity> {
    return this.#issued.values();
  }

  issuedBySerial(serial: string): IssuedIdentity | undefined {
    return this.#issued.get(serial);
  }

  resultOf(key: RequestKey): RememberedResult | undefined {
    return this.#requests.get(key)?.result;
  }

  floor(): Floor {
    return {
      clusterId: this.clusterId,
      epoch: this.epoch,
      commitIndex: this.#appliedIndex,
      generation: this.generation,
      transitionHash: this.head,
    };
  }

  checkMembership(change: MembershipChange): ConfigurationViolation | undefined {
    return this.#membership.check(change);
  }

  /**
   * What `apply` would answer now. The leader asks before it proposes, so that refused requests
   * take no space in the log.
   */
  preview(commandBytes: Uint8Array, crypto: Crypto): CommandResult {
    return this.#decide(this.#appliedIndex + 1, commandBytes, crypto).result;
  }

  /** @param index log index of the entry, above every earlier one */
  apply(index: number, commandBytes: Uint8Array, crypto: Crypto): ApplyResult {
    this.advance(index);
    const decision = this.#decide(index, commandBytes, crypto);
    const { result, requestKey, digest, repeated } = decision;
    if (!repeated) {
      this.#carryOut(decision, index);
      if (result.kind === 'issued') this.#held.add(result.record, this.#issued);
      if (requestKey !== undefined && digest !== undefined && isRemembered(result)) {
        this.#requests.add({ key: requestKey, index, digest, result });
      }
      const done = { command: undefined, ...decision, index };
      this.#record(leavesOfCommand(this, done, crypto));
    }
    return { index, requestKey, result, repeated, ...keysAfter(decision.rotation) };
  }

  /**
   * Applies a membership change of the consensus core. A change against I2 is a broken invariant:
   * leaders ask `checkMembership` first.
   */
  applyMembership(index: number, change: MembershipChange): MembershipResult {
    this.advance(index);
    const result = this.#membership.apply(change);
    this.#versions.keep(this.members.map(({ incarnation }) => incarnation));
    this.#record(leavesOfMembership(this, index, result));
    return result;
  }

  #record(leaves: readonly LogLeaf[]): void {
    for (const leaf of leaves) this.#log.append(leaf);
  }

  /** Steps over an entry without content, such as the one that starts a term. */
  advance(index: number): void {
    assert(Number.isSafeInteger(index) && index > this.#appliedIndex, 'log indexes ascend');
    this.#appliedIndex = index;
  }

  /** The canonical encoding of the whole state: equal states give equal bytes. */
  encodeSnapshot(): Uint8Array {
    const [membership, ledger, issued] = [this.#membership, this.#ledger, this.#issued];
    const [requests, lifecycle, log] = [this.#requests, this.#lifecycle, this.#log];
    const [proposals, versions] = [this.#proposals, this.#versions];
    const appliedIndex = this.#appliedIndex;
    const { clusterId, epoch } = this;
    const early = { clusterId, epoch, appliedIndex, membership, ledger, issued, requests };
    return writeSnapshot({ ...early, lifecycle, log, proposals, versions });
  }

  /**
   * Reads a snapshot and checks it as a whole, down to every signature of the history.
   *
   * @throws StateMachineError SNAPSHOT_TOO_LARGE, SNAPSHOT_VERSION_UNKNOWN, SNAPSHOT_MALFORMED
   */
  static decodeSnapshot<ReferenceValues>(
    bytes: Uint8Array,
    options: SnapshotOptions<ReferenceValues>,
  ): StateMachine<ReferenceValues> {
    return new StateMachine(readSnapshot(bytes, options), options);
  }

  #carryOut(decision: Decision<ReferenceValues>, index: number): void {
    const { rotation, next, slots, proposed, withdrawal, versions, candidate } = decision;
    if (rotation !== undefined) {
      this.#lifecycle.rotated(rotation, this);
      this.#held.forget();
      if (rotation.seed !== undefined) this.#ledger.reshared(rotation.seed.shares);
      this.#proposals.drop('rotation');
    }
    if (candidate !== undefined) this.#lifecycle.candidateRecorded(candidate);
    if (next !== undefined) {
      this.#ledger.append(next);
      this.#lifecycle.manifestSet(next, index, this.#issued.values());
      this.#held.forget();
      this.#proposals.clear();
    }
    if (slots !== undefined) {
      this.#membership.changeSlots(slots);
      this.#proposals.drop('slots');
    }
    if (proposed !== undefined) this.#proposals.put(proposed.proposal, proposed.timeMs);
    if (withdrawal !== undefined) this.#proposals.withdraw(withdrawal);
    if (versions === undefined) return;
    // Whoever applies it is a member of its place in the log, and so was asked.
    assert(versions.version <= this.#stateVersion, 'no member has less than the version in use');
    this.#versions.use(versions);
  }

  #decide(index: number, bytes: Uint8Array, crypto: Crypto): Decision<ReferenceValues> {
    const tables = { proposals: this.#proposals, issued: this.#issued, requests: this.#requests };
    const parse = this.#parseReferenceValues;
    return decideCommand(this, tables, { index, bytes, parse, crypto });
  }
}
