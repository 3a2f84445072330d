/** `witan recover`: hands in owners' shares after the loss of a cluster's majority. */
import type { ReferenceValues } from '@witan/attestation';
import {
  ClientError,
  type Client,
  type EndpointStatus,
  type PinnedDeployment,
  type SettledDeployment,
  type SubmittedShare,
} from '@witan/client';
import { describeError, type ClusterId } from '@witan/core';
import { encodeShare, type RecoveryShare } from '@witan/keys';
import type { ValidatedManifest } from '@witan/manifest';
import { trusted, type TrustOptions } from '../commands/trust.ts';
import {
  connect,
  expectationsOf,
  parseStored,
  readManifest,
  storeOf,
  type CommandContext,
} from '../context.ts';
import { CliError } from '../errors.ts';
import { SIMULATED_WARNING, type Json } from '../printer.ts';
import { ownerNames } from '../recoveries.ts';
import { describeProgress, progressToJson, type NameOf } from './progress-text.ts';
import { readShares } from './given-shares.ts';
import { furthestView, watchRecovery, type Watched } from './watch.ts';

/** Options of `witan recover`. */
export interface RecoverOptions extends TrustOptions {
  readonly share?: readonly string[];
  readonly key?: readonly string[];
  readonly acceptMissing?: readonly string[];
  /** False for `--no-floor`. */
  readonly floor?: boolean;
  readonly wait?: string;
  readonly status?: boolean;
}

const WAIT_SECONDS_MAX = 86_400;

/**
 * @throws CliError CLI_RECOVERY_WAITING when all shares were taken and the cluster is not open yet;
 *   others before anything is sent; ClientError
 */
export async function recover(context: CommandContext, options: RecoverOptions): Promise<void> {
  if (options.status === true) return showStatus(context, options);
  const waitMs = waitMsOf(options);
  const { clusterId, shares } = await readShares(options.share ?? [], options.key ?? []);
  try {
    const plan = await planOf(context, options, clusterId);
    const client = connect(context, options, plan.manifest.coordinators, plan.expected);
    try {
      const submitted = await submitAll(context, client, plan, shares, options);
      const watched = await watchRecovery(context, client, clusterId, waitMs);
      await report(context, client, { plan, submitted, watched });
    } finally {
      client.close();
    }
  } finally {
    for (const { value } of shares) value.wipe();
  }
}

interface Plan {
  readonly manifest: ValidatedManifest<ReferenceValues>;
  readonly expected: ReturnType<typeof expectationsOf>;
  readonly floor: PinnedDeployment['floor'] | undefined;
  readonly nameOf: NameOf;
}

/**
 * Whom to trust with a share, and what the cluster must not open below: by what is kept of the very
 * cluster that the share names.
 */
async function planOf(
  context: CommandContext,
  options: RecoverOptions,
  clusterId: ClusterId,
): Promise<Plan> {
  if (options.cluster !== undefined && options.cluster !== clusterId) {
    const fields = { option: '--cluster', expected: clusterId, found: options.cluster };
    throw new CliError('CLI_USAGE', 'the share is of another cluster', { fields });
  }
  const pinned = await storeOf(context, options).load(clusterId);
  const manifest =
    options.manifest === undefined
      ? pinned === undefined
        ? undefined
        : parseStored(pinned.manifest)
      : await readManifest(options.manifest);
  if (manifest === undefined) {
    const message = 'nothing says which Coordinators to trust with a share; give --manifest';
    throw new CliError('CLI_NOTHING_TO_TRUST', message);
  }
  const isWithout = options.floor === false;
  if (pinned === undefined && !isWithout) {
    const fields = { cluster: clusterId };
    const message = 'nothing is kept of this cluster that it must not open below';
    throw new CliError('CLI_FLOOR_UNKNOWN', message, { fields });
  }
  return {
    manifest,
    expected: pinned === undefined ? { clusterId } : expectationsOf(pinned),
    floor: isWithout ? undefined : pinned?.floor,
    nameOf: named(ownerNames({ expected: manifest, pinned })),
  };
}

async function submitAll(
  context: CommandContext,
  client: Client,
  plan: Plan,
  shares: readonly RecoveryShare[],
  { acceptMissing = [] }: RecoverOptions,
): Promise<readonly SubmittedShare[]> {
  const submitted: SubmittedShare[] = [];
  for (const share of shares) {
    const bytes = encodeShare(share);
    try {
      const word = { floor: plan.floor, acceptMissing };
      const taken = await client.submitShare({ share: bytes, ...word });
      submitted.push(taken);
      const who = plan.nameOf(taken.owner);
      context.printer.note(`Share of ${who} accepted by ${taken.endpoint}.\n`);
    } catch (error) {
      if (!isNothingToRecover(error)) throw error;
      context.printer.note('The cluster works: there is nothing to recover.\n');
    } finally {
      bytes.wipe();
    }
  }
  return submitted;
}

function isNothingToRecover(error: unknown): boolean {
  return error instanceof ClientError && error.fields['remoteCode'] === 'REPLICA_NOT_RECOVERING';
}

interface Outcome {
  readonly plan: Plan;
  readonly submitted: readonly SubmittedShare[];
  readonly watched: Watched;
}

async function report(context: CommandContext, client: Client, outcome: Outcome): Promise<void> {
  const { plan, submitted, watched } = outcome;
  const shares = submitted.map(({ owner, endpoint }) => ({
    owner,
    name: plan.nameOf(owner),
    endpoint,
  }));
  if (watched.serving) {
    // Verified as any answer is: the floor, the history, and the recovery that began the epoch.
    const deployment = await client.getDeployment();
    if (deployment.kind === 'settled') {
      context.printer.result(openJson(deployment, shares), openText(deployment));
      return;
    }
  }
  const { view } = watched;
  context.printer.result(
    { ok: false, open: false, shares, progress: view === undefined ? null : progressToJson(view) },
    view === undefined ? '' : describeProgress(view, plan.nameOf),
  );
  const fields = { accepted: submitted.length, obstacle: view?.obstacle?.code ?? 'NONE' };
  const message = 'the cluster is not open yet';
  throw new CliError('CLI_RECOVERY_WAITING', message, { fields });
}

function openJson(
  { mark, clusterId, transitionHash, simulated, recovery }: SettledDeployment,
  shares: Json,
): { readonly [name: string]: Json } {
  return {
    ok: true,
    open: true,
    clusterId,
    epoch: mark.epoch,
    generation: mark.generation,
    commitIndex: mark.commitIndex,
    transitionHash,
    recovery: recovery === undefined ? null : { ...recovery },
    shares,
    simulated,
  };
}

function openText({ mark, clusterId, transitionHash, simulated }: SettledDeployment): string {
  const index = mark.commitIndex.toLocaleString('en-US');
  return (
    `${simulated ? SIMULATED_WARNING : ''}The cluster serves in epoch ${mark.epoch}.\n` +
    `  cluster     ${clusterId}\n` +
    `  mark        generation ${mark.generation} index ${index}\n` +
    `  transition  ${transitionHash}\n` +
    'See who authorised it with witan history, and check all of it with witan verify.\n'
  );
}

/** What each replica says, and nothing is handed in. */
async function showStatus(context: CommandContext, options: RecoverOptions): Promise<void> {
  const trust = await trusted(context, options);
  const { client } = trust;
  let answers: readonly EndpointStatus[];
  try {
    answers = await client.getStatus();
  } finally {
    client.close();
  }
  const nameOf = named(ownerNames(trust));
  const view = furthestView(answers);
  const reached = answers.filter(({ kind }) => kind === 'ok').length;
  context.printer.result(
    {
      ok: reached > 0,
      replicas: answers.map(replicaToJson),
      progress: view === undefined ? null : progressToJson(view),
    },
    answers.map((answer) => describeReplica(answer, nameOf)).join(''),
  );
  if (reached > 0) return;
  const failed = answers.find((answer) => answer.kind === 'failed');
  if (failed?.kind === 'failed') throw failed.error;
}

function replicaToJson(answer: EndpointStatus): Json {
  if (answer.kind === 'failed') {
    const { endpoint, error } = answer;
    return { reached: false, endpoint, code: error.code, error: describeError(error) };
  }
  const { endpoint, slot, phase, epoch, recovery } = answer.status;
  const progress = recovery === undefined ? null : progressToJson(recovery);
  return { reached: true, endpoint, slot, phase, epoch, progress };
}

function describeReplica(answer: EndpointStatus, nameOf: NameOf): string {
  if (answer.kind === 'failed') return `${answer.endpoint}: ${describeError(answer.error)}\n`;
  const { slot, endpoint, phase, epoch, recovery, explanation } = answer.status;
  const head = `${slot} at ${endpoint}: ${phase}${epoch === 0 ? '' : `, epoch ${epoch}`}\n`;
  if (recovery === undefined) return `${head}  ${explanation}\n`;
  return `${head}${describeProgress(recovery, nameOf)}`;
}

/** A name where there is one. */
function named(names: ReturnType<typeof ownerNames>): NameOf {
  return (fingerprint) => names(fingerprint) ?? `owner ${fingerprint.slice(0, 12)}…`;
}

/** @throws CliError CLI_USAGE */
function waitMsOf({ wait }: RecoverOptions): number | undefined {
  if (wait === undefined) return undefined;
  const seconds = Number(wait);
  if (seconds >= 0 && seconds <= WAIT_SECONDS_MAX && wait.trim() !== '') return seconds * 1000;
  const fields = { option: '--wait', expected: `0 to ${WAIT_SECONDS_MAX} seconds`, found: wait };
  throw new CliError('CLI_USAGE', 'an option is wrong; see --help', { fields });
}
