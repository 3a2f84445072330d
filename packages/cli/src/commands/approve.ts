/** `witan approve`: one owner's word for a manifest, given now or taken back. */
import type { ReferenceValues } from '@witan/attestation';
import type { ApproveResult, Client, SettledDeployment } from '@witan/client';
import { sha256Hex, toHex, type Sha256Hex } from '@witan/core';
import { nodeCrypto } from '@witan/keys';
import {
  approvalBytes,
  diffManifests,
  revocationBytes,
  type ValidatedManifest,
} from '@witan/manifest';
import { describeDiff, refuseLockout } from '../approvals/changes.ts';
import { signAs, type Signed, type SigningOptions } from '../approvals/signing.ts';
import { checkTransition } from '../checks/transition.ts';
import { readManifest, type ClusterOptions, type CommandContext } from '../context.ts';
import { CliError } from '../errors.ts';
import { withClient } from './cluster.ts';

export interface ApproveOptions extends ClusterOptions, SigningOptions {
  readonly manifest?: string;
  readonly proposal?: string;
  readonly revoke?: boolean;
  readonly previous?: string;
  readonly allowNoUpdates?: boolean;
}

const ALL = Number.MAX_SAFE_INTEGER;
const CLOCKS_APART_MS = 5 * 60_000;

/** @throws CliError, ManifestError, KeysError before anything is sent; ClientError afterwards */
export async function approve(context: CommandContext, options: ApproveOptions): Promise<void> {
  const manifest =
    options.manifest === undefined ? undefined : await readManifest(options.manifest);
  if (manifest === undefined && !(options.revoke === true && options.proposal !== undefined)) {
    const expected = '--manifest FILE, or --revoke with --proposal ID';
    const fields = { expected, found: 'neither' };
    throw new CliError('CLI_USAGE', 'nothing says what to approve', { fields });
  }
  const { manifest: _proposed, ...trust } = options;
  // The Coordinator is judged by what the user knows, and not by what is proposed.
  await withClient(context, trust, async (client) => {
    const deployment = await client.getDeployment();
    if (deployment.kind === 'founded') {
      const fields = { expected: 'a manifest in force', found: 'none' };
      const message = 'the first manifest is set with all approvals at once, by witan set';
      throw new CliError('CLI_USAGE', message, { fields });
    }
    checkTransition(deployment, options.previous);
    noteClocks(context, deployment);
    if (options.revoke === true) await withdraw(context, options, client, deployment, manifest);
    else if (manifest !== undefined) await give(context, options, client, deployment, manifest);
  });
}

async function give(
  context: CommandContext,
  options: ApproveOptions,
  client: Client,
  deployment: SettledDeployment,
  manifest: ValidatedManifest<ReferenceValues>,
): Promise<void> {
  refuseLockout(manifest, options.allowNoUpdates);
  const { clusterId, transitionHash: previousTransition, manifest: inForce } = deployment;
  const subject = { clusterId, previousTransition, manifestDigest: manifest.digest };
  const changes = diffManifests(inForce, manifest);
  context.printer.note(describeDiff(changes));
  const summary =
    `Approval of a manifest for a Witan cluster.\n  cluster     ${clusterId}\n` +
    `  builds on   ${previousTransition} (generation ${deployment.mark.generation})\n` +
    `  manifest    ${manifest.digest}\n${describeDiff(changes, ALL)}`;
  const content = approvalBytes(subject);
  const use = 'witan-approval+jws' as const;
  const signed = await signAs(options, inForce, { content, use, action: 'update', summary });
  if (signed.kind === 'prepared') {
    reportPrepared(context, signed, content);
    return;
  }
  const { approval } = signed;
  const action = { kind: 'manifest', manifest } as const;
  const result = await client.approve({ clusterId, previousTransition, action, approval });
  // Keeps the new manifest, and judges the Coordinator by it from now on.
  if (result.inEffect) await client.getDeployment();
  reportGiven(context, signed.owner.name, result, manifest.digest);
}

async function withdraw(
  context: CommandContext,
  options: ApproveOptions,
  client: Client,
  deployment: SettledDeployment,
  manifest: ValidatedManifest<ReferenceValues> | undefined,
): Promise<void> {
  const { clusterId, transitionHash: previousTransition, manifest: inForce } = deployment;
  const proposal = proposalOf(options, deployment, manifest);
  const content = revocationBytes({ clusterId, previousTransition, proposal });
  const summary =
    `Withdrawal of approvals in a Witan cluster.\n  cluster     ${clusterId}\n` +
    `  builds on   ${previousTransition}\n  change      ${proposal}\n`;
  const use = 'witan-revocation+jws' as const;
  const signed = await signAs(options, inForce, { content, use, action: 'update', summary });
  if (signed.kind === 'prepared') {
    reportPrepared(context, signed, content);
    return;
  }
  const isNew = await client.withdraw({ clusterId, proposal, revocation: signed.approval });
  const { name } = signed.owner;
  const text = isNew
    ? `${name} no longer approves ${proposal}.\n`
    : `${name} had withdrawn this before.\n`;
  context.printer.result({ ok: true, proposal, owner: name, withdrawn: true, isNew }, text);
}

function proposalOf(
  { proposal }: ApproveOptions,
  { clusterId, transitionHash: previousTransition }: SettledDeployment,
  manifest: ValidatedManifest<ReferenceValues> | undefined,
): Sha256Hex {
  if (manifest === undefined) return sha256Hex(proposal ?? '');
  const subject = { clusterId, previousTransition, manifestDigest: manifest.digest };
  return sha256Hex(toHex(nodeCrypto.hash('sha256', approvalBytes(subject))));
}

function reportPrepared(
  { printer }: CommandContext,
  { path, owner }: Signed & { readonly kind: 'prepared' },
  content: Uint8Array,
): void {
  const proposal = toHex(nodeCrypto.hash('sha256', content));
  printer.result(
    { ok: true, prepared: path, summary: `${path}.txt`, owner: owner.name, proposal },
    `${owner.name} has to sign the bytes of ${path}; what they mean is in ${path}.txt.\n` +
      `Then give both: --prepare ${path} --attach SIGNATURE. Nothing was sent.\n`,
  );
}

function reportGiven(
  { printer }: CommandContext,
  owner: string,
  result: ApproveResult,
  manifestDigest: Sha256Hex,
): void {
  const { proposal, inEffect, count, needed } = result;
  const text = inEffect
    ? `The manifest is in force, approved by ${count} owners.\n`
    : `Approved by ${count} of ${needed} owners; see witan approvals.\n`;
  const json = { ok: true, owner, proposal, manifestDigest, inEffect, count, needed };
  printer.result(json, `${text}  change  ${proposal}\n`);
}

/** The leader's clock decides over expiry, so a clock that is far off is worth a word. */
function noteClocks({ printer }: CommandContext, { mark }: SettledDeployment): void {
  const apartMs = Date.now() - mark.timeMs;
  if (Math.abs(apartMs) < CLOCKS_APART_MS) return;
  const minutes = Math.round(Math.abs(apartMs) / 60_000);
  const side = apartMs < 0 ? 'behind' : 'ahead of';
  printer.note(
    `This machine's clock is ${minutes} minutes ${side} the cluster's: approvals may be refused ` +
      'as expired, or as lasting too long.\n',
  );
}
