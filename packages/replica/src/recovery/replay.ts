/**
 * From the log of an earlier incarnation to the state that it ends with. The tail that was never
 * committed is part of it: it may take effect, as after any election, and a majority may have held
 * it.
 */
import {
  checkApprovalsOfHistory,
  checkSeedApprovals,
  parseManifest,
  verifyHistory,
  type SignedRecovery,
} from '@witan/manifest';
import type { MemberInfo, StateMachine, StateMachineOptions } from '@witan/state-machine';
import { generation, type Crypto } from '@witan/core';
import {
  applyChange,
  restoreTracker,
  toConfState,
  type ConfChangeV2,
  type ConfState,
  type Snapshot,
} from 'raft-ts';
import { ReplicaError } from '../errors.ts';
import { ClusterState, openState } from '../life/cluster-state.ts';
import { SeedRing } from '../life/seed-chain.ts';
import { alignSeeds } from '../life/seed-desk.ts';
import type { Keyring, Scheduler, Seed } from '../ports.ts';
import { Applier } from '../raft/applier.ts';
import type { HeldState, Voter } from './decide-recovery.ts';
import type { FormerLog } from './ports.ts';

/** What replaying takes. */
export interface ReplayOptions<ReferenceValues> {
  readonly crypto: Crypto;
  readonly machine: StateMachineOptions<ReferenceValues>;
  readonly onEvent: (event: string, fields: Readonly<Record<string, string | number>>) => void;
  /** Told of the state that named a seed which is not held: it has the shares of that seed. */
  readonly onSeedMissing?: (machine: StateMachine<ReferenceValues>) => void;
}

/** A log, opened and replayed to its end. */
export interface HeldLog<ReferenceValues> {
  readonly held: HeldState;
  readonly machine: StateMachine<ReferenceValues>;
  /** Knows every generation of sealing keys up to the end of the log. */
  readonly keyring: Keyring;
  /** The seeds at its end, without those that might have followed. */
  readonly seed: Seed;
}

/**
 * Replays a log.
 *
 * @throws ReplicaError REPLICA_RECORDS_UNREADABLE for a log without the state it starts from;
 *   CodedError for a state or entry that no replica of the cluster wrote
 */
export function replayFormerLog<ReferenceValues>(
  former: FormerLog,
  options: ReplayOptions<ReferenceValues>,
): HeldLog<ReferenceValues> {
  const { keyring, state: durable, clusterId, epoch, incarnation, seed } = former;
  const { snapshot, mark } = durable;
  if (snapshot === undefined || mark === undefined) {
    const message = 'a log starts with a state, and this one has none';
    throw new ReplicaError('REPLICA_RECORDS_UNREADABLE', message, { fields: { check: 'start' } });
  }
  const ring = new SeedRing(options.crypto, clusterId, seed);
  const begun = openState(snapshot.data, { ...options, keyring });
  const onSeeds = (machine: StateMachine<ReferenceValues>): void => {
    try {
      alignSeeds(ring, keyring.generations, machine);
    } catch (error) {
      options.onSeedMissing?.(machine);
      throw error;
    }
  };
  onSeeds(begun);
  // Written when a step was applied: seeds that are held may also come from elsewhere.
  const listed = keyring.generations?.seedNumber ?? ring.current.number;
  const state = stateOf(keyring, begun, options, onSeeds);
  applyAll(state, snapshot, former, options);
  const { machine } = state;
  checkSeeds(machine, options.crypto);
  ring.forgetLater(machine.rotations.seeds.number);
  const voters = votersOf(machine, machine.configuration.voters);
  const held: HeldState = {
    incarnation,
    clusterId,
    epoch,
    opening: machine.recoveryHead,
    term: mark.term,
    index: mark.index,
    generation: machine.generation,
    transitionHash: machine.head,
    seedNumber: machine.rotations.seeds.number,
    // Not above what the history says, as a list can be made up.
    appliedSeed: Math.min(listed, machine.rotations.seeds.number),
    voters,
    votersOutgoing: votersOf(machine, machine.configuration.votersOutgoing),
  };
  return { held, machine, keyring, seed: ring.encode(false) };
}

/**
 * Whether the owners approved each seed that is said to have followed the first one. The disks that
 * say so may have been made by whoever knows the first seed, and with it the history key of then.
 *
 * @throws ManifestError as `checkSeedApprovals` and `checkApprovalsOfHistory`
 */
function checkSeeds(machine: StateMachine<unknown>, crypto: Crypto): void {
  const keys = machine.historyKeys;
  if (keys === undefined || keys.links.length === 0) return;
  const history = verifyHistory(machine.transitions, keys, crypto);
  const manifestOf = (number: number) => {
    const bytes = machine.manifestBytes(generation(number));
    return bytes === undefined
      ? undefined
      : parseManifest(bytes, { crypto, parseReferenceValues: (value) => value });
  };
  checkApprovalsOfHistory(history, manifestOf, crypto);
  checkSeedApprovals(keys.links, history, manifestOf, crypto);
}

/** The state that the next epoch starts with, sealed under that epoch's keys (I7, I8). */
export function reopenedState<ReferenceValues>(
  log: HeldLog<ReferenceValues>,
  signed: SignedRecovery,
  members: readonly MemberInfo[],
  keyring: Keyring,
  options: ReplayOptions<ReferenceValues>,
): Uint8Array {
  const { machine: machineOptions, crypto } = options;
  const machine = log.machine.reopened(signed, members, { ...machineOptions, crypto });
  const generations = log.keyring.generations?.seal();
  if (generations !== undefined) keyring.generations?.open(generations);
  return stateOf(keyring, machine, options).snapshot();
}

function stateOf<ReferenceValues>(
  keyring: Keyring,
  machine: StateMachine<ReferenceValues>,
  options: ReplayOptions<ReferenceValues>,
  onSeeds?: (machine: StateMachine<ReferenceValues>) => void,
): ClusterState<ReferenceValues> {
  const nothing = (): void => undefined;
  return new ClusterState(
    {
      ...options,
      keyring,
      takeGeneration: (command) => keyring.generations?.take(command) !== undefined,
      onRestored: nothing,
      onMembers: nothing,
      onApplied: nothing,
      ...(onSeeds && { onSeeds }),
    },
    machine,
  );
}

/** As the engine applies what is committed: the same code, fed with the whole log. */
function applyAll<ReferenceValues>(
  state: ClusterState<ReferenceValues>,
  { metadata }: Snapshot,
  former: FormerLog,
  { onEvent }: ReplayOptions<ReferenceValues>,
): void {
  const { entries } = former.state;
  const context = { lastIndex: metadata.index, inflight: { messagesMax: 1, bytesMax: 0 } };
  let confState = metadata.confState;
  const applier = new Applier({
    nodeId: 0,
    subscriber: state,
    scheduler: STOPPED_CLOCK,
    waitersMax: 0,
    appliedIndex: metadata.index,
    confState,
    applyConfChange: (change: ConfChangeV2): ConfState => {
      const tracker = applyChange(restoreTracker(confState, context), context, change);
      confState = toConfState(tracker.membership);
      return confState;
    },
    onMembership: () => undefined,
    proposer: { applied: () => undefined, skippedTo: () => undefined },
  });
  applier.enqueueEntries(entries);
  applier.next();
  onEvent('former log replayed', {
    incarnation: former.incarnation,
    from: metadata.index,
    entries: entries.length,
  });
}

/** Replaying never gives way: nothing else of this replica works yet. */
const STOPPED_CLOCK: Scheduler = {
  monotonicMs: () => 0,
  after: () => () => undefined,
  soon: () => undefined,
};

function votersOf(machine: StateMachine<unknown>, nodeIds: readonly number[]): readonly Voter[] {
  return machine.members
    .filter(({ nodeId }) => nodeIds.includes(nodeId))
    .map(({ slot, incarnation }) => ({ slot, incarnation }));
}
