/** Recovery shares of a running deployment: what owners open, and what the disks say. */
import { cp, readFile, readdir } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { Secret } from '@witan/core';
import { readSummaryUnverified } from '@witan/coordinator/testing';
import {
  ShareCollector,
  decodeRecoveryHeaderUnverified,
  decodeShareFile,
  encodeShare,
  type RecoveryHeader,
  type Seed,
} from '@witan/keys';
import type { Deployment } from '@witan/devcluster';

/**
 * Opens an owner's share with the command line, as its owner does.
 *
 * @param directory where encrypted shares are, and opened ones go
 * @returns the path of the opened share
 */
export async function openShareOf(
  { witan, ownerKeyFile }: Deployment,
  owner: string,
  directory: string,
): Promise<string> {
  const out = join(directory, `${owner}.share`);
  const key = join(dirname(ownerKeyFile), `${owner}.key.pem`);
  const jwe = join(directory, `${owner}.share.jwe`);
  await witan(['share', 'open', '--share', jwe, '--key', key, '--out', out]);
  return out;
}

/** Combines opened shares to the seed. @throws KeysError for any that does not fit the header */
export async function combine(header: RecoveryHeader, opened: readonly string[]): Promise<Seed> {
  const collector = new ShareCollector(header);
  for (const path of opened) {
    collector.add(encodeShare(decodeShareFile(new Secret(await readFile(path)))));
  }
  return collector.open();
}

/**
 * The recovery header in the clear claims of a slot's disk; undefined where it claims none yet.
 *
 * @param scratch a directory for a copy, as the disk belongs to a running process
 */
export async function headerOnDisk(
  { cluster }: Deployment,
  slot: string,
  scratch: string,
): Promise<RecoveryHeader | undefined> {
  const data = cluster.layout.data(slot);
  const names = (await readdir(data)).filter((name) => name.startsWith('journal-'));
  for (const name of names) {
    const copy = join(scratch, `${slot}-${name}-${performance.now()}`);
    // Without the lock, whose holder lives.
    const filter = (path: string): boolean => basename(path) !== 'lock';
    await cp(join(data, name), copy, { recursive: true, filter });
    const claimed = (await readSummaryUnverified(copy))?.claims?.recoveryHeader;
    if (claimed === undefined || claimed.byteLength === 0) continue;
    return decodeRecoveryHeaderUnverified(claimed);
  }
  return undefined;
}
