/** A cluster whose manifest has several owners, and `witan` as each of them runs it. */
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { OwnerKeyType } from '@witan/keys';
import { runWitan, type DeploymentUnderTest } from './deployment.ts';

/** What `witan --json` answered. */
export interface Answer {
  readonly code: number;
  readonly json: Readonly<Record<string, unknown>>;
  readonly stderr: string;
}

/** Runs a command against one replica of the deployment. */
export async function witanAt(
  test: DeploymentUnderTest,
  slot: number,
  ...argv: readonly string[]
): Promise<Answer> {
  const { options, cluster } = test.current;
  const [, , ...rest] = options;
  const where = ['--endpoint', cluster.endpoints[slot] ?? '', ...rest];
  const { code, stdout, stderr } = await runWitan(...argv, ...where, '--json');
  return { code, json: JSON.parse(stdout) as Answer['json'], stderr };
}

/** Makes a key pair; the files are in the deployment's directory. */
export async function createOwner(
  test: DeploymentUnderTest,
  name: string,
  type: OwnerKeyType,
): Promise<string> {
  const made = await runWitan(
    'owner',
    'create',
    '--name',
    name,
    '--type',
    type,
    '--out',
    test.directory,
  );
  if (made.code !== 0) throw new Error(made.stderr);
  return join(test.directory, `${name}.key.pem`);
}

/** Writes a manifest made from the one that the deployment was set up with. */
export async function writeManifest(
  test: DeploymentUnderTest,
  name: string,
  change: (document: Record<string, unknown>) => Record<string, unknown>,
): Promise<string> {
  const before = await readFile(test.current.manifestFile, 'utf8');
  const document = change(JSON.parse(before) as Record<string, unknown>);
  const path = join(test.directory, `${name}.json`);
  await writeFile(path, JSON.stringify(document, null, 2));
  return path;
}

/** A manifest's entry for an owner. */
export async function ownerEntry(
  test: DeploymentUnderTest,
  name: string,
  ...roles: readonly string[]
): Promise<object> {
  const publicKey = await readFile(join(test.directory, `${name}.pub.pem`), 'utf8');
  return { name, publicKey, roles };
}
