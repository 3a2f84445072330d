/**
 * `witan audit …`: questions about what the cluster did, answered from the leaves of its log, which
 * were checked against one signed head after attestation.
 */
import { recoveriesOf, type Client, type FetchedLeaves, type LeafRange } from '@witan/client';
import type { LeafKind, LogLeaf } from '@witan/manifest';
import type { CommandContext } from '../context.ts';
import { CliError } from '../errors.ts';
import { HOLDER_HEAD, rowOfHolders, sortHolders, type Holders } from '../holders.ts';
import { describeReach, reachToJson, timeOf } from '../leaves.ts';
import { SIMULATED_WARNING, table, type Json } from '../printer.ts';
import { describeRecoveries, recoveriesToJson } from '../recoveries.ts';
import { numberOf } from './receipt.ts';
import { trusted, type TrustOptions } from './trust.ts';

/** Which part of the log to look at. */
export interface AuditOptions extends TrustOptions {
  readonly from?: string;
  readonly to?: string;
  readonly limit?: string;
  readonly sinceVerified?: boolean;
}

export interface AuditApprovalsOptions extends AuditOptions {
  readonly generation?: string;
}

type Kind<Name extends LogLeaf['kind']> = LogLeaf & { readonly kind: Name };

interface Answer {
  readonly json: { readonly [name: string]: Json };
  readonly text: string;
}

/** Who approved a generation, or everything that was approved. @throws CliError, ClientError */
export async function auditApprovals(
  context: CommandContext,
  options: AuditApprovalsOptions,
): Promise<void> {
  const wanted =
    options.generation === undefined ? undefined : numberOf('--generation', options.generation);
  await answer(context, options, ['approval', 'withdrawal'], async (client, fetched) => {
    const names = await ownerNames(client);
    const action = `generation ${wanted ?? ''}`;
    const all = fetched.leaves.flatMap(({ leaf }) => approvalOrWithdrawal(leaf));
    const fromLog = all.filter((one) => wanted === undefined || one.action === action);
    const source = wanted !== undefined && fromLog.length === 0 ? 'history' : 'log';
    const found = source === 'log' ? fromLog : await approvalsOfHistory(client, wanted ?? 0);
    const approvals = found.map((one) => ({ ...one, name: names.get(one.owner) ?? null }));
    const rows = approvals.map(({ action: what, owner, name, time, withdrawn }) => [
      withdrawn ? `${what} withdrawn` : what,
      name ?? '',
      owner,
      time,
    ]);
    const head = ['APPROVED', 'OWNER', 'FINGERPRINT', 'TIME (LEADER)'];
    const none = rows.length === 0 ? 'No approvals are recorded.\n' : '';
    return { json: { source, approvals }, text: none || table([head, ...rows]) };
  });
}

/** Also those of changes that wait or never came into force, and what owners took back of them. */
function approvalOrWithdrawal(leaf: LogLeaf) {
  const time = timeOf(leaf);
  if (leaf.kind === 'approval') {
    return [{ action: leaf.action, owner: leaf.owner as string, withdrawn: false, time }];
  }
  if (leaf.kind !== 'withdrawal') return [];
  const action = `proposal ${leaf.proposal}`;
  return [{ action, owner: leaf.owner as string, withdrawn: true, time }];
}

/** Transitions are kept for ever, with their approvals, where leaves are not. */
async function approvalsOfHistory(client: Client, generation: number) {
  const { history } = await client.getHistory();
  const transition = history.transitions[generation - 1];
  if (transition === undefined) {
    const expected = `a generation from 1 to ${history.transitions.length}`;
    const fields = { option: '--generation', expected, found: generation };
    throw new CliError('CLI_USAGE', 'there is no such generation', { fields });
  }
  const time = new Date(transition.timeMs).toISOString();
  return transition.approvals.map(({ ownerFingerprint: owner }) => ({
    action: `generation ${generation}`,
    owner: owner as string,
    withdrawn: false,
    time,
  }));
}

/** Of the manifest in force; an owner of an earlier one is known by fingerprint alone. */
async function ownerNames(client: Client): Promise<ReadonlyMap<string, string>> {
  const deployment = await client.getDeployment();
  const owners = deployment.kind === 'settled' ? deployment.manifest.owners : [];
  return new Map(owners.map(({ fingerprint, name }) => [fingerprint, name]));
}

/** Which programs hold certificates that are valid now, and which held some that are revoked. */
export async function auditMeasurements(
  context: CommandContext,
  options: AuditOptions,
): Promise<void> {
  await answer(context, options, ['issuance', 'revocation'], (_client, fetched) => {
    const { held, revoked } = sortHolders(fetched);
    const tableOf = (holders: readonly Holders[]): string =>
      table([HOLDER_HEAD, ...holders.map(rowOfHolders)]);
    const text = held.length === 0 ? 'No certificate is valid now.\n' : tableOf(held);
    const apart = 'Revoked, and refused by peers that load the lists:';
    const shown = revoked.length === 0 ? text : `${text}\n${apart}\n\n${tableOf(revoked)}`;
    const json = { measurements: held.map(toJson), revoked: revoked.map(toJson) };
    return Promise.resolve({ json, text: shown });
  });
}

const toJson = (holders: Holders): Json => ({ ...holders });

/** Every release of a secret. @throws CliError, ClientError */
export async function auditSecret(
  context: CommandContext,
  name: string,
  options: AuditOptions,
): Promise<void> {
  await answer(context, options, ['issuance', 'release'], (_client, fetched) => {
    const issued = new Map(leavesOf(fetched, 'issuance').map((leaf) => [leaf.serial, leaf]));
    const releases = leavesOf(fetched, 'release')
      .filter(({ secrets }) => secrets.some((secret) => secret.name === name))
      .map((leaf) => ({
        versions: leaf.secrets.filter((one) => one.name === name).map(({ version }) => version),
        workload: leaf.workload,
        serial: leaf.serial,
        measurement: issued.get(leaf.serial)?.measurement ?? '',
        spkiSha256: issued.get(leaf.serial)?.spkiSha256 ?? '',
        generation: leaf.generation,
        time: timeOf(leaf),
      }));
    const head = [
      'TIME (LEADER)',
      'WORKLOAD',
      'GENERATION',
      'VERSIONS',
      'CERTIFICATE',
      'MEASUREMENT',
    ];
    const rows = releases.map(({ time, workload, generation, versions, serial, measurement }) => [
      time,
      workload,
      String(generation),
      versions.join(' '),
      serial,
      measurement,
    ]);
    const none = rows.length === 0 ? `No release of ${JSON.stringify(name)} is recorded.\n` : '';
    return Promise.resolve({
      json: { secret: name, releases },
      text: none || table([head, ...rows]),
    });
  });
}

/** Every full recovery, and who took part (I7). @throws CliError, ClientError */
export async function auditRecoveries(
  context: CommandContext,
  options: AuditOptions,
): Promise<void> {
  await answer(context, options, ['recovery'], async (client, fetched) => {
    const { recovered } = await client.getHistory();
    const recoveries = recoveriesOf(recovered);
    const names = await ownerNames(client);
    const leaves = new Set(leavesOf(fetched, 'recovery').map(({ recoveryHash }) => recoveryHash));
    const logged = recoveries.filter(({ hash }) => leaves.has(hash as never)).length;
    const shown = describeRecoveries(recoveries, (owner) => names.get(owner));
    const text = shown === '' ? 'The cluster was never recovered as a whole.\n' : shown;
    return { json: { logged, recoveries: recoveriesToJson(recoveries) }, text };
  });
}

async function answer(
  context: CommandContext,
  options: AuditOptions,
  kinds: readonly LeafKind[],
  question: (client: Client, fetched: FetchedLeaves) => Promise<Answer>,
): Promise<void> {
  const range = rangeOf(options);
  const { client } = await trusted(context, options);
  try {
    const fetched = await client.getLeaves({ ...range, kinds });
    const { size } = fetched.head;
    if ((range.from ?? 0) > size) throw outside('--from', size, range.from);
    if ((range.to ?? 0) > size) throw outside('--to', size, range.to);
    const { json, text } = await question(client, fetched);
    const { simulated, mark } = fetched;
    const { clusterId } = mark;
    context.printer.result(
      { ok: true, simulated, clusterId, log: reachToJson(fetched), ...json },
      `${simulated ? SIMULATED_WARNING : ''}${text}${describeReach(fetched)}`,
    );
  } finally {
    client.close();
  }
}

/** @throws CliError CLI_USAGE */
function rangeOf({ from, to, limit, sinceVerified = false }: AuditOptions): LeafRange {
  const range = {
    sinceSeen: sinceVerified,
    ...(from === undefined ? {} : { from: numberOf('--from', from) }),
    ...(to === undefined ? {} : { to: numberOf('--to', to) }),
    ...(limit === undefined ? {} : { limit: numberOf('--limit', limit) }),
  };
  if (range.limit === 0) throw usage('--limit', 'a number from 1 on', 0);
  if (range.to !== undefined && range.to <= (range.from ?? 0)) {
    throw usage('--to', 'a leaf behind that of --from', range.to);
  }
  return range;
}

function outside(option: string, size: number, found = 0): CliError {
  return usage(option, `a leaf of the log, which has ${size}`, found);
}

function usage(option: string, expected: string, found: number): CliError {
  const fields = { option, expected, found };
  return new CliError('CLI_USAGE', 'there is no such part of the log', { fields });
}

function leavesOf<Name extends LogLeaf['kind']>(
  { leaves }: Pick<FetchedLeaves, 'leaves'>,
  kind: Name,
): readonly Kind<Name>[] {
  const isKind = (leaf: LogLeaf): leaf is Kind<Name> => leaf.kind === kind;
  return leaves.map(({ leaf }) => leaf).filter(isKind);
}
