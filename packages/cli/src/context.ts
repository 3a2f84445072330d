/** What every command gets: where it runs, what the user chose, and how to speak. */
import { parseReferenceValues, type ReferenceValues } from '@witan/attestation';
import {
  configDirectory,
  createClient,
  fileFloorStore,
  type Client,
  type Expectations,
  type FloorStore,
  type PinnedDeployment,
} from '@witan/client';
import { clusterId, describeError } from '@witan/core';
import { developmentRootsOf, endorsementSettings, openEndorsements } from '@witan/endorsements';
import { nodeCrypto, systemClock } from '@witan/keys';
import { parseManifest, type ValidatedManifest } from '@witan/manifest';
import { attemptNotes } from './attempt-notes.ts';
import { CliError } from './errors.ts';
import { readInput } from './files.ts';
import type { Printer } from './printer.ts';

/** Options that every command with a cluster takes. */
export interface ClusterOptions {
  readonly endpoint?: readonly string[];
  readonly configDir?: string;
  readonly timeout?: string;
  readonly cluster?: string;
  /** Cache directory of endorsements. */
  readonly endorsements?: string;
}

/** The surroundings of one run. */
export interface CommandContext {
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly printer: Printer;
  readonly signal: AbortSignal;
}

/** @throws CliError CLI_NO_ENDPOINT */
export function endpointsOf(context: CommandContext, options: ClusterOptions): readonly string[] {
  const given = options.endpoint ?? [context.env['WITAN_ENDPOINTS'] ?? ''];
  const endpoints = given.flatMap((item) => item.split(',')).filter((item) => item !== '');
  if (endpoints.length > 0) return endpoints;
  throw new CliError('CLI_NO_ENDPOINT', 'no Coordinator is named; give --endpoint HOST:PORT');
}

export function storeOf(context: CommandContext, options: ClusterOptions): FloorStore {
  return fileFloorStore(options.configDir ?? configDirectory(context.env));
}

/** @throws CliError CLI_USAGE */
export function timeoutMsOf(options: ClusterOptions): number {
  const seconds = Number(options.timeout ?? '30');
  if (seconds > 0 && seconds <= 3600) return seconds * 1000;
  const fields = {
    option: '--timeout',
    expected: '1 to 3600 seconds',
    found: options.timeout ?? '',
  };
  throw new CliError('CLI_USAGE', 'an option is wrong; see --help', { fields });
}

/** Reads and checks a manifest. @throws CliError, ManifestError, AttestationError */
export async function readManifest(path: string): Promise<ValidatedManifest<ReferenceValues>> {
  return parseStored(await readInput(path, 'manifest'));
}

export function parseStored(bytes: Uint8Array): ValidatedManifest<ReferenceValues> {
  return parseManifest(bytes, { parseReferenceValues, crypto: nodeCrypto });
}

/**
 * The deployment that was pinned before: the one that `--cluster` names, else the only one that was
 * met under one of the endpoints, else the only one at all. `--cluster new` means none of them.
 *
 * @throws IdError; CliError CLI_CLUSTER_UNKNOWN, CLI_NO_ENDPOINT
 */
export async function pinnedDeployment(
  context: CommandContext,
  options: ClusterOptions,
): Promise<PinnedDeployment | undefined> {
  if (options.cluster === 'new') return undefined;
  if (options.cluster !== undefined) {
    const pinned = await storeOf(context, options).load(clusterId(options.cluster));
    if (pinned !== undefined) return pinned;
    const fields = { found: options.cluster };
    const message = 'the cluster is not in the configuration directory';
    throw new CliError('CLI_CLUSTER_UNKNOWN', message, { fields });
  }
  const all = await storeOf(context, options).list();
  const asked = endpointsOf(context, options);
  const met = all.filter(({ endpoints }) => endpoints.some((one) => asked.includes(one)));
  const candidates = met.length > 0 ? met : all;
  return candidates.length === 1 ? candidates[0] : undefined;
}

/** What a pinned deployment is held to. */
export function expectationsOf(pinned: PinnedDeployment): Expectations {
  const { clusterId: id, rootCertificate, historyPublicKey, floor, recovery, log } = pinned;
  const { formerHistoryKeys } = pinned;
  const newest = {
    ...(recovery && { recovery }),
    ...(log && { log }),
    ...(formerHistoryKeys && { formerHistoryKeys }),
  };
  return { clusterId: id, rootCertificate, historyPublicKey, floor, ...newest };
}

/** Makes a client that reports what it does on standard error. */
export function connect(
  context: CommandContext,
  options: ClusterOptions,
  coordinators: readonly ReferenceValues[],
  expected?: Expectations,
): Client {
  // Coordinators bring their endorsements; others are looked for only where a setting says where.
  const { source } = openEndorsements({
    settings: endorsementSettings({ endorsements: options.endorsements }, context.env),
    profile: 'development',
    developmentRoots: developmentRootsOf(coordinators),
    clock: systemClock,
    onEvent: (event) => {
      if ('error' in event) context.printer.note(`${event.key}: ${describeError(event.error)}\n`);
    },
  });
  return createClient({
    endpoints: endpointsOf(context, options),
    coordinators,
    ...(source === undefined ? {} : { endorsements: source }),
    store: storeOf(context, options),
    timeoutMs: timeoutMsOf(options),
    signal: context.signal,
    ...(expected === undefined ? {} : { expected }),
    onEvent: attemptNotes((text) => {
      context.printer.note(text);
    }),
  });
}
