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
export type { ClusterOptions } from './life/cluster-options.ts';
export { Cluster } from './life/cluster.ts';
export type { CommandOutcome } from './life/cluster-state.ts';
export { REFUSAL_EVENTS, type RefusalKind } from './life/refusals.ts';
export type { StopRefusal, StopVerdict } from './life/judge-stop.ts';
export type { Lagging } from './life/versions.ts';
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
  SeedDelivery,
  SeedReceipt,
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
export {
  decideRecovery,
  type Authorisation,
  type HeldState,
  type RecoveryDecision,
  type RecoveryObstacle,
  type Voter,
} from './recovery/decide-recovery.ts';
export type {
  ClaimedLog,
  FormerDisks,
  FormerLog,
  RecoveryNotice,
  RecoveryPorts,
  SeedCandidate,
  SeedSource,
  ShareCount,
  ShareDesk,
  ShareSubmission,
} from './recovery/ports.ts';
export type { RecoveryProgress } from './recovery/progress.ts';
export { withoutRecovery } from './recovery/without-recovery.ts';
export { LINK_BYTES, LogChain, type HashParts } from './raft/log-chain.ts';
export { MARKS_MAX } from './reuse/reused-log.ts';
export type { RaftEngineOptions } from './raft/options.ts';
export { RaftEngine } from './raft/raft-engine.ts';
export { DEFAULT_TUNING, type EngineTuning } from './raft/tuning.ts';
export type { Phase, ReplicaOptions } from './replica-options.ts';
export { Replica } from './replica.ts';
export {
  decodeSeeds,
  encodeSeeds,
  seedDigest,
  seedInForce,
  type HeldSeed,
  type SeedChain,
} from './life/seed-chain.ts';
export { isSameLife } from './standing.ts';
export type {
  ArrivedSnapshot,
  ConfirmAnswer,
  ConfirmRefusal,
  ConfirmRequest,
  ClusterLife,
  Genesis,
  JoinAnswer,
  JoinRefusal,
  JoinRequest,
  PeerIdentity,
  PeerSending,
  Reopening,
  Standing,
  StandingKind,
} from './standing.ts';
export { Writer, type Forwarded, type Prepared, type Written, type WriterPorts } from './writer.ts';
