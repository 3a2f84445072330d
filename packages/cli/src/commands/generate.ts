/** `witan generate`: from a deployment to a manifest, initdata and a changed deployment. */
import { basename, join } from 'node:path';
import { clusterId, fromHex, utf8 } from '@witan/core';
import { certificatePem, loadOwnerPublicKey, publicKeyPemOf } from '@witan/keys';
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
  const owners = await Promise.all(options.owner.map(readOwner));
  const manifest = manifestText(values, workloads, owners, Number(options.threshold));
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
      workloads: workloads.map(({ name, object, hostData, dnsNames, secrets }) => ({
        name,
        object,
        hostData,
        dnsNames,
        secrets,
        initdata: initdataFile(options.out, name),
      })),
    },
    `${simulated ? SIMULATED_WARNING : ''}${describe(manifestFile, deploymentFile, workloads)}`,
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
}

async function readOwner(path: string): Promise<Owner> {
  const pem = Buffer.from(await readInput(path, 'owner key')).toString('utf8');
  const name = basename(path).replace(/(\.pub)?\.pem$/, '');
  // Written again in one form, so that white space in the file changes no manifest.
  return { name, publicKey: publicKeyPemOf(loadOwnerPublicKey(pem)) };
}

function manifestText(
  values: ReferenceValuesFile,
  workloads: readonly DeployedWorkload[],
  owners: readonly Owner[],
  threshold: number,
): string {
  if (!Number.isInteger(threshold) || threshold < 1 || threshold > owners.length) {
    const fields = {
      option: '--threshold',
      expected: `1 to ${owners.length}, the number of owners`,
      found: String(threshold),
    };
    throw new CliError('CLI_USAGE', 'an option is wrong; see --help', { fields });
  }
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
    owners: owners.map((owner) => ({ ...owner, roles: ['update'] })),
    updateThreshold: threshold,
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
    `manifest    ${manifestFile}\ndeployment  ${deploymentFile}\n` +
    `Next: witan set --manifest ${manifestFile} --owner-key KEY --endpoint HOST:PORT\n`
  );
}
