/** Encrypted recovery shares as files: one for each owner, and the recovery header beside them. */
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { configDirectory } from '@witan/client';
import type { ClusterId, Sha256Hex } from '@witan/core';
import { encodeRecoveryHeader, type ManifestContent, type RecoveryHeader } from '@witan/manifest';
import type { ClusterOptions, CommandContext } from './context.ts';
import { writeOutput } from './files.ts';
import type { Json } from './printer.ts';

const HEADER_FILE = 'recovery-header.bin';

/** A share with the name of its owner in the manifest in force. */
export interface NamedShare {
  readonly owner: string;
  readonly fingerprint: Sha256Hex;
  readonly index: number;
  readonly commitment: Sha256Hex;
  readonly jwe: string;
}

/** The shares of a header in order of their indexes. */
export function namedShares(
  header: RecoveryHeader,
  manifest: Pick<ManifestContent<unknown>, 'owners'>,
): readonly NamedShare[] {
  const names = new Map(manifest.owners.map(({ name, fingerprint }) => [fingerprint, name]));
  return header.shares.map(({ index, owner, commitment, jwe }) => ({
    owner: names.get(owner) ?? owner,
    fingerprint: owner,
    index,
    commitment,
    jwe,
  }));
}

/** Where shares go unless the user says otherwise: beside what is kept of the cluster. */
export function sharesDirectory(
  context: CommandContext,
  options: ClusterOptions,
  cluster: ClusterId,
): string {
  return join(options.configDir ?? configDirectory(context.env), 'shares', cluster);
}

/** What was written. */
export interface WrittenShares {
  readonly header: string;
  readonly shares: readonly (NamedShare & { readonly file: string })[];
}

/**
 * Writes shares, readable by this user alone. Nothing in them is secret before their owners open
 * them; the mode keeps the careless from sending all to everybody.
 *
 * @throws CliError CLI_FILE_NOT_WRITTEN
 */
export async function writeShares(
  directory: string,
  header: RecoveryHeader,
  shares: readonly NamedShare[],
): Promise<WrittenShares> {
  await mkdir(directory, { recursive: true, mode: 0o700 }).catch(() => undefined);
  const named = shares.map((share) => ({
    ...share,
    // Owner names are DNS labels, so they are safe as file names.
    file: join(directory, `${share.owner}.share.jwe`),
  }));
  for (const { file, jwe } of named) {
    await writeOutput({ path: file, content: `${jwe}\n`, mode: 0o600 });
  }
  const path = join(directory, HEADER_FILE);
  await writeOutput({ path, content: encodeRecoveryHeader(header), mode: 0o600 });
  return { header: path, shares: named };
}

/** One line for each share that was written. */
export function describeWritten(header: RecoveryHeader, { shares }: WrittenShares): string {
  const count = header.shares.length;
  const lines = shares.map(
    ({ owner, index, file }) =>
      `  share       ${owner}  ${index} of ${count}, ${header.threshold} needed  ${file}\n`,
  );
  return lines.join('');
}

/** The same for programs. */
export function writtenToJson(
  header: RecoveryHeader,
  { shares, header: headerFile }: WrittenShares,
): { readonly [name: string]: Json } {
  return {
    resharing: header.resharing,
    threshold: header.threshold,
    headerFile,
    shares: shares.map(({ owner, fingerprint, index, file }) => ({
      owner,
      fingerprint,
      index,
      file,
    })),
  };
}
