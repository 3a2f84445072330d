/**
 * Verifies a deployment: attests every given replica, reads deployment and history from each, and
 * runs the checks. One file for each check, under checks/.
 */
import type { ReferenceValues } from '@witan/attestation';
import type { ValidatedManifest } from '@witan/manifest';
import type { Anchors } from '../anchors.ts';
import type { Attempt, Connector } from '../connector.ts';
import { fetchDeployment } from '../deployment.ts';
import { ClientError, isTrustFailure } from '../errors.ts';
import { fetchHistory } from '../history.ts';
import { fetchManifests, type ManifestsOfHistory } from '../manifests.ts';
import { fetchRecordedChanges } from '../recorded-changes.ts';
import { checkAgreement } from './checks/agreement.ts';
import { checkAnchors } from './checks/anchors.ts';
import { checkOwnerApprovals } from './checks/approvals.ts';
import { checkChanges } from './checks/changes.ts';
import { checkEpoch } from './checks/epoch.ts';
import { checkFloor } from './checks/floor.ts';
import { checkHistory } from './checks/history.ts';
import { checkLog } from './checks/log.ts';
import { checkManifest } from './checks/manifest.ts';
import type { Outcome } from './checks/outcome.ts';
import { checkReplicas } from './checks/replicas.ts';
import { followLog, type FollowedLog } from './follow-log.ts';
import { longestOf, settledOf, type ReplicaFacts, type VerifyFacts } from './facts.ts';
import {
  recoveriesOf,
  type VerifiedReplica,
  type VerifyCheck,
  type VerifyCheckName,
  type VerifyReport,
} from './report.ts';

/** All checks in the order in which they are shown. */
const CHECKS: readonly (readonly [VerifyCheckName, string, (facts: VerifyFacts) => Outcome])[] = [
  ['replicas', 'Every replica proved itself', checkReplicas],
  ['manifest', 'Manifest in force is the expected one', checkManifest],
  ['anchors', 'Trust anchors are the known ones', checkAnchors],
  ['history', 'History is one signed chain', checkHistory],
  ['approvals', 'Owners approved every manifest', checkOwnerApprovals],
  ['changes', 'Owners approved rotations and slots', checkChanges],
  ['floor', 'Nothing is older than seen before', checkFloor],
  ['agreement', 'All replicas agree', checkAgreement],
  ['log', 'Audit log only grew', checkLog],
  ['epoch', 'Epoch', checkEpoch],
];

/** Runs a question again where the history key that was known has been replaced. */
export type Follow = <Value>(
  attempt: Attempt,
  ask: (attempt: Attempt) => Promise<Value>,
) => Promise<Value>;

interface Reading {
  readonly connector: Connector;
  readonly anchors: Anchors;
  readonly follow: Follow;
}

/** A report with the facts that it was made from. */
export interface VerifyOutcome {
  readonly report: VerifyReport;
  readonly facts: VerifyFacts;
}

/** @throws ClientError CLIENT_ABORTED; everything else is in the report */
export async function verifyReplicas(
  connector: Connector,
  anchors: Anchors,
  expectedManifest: ValidatedManifest<ReferenceValues> | undefined,
  follow: Follow,
): Promise<VerifyOutcome> {
  const replicas: ReplicaFacts[] = [];
  // One after the other: each answer is held to what the ones before it showed.
  const manifests: ManifestsOfHistory = new Map();
  let log: FollowedLog | undefined;
  for (const endpoint of connector.endpoints) {
    const facts = await factsOf(endpoint, { connector, anchors, follow }, manifests, log);
    if (facts.kind === 'answered') ({ log } = facts);
    replicas.push(facts);
  }
  const settled = settledOf(replicas);
  const cluster = settled[0]?.deployment.clusterId;
  const before = cluster === undefined ? anchors.known : anchors.knownOf(cluster);
  const facts: VerifyFacts = {
    replicas,
    settled,
    expectedManifest,
    manifests,
    before,
    log,
  };
  return { report: reportOf(facts), facts };
}

async function factsOf(
  endpoint: string,
  { connector, anchors, follow }: Reading,
  manifests: ManifestsOfHistory,
  before: FollowedLog | undefined,
): Promise<ReplicaFacts> {
  try {
    return await connector.runAt(endpoint, async (attempt) => {
      const { settings } = connector;
      const deployment = await follow(attempt, (own) => fetchDeployment(own, anchors, settings));
      if (deployment.kind === 'founded') {
        return { kind: 'answered', endpoint, deployment, log: before };
      }
      // Before the history, which then has every transition that they name.
      const { historyPublicKey } = deployment;
      const changes = await fetchRecordedChanges(attempt, anchors, historyPublicKey);
      const history = await fetchHistory(attempt, anchors, settings);
      await fetchManifests(attempt, history.history, manifests, settings);
      const { mark } = history;
      const log = await followLog(attempt, before, mark, anchors, settings.crypto);
      return { kind: 'answered', endpoint, deployment, history, changes, log };
    });
  } catch (error) {
    if (!(error instanceof ClientError) || error.code === 'CLIENT_ABORTED') throw error;
    return { kind: 'failed', endpoint, error };
  }
}

function reportOf(facts: VerifyFacts): VerifyReport {
  const checks = CHECKS.map(([name, title, check]): VerifyCheck => ({
    name,
    title,
    ...check(facts),
  }));
  const failures = facts.replicas.flatMap((one) => (one.kind === 'failed' ? [one.error] : []));
  const others = checks.some(({ kind, name }) => kind === 'failed' && name !== 'replicas');
  const [first] = facts.settled;
  const longest = longestOf(facts.settled);
  return {
    ok: checks.every(({ kind }) => kind !== 'failed'),
    onlyUnreachable: failures.length > 0 && !others && !failures.some(isRefusal),
    checks,
    replicas: facts.replicas.map(replicaOf),
    recoveries: longest === undefined ? [] : recoveriesOf(longest.history.recovered),
    simulated: facts.replicas.some((one) => one.kind === 'answered' && one.deployment.simulated),
    ...(facts.log && { log: facts.log }),
    ...(first === undefined
      ? {}
      : {
          clusterId: first.deployment.clusterId,
          epoch: first.deployment.epoch,
          generation: first.deployment.mark.generation,
          transitionHash: first.deployment.transitionHash,
          manifestDigest: first.deployment.manifest.digest,
          rootCertificate: first.deployment.rootCertificate,
        }),
  };
}

function replicaOf(facts: ReplicaFacts): VerifiedReplica {
  const { endpoint } = facts;
  if (facts.kind === 'failed') {
    const { error } = facts;
    const kind = isRefusal(error) ? 'refused' : 'unreachable';
    const shown = Object.entries(error.fields).filter(([name]) => name !== 'endpoint');
    const detail = shown.map(([name, value]) => `${name} ${String(value)}`).join(', ');
    return { endpoint, kind, detail, code: error.code };
  }
  const { incarnation, claims } = facts.deployment.replica;
  return {
    endpoint,
    kind: 'verified',
    detail: '',
    incarnation,
    measurement: claims.measurements[0]?.value ?? '',
    platform: claims.tee === 'snp' ? `snp ${claims.product}` : claims.tee,
    simulated: claims.simulated,
  };
}

function isRefusal(error: ClientError): boolean {
  return isTrustFailure(error.code);
}
