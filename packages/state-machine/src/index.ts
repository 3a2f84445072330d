/** What the cluster agrees on: commands, results, members, and the state machine itself. */
export * from './commands.ts';
export { contentOf, proposalId, ROLE_OF } from './approval-content.ts';
export { neededFor } from './approve.ts';
export * from './errors.ts';
export * from './limits.ts';
export {
  checkConfiguration,
  decodeMember,
  encodeMember,
  nodeIdOf,
  type Configuration,
  type ConfigurationViolation,
  type MemberInfo,
  type MemberRecord,
  type MembershipChange,
} from './members.ts';
export { liveApprovals, type Proposal, type ProposedAction, type Withdrawal } from './proposals.ts';
export type { GivenShares } from './recovery-shares.ts';
export type {
  CommandResult,
  IssuedIdentity,
  PreparationCode,
  RefusalCode,
  Refused,
  RememberedResult,
  StateRefusalCode,
} from './results.ts';
export { transitionFor, type TransitionInput } from './set-manifest.ts';
export type { AuditLogView } from './audit-log.ts';
export * from './options.ts';
export type { HeldView, HoldersLeft } from './held-certificates.ts';
export type { Revocation } from './revocations.ts';
export { heldSinceBefore } from './rotate.ts';
export type { CaState, RootLink, RotationRecord, RotationsView } from './rotations.ts';
export { seedDependencies, seedHoldersMissing, seedLinkFor } from './rotate-seed.ts';
export type { SeedCandidate, SeedRecord, SeedsView } from './seeds.ts';
export type { SlotChange } from './slot-changes.ts';
export * from './state-machine.ts';
export { STATE_VERSION, versionNeeded, type Needing } from './features.ts';
export { STATE_VERSION_MAX, type MemberVersion, type VersionsView } from './versions.ts';
export * from './view.ts';
