/**
 * `witan status`: what each replica says of itself. Attested, but confirmed by no quorum, except
 * for the signed high-water mark.
 */
import { isTrustFailure, type EndpointStatus, type StatusMark } from '@witan/client';
import { describeError } from '@witan/core';
import { parseReferenceValues } from '@witan/attestation';
import { connect, type CommandContext } from '../context.ts';
import { CliError } from '../errors.ts';
import { SIMULATED_WARNING, table, type Json } from '../printer.ts';
import { readReferenceValues } from '../reference-values-file.ts';
import { trusted, type TrustOptions } from './trust.ts';

const LEGEND =
  'Members: * leads, + learner, votes later. Confirmed: index of the signed high-water mark;\n' +
  'earlier: no quorum confirms one now; unverified: the history key of the cluster is not known.\n';

export interface StatusOptions extends TrustOptions {
  readonly referenceValues?: string;
}

/** @throws CliError, ClientError */
export async function status(context: CommandContext, options: StatusOptions): Promise<void> {
  const client =
    options.referenceValues === undefined
      ? (await trusted(context, options)).client
      : connect(context, options, await coordinatorsIn(options.referenceValues));
  let answers: readonly EndpointStatus[];
  try {
    answers = await client.getStatus();
  } finally {
    client.close();
  }
  const reached = answers.filter(({ kind }) => kind === 'ok').length;
  context.printer.result(
    { ok: reached > 0, replicas: answers.map(answerToJson) },
    describeStatuses(answers),
  );
  if (reached > 0) return;
  const failed = answers.find((answer) => answer.kind === 'failed');
  if (failed?.kind === 'failed') throw failed.error;
  throw new CliError('CLI_NO_ENDPOINT', 'no Coordinator is named');
}

async function coordinatorsIn(path: string) {
  const { coordinators } = await readReferenceValues(path);
  return coordinators.map((value, index) => parseReferenceValues(value, `coordinators[${index}]`));
}

function answerToJson(answer: EndpointStatus): Json {
  if (answer.kind === 'ok') return { reached: true, ...(answer.status as unknown as object) };
  const { endpoint, error } = answer;
  return { reached: false, endpoint, code: error.code, error: describeError(error) };
}

/** What a person should know beside the row. */
function explanationOf(answer: EndpointStatus): readonly string[] {
  if (answer.kind === 'ok') {
    const { slot, explanation } = answer.status;
    return explanation === 'Serving.' ? [] : [`${slot}: ${explanation}`];
  }
  const { check, detail } = answer.error.fields;
  if (!isTrustFailure(answer.error.code) || detail === undefined) return [];
  return [`${answer.endpoint}: ${String(check)}: ${String(detail)}`];
}

/** The index of a signed mark, and what it is worth. */
function describeMark(mark: StatusMark | undefined): string {
  if (mark === undefined) return 'none';
  const reasons = [
    ...(mark.confirmed ? [] : ['earlier']),
    ...(mark.belowFloor ? ['below floor'] : []),
    ...(mark.verified ? [] : ['unverified']),
  ];
  return reasons.length === 0
    ? `${mark.commitIndex}`
    : `${mark.commitIndex} (${reasons.join(', ')})`;
}

/** A table of the replicas, and what to know beside it. */
export function describeStatuses(answers: readonly EndpointStatus[]): string {
  const head = ['SLOT', 'ENDPOINT', 'PHASE', 'ROLE', 'TERM', 'COMMIT', 'APPLIED', 'GEN'];
  const last = ['CONFIRMED', 'MEMBERS'];
  const rows = answers.map((answer) => {
    if (answer.kind === 'failed') {
      const { code } = answer.error;
      return ['?', answer.endpoint, isTrustFailure(code) ? 'refused' : 'unreachable', code];
    }
    const { status: s } = answer;
    const numbers = [s.term, s.commitIndex, s.appliedIndex, s.generation].map(String);
    const members = s.members
      .toSorted((a, b) => a.slot.localeCompare(b.slot))
      .map(({ slot, voter, leader }) => `${slot}${leader ? '*' : ''}${voter ? '' : '+'}`);
    const mark = describeMark(s.mark);
    return [s.slot, s.endpoint, s.phase, s.role, ...numbers, mark, members.join(' ')];
  });
  const said = answers.flatMap(explanationOf);
  const simulated = answers.some((answer) => answer.kind === 'ok' && answer.status.simulated);
  return `${simulated ? SIMULATED_WARNING : ''}${table([[...head, ...last], ...rows])}${LEGEND}${
    said.length === 0 ? '' : `${said.join('\n')}\n`
  }`;
}
