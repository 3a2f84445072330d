/** What the engine is made from, and the settings of the core that follow. */
import {
  nodeId as raftNodeId,
  type ConfChangeV2,
  type ConfState,
  type Config,
  type Storage,
} from 'raft-ts';
import type { Configuration, MembershipChange, StateSubscriber } from '../engine.ts';
import type { DurableLog, MessageSink, Scheduler } from '../ports.ts';
import type { ReusedLog } from '../reuse/reused-log.ts';
import type { Bootstrap } from './engine-storage.ts';
import type { LogChain } from './log-chain.ts';
import type { EngineTuning } from './tuning.ts';

/** Everything that an engine needs from outside. */
export interface RaftEngineOptions {
  readonly nodeId: number;
  /** The state to start from: what an epoch begins with, or nothing for a newcomer. */
  readonly bootstrap: Bootstrap | undefined;
  /**
   * A former log, as far as a leader confirmed it: a newcomer starts from it instead of blank. The
   * subscriber holds the snapshot's state already.
   */
  readonly reused?: ReusedLog | undefined;
  readonly subscriber: StateSubscriber;
  readonly durable: DurableLog;
  readonly sink: MessageSink;
  readonly scheduler: Scheduler;
  /** Seeded source for election jitter: a whole number from 0 to `bound` - 1. */
  readonly randomInt: (bound: number) => number;
  /** Whether a snapshot's state holds a manifest, so that it is worth keeping on disk. */
  readonly snapshotOpensJournal: (snapshot: Uint8Array) => boolean;
  /** The engine cannot go on; the process must end. */
  readonly fatal: (error: unknown) => void;
  readonly onEvent?: (event: string, fields: Readonly<Record<string, string | number>>) => void;
  readonly tuning?: Partial<EngineTuning>;
  /**
   * The hash chain over the log, which the engine keeps in step with it. Without one nothing that a
   * journal holds can be confirmed.
   */
  readonly chain?: LogChain;
}

/** Raft as Witan runs it: PreVote and CheckQuorum on, safe reads, nothing forwarded by the core. */
export function raftConfigOf(
  options: RaftEngineOptions,
  tuning: EngineTuning,
  storage: Storage,
  applied: number,
): Config {
  return {
    id: raftNodeId(options.nodeId),
    electionTicks: tuning.electionTicks,
    heartbeatTicks: tuning.heartbeatTicks,
    storage,
    applied,
    asyncStorageWrites: true,
    maxSizePerMessageBytes: tuning.appendBytesMax,
    maxCommittedSizePerReadyBytes: tuning.appendBytesMax,
    maxUncommittedEntriesBytes: tuning.uncommittedBytesMax,
    maxInflightMessages: tuning.inflightMessagesMax,
    maxInflightBytes: tuning.inflightBytesMax,
    checkQuorum: true,
    preVote: true,
    readOnly: 'safe',
    randomInt: options.randomInt,
    disableProposalForwarding: true,
    disableConfChangeValidation: false,
    stepDownOnRemoval: true,
    coalesceAppends: true,
  };
}

/** A founding configuration in the core's form. */
export function confStateOf(configuration: Configuration | undefined): ConfState {
  return {
    voters: (configuration?.voters ?? []).map(raftNodeId),
    votersOutgoing: [],
    learners: (configuration?.learners ?? []).map(raftNodeId),
    learnersNext: [],
    autoLeave: false,
  };
}

/** A change in the core's form: joint where the voters change, left by itself (I2). */
export function confChangeOf(change: MembershipChange, context: Uint8Array): ConfChangeV2 {
  const joint = change.promote.length > 0 || change.removesVoter === true;
  const of = (type: 'add-voter' | 'remove' | 'add-learner', ids: readonly number[]) =>
    ids.map((id) => ({ type, nodeId: raftNodeId(id) }));
  return {
    transition: joint ? 'implicit' : 'auto',
    changes: [
      ...of('add-voter', change.promote),
      ...of('remove', change.remove),
      ...of('add-learner', change.addLearners),
    ],
    context,
  };
}
