/** `witan set`: sets the first manifest, or updates it. */
import type { ReferenceValues } from '@witan/attestation';
import type {
  Client,
  Deployment,
  PinnedDeployment,
  SetManifestResult,
  SettledDeployment,
} from '@witan/client';
import { toHex, type Sha256Hex } from '@witan/core';
import { nodeCrypto } from '@witan/keys';
import {
  approvalBytes,
  diffManifests,
  type Approval,
  type ApprovalSubject,
  type ManifestChange,
  type RecoveryHeader,
  type ValidatedManifest,
} from '@witan/manifest';
import { describeDiff, refuseLockout } from '../approvals/changes.ts';
import { noteClocks } from '../checks/clocks.ts';
import { checkGiven, readApprovals, refuseTooFew } from '../checks/given-approvals.ts';
import { approveWith, readOwnerKeys, type OwnerKey } from '../checks/owner-keys.ts';
import { checkTransition } from '../checks/transition.ts';
import {
  connect,
  expectationsOf,
  parseStored,
  pinnedDeployment,
  readManifest,
  storeOf,
  type ClusterOptions,
  type CommandContext,
} from '../context.ts';
import { SIMULATED_WARNING, type Json } from '../printer.ts';
import { dealtSince, describeDealt, keepShares } from '../dealt-shares.ts';
import { sharesDirectory, writtenToJson, type WrittenShares } from '../share-files.ts';

export interface SetOptions extends ClusterOptions {
  readonly manifest: string;
  readonly ownerKey?: readonly string[];
  /** Files with approvals that were signed apart. */
  readonly approval?: readonly string[];
  /** Hash of the transition to build on, for those who want to be sure. */
  readonly previous?: string;
  readonly allowNoUpdates?: boolean;
  /** Directory for the owners' encrypted shares. */
  readonly shares?: string;
}

/** @throws CliError, ManifestError, KeysError before anything is sent; ClientError afterwards */
export async function set(context: CommandContext, options: SetOptions): Promise<void> {
  const manifest = await readManifest(options.manifest);
  refuseLockout(manifest, options.allowNoUpdates);
  const pinned = await pinnedDeployment(context, options);
  // Keys are looked at before anybody is called; who counts is checked again below.
  const first = pinned === undefined ? manifest : parseStored(pinned.manifest);
  const given = await readApprovals(options.approval ?? []);
  const keyFiles = options.ownerKey ?? [];
  const whose = { othersFollow: true };
  const early = await readOwnerKeys(keyFiles, first, whose);
  const signers = [...early, ...given.map(({ approval }) => approval)];
  refuseTooFew(signers.map(fingerprintOf), first);
  const { client, deployment } = await reach(context, options, manifest, pinned);
  try {
    const previousTransition = checkTransition(deployment, options.previous);
    const inForce = deployment.kind === 'settled' ? deployment.manifest : manifest;
    if (deployment.kind === 'settled') noteClocks(context, deployment.mark.timeMs);
    const keys = await readOwnerKeys(keyFiles, inForce, whose);
    const changes =
      deployment.kind === 'settled' ? diffManifests(deployment.manifest, manifest) : [];
    if (deployment.kind === 'settled' && deployment.manifest.digest === manifest.digest) {
      reportUnchanged(context, deployment);
      return;
    }
    context.printer.note(describeChanges(deployment, changes) + warnUnrecoverable(manifest));
    const { clusterId } = deployment;
    const subject = { clusterId, previousTransition, manifestDigest: manifest.digest };
    const content = approvalBytes(subject);
    const others = checkGiven(given, content, inForce, deployment.kind === 'founded');
    const all = [...(await approveWith(keys, content)), ...others.map((one) => one.approval)];
    const approvals = onePerOwner(all);
    refuseTooFew(approvals.map(fingerprintOf), inForce);
    const result = await client.setManifest({
      clusterId,
      previousTransition,
      manifest,
      approvals,
    });
    const before = deployment.kind === 'settled' ? deployment.recoveryHeader : undefined;
    const dealt = dealtSince(before, result.recoveryHeader);
    const directory = options.shares ?? sharesDirectory(context, options, clusterId);
    const written = await keepShares(directory, dealt, manifest);
    reportSet(context, {
      result,
      names: [...new Set([...keys, ...others].map(({ name }) => name))],
      subject,
      changes,
      ...(written?.kind === 'written' ? { shares: written } : {}),
    });
    if (written?.kind === 'failed') throw written.error;
  } finally {
    client.close();
  }
}

function fingerprintOf(one: OwnerKey | Approval): Sha256Hex {
  return 'fingerprint' in one ? one.fingerprint : one.ownerFingerprint;
}

/** A second approval of one owner adds nothing, and would only make the request longer. */
function onePerOwner(approvals: readonly Approval[]): readonly Approval[] {
  const first = new Map<Sha256Hex, Approval>();
  for (const one of approvals) {
    if (!first.has(one.ownerFingerprint)) first.set(one.ownerFingerprint, one);
  }
  return [...first.values()];
}

interface Report {
  readonly result: SetManifestResult;
  readonly names: readonly string[];
  readonly subject: ApprovalSubject;
  readonly changes: readonly ManifestChange[];
  readonly shares?: { readonly header: RecoveryHeader; readonly files: WrittenShares };
}

function reportSet({ printer }: CommandContext, report: Report): void {
  const { result, names, subject, changes, shares } = report;
  const { clusterId, previousTransition, manifestDigest } = subject;
  const { generation } = result.transition.transition;
  const root = toHex(nodeCrypto.hash('sha256', result.rootCertificate));
  const dealt = shares === undefined ? '' : describeDealt(shares.header, shares.files);
  printer.result(
    {
      ok: true,
      clusterId,
      generation,
      transitionHash: result.transitionHash,
      previousTransition,
      manifestDigest,
      rootCertificateSha256: root,
      approvedBy: names,
      changes: changes.map(changeToJson),
      ...(shares === undefined ? {} : { recovery: writtenToJson(shares.header, shares.files) }),
      simulated: result.simulated,
    },
    `${result.simulated ? SIMULATED_WARNING : ''}Generation ${generation} is in force.\n` +
      `  cluster     ${clusterId}\n  transition  ${result.transitionHash}\n` +
      `  manifest    ${manifestDigest}\n  root        ${root}\n` +
      `  approved by ${names.join(', ')}\n${dealt}`,
  );
}

function warnUnrecoverable(manifest: ValidatedManifest<ReferenceValues>): string {
  if (manifest.recoveryThreshold > 0) return '';
  return (
    'No owner has the role recovery: if every replica is lost at once, so is all that this ' +
    'cluster keeps.\n'
  );
}

/** A manifest in force is not set again: a new generation would retire every certificate. */
function reportUnchanged({ printer }: CommandContext, deployment: SettledDeployment): void {
  const { clusterId, mark, transitionHash, manifest, simulated } = deployment;
  const { generation } = mark;
  printer.result(
    {
      ok: true,
      unchanged: true,
      clusterId,
      generation,
      transitionHash,
      manifestDigest: manifest.digest,
      changes: [],
      simulated,
    },
    `${simulated ? SIMULATED_WARNING : ''}` +
      `This manifest is in force already, as generation ${generation}. Nothing was sent.\n`,
  );
}

interface Reached {
  readonly client: Client;
  readonly deployment: Deployment;
}

/**
 * The first manifest is sent to a Coordinator that meets that very manifest; an update to one that
 * meets the manifest that was pinned, and to the pinned cluster alone.
 */
async function reach(
  context: CommandContext,
  options: SetOptions,
  manifest: ValidatedManifest<ReferenceValues>,
  pinned: PinnedDeployment | undefined,
): Promise<Reached> {
  if (pinned !== undefined) {
    const { coordinators } = parseStored(pinned.manifest);
    const client = connect(context, options, coordinators, expectationsOf(pinned));
    return { client, deployment: await orClose(client) };
  }
  const client = connect(context, options, manifest.coordinators);
  const deployment = await orClose(client);
  const stored = await storeOf(context, options).load(deployment.clusterId);
  if (stored === undefined) return { client, deployment };
  client.close();
  return reach(context, options, manifest, stored);
}

async function orClose(client: Client): Promise<Deployment> {
  try {
    return await client.getDeployment();
  } catch (error) {
    client.close();
    throw error;
  }
}

function describeChanges(deployment: Deployment, changes: readonly ManifestChange[]): string {
  if (deployment.kind === 'founded') return 'First manifest of this cluster.\n';
  return describeDiff(changes);
}

function changeToJson(change: ManifestChange): Json {
  return { kind: change.kind, path: change.path };
}
