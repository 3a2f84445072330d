/** `witan approvals`: what waits for approvals, who gave one, who has not, and until when. */
import type { ReferenceValues } from '@witan/attestation';
import type { PendingChange } from '@witan/client';
import { sha256Hex } from '@witan/core';
import { approvalRule, type ValidatedManifest } from '@witan/manifest';
import type { CommandContext } from '../context.ts';
import { CliError } from '../errors.ts';
import { writeOutput } from '../files.ts';
import type { Json } from '../printer.ts';
import { withClient } from './cluster.ts';
import type { TrustOptions } from './trust.ts';

export interface ApprovalsOptions extends TrustOptions {
  readonly fetch?: string;
  readonly out?: string;
}

/** @throws CliError CLI_USAGE, CLI_PROPOSAL_UNKNOWN, of files; ClientError */
export async function approvals(context: CommandContext, options: ApprovalsOptions): Promise<void> {
  const wanted = options.fetch === undefined ? undefined : sha256Hex(options.fetch);
  if ((wanted === undefined) !== (options.out === undefined)) {
    const fields = { expected: '--fetch ID and --out FILE', found: 'one of them' };
    throw new CliError('CLI_USAGE', 'options go together', { fields });
  }
  await withClient(context, options, async (client) => {
    const deployment = await client.getDeployment();
    if (deployment.kind === 'founded') {
      context.printer.result({ ok: true, changes: [] }, 'No manifest is in force yet.\n');
      return;
    }
    const { changes, transitionHash } = await client.getPending(wanted);
    if (wanted !== undefined) await writeManifest(changes, wanted, options.out ?? '');
    const { manifest } = deployment;
    const described = changes.map((change) => describe(change, manifest));
    const none = 'Nothing waits for approvals.\n';
    const written = wanted === undefined ? '' : `Written to ${String(options.out)}.\n`;
    const text = described.map((one) => one.text).join('') + written;
    context.printer.result(
      { ok: true, transitionHash, changes: described.map(({ json }) => json) },
      changes.length === 0 ? none : text,
    );
  });
}

async function writeManifest(
  changes: readonly PendingChange[],
  wanted: string,
  path: string,
): Promise<void> {
  const action = changes.find(({ id }) => id === wanted)?.action;
  if (action?.kind !== 'manifest' || action.manifest === undefined) {
    const expected = changes.map(({ id }) => id).join(', ');
    const fields = { expected, found: wanted };
    throw new CliError('CLI_PROPOSAL_UNKNOWN', 'no manifest waits under this name', { fields });
  }
  await writeOutput({ path, content: action.manifest });
}

function describe(
  change: PendingChange,
  manifest: ValidatedManifest<ReferenceValues>,
): { readonly json: { readonly [name: string]: Json }; readonly text: string } {
  const { id, action, needed } = change;
  const nowMs = Date.now();
  const nameOf = (fingerprint: string): string =>
    manifest.owners.find((owner) => owner.fingerprint === fingerprint)?.name ?? fingerprint;
  const given = change.approvals.map(({ owner, expiresMs }) => ({
    owner: nameOf(owner),
    expires: new Date(expiresMs).toISOString(),
    expired: expiresMs < nowMs,
  }));
  const count = given.filter(({ expired }) => !expired).length;
  const { role } = approvalRule(manifest, action.kind === 'slots' ? 'membership' : 'update');
  const missing = manifest.owners
    .filter(({ roles }) => roles.includes(role))
    .map(({ name }) => name)
    .filter((name) => !given.some(({ owner, expired }) => owner === name && !expired));
  const withdrawnBy = change.withdrawnBy.map(nameOf);
  const { what, json } = describeAction(action);
  const lines = given.map(
    ({ owner, expires, expired }) =>
      `  approved   ${owner}, ${expired ? 'expired' : 'until'} ${expires}\n`,
  );
  return {
    json: {
      id,
      kind: action.kind,
      ...json,
      count,
      needed,
      approvals: given,
      missing,
      withdrawnBy,
    },
    text:
      `${id}\n  change     ${what}\n  approvals  ${count} of ${needed}\n${lines.join('')}` +
      `  missing    ${describeMissing(missing, needed - count)}\n` +
      (withdrawnBy.length === 0 ? '' : `  withdrawn  ${withdrawnBy.join(', ')}\n`),
  };
}

/** @param needed how many of those who have not approved it takes */
function describeMissing(missing: readonly string[], needed: number): string {
  if (missing.length === 0) return 'nobody';
  const names = missing.join(', ');
  return needed < missing.length ? `${needed} of ${names}` : names;
}

function describeAction(action: PendingChange['action']): {
  readonly what: string;
  readonly json: { readonly [name: string]: Json };
} {
  switch (action.kind) {
    case 'manifest':
      return { what: `manifest ${action.digest}`, json: { manifestDigest: action.digest } };
    case 'slots': {
      const { slots, number } = action;
      return { what: `slots ${slots.join(', ')}`, json: { slots, number } };
    }
    case 'rotation': {
      const { step, number } = action;
      return { what: `rotation ${number + 1}: ${step}`, json: { step, number } };
    }
    default:
      return action satisfies never;
  }
}
