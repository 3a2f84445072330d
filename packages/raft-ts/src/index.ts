/**
 * Raft consensus as a pure, deterministic state machine. See README.md for the loop around it.
 */
export {
  decodeConfChange,
  decodeConfChangeV2,
  decodeConfState,
  decodeEntry,
  decodeHardState,
  decodeMessage,
  decodeSnapshot,
  decodeSnapshotMetadata,
  encodeConfChange,
  encodeConfChangeV2,
  encodeConfState,
  encodeEntry,
  encodeHardState,
  encodeMessage,
  encodeSnapshot,
  encodeSnapshotMetadata,
} from './codec.ts';
export { validateConfig } from './config.ts';
export type { Config, ReadOnlyOption, ValidatedConfig } from './config.ts';
export { RaftError, RaftInvariantViolation } from './errors.ts';
export type { RaftErrorCode, RaftErrorFields } from './errors.ts';
export type {
  CampaignRefusal,
  ConfChangeRefusal,
  IgnoredReason,
  RaftEvent,
  Role,
} from './events.ts';
export {
  adoptTracker,
  applyChange,
  enterJoint,
  leaveJoint,
  restoreTracker,
  simpleChange,
} from './membership/changer.ts';
export type { ChangeContext } from './membership/changer.ts';
export {
  LEAVE_JOINT,
  asConfChangeV2,
  entersJoint,
  isConfChangeV2,
  leavesJoint,
} from './membership/conf-change.ts';
export type {
  ConfChange,
  ConfChangeSingle,
  ConfChangeTransition,
  ConfChangeType,
  ConfChangeV2,
} from './membership/conf-change.ts';
export {
  EMPTY_TRACKER,
  describeMembership,
  isJoint,
  isSingleton,
  isVoter,
  toConfState,
} from './membership/tracker.ts';
export type { InflightLimits, Membership, ProgressMap, Tracker } from './membership/tracker.ts';
export { Inflights } from './progress/inflights.ts';
export { Progress } from './progress/progress.ts';
export type { ProgressOptions, ProgressState } from './progress/progress.ts';
export { describeProgress, progressStatus } from './progress/status.ts';
export type { ProgressStatus } from './progress/status.ts';
export { jointCommittedIndex, jointVoteResult, jointVoterIds } from './quorum/joint.ts';
export type { JointVoters } from './quorum/joint.ts';
export { majorityCommittedIndex, majorityVoteResult } from './quorum/majority.ts';
export type { AckedIndex, VoteOf, VoteResult } from './quorum/majority.ts';
export { RawNode } from './raw-node.ts';
export type { ReadState } from './read-queue.ts';
export type { Ready, SoftState } from './ready.ts';
export type { BasicStatus, Status } from './status.ts';
export { traceLine } from './trace.ts';
export type { TraceConfChange, TraceEvent, TraceEventName, TraceMessage } from './trace.ts';
export { MemoryStorage } from './storage.ts';
export type { InitialState, Storage } from './storage.ts';
export {
  EMPTY_CONF_STATE,
  EMPTY_HARD_STATE,
  EMPTY_SNAPSHOT,
  ENTRY_OVERHEAD_BYTES,
  INDEX_MAX,
  LocalAppendThread,
  LocalApplyThread,
  NODE_ID_MAX,
  NO_BYTES,
  NO_NODE,
  TERM_MAX,
  entriesSizeBytes,
  entrySizeBytes,
  hardStatesEqual,
  isEmptyHardState,
  isEmptySnapshot,
  isLocalThread,
  makeMessage,
  nodeId,
  payloadSizeBytes,
} from './types.ts';
export type {
  ConfState,
  Entry,
  EntryType,
  HardState,
  Index,
  Message,
  MessageType,
  NodeId,
  PeerMessageType,
  Snapshot,
  SnapshotMetadata,
  StorageMessageType,
  Term,
} from './types.ts';
