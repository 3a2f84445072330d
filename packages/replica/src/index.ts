/** Drives consensus for one replica. See replica.ts for its life and engine.ts for the port. */
export type {
  Applied,
  Configuration,
  ConsensusEngine,
  EngineStatus,
  MembershipChange,
  StateSubscriber,
  WaitOptions,
} from './engine.ts';
export { ReplicaError, type ReplicaErrorCode } from './errors.ts';
export { Cluster, type ClusterOptions } from './life/cluster.ts';
export type { CommandOutcome } from './life/cluster-state.ts';
export { REFUSAL_EVENTS, type RefusalKind } from './life/refusals.ts';
export type { StopRefusal, StopVerdict } from './life/judge-stop.ts';
export type { MemberReport, MembersReport, StepDown } from './life/steward.ts';
export { decide, founderOf, type Decision, type WaitCode } from './life/decide.ts';
export type {
  Answer,
  DurableLog,
  KeyGenerations,
  Keyring,
  Lane,
  MessageSink,
  PeerCalls,
  Scheduler,
  Seed,
  SnapshotOutcome,
  SnapshotParcel,
  SnapshotTransfer,
} from './ports.ts';
export {
  DURABLE_RECORD_VERSION,
  decodeDurableRecord,
  encodeDurableRecord,
  markOfDurableRecord,
  replayDurableLog,
  type DurableRecord,
  type DurableState,
  type LogMark,
} from './raft/durable-records.ts';
export { LINK_BYTES, LogChain, type HashParts } from './raft/log-chain.ts';
export { MARKS_MAX } from './reuse/reused-log.ts';
export type { RaftEngineOptions } from './raft/options.ts';
export { RaftEngine } from './raft/raft-engine.ts';
export { DEFAULT_TUNING, type EngineTuning } from './raft/tuning.ts';
export { Replica, type Phase, type ReplicaOptions } from './replica.ts';
export type {
  ArrivedSnapshot,
  ConfirmAnswer,
  ConfirmRefusal,
  ConfirmRequest,
  Genesis,
  JoinAnswer,
  JoinRefusal,
  JoinRequest,
  PeerIdentity,
  PeerSending,
  Standing,
  StandingKind,
} from './standing.ts';
export { Writer, type Forwarded, type Prepared, type Written, type WriterPorts } from './writer.ts';
