/** A deployment for one test file: started once, stopped with it, its directory removed. */
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll } from 'vitest';
import { run } from '@witan/cli';
import type { OwnerKeyType } from '@witan/keys';
import {
  clientOf,
  startDeployment,
  type Acknowledged,
  type Deployment,
  type DevCluster,
  type TeeChoice,
} from '@witan/devcluster';

export interface DeploymentUnderTest {
  readonly current: Deployment;
  readonly directory: string;
}

/** Registers the hooks; `current` is there in tests. */
export function useDeployment(
  options: {
    readonly slotCount?: number;
    readonly relays?: boolean;
    readonly tee?: TeeChoice;
    readonly allowOverrides?: boolean;
    readonly recoveryOwners?: Readonly<Record<string, OwnerKeyType>>;
    /** Runs once the cluster is founded, with a directory of the test's own. */
    readonly prepare?: (cluster: DevCluster, directory: string) => Promise<void>;
  } = {},
): DeploymentUnderTest {
  let deployment: Deployment | undefined;
  let directory = '';
  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), 'witan-'));
    const { prepare, ...rest } = options;
    const where = directory;
    deployment = await startDeployment(directory, {
      ...rest,
      ...(prepare === undefined ? {} : { prepare: (cluster) => prepare(cluster, where) }),
    });
  });
  afterAll(async () => {
    await deployment?.cluster.shutdown();
    await rm(directory, { recursive: true, force: true });
  });
  return {
    get current() {
      if (deployment === undefined) throw new Error('the deployment was started');
      return deployment;
    },
    get directory() {
      return directory;
    },
  };
}

/** How many of these acknowledged certificates the cluster does not know (I3). */
export async function countLost(
  deployment: Deployment,
  acknowledged: readonly Acknowledged[],
): Promise<number> {
  const client = await clientOf(deployment.cluster);
  try {
    const identities = await client.getIdentities(acknowledged.map(({ serial }) => serial));
    const known = new Set(identities.map(({ serial }) => serial));
    return acknowledged.filter(({ serial }) => !known.has(serial)).length;
  } finally {
    client.close();
  }
}

/** Runs `witan` in this process, whatever its exit code. */
export async function runWitan(
  ...argv: readonly string[]
): Promise<{ readonly code: number; readonly stdout: string; readonly stderr: string }> {
  let stdout = '';
  let stderr = '';
  const code = await run({
    argv,
    env: {},
    stdout: (text) => {
      stdout += text;
    },
    stderr: (text) => {
      stderr += text;
    },
  });
  return { code, stdout, stderr };
}

/** Sets the manifest again, with the Coordinators that the development cluster may start by now. */
export async function listCoordinators(
  deployment: Deployment,
  coordinators: readonly unknown[],
  endpoints: readonly string[] = deployment.cluster.endpoints,
): Promise<void> {
  const { manifestFile, ownerKeyFile } = deployment;
  const [, , ...rest] = deployment.options;
  const options = ['--endpoint', endpoints.join(','), ...rest];
  const document = JSON.parse(await readFile(manifestFile, 'utf8')) as object;
  await writeFile(manifestFile, JSON.stringify({ ...document, coordinators }, null, 2));
  const { code, stderr } = await runWitan(
    'set',
    '--manifest',
    manifestFile,
    '--owner-key',
    ownerKeyFile,
    ...options,
  );
  if (code !== 0) throw new Error(stderr);
}
