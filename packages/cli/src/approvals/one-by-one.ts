/**
 * How owners approve slots and steps of rotations: with all keys at once, one after the other at
 * any replica, or with signatures that are made elsewhere.
 */
import type { ReferenceValues } from '@witan/attestation';
import type { ApproveResult, Client } from '@witan/client';
import type { Approval, ValidatedManifest } from '@witan/manifest';
import { approveWith, readOwnerKeys } from '../checks/owner-keys.ts';
import type { CommandContext } from '../context.ts';
import { CliError } from '../errors.ts';
import type { Change } from './change.ts';
import { secondsOf, signAs, type Signed, type SigningOptions } from './signing.ts';

/** What the commands take. */
export interface CollectOptions extends Omit<SigningOptions, 'key'> {
  readonly ownerKey?: readonly string[];
  /** Other owners approve later. */
  readonly propose?: boolean;
}

/** What there is to send. */
export type Collected =
  /** Nothing: the bytes were written, and the user was told. */
  | { readonly kind: 'prepared' }
  /** Enough approvals for the change itself. */
  | {
      readonly kind: 'together';
      readonly approvals: readonly Approval[];
      readonly names: readonly string[];
    }
  /** Some, to be added to those that the cluster has. */
  | {
      readonly kind: 'one-by-one';
      readonly approvals: readonly Approval[];
      readonly names: readonly string[];
    };

/** An approval that waits for others counts so long where nothing is said, in seconds. */
const WAITING = '7d';
/** One that is sent with all others. */
const AT_ONCE = '1h';

/**
 * @throws CliError CLI_USAGE, CLI_KEY_NOT_AN_OWNER, CLI_THRESHOLD_NOT_MET, CLI_PREPARED_STALE,
 *   CLI_SIGNATURE_INVALID, and of files; KeysError
 */
export async function collect(
  context: CommandContext,
  options: CollectOptions,
  inForce: ValidatedManifest<ReferenceValues>,
  change: Change,
): Promise<Collected> {
  const { ownerKey = [], propose = false, owner, prepare, attach, expiresIn } = options;
  const { content, role: action, summary } = change;
  const isElsewhere = owner !== undefined || prepare !== undefined || attach !== undefined;
  if (!isElsewhere && ownerKey.length === 0) {
    const expected = '--owner-key FILE, or --prepare FILE with --owner NAME or with --attach FILE';
    const fields = { expected, found: 'none of them' };
    throw new CliError('CLI_USAGE', 'nothing says how to sign', { fields });
  }
  if (isElsewhere) {
    const [key] = ownerKey;
    const use = 'witan-approval+jws' as const;
    const how = { ...options, ...(key === undefined ? {} : { key }) };
    const signed = await signAs(how, inForce, { content, use, action, summary });
    if (signed.kind === 'prepared') {
      reportPrepared(context, signed, change);
      return { kind: 'prepared' };
    }
    return { kind: 'one-by-one', approvals: [signed.approval], names: [signed.owner.name] };
  }
  const keys = await readOwnerKeys(ownerKey, inForce, { action, othersFollow: propose });
  const seconds = secondsOf(expiresIn ?? (propose ? WAITING : AT_ONCE));
  const approvals = await approveWith(keys, content, seconds);
  const names = keys.map(({ name }) => name);
  return { kind: propose ? 'one-by-one' : 'together', approvals, names };
}

/** Sends approvals one after the other; the last one that it takes carries the change out. */
export async function sendEach(
  client: Client,
  { clusterId, previousTransition, action }: Change,
  approvals: readonly Approval[],
): Promise<ApproveResult> {
  let result: ApproveResult | undefined;
  for (const approval of approvals) {
    result = await client.approve({ clusterId, previousTransition, action, approval });
    if (result.inEffect) break;
  }
  if (result === undefined) throw new CliError('CLI_USAGE', 'no key was given');
  return result;
}

/** What was written, and what to do with it. */
export function reportPrepared(
  { printer }: CommandContext,
  { path, owner }: Signed & { readonly kind: 'prepared' },
  { proposal }: Pick<Change, 'proposal'>,
): void {
  printer.result(
    { ok: true, prepared: path, summary: `${path}.txt`, owner: owner.name, proposal },
    `${owner.name} has to sign the bytes of ${path}; what they mean is in ${path}.txt.\n` +
      `Then give both: --prepare ${path} --attach SIGNATURE. Nothing was sent.\n`,
  );
}

/** How far the change is after these approvals. */
export function reportGiven(
  { printer }: CommandContext,
  names: readonly string[],
  change: Change,
  result: ApproveResult,
): void {
  const { proposal, inEffect, count, needed } = result;
  const text = inEffect
    ? `${change.done}. Approved by ${count} owners.\n`
    : `Approved by ${count} of ${needed} owners; others approve with the same command, or with ` +
      `witan approve --proposal ${proposal}.\n`;
  const owner = names.join(', ');
  const { clusterId } = change;
  const json = { ok: true, clusterId, owner, proposal, ...change.json, inEffect, count, needed };
  printer.result(json, `${text}  change  ${proposal}\n`);
}
