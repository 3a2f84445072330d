/** A development cluster with the example deployment set, made by the same commands as a user's. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { OwnerKeyType } from '@witan/keys';
import { REPOSITORY_ROOT, type ProgramSpec } from '@witan/tee-sim';
import { upCluster, type DevCluster } from './cluster.ts';
import { LOAD_PROGRAM, waitForStatuses } from './harness.ts';
import type { TeeChoice } from './reference-values.ts';
import { witanRunner, type RunCli } from './quickstart/witan.ts';

/** Far more than a cluster needs, for machines that do much else. */
const WAIT_MS = 90_000;

/** A cluster that serves, with its owner's files. */
export interface Deployment {
  readonly cluster: DevCluster;
  readonly manifestFile: string;
  readonly ownerKeyFile: string;
  /** Options that every command against this cluster needs. */
  readonly options: readonly string[];
  readonly witan: RunCli;
  /** @param made the output of another `witan generate` than the first */
  initdata(workload: string, made?: string): Promise<Uint8Array>;
}

/** Where the example is. */
export const EXAMPLE: string = join(REPOSITORY_ROOT, 'deploy/examples/shop.yaml');

/** Starts a cluster in `directory`, which stops with this process, and sets the first manifest. */
export async function startDeployment(
  directory: string,
  settings: {
    readonly slotCount?: number;
    readonly relays?: boolean;
    readonly tee?: TeeChoice;
    readonly allowOverrides?: boolean;
    readonly coordinator?: ProgramSpec;
    readonly sealing?: unknown;
    /** Owners who only hold a recovery share, beside alice: name and type of key. */
    readonly recoveryOwners?: Readonly<Record<string, OwnerKeyType>>;
    readonly signal?: AbortSignal;
    /** Runs once the cluster is founded, before anything is generated. */
    readonly prepare?: (cluster: DevCluster) => Promise<void>;
  } = {},
): Promise<Deployment> {
  const slotCount = settings.slotCount ?? 3;
  const cluster = await upCluster({
    directory: join(directory, 'cluster'),
    slotCount,
    exitWithParent: true,
    relays: settings.relays ?? false,
    tee: settings.tee ?? 'snp',
    allowOverrides: settings.allowOverrides ?? false,
    extraPrograms: [LOAD_PROGRAM],
    sealing: settings.sealing,
    ...(settings.coordinator === undefined ? {} : { coordinator: settings.coordinator }),
    ...(settings.signal === undefined ? {} : { signal: settings.signal }),
  });
  await waitForStatuses(
    cluster,
    'a founded cluster',
    (all) => all.length === slotCount && all.every(({ leader }) => leader !== ''),
    WAIT_MS,
  );
  await settings.prepare?.(cluster);
  const witan = witanRunner(() => undefined);
  const made = join(directory, 'deployment');
  const ownerKeyFile = join(made, 'owner', 'alice.key.pem');
  const manifestFile = join(made, 'manifest.json');
  const options = [
    '--endpoint',
    cluster.endpoints.join(','),
    '--config-dir',
    join(directory, 'config'),
  ];
  await writeManifest(witan, cluster, made, settings.recoveryOwners ?? {});
  await witan(['set', '--manifest', manifestFile, '--owner-key', ownerKeyFile, ...options]);
  await waitForStatuses(
    cluster,
    'generation 1 everywhere',
    (all) => all.length === slotCount && all.every(({ generation }) => generation === 1),
    WAIT_MS,
  );
  return {
    cluster,
    manifestFile,
    ownerKeyFile,
    options,
    witan,
    initdata: async (workload, other = made) =>
      new Uint8Array(await readFile(join(other, 'initdata', `${workload}.toml`))),
  };
}

/** Owners' keys and the manifest, in `made`. */
async function writeManifest(
  witan: RunCli,
  cluster: DevCluster,
  made: string,
  recoveryOwners: Readonly<Record<string, OwnerKeyType>>,
): Promise<void> {
  const owners = join(made, 'owner');
  const holders = Object.entries(recoveryOwners);
  for (const [name, type] of [['alice', 'p256'] as const, ...holders]) {
    await witan(['owner', 'create', '--name', name, '--type', type, '--out', owners]);
  }
  const values = ['--reference-values', cluster.layout.referenceValues];
  const alice = ['--owner', join(owners, 'alice.pub.pem')];
  const others = holders.flatMap(([name]) => ['--recovery-owner', join(owners, `${name}.pub.pem`)]);
  await witan(['generate', '-f', EXAMPLE, '--out', made, ...values, ...alice, ...others]);
}
