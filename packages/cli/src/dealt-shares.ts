/**
 * Recovery shares that a change has dealt. Whatever deals them makes all earlier ones useless, and
 * after the loss of a cluster it is late to fetch the new ones: so whoever carries such a change
 * out gets them at once, all of them, as each is encrypted to its owner.
 */
import type { Client, Deployment } from '@witan/client';
import type { ManifestContent, RecoveryHeader } from '@witan/manifest';
import type { ClusterOptions, CommandContext } from './context.ts';
import {
  describeWritten,
  namedShares,
  sharesDirectory,
  writeShares,
  type WrittenShares,
} from './share-files.ts';

/** The shares that a change dealt, if it did. */
export function dealtSince(
  before: RecoveryHeader | undefined,
  after: RecoveryHeader | undefined,
): RecoveryHeader | undefined {
  return after?.resharing === before?.resharing ? undefined : after;
}

export type Kept =
  | { readonly kind: 'written'; readonly header: RecoveryHeader; readonly files: WrittenShares }
  | { readonly kind: 'failed'; readonly error: unknown };

/** The change is in force by now, so a full disk must not hide that. */
export async function keepShares(
  directory: string,
  header: RecoveryHeader | undefined,
  manifest: Pick<ManifestContent<unknown>, 'owners'>,
): Promise<Kept | undefined> {
  if (header === undefined) return undefined;
  try {
    const files = await writeShares(directory, header, namedShares(header, manifest));
    return { kind: 'written', header, files };
  } catch (error) {
    return { kind: 'failed', error };
  }
}

/** What was dealt, and where it is. */
export function describeDealt(header: RecoveryHeader, files: WrittenShares): string {
  const again = header.resharing > 1 ? ' These replace all earlier shares.' : '';
  return (
    `Recovery shares were dealt, each encrypted to its owner.${again}\n` +
    `${describeWritten(header, files)}`
  );
}

/**
 * Fetches what a change has dealt, writes it and says so on standard error. Also has the client
 * keep the state after the change.
 *
 * @param before the deployment before the change
 * @throws CliError CLI_FILE_NOT_WRITTEN; ClientError
 */
export async function keepDealt(
  context: CommandContext,
  options: ClusterOptions,
  client: Pick<Client, 'getDeployment'>,
  before: Deployment | undefined,
): Promise<void> {
  const after = await client.getDeployment();
  if (after.kind !== 'settled') return;
  const known = before?.kind === 'settled' ? before.recoveryHeader : undefined;
  const header = dealtSince(known, after.recoveryHeader);
  const directory = sharesDirectory(context, options, after.clusterId);
  const kept = await keepShares(directory, header, after.manifest);
  if (kept?.kind === 'failed') throw kept.error;
  if (kept !== undefined) context.printer.note(describeDealt(kept.header, kept.files));
}
