/** What a state consists of, and reading it from a snapshot. */
import {
  CanonicalWriter,
  clusterId,
  epoch,
  type CanonicalReader,
  type ClusterId,
  type Epoch,
  type Sha256Hex,
} from '@witan/core';
import type { HistoryKeys, Recovery } from '@witan/manifest';
import type { Proposed } from './approve.ts';
import { AuditLog } from './audit-log.ts';
import { decodeWith, readHex, writeHex } from './codec.ts';
import type { Command, RequestKey } from './commands.ts';
import { StateMachineError } from './errors.ts';
import { STATE_VERSION } from './features.ts';
import { IssuedTable } from './issued-table.ts';
import { Ledger, type NewGeneration } from './ledger.ts';
import { Lifecycle, type Rotation } from './lifecycle.ts';
import { SNAPSHOT_BYTES_MAX } from './limits.ts';
import type { MemberInfo } from './members.ts';
import { Membership } from './membership.ts';
import type { SnapshotOptions } from './options.ts';
import { ProposalTable, type Withdrawal } from './proposals.ts';
import { RequestTable } from './request-table.ts';
import { Seeds, type SeedCandidate } from './seeds.ts';
import type { CommandResult } from './results.ts';
import type { SlotChange } from './slot-changes.ts';
import { Versions, type UseVersionCommand } from './versions.ts';
import type { StateView } from './view.ts';

/**
 * Of a snapshot. Version 2 added recoveries, 3 recovery shares, 4 changes of slots, 5 rotations, 6
 * the audit log, 7 what waits for approvals, 8 the state version in use and seeds.
 */
const SNAPSHOT_VERSION = 8;
/** What is written while no state version is in use, so that members of before can read it. */
const SNAPSHOT_VERSION_UNANNOUNCED = 7;
/** Older versions that are still read. */
const SNAPSHOT_VERSION_MIN = 1;

/** All of a state. */
export interface Parts<ReferenceValues> {
  readonly clusterId: ClusterId;
  readonly epoch: Epoch;
  readonly appliedIndex: number;
  readonly membership: Membership;
  readonly ledger: Ledger<ReferenceValues>;
  readonly issued: IssuedTable;
  readonly requests: RequestTable;
  readonly lifecycle: Lifecycle;
  readonly log: AuditLog;
  readonly proposals: ProposalTable;
  readonly versions: Versions;
}

/** What a command does. */
export interface Decision<ReferenceValues> {
  readonly requestKey: RequestKey | undefined;
  readonly digest: Sha256Hex | undefined;
  readonly result: CommandResult;
  readonly repeated: boolean;
  readonly command?: Command;
  readonly next: NewGeneration<ReferenceValues> | undefined;
  readonly slots?: SlotChange;
  readonly rotation?: Rotation;
  readonly candidate?: SeedCandidate;
  readonly proposed?: Proposed;
  readonly withdrawal?: Withdrawal;
  readonly versions?: UseVersionCommand;
}

/** Reads what stands behind the version of a snapshot. */
function readParts<ReferenceValues>(
  reader: CanonicalReader,
  options: SnapshotOptions<ReferenceValues> & { readonly version: number },
): Parts<ReferenceValues> {
  const cluster = clusterId(readHex(reader, 32));
  const era = epoch(reader.u64());
  const appliedIndex = reader.u64();
  const { version } = options;
  const membership = Membership.read(reader, version >= 4);
  const ledger = Ledger.read(reader, { clusterId: cluster, epoch: era, ...options });
  const seeds = new Seeds();
  const parts = {
    clusterId: cluster,
    epoch: era,
    appliedIndex,
    membership,
    ledger,
    issued: IssuedTable.read(reader, appliedIndex),
    requests: RequestTable.read(reader, appliedIndex),
    lifecycle: Lifecycle.read(version >= 5 ? reader : undefined, seeds),
    log: AuditLog.read(reader, options.crypto, version >= 6),
    proposals: version >= 7 ? ProposalTable.read(reader, ledger.head) : new ProposalTable(),
  };
  if (version >= 8) seeds.restore(reader);
  const versions = version >= 8 ? Versions.read(reader) : new Versions();
  // Last, because the signatures are of as many keys as there were seeds.
  const links = seeds.records.map(({ signed }) => signed);
  ledger.verify(links, { clusterId: cluster, epoch: era, ...options });
  return { ...parts, versions };
}

/**
 * @returns the limit of the whole in bytes
 * @throws StateMachineError SNAPSHOT_TOO_LARGE, SNAPSHOT_VERSION_UNKNOWN
 */
function checkSnapshotHead(bytes: Uint8Array, bytesMax: number = SNAPSHOT_BYTES_MAX): number {
  if (bytes.byteLength > bytesMax) {
    const fields = { expected: bytesMax, found: bytes.byteLength };
    throw new StateMachineError('SNAPSHOT_TOO_LARGE', fields);
  }
  const version = bytes[0];
  if (version !== undefined && (version < SNAPSHOT_VERSION_MIN || version > SNAPSHOT_VERSION)) {
    const fields = { expected: SNAPSHOT_VERSION, found: version };
    throw new StateMachineError('SNAPSHOT_VERSION_UNKNOWN', fields);
  }
  return bytesMax;
}

/**
 * The membership of a recovered cluster: the same slots under new members (I7).
 *
 * @throws StateMachineError RECOVERY_MISFIT for members against I2
 */
export function membershipOf(before: Membership, members: readonly MemberInfo[]): Membership {
  const membership = before.vacated();
  const voters = members.map((member) => member.nodeId);
  const change = { voters, votersOutgoing: [], learners: [], added: members };
  const violation = membership.check(change);
  if (violation !== undefined) {
    const fields = { expected: 'members that I2 allows', found: violation.kind };
    throw new StateMachineError('RECOVERY_MISFIT', fields);
  }
  membership.apply(change);
  return membership;
}

/**
 * The keys of a history that a recovery goes on from.
 *
 * @throws StateMachineError RECOVERY_MISFIT where it goes on from another state
 */
export function historyKeysFor(
  { from }: Recovery,
  state: Pick<StateView<unknown>, 'epoch' | 'appliedIndex' | 'head' | 'historyKeys'>,
): HistoryKeys {
  const found = [from.epoch, from.index, from.transitionHash].join(' ');
  const expected = [state.epoch, state.appliedIndex, state.head].join(' ');
  const { historyKeys } = state;
  if (historyKeys !== undefined && found === expected) return historyKeys;
  throw new StateMachineError('RECOVERY_MISFIT', { expected, found });
}

/** The result for bytes that are no command. @throws what another error says */
export function malformed(error: unknown): CommandResult {
  if (!(error instanceof StateMachineError)) throw error;
  const reason = String(error.fields['found'] ?? error.code);
  return { kind: 'malformed', code: 'COMMAND_MALFORMED', reason };
}

/** The canonical encoding of a whole state. */
export function writeSnapshot<ReferenceValues>(parts: Parts<ReferenceValues>): Uint8Array {
  const { seeds } = parts.lifecycle.rotations;
  const isAnnounced = parts.versions.inUse > 0 || !seeds.isUntouched;
  const version = isAnnounced ? SNAPSHOT_VERSION : SNAPSHOT_VERSION_UNANNOUNCED;
  const writer = new CanonicalWriter().u8(version);
  writeHex(writer, parts.clusterId);
  writer.u64(parts.epoch).u64(parts.appliedIndex);
  const { membership, ledger, issued, requests, lifecycle, log, proposals, versions } = parts;
  for (const part of [membership, ledger, issued, requests, lifecycle, log, proposals]) {
    part.write(writer);
  }
  if (!isAnnounced) return writer.finish();
  seeds.write(writer);
  versions.write(writer);
  return writer.finish();
}

/** Reads a snapshot and checks it as a whole. @throws StateMachineError as `decodeSnapshot` */
export function readSnapshot<ReferenceValues>(
  bytes: Uint8Array,
  options: SnapshotOptions<ReferenceValues>,
): Parts<ReferenceValues> {
  const bytesMax = checkSnapshotHead(bytes, options.bytesMax);
  const parts = decodeWith('SNAPSHOT_MALFORMED', bytes, bytesMax, (reader) =>
    readParts(reader, { ...options, version: reader.u8() }),
  );
  const { inUse: found } = parts.versions;
  const expected = options.stateVersion ?? STATE_VERSION;
  if (found <= expected) return parts;
  // What follows in the log would be applied in another way than the others do.
  throw new StateMachineError('STATE_VERSION_UNKNOWN', { expected: `up to ${expected}`, found });
}
