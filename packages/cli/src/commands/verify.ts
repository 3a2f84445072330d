/** `witan verify`: everything that a data owner can check, against every replica given. */
import { ClientError, type FollowedLog, type VerifyCheck, type VerifyReport } from '@witan/client';
import type { CommandContext } from '../context.ts';
import { CliError } from '../errors.ts';
import { countKinds, describeCounts, headToJson, leafToJson, rowOfLeaf } from '../leaves.ts';
import { SIMULATED_WARNING, table, type Json } from '../printer.ts';
import { describeRecoveries, ownerNames, recoveriesToJson } from '../recoveries.ts';
import { trusted, type TrustOptions } from './trust.ts';

/** What `witan verify` takes. */
export interface VerifyOptions extends TrustOptions {
  /** List every entry of the log since it was last seen. */
  readonly verbose?: boolean;
}

/**
 * @throws CliError CLI_VERIFICATION_FAILED, ClientError CLIENT_UNREACHABLE after the report was
 *   printed
 */
export async function verify(context: CommandContext, options: VerifyOptions): Promise<void> {
  const trust = await trusted(context, options);
  const { client, expected, pinned } = trust;
  let report: VerifyReport;
  try {
    report = await client.verify(expected);
  } finally {
    client.close();
  }
  const first = pinned === undefined;
  const text = describe(report, first, ownerNames(trust), options.verbose === true);
  context.printer.result(reportToJson(report, first), text);
  if (report.ok) return;
  const failed = report.checks.filter(({ kind }) => kind === 'failed').map(({ name }) => name);
  const fields = { checks: failed.join(', ') };
  if (report.onlyUnreachable) {
    // Nothing was found wrong; it is not known whether all is well.
    throw new ClientError('CLIENT_UNREACHABLE', fields);
  }
  throw new CliError('CLI_VERIFICATION_FAILED', 'the deployment is not as it should be', {
    fields,
  });
}

function reportToJson(report: VerifyReport, first: boolean): { readonly [name: string]: Json } {
  const { ok, simulated, checks, replicas } = report;
  return {
    ok,
    simulated,
    firstContact: first,
    clusterId: report.clusterId ?? null,
    epoch: report.epoch ?? null,
    generation: report.generation ?? null,
    transitionHash: report.transitionHash ?? null,
    manifestDigest: report.manifestDigest ?? null,
    checks: checks.map((check) => ({ ...check })),
    replicas: replicas.map((replica) => ({ ...replica })),
    recoveries: recoveriesToJson(report.recoveries),
    log: logToJson(report.log),
  };
}

function describe(
  report: VerifyReport,
  first: boolean,
  nameOf: ReturnType<typeof ownerNames>,
  verbose: boolean,
): string {
  const head = [
    ['cluster', report.clusterId ?? 'unknown'],
    ['generation', String(report.generation ?? 'unknown')],
    ['epoch', String(report.epoch ?? 'unknown')],
    ['manifest', report.manifestDigest ?? 'unknown'],
  ];
  const replicas = report.replicas.map(({ endpoint, kind, incarnation, platform, detail }) => [
    `  ${endpoint}`,
    kind,
    incarnation === undefined ? '' : `${incarnation.slice(0, 16)}…`,
    kind === 'verified' ? (platform ?? '') : detail,
  ]);
  const shown = describeRecoveries(report.recoveries, nameOf);
  const recoveries = shown === '' ? '' : `${shown}\n`;
  const note = first && report.ok ? 'First contact: trust anchors and floor are pinned now.\n' : '';
  return (
    `${report.simulated ? SIMULATED_WARNING : ''}${table(head)}\n` +
    `Replicas\n${table(replicas)}\n${recoveries}Checks\n${table(report.checks.map(rowOf))}\n` +
    `${describeLog(report.log, verbose)}${note}${report.ok ? 'Verified.' : 'NOT VERIFIED.'}\n`
  );
}

function logToJson(log: FollowedLog | undefined): Json {
  if (log === undefined) return null;
  const { seen, head, events } = log;
  return {
    ...headToJson(head),
    seen: seen === undefined ? null : headToJson(seen),
    since: events === undefined ? null : { ...countKinds(events) },
    events:
      events === undefined ? null : events.map(({ number, leaf }) => leafToJson(number, leaf)),
  };
}

/** What happened since the log was last seen. */
function describeLog(log: FollowedLog | undefined, verbose: boolean): string {
  if (log?.events === undefined) return '';
  const since = log.seen === undefined ? 'So far' : `Since entry ${log.seen.size}`;
  const rows = verbose ? table(log.events.map((event) => rowOfLeaf(event))) : '';
  const listed = log.events.length === 0 ? '' : rows;
  return `${since}: ${describeCounts(log.events)}\n${listed}`;
}

function rowOf(check: VerifyCheck): readonly string[] {
  const signs = { passed: 'ok', failed: 'FAIL', skipped: '-' } as const;
  const differs =
    check.kind === 'failed' && check.expected !== undefined
      ? ` (expected ${check.expected}, found ${check.found ?? 'nothing'})`
      : '';
  return [`  ${signs[check.kind]}`, check.name, `${check.title}. ${check.detail}${differs}`];
}
