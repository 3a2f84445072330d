/** The result of `verify`: named checks, each passed, failed or not made, and why. */
import type { ClusterId } from '@witan/core';
import type { VerifiedRecoveries } from '@witan/manifest';
import type { FollowedLog } from './follow-log.ts';

/** Every check, in the order in which it is shown. */
export type VerifyCheckName =
  | 'replicas'
  | 'manifest'
  | 'anchors'
  | 'history'
  | 'approvals'
  | 'changes'
  | 'floor'
  | 'agreement'
  | 'log'
  | 'epoch';

/** One named check and its outcome. */
export interface VerifyCheck {
  readonly name: VerifyCheckName;
  /** What the check says when it passes, in words. */
  readonly title: string;
  readonly kind: 'passed' | 'failed' | 'skipped';
  /** Values that a person may want to see, or why it failed. */
  readonly detail: string;
  readonly code?: string;
  readonly expected?: string;
  readonly found?: string;
}

/** One of the given replicas. */
export interface VerifiedReplica {
  readonly endpoint: string;
  readonly kind: 'verified' | 'refused' | 'unreachable';
  /** Why not; empty for a verified one. */
  readonly detail: string;
  readonly code?: string;
  /** SHA-256 of its identity key, hex. */
  readonly incarnation?: string;
  readonly measurement?: string;
  /** TEE and, where it is known, the processor's product line. */
  readonly platform?: string;
  readonly simulated?: boolean;
}

/** A full recovery in the history (I7). Hex in lower case. */
export interface VerifiedRecovery {
  readonly epoch: number;
  readonly hash: string;
  /** The state that the cluster went on from. */
  readonly from: {
    readonly epoch: number;
    readonly term: number;
    readonly index: number;
    readonly generation: number;
  };
  /** `memory`: a replica had kept the seed. `shares`: owners' shares. `provider`: a service. */
  readonly key: 'memory' | 'shares' | 'provider';
  /** Fingerprints of the owners who authorised it. */
  readonly owners: readonly string[];
  /** Slots that took part, with their incarnations. */
  readonly participants: readonly { readonly slot: string; readonly incarnation: string }[];
  /** Slots whose state did not answer, by the owners' wish. */
  readonly acceptedMissing: readonly string[];
  /** Milliseconds since 1970, by the opening replica's clock. */
  readonly timeMs: number;
}

/** Recoveries for people and programs. */
export function recoveriesOf({
  recoveries,
  hashes,
}: VerifiedRecoveries): readonly VerifiedRecovery[] {
  return recoveries.map(
    ({ epoch, from, key, owners, participants, acceptedMissing, timeMs }, at) => ({
      epoch,
      hash: hashes[at] ?? '',
      from: { epoch: from.epoch, term: from.term, index: from.index, generation: from.generation },
      key,
      owners,
      participants,
      acceptedMissing,
      timeMs,
    }),
  );
}

/** The outcome of `verify`. */
export interface VerifyReport {
  /** True when no check failed. */
  readonly ok: boolean;
  /** True when what failed was reaching somebody and not trusting them. */
  readonly onlyUnreachable: boolean;
  readonly checks: readonly VerifyCheck[];
  readonly replicas: readonly VerifiedReplica[];
  /** No hardware protects this cluster (I11). */
  readonly simulated: boolean;
  readonly clusterId?: ClusterId;
  readonly epoch?: number;
  readonly generation?: number;
  readonly transitionHash?: string;
  readonly manifestDigest?: string;
  /** DER; pinned by the store when the report is good. */
  readonly rootCertificate?: Uint8Array;
  /** Every full recovery, oldest first. */
  readonly recoveries: readonly VerifiedRecovery[];
  /** The audit log and what happened since it was last seen; absent where none was shown. */
  readonly log?: FollowedLog;
}
