/** SDK: find a replica, verify it, follow the leader, retry safely, keep the floor. */
export type { FetchedLeaves, LeafRange, NumberedLeaf, ReceiptOf } from './audit-log.ts';
export type {
  ApprovedAction,
  ApproveRequest,
  ApproveResult,
  PendingChange,
  PendingChanges,
  WithdrawRequest,
} from './approvals.ts';
export { backoffMs, pause, type BackoffLimits } from './backoff.ts';
export { createClient, type Client, type EndpointStatus } from './client.ts';
export type {
  ChangeSlotsRequest,
  ClusterMember,
  MembersAnswer,
  RecordedSlotChange,
  StepDownAnswer,
  StopAnswer,
} from './cluster.ts';
export type { Credentials, CredentialsRequest } from './credentials.ts';
export type {
  AnsweringReplica,
  Deployment,
  FoundedDeployment,
  SettledDeployment,
} from './deployment.ts';
export { isSimulated } from './deployment.ts';
export { ClientError, isTrustFailure, type ClientErrorCode } from './errors.ts';
export { isAddress } from './failures.ts';
export type { FetchedHistory } from './history.ts';
export type { RecordedIdentity } from './identities.ts';
export type { ClientEvent, ClientOptions, Expectations } from './options.ts';
export type {
  RecoveryObstacleView,
  RecoveryView,
  ShareSubmission,
  SubmittedShare,
} from './recovery.ts';
export type { SetManifestRequest, SetManifestResult } from './set-manifest.ts';
export type { ReplicaMember, ReplicaPhase, ReplicaStatus, StatusMark } from './status.ts';
export { configDirectory, fileFloorStore } from './store/file-store.ts';
export { decodeRecord } from './store/record.ts';
export { memoryFloorStore, type FloorStore, type PinnedDeployment } from './store/store.ts';
export type { FollowedLog } from './verify/follow-log.ts';
export {
  recoveriesOf,
  type VerifiedRecovery,
  type VerifiedReplica,
  type VerifyCheck,
  type VerifyCheckName,
  type VerifyReport,
} from './verify/report.ts';
export type {
  CaProgress,
  SeedProgress,
  RecordedRotation,
  RevocationsAnswer,
  RevokedIdentity,
  RotateRequest,
  RotationsAnswer,
} from './rotations.ts';
export type { Trust } from './trust.ts';
