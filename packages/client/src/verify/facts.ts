/**
 * What `verify` collects before it checks anything: every replica's answers, each verified alone.
 */
import type { ReferenceValues } from '@witan/attestation';
import type { ValidatedManifest } from '@witan/manifest';
import type { Expectations } from '../options.ts';
import type { Deployment, SettledDeployment } from '../deployment.ts';
import type { ClientError } from '../errors.ts';
import type { FetchedHistory } from '../history.ts';
import type { ManifestsOfHistory } from '../manifests.ts';
import type { RecordedChanges } from '../recorded-changes.ts';
import type { FollowedLog } from './follow-log.ts';

/** One replica's answers, or why there are none. */
export type ReplicaFacts =
  | {
      readonly kind: 'answered';
      readonly endpoint: string;
      readonly deployment: Deployment;
      /** Absent before the first manifest. */
      readonly history?: FetchedHistory;
      /** Absent before the first manifest, and from builds that do not give them. */
      readonly changes?: RecordedChanges | undefined;
      /** As it and the replicas before it showed it. */
      readonly log: FollowedLog | undefined;
    }
  | { readonly kind: 'failed'; readonly endpoint: string; readonly error: ClientError };

/** A replica of a cluster that has a manifest. */
export interface SettledFacts {
  readonly endpoint: string;
  readonly deployment: SettledDeployment;
  readonly history: FetchedHistory;
  readonly changes: RecordedChanges | undefined;
}

export interface VerifyFacts {
  readonly replicas: readonly ReplicaFacts[];
  /** Those with a manifest, in the order of the endpoints. */
  readonly settled: readonly SettledFacts[];
  /** The manifest that should be in force, where the caller has it. */
  readonly expectedManifest: ValidatedManifest<ReferenceValues> | undefined;
  /** What the replicas keep of the manifests of their history. */
  readonly manifests: ManifestsOfHistory;
  /** The audit log as the replicas showed it; absent where none showed one. */
  readonly log: FollowedLog | undefined;
  /** What was known before this run. */
  readonly before: Expectations;
}

/** The replica that shows the longest history; undefined where none has a manifest. */
export function longestOf(settled: readonly SettledFacts[]): SettledFacts | undefined {
  const lengthOf = ({ history }: SettledFacts): number => history.history.hashes.length;
  return settled.toSorted((left, right) => lengthOf(right) - lengthOf(left))[0];
}

export function settledOf(replicas: readonly ReplicaFacts[]): readonly SettledFacts[] {
  return replicas.flatMap((facts) => {
    if (facts.kind === 'failed' || facts.history === undefined) return [];
    const { endpoint, deployment, history, changes } = facts;
    return deployment.kind === 'settled' ? [{ endpoint, deployment, history, changes }] : [];
  });
}
