/**
 * What a host finds when it searches disks and logs for plaintext (I4). The seed cannot be searched
 * for, because nothing outside of the replicas knows it.
 */
import { createPrivateKey } from 'node:crypto';
import { readFile, readdir } from 'node:fs/promises';
import { join } from 'node:path';

/** What must not be found: a name for messages, and bytes. */
export type Needle = readonly [string, Buffer];

/** What every manifest and every private key holds. */
export const COMMON_NEEDLES: readonly Needle[] = [
  ['manifest: version', Buffer.from('witan.dev/v1')],
  ['manifest: workload', Buffer.from('"workloads"')],
  ['manifest: owner', Buffer.from('BEGIN PUBLIC KEY')],
  ['private key', Buffer.from('PRIVATE KEY')],
];

/** Secrets and private key of a workload's output directory, in the forms that might leak. */
export async function needlesOf(directory: string): Promise<readonly Needle[]> {
  const needles: Needle[] = [];
  for (const path of await filesBelow(directory)) {
    const bytes = await readFile(path);
    if (path.includes('/secrets/')) needles.push(...formsOf(path, bytes));
    if (!bytes.includes('PRIVATE KEY')) continue;
    const { d } = createPrivateKey(bytes).export({ format: 'jwk' });
    needles.push(...formsOf(path, Buffer.from(String(d), 'base64url')));
  }
  return needles;
}

function formsOf(name: string, bytes: Buffer): readonly Needle[] {
  return [
    [`${name}, raw`, bytes],
    [`${name}, hex`, Buffer.from(bytes.toString('hex'))],
    [`${name}, base64`, Buffer.from(bytes.toString('base64').slice(0, 40))],
  ];
}

/** All files below a directory; none where there is no directory. */
export async function filesBelow(directory: string): Promise<readonly string[]> {
  const entries = await readdir(directory, { recursive: true, withFileTypes: true }).catch(
    () => [],
  );
  return entries
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name));
}

/** Needles with the files that hold them. A file that is removed meanwhile holds nothing. */
export async function foundIn(
  paths: readonly string[],
  needles: readonly Needle[],
): Promise<readonly string[]> {
  const found: string[] = [];
  for (const path of paths) {
    const bytes = await readFile(path).catch(() => Buffer.alloc(0));
    for (const [name, needle] of needles)
      if (bytes.includes(needle)) found.push(`${name}: ${path}`);
  }
  return found;
}
