/**
 * `witan audit …`: questions about what the cluster did, answered from the leaves of its log, which
 * were checked against one signed head after attestation.
 */
import { recoveriesOf, type Client, type FetchedLeaves } from '@witan/client';
import type { LogLeaf } from '@witan/manifest';
import type { CommandContext } from '../context.ts';
import { CliError } from '../errors.ts';
import { describeReach, headToJson, timeOf } from '../leaves.ts';
import { SIMULATED_WARNING, table, type Json } from '../printer.ts';
import { describeRecoveries, recoveriesToJson } from '../recoveries.ts';
import { numberOf } from './receipt.ts';
import { trusted, type TrustOptions } from './trust.ts';

export interface AuditApprovalsOptions extends TrustOptions {
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
  await answer(context, options, async (client, fetched) => {
    const names = await ownerNames(client);
    const action = `generation ${wanted ?? ''}`;
    const fromLog = leavesOf(fetched, 'approval')
      .filter((leaf) => wanted === undefined || leaf.action === action)
      .map((leaf) => ({ action: leaf.action, owner: leaf.owner, time: timeOf(leaf) }));
    const source = wanted !== undefined && fromLog.length === 0 ? 'history' : 'log';
    const found = source === 'log' ? fromLog : await approvalsOfHistory(client, wanted ?? 0);
    const approvals = found.map((one) => ({ ...one, name: names.get(one.owner) ?? null }));
    const rows = approvals.map(({ action: what, owner, name, time }) => [
      what,
      name ?? '',
      owner,
      time,
    ]);
    const head = ['APPROVED', 'OWNER', 'FINGERPRINT', 'TIME (LEADER)'];
    const none = rows.length === 0 ? 'No approvals are recorded.\n' : '';
    return { json: { source, approvals }, text: none || table([head, ...rows]) };
  });
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
    time,
  }));
}

/** Of the manifest in force; an owner of an earlier one is known by fingerprint alone. */
async function ownerNames(client: Client): Promise<ReadonlyMap<string, string>> {
  const deployment = await client.getDeployment();
  const owners = deployment.kind === 'settled' ? deployment.manifest.owners : [];
  return new Map(owners.map(({ fingerprint, name }) => [fingerprint, name]));
}

/** Which programs hold certificates that are valid now. @throws CliError, ClientError */
export async function auditMeasurements(
  context: CommandContext,
  options: TrustOptions,
): Promise<void> {
  await answer(context, options, (_client, fetched) => {
    const holders = new Map<string, Kind<'issuance'>[]>();
    for (const leaf of leavesOf(fetched, 'issuance')) {
      if (leaf.notAfterMs <= fetched.mark.timeMs) continue;
      const key = `${leaf.workload} ${leaf.measurement}`;
      holders.set(key, [...(holders.get(key) ?? []), leaf]);
    }
    const measurements = [...holders.values()].flatMap((held) => {
      const [first] = held;
      if (first === undefined) return [];
      const last = Math.max(...held.map(({ notAfterMs }) => notAfterMs));
      return [
        {
          workload: first.workload,
          measurement: first.measurement,
          certificates: held.length,
          keys: new Set(held.map(({ spkiSha256 }) => spkiSha256)).size,
          generations: [...new Set(held.map(({ generation }) => Number(generation)))],
          validUntil: new Date(last).toISOString(),
        },
      ];
    });
    const head = ['WORKLOAD', 'CERTIFICATES', 'KEYS', 'VALID UNTIL', 'MEASUREMENT'];
    const rows = measurements.map((one) => [
      one.workload,
      String(one.certificates),
      String(one.keys),
      one.validUntil,
      one.measurement === '' ? 'not recorded' : one.measurement,
    ]);
    const none = rows.length === 0 ? 'No certificate is valid now.\n' : '';
    return Promise.resolve({ json: { measurements }, text: none || table([head, ...rows]) });
  });
}

/** Every release of a secret. @throws CliError, ClientError */
export async function auditSecret(
  context: CommandContext,
  name: string,
  options: TrustOptions,
): Promise<void> {
  await answer(context, options, (_client, fetched) => {
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
  options: TrustOptions,
): Promise<void> {
  await answer(context, options, async (client, fetched) => {
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
  options: TrustOptions,
  question: (client: Client, fetched: FetchedLeaves) => Promise<Answer>,
): Promise<void> {
  const { client } = await trusted(context, options);
  try {
    const fetched = await client.getLeaves();
    const { json, text } = await question(client, fetched);
    const { simulated, from, head, mark } = fetched;
    const { clusterId } = mark;
    const log = { ...headToJson(head), from, complete: from === 0 };
    context.printer.result(
      { ok: true, simulated, clusterId, log, ...json },
      `${simulated ? SIMULATED_WARNING : ''}${text}${describeReach(fetched)}`,
    );
  } finally {
    client.close();
  }
}

function leavesOf<Name extends LogLeaf['kind']>(
  { leaves }: FetchedLeaves,
  kind: Name,
): readonly Kind<Name>[] {
  const isKind = (leaf: LogLeaf): leaf is Kind<Name> => leaf.kind === kind;
  return leaves.map(({ leaf }) => leaf).filter(isKind);
}
