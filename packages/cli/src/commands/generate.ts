/** `witan generate`: from a deployment to a manifest, initdata and a changed deployment. */
import type { KeyObject } from 'node:crypto';
import { basename, join } from 'node:path';
import { clusterId, fromHex, utf8 } from '@witan/core';
import {
  certificatePem,
  loadApprovalPublicKey,
  loadShareOwnerPublicKey,
  ownerKeyKindOf,
  publicKeyPemOf,
} from '@witan/keys';
import type { OwnerRole } from '@witan/manifest';
import { transformDeployment, type DeployedWorkload } from '@witan/kubernetes';
import { CliError } from '../errors.ts';
import { parseStored, storeOf, type CommandContext } from '../context.ts';
import { readInput, writeOutput } from '../files.ts';
import {
  configurationFields,
  readReferenceValues,
  type ReferenceValuesFile,
} from '../reference-values-file.ts';
import { SIMULATED_WARNING, table } from '../printer.ts';

export interface GenerateOptions {
  readonly file: string;
  readonly referenceValues: string;
  readonly owner: readonly string[];
  readonly out: string;
  readonly threshold: string;
  /** Public keys of owners who only hold a recovery share. */
  readonly recoveryOwner?: readonly string[];
  readonly recoveryThreshold?: string;
  /** False where the owners who approve hold no share. */
  readonly shares: boolean;
  readonly namespace: string;
  readonly initializerImage: string;
  readonly coordinatorEndpoint?: readonly string[];
  /** Cluster whose root certificate the pods' measured configuration is to pin. */
  readonly pinCluster?: string;
  readonly configDir?: string;
}

const DEFAULT_LIFETIME_SECONDS = 86_400;

/** @throws CliError, KubernetesError, KeysError, ManifestError; nothing is written then */
export async function generate(context: CommandContext, options: GenerateOptions): Promise<void> {
  const values = await readReferenceValues(options.referenceValues);
  const endpoints = options.coordinatorEndpoint ?? values.coordinatorEndpoints;
  const { yaml, workloads } = transformDeployment(await readInput(options.file, 'deployment'), {
    coordinator: {
      endpoints,
      referenceValues: values.coordinators,
      ...(await pinnedRoot(context, options)),
    },
    initializerImage: options.initializerImage,
    namespace: options.namespace,
  });
  const owners = await readOwners(options);
  const thresholds = thresholdsOf(options, owners);
  const manifest = manifestText(values, workloads, owners, thresholds);
  // What was made must pass what `set` demands, before anything is written.
  parseStored(utf8(manifest));
  const manifestFile = join(options.out, 'manifest.json');
  const deploymentFile = join(options.out, basename(options.file));
  for (const { name, initdata } of workloads) {
    await writeOutput({ path: initdataFile(options.out, name), content: initdata });
  }
  await writeOutput({ path: deploymentFile, content: yaml });
  await writeOutput({ path: manifestFile, content: manifest });
  const simulated = isSimulated(values);
  context.printer.result(
    {
      ok: true,
      simulated,
      manifest: manifestFile,
      deployment: deploymentFile,
      owners: owners.map(({ name, roles }) => ({ name, roles })),
      ...thresholds,
      workloads: workloads.map(({ name, object, hostData, dnsNames, secrets }) => ({
        name,
        object,
        hostData,
        dnsNames,
        secrets,
        initdata: initdataFile(options.out, name),
      })),
    },
    `${simulated ? SIMULATED_WARNING : ''}${describe(manifestFile, deploymentFile, workloads)}` +
      describeOwners(owners, thresholds, manifestFile),
  );
}

/** A genuine cluster of somebody else's passes attestation; only the root tells them apart. */
async function pinnedRoot(
  context: CommandContext,
  { pinCluster, configDir }: GenerateOptions,
): Promise<{ readonly rootCertificatePem?: string }> {
  if (pinCluster === undefined) return {};
  const store = storeOf(context, configDir === undefined ? {} : { configDir });
  const pinned = await store.load(clusterId(pinCluster));
  if (pinned !== undefined) return { rootCertificatePem: certificatePem(pinned.rootCertificate) };
  const message = 'the cluster is not in the configuration directory';
  throw new CliError('CLI_CLUSTER_UNKNOWN', message, { fields: { found: pinCluster } });
}

/** Whether the manifest will accept a simulated TEE (I11). */
function isSimulated({ coordinatorValues, workloads }: ReferenceValuesFile): boolean {
  const lists = [
    ...workloads.map(({ fields }) => fields['developmentRoots']),
    ...coordinatorValues.map((values) => values.developmentRoots),
  ];
  return lists.some((list) => Array.isArray(list) && list.length > 0);
}

function initdataFile(out: string, workload: string): string {
  return join(out, 'initdata', `${workload}.toml`);
}

interface Owner {
  readonly name: string;
  readonly publicKey: string;
  readonly roles: readonly OwnerRole[];
}

async function readOwners(options: GenerateOptions): Promise<readonly Owner[]> {
  // Nothing can be encrypted to an Ed25519 key, so its owner holds no share.
  const rolesOf = (key: KeyObject): readonly OwnerRole[] =>
    options.shares && ownerKeyKindOf(key) !== 'ed25519' ? ['update', 'recovery'] : ['update'];
  const read = (path: string): Promise<Owner> => readOwner(path, rolesOf, loadApprovalPublicKey);
  const holder = (path: string): Promise<Owner> =>
    readOwner(path, () => ['recovery'], loadShareOwnerPublicKey);
  return await Promise.all([
    ...options.owner.map(read),
    ...(options.recoveryOwner ?? []).map(holder),
  ]);
}

async function readOwner(
  path: string,
  rolesOf: (key: KeyObject) => readonly OwnerRole[],
  load: (text: string) => KeyObject,
): Promise<Owner> {
  const text = Buffer.from(await readInput(path, 'owner key')).toString('utf8');
  const name = basename(path).replace(/(\.pub)?\.(pem|jwk|json)$/, '');
  // Written again in one form, so that white space in the file changes no manifest.
  const key = load(text);
  return { name, publicKey: publicKeyPemOf(key), roles: rolesOf(key) };
}

interface Thresholds {
  readonly updateThreshold: number;
  readonly recoveryThreshold?: number;
}

function thresholdsOf(options: GenerateOptions, owners: readonly Owner[]): Thresholds {
  const count = (role: OwnerRole): number =>
    owners.filter(({ roles }) => roles.includes(role)).length;
  const updateThreshold = readThreshold('--threshold', options.threshold, count('update'));
  const holders = count('recovery');
  const { recoveryThreshold } = options;
  if (holders === 0 && recoveryThreshold === undefined) return { updateThreshold };
  // Most of them: one owner's key that is stolen opens nothing, and one that is lost costs nothing.
  const given = recoveryThreshold ?? String(Math.floor(holders / 2) + 1);
  return {
    updateThreshold,
    recoveryThreshold: readThreshold('--recovery-threshold', given, holders),
  };
}

/** @throws CliError CLI_USAGE */
function readThreshold(option: string, text: string, owners: number): number {
  const threshold = Number(text);
  if (Number.isInteger(threshold) && threshold >= 1 && threshold <= owners) return threshold;
  const fields = { option, expected: `1 to ${owners}, the number of owners`, found: text };
  throw new CliError('CLI_USAGE', 'an option is wrong; see --help', { fields });
}

function manifestText(
  values: ReferenceValuesFile,
  workloads: readonly DeployedWorkload[],
  owners: readonly Owner[],
  thresholds: Thresholds,
): string {
  const entries = workloads.map((workload) => [
    workload.name,
    {
      referenceValues: values.workloads.map(({ tee, fields }) => ({
        ...fields,
        ...configurationFields(tee, fromHex(workload.hostData)),
      })),
      dnsNames: workload.dnsNames,
      ipAddresses: [],
      secrets: workload.secrets,
      certificateLifetimeSeconds: workload.certificateLifetimeSeconds ?? DEFAULT_LIFETIME_SECONDS,
    },
  ]);
  const document = {
    apiVersion: 'witan.dev/v1',
    coordinators: values.coordinators,
    workloads: Object.fromEntries(entries) as Readonly<Record<string, unknown>>,
    owners,
    ...thresholds,
  };
  return `${JSON.stringify(document, null, 2)}\n`;
}

function describe(
  manifestFile: string,
  deploymentFile: string,
  workloads: readonly DeployedWorkload[],
): string {
  const rows = workloads.map(({ name, object, dnsNames, secrets, hostData }) => [
    `  ${name}`,
    object,
    `${dnsNames.length} names`,
    secrets.length === 0 ? 'no secrets' : `secrets: ${secrets.join(', ')}`,
    `${hostData.slice(0, 16)}…`,
  ]);
  return (
    `${workloads.length} confidential workloads\n${table(rows)}` +
    `manifest    ${manifestFile}\ndeployment  ${deploymentFile}\n`
  );
}

function describeOwners(
  owners: readonly Owner[],
  { updateThreshold, recoveryThreshold }: Thresholds,
  manifestFile: string,
): string {
  const having = (role: OwnerRole): string =>
    owners
      .filter(({ roles }) => roles.includes(role))
      .map(({ name }) => name)
      .join(', ');
  const recovery =
    recoveryThreshold === undefined
      ? 'nobody: a cluster without a living replica is lost'
      : `${recoveryThreshold} of ${having('recovery')}`;
  const updaters = owners.filter(({ roles }) => roles.includes('update')).length;
  const alone =
    updateThreshold === 1 && updaters > 1
      ? '            each of them alone may change everything; see --threshold\n'
      : '';
  return (
    `updates     ${updateThreshold} of ${having('update')}\n${alone}recovery    ${recovery}\n` +
    `Next: witan set --manifest ${manifestFile} --owner-key KEY --endpoint HOST:PORT\n`
  );
}
