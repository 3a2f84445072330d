/** `witan approve`: one owner's word for a change, given now or taken back. */
import type { ReferenceValues } from '@witan/attestation';
import type { Client, Deployment, SettledDeployment } from '@witan/client';
import { sha256Hex, slotName, type Sha256Hex } from '@witan/core';
import {
  expiryOf,
  NO_TRANSITION,
  revocationBytes,
  rotationOfText,
  type ValidatedManifest,
} from '@witan/manifest';
import { refuseLockout } from '../approvals/changes.ts';
import { manifestChange, rotationChange, slotChange, type Change } from '../approvals/change.ts';
import { reportGiven, reportPrepared, sendEach } from '../approvals/one-by-one.ts';
import { signAs, type SigningOptions } from '../approvals/signing.ts';
import { noteClocks } from '../checks/clocks.ts';
import { checkTransition } from '../checks/transition.ts';
import {
  connect,
  parseStored,
  pinnedDeployment,
  readManifest,
  type ClusterOptions,
  type CommandContext,
} from '../context.ts';
import { keepDealt } from '../dealt-shares.ts';
import { CliError } from '../errors.ts';
import { refuseExisting, writeOutput } from '../files.ts';
import { withClient } from './cluster.ts';

export interface ApproveOptions extends ClusterOptions, SigningOptions {
  readonly manifest?: string;
  readonly proposal?: string;
  readonly revoke?: boolean;
  readonly previous?: string;
  readonly allowNoUpdates?: boolean;
  /** Write the approval there, and send nothing. */
  readonly out?: string;
}

/** The cluster voids what it has recorded, however long that would last. */
const WITHDRAWN_RECORDED = '1h';
/** What it has not seen may be in anybody's hands, and last as long as any approval. */
const WITHDRAWN_ELSEWHERE = '30d';

type Manifest = ValidatedManifest<ReferenceValues>;

/** @throws CliError, ManifestError, KeysError before anything is sent; ClientError afterwards */
export async function approve(context: CommandContext, options: ApproveOptions): Promise<void> {
  const manifest =
    options.manifest === undefined ? undefined : await readManifest(options.manifest);
  if ((manifest === undefined) === (options.proposal === undefined)) {
    const expected = '--manifest FILE or --proposal ID, one of the two';
    const fields = { expected, found: manifest === undefined ? 'neither' : 'both' };
    throw new CliError('CLI_USAGE', 'nothing says what to approve', { fields });
  }
  if (options.out !== undefined) await refuseExisting([options.out]);
  const { manifest: _proposed, ...trust } = options;
  // The Coordinator is judged by what the user knows, and not by what is proposed.
  const isKnown = (await pinnedDeployment(context, options)) !== undefined;
  if (!isKnown && manifest !== undefined && options.revoke !== true) {
    await approveFirst(context, options, manifest);
    return;
  }
  await withClient(context, trust, async (client) => {
    const deployment = await client.getDeployment();
    if (deployment.kind === 'founded') throw unsettled();
    checkTransition(deployment, options.previous);
    noteClocks(context, deployment.mark.timeMs);
    if (options.revoke === true) await withdraw(context, options, client, deployment, manifest);
    else await give(context, options, client, deployment, manifest);
  });
}

async function give(
  context: CommandContext,
  options: ApproveOptions,
  client: Client,
  deployment: SettledDeployment,
  manifest: Manifest | undefined,
): Promise<void> {
  const { clusterId, transitionHash: previousTransition, manifest: inForce } = deployment;
  const change =
    manifest === undefined
      ? await pendingChange(client, deployment, sha256Hex(options.proposal ?? ''))
      : manifestChange({ clusterId, previousTransition }, manifest, inForce);
  if (change.action.kind === 'manifest') {
    const { digest } = change.action.manifest;
    if (digest === inForce.digest) {
      reportInForce(context, clusterId, digest);
      return;
    }
    refuseLockout(change.action.manifest, options.allowNoUpdates);
  }
  await signAndSend(context, options, { client, deployment, inForce }, change);
}

/** Whoever gives the command again must not open the same change once more. */
function reportInForce({ printer }: CommandContext, clusterId: string, digest: string): void {
  printer.result(
    { ok: true, clusterId, manifestDigest: digest, inEffect: true, sent: false },
    'The manifest is in force. Nothing was signed or sent.\n',
  );
}

/** What waits under a name, as the cluster has it; the bytes to sign are made here and checked. */
async function pendingChange(
  client: Client,
  deployment: SettledDeployment,
  wanted: Sha256Hex,
): Promise<Change> {
  const { clusterId, epoch, transitionHash: previousTransition } = deployment;
  const { changes } = await client.getPending(wanted);
  const pending = changes.find(({ id }) => id === wanted);
  const place = { clusterId, previousTransition };
  const change = await rebuilt();
  if (change?.proposal === wanted) return change;
  const expected = changes.map(({ id }) => id).join(', ');
  const fields = { expected, found: change?.proposal ?? wanted };
  throw new CliError('CLI_PROPOSAL_UNKNOWN', 'no change waits under this name', { fields });

  async function rebuilt(): Promise<Change | undefined> {
    if (pending === undefined) return undefined;
    const { action } = pending;
    if (action.kind === 'manifest') {
      if (action.manifest === undefined) return undefined;
      return manifestChange(place, parseStored(action.manifest), deployment.manifest);
    }
    const numbered = { ...place, epoch, number: action.number };
    if (action.kind === 'rotation') {
      const step = rotationOfText(action.step);
      return step === undefined ? undefined : rotationChange(numbered, step);
    }
    const { slots } = await client.getMembers();
    return slotChange(numbered, slots.map(slotName), action.slots.map(slotName));
  }
}

/**
 * Before the first manifest nothing can wait in the cluster. So owners sign apart from each other,
 * over the cluster's id, and `witan set --approval` sends all of it. The Coordinator is held to the
 * very manifest, as `witan set` holds it.
 */
async function approveFirst(
  context: CommandContext,
  options: ApproveOptions,
  manifest: Manifest,
): Promise<void> {
  const client = connect(context, options, manifest.coordinators);
  try {
    const deployment: Deployment = await client.getDeployment();
    if (deployment.kind === 'settled') {
      const message = 'this cluster has a manifest; run witan verify with it first';
      throw new CliError('CLI_NOTHING_TO_TRUST', message);
    }
    refuseLockout(manifest, options.allowNoUpdates);
    if (options.out === undefined && (options.prepare === undefined || options.attach)) {
      const expected = '--out FILE, and all approvals at once: witan set --approval FILE';
      const fields = { expected, found: 'no --out' };
      throw new CliError('CLI_USAGE', 'the first manifest cannot wait in the cluster', { fields });
    }
    const place = { clusterId: deployment.clusterId, previousTransition: NO_TRANSITION };
    const signing = { client, deployment, inForce: manifest };
    await signAndSend(context, options, signing, manifestChange(place, manifest));
  } finally {
    client.close();
  }
}

/** Where an approval goes, and by whose rules it is given. */
interface Signing {
  readonly client: Client;
  readonly deployment: Deployment;
  readonly inForce: Manifest;
}

async function signAndSend(
  context: CommandContext,
  options: ApproveOptions,
  { client, deployment, inForce }: Signing,
  change: Change,
): Promise<void> {
  context.printer.note(change.note);
  const { content, role: action, summary } = change;
  const use = 'witan-approval+jws' as const;
  const signed = await signAs(options, inForce, { content, use, action, summary });
  if (signed.kind === 'prepared') {
    reportPrepared(context, signed, change);
    return;
  }
  const { owner, approval } = signed;
  if (options.out !== undefined) {
    await writeOutput({ path: options.out, content: approval.signature });
    const { proposal } = change;
    context.printer.result(
      { ok: true, owner: owner.name, proposal, ...change.json, written: options.out },
      `The approval of ${owner.name} is in ${options.out}. Nothing was sent.\n`,
    );
    return;
  }
  const result = await sendEach(client, change, [approval]);
  reportGiven(context, [owner.name], change, result);
  // Also keeps the new manifest, and judges the Coordinator by it from now on.
  if (result.inEffect) await keepDealt(context, options, client, deployment);
}

async function withdraw(
  context: CommandContext,
  options: ApproveOptions,
  client: Client,
  deployment: SettledDeployment,
  manifest: Manifest | undefined,
): Promise<void> {
  const { clusterId, transitionHash: previousTransition, manifest: inForce } = deployment;
  const place = { clusterId, previousTransition };
  const proposal =
    manifest === undefined
      ? sha256Hex(options.proposal ?? '')
      : manifestChange(place, manifest, inForce).proposal;
  const content = revocationBytes({ ...place, proposal });
  const summary =
    `Withdrawal of approvals in a Witan cluster.\n  cluster     ${clusterId}\n` +
    `  builds on   ${previousTransition}\n  change      ${proposal}\n`;
  const use = 'witan-revocation+jws' as const;
  const { changes } = await client.getPending();
  const recorded = changes.find(({ id }) => id === proposal)?.approvals ?? [];
  const expiryOfRecorded = (by: Sha256Hex): number =>
    recorded.find(({ owner }) => owner === by)?.expiresMs ?? 0;
  const usual = ({ fingerprint }: { readonly fingerprint: Sha256Hex }): string =>
    expiryOfRecorded(fingerprint) > 0 ? WITHDRAWN_RECORDED : WITHDRAWN_ELSEWHERE;
  const signed = await signAs(options, inForce, { content, use, action: 'update', summary, usual });
  if (signed.kind === 'prepared') {
    reportPrepared(context, signed, { proposal });
    return;
  }
  const { owner, approval: revocation } = signed;
  const isNew = await client.withdraw({ clusterId, proposal, revocation });
  const statedMs = expiryOf(revocation.signature) ?? 0;
  const voidUntil = new Date(Math.max(statedMs, expiryOfRecorded(owner.fingerprint))).toISOString();
  const { name } = owner;
  const text = isNew
    ? `${name} no longer approves ${proposal}.\n` +
      `What ${name} signed for it is void if it expires by ${voidUntil}.\n`
    : `${name} had withdrawn this before.\n`;
  const json = { ok: true, proposal, owner: name, withdrawn: true, isNew };
  context.printer.result(isNew ? { ...json, voidUntil } : json, text);
}

function unsettled(): CliError {
  const fields = { expected: 'a manifest in force', found: 'none' };
  const message = 'the cluster has no manifest yet; its first one is approved with --manifest';
  return new CliError('CLI_USAGE', message, { fields });
}
