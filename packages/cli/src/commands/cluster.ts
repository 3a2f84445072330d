/** `witan cluster members|can-stop|step-down`: what the leader says, through any replica. */
import { pause, type Client, type MembersAnswer, type StopAnswer } from '@witan/client';
import type { CommandContext } from '../context.ts';
import { CliError } from '../errors.ts';
import { table, type Json } from '../printer.ts';
import { trusted, type TrustOptions } from './trust.ts';

export interface CanStopOptions extends TrustOptions {
  readonly wait?: string;
}

export interface StepDownOptions extends TrustOptions {
  readonly ifLeader?: string;
}

const ASK_AGAIN_MS = 500;
const WAIT_SECONDS_MAX = 3600;

/** @throws CliError, ClientError */
export async function members(context: CommandContext, options: TrustOptions): Promise<void> {
  const answer = await withClient(context, options, (client) => client.getMembers());
  context.printer.result({ ok: true, ...membersToJson(answer) }, describeMembers(answer));
}

/**
 * For preStop hooks: says yes by exit code 0, and no by one of its own.
 *
 * @throws CliError CLI_STOP_UNSAFE, CLI_USAGE; ClientError
 */
export async function canStop(
  context: CommandContext,
  slot: string,
  options: CanStopOptions,
): Promise<void> {
  const waitMs = waitMsOf(options);
  const answer = await withClient(context, options, async (client) => {
    const untilMs = performance.now() + waitMs;
    for (;;) {
      const given = await client.canStop(slot);
      const isFinal = given.safe || given.code === 'SLOT_UNKNOWN';
      if (isFinal || performance.now() >= untilMs) return given;
      context.printer.note(`${slot} may not stop yet: ${explain(given)}\n`);
      await pause(ASK_AGAIN_MS, context.signal);
    }
  });
  const { safe, code, needed, ready, missing } = answer;
  const text = safe ? `${slot} may stop: ${explain(answer)}\n` : '';
  context.printer.result({ ok: safe, slot, safe, code, needed, ready, missing }, text);
  if (safe) return;
  const fields = { slot, code, needed, ready: ready.join(','), missing: missing.join(',') };
  throw new CliError('CLI_STOP_UNSAFE', explain(answer), { fields });
}

/** @throws CliError, ClientError */
export async function stepDown(context: CommandContext, options: StepDownOptions): Promise<void> {
  const { printer } = context;
  await withClient(context, options, async (client) => {
    const before = await client.getMembers();
    const leader = before.members.find(({ role }) => role === 'leader')?.slot ?? '';
    if (options.ifLeader !== undefined && options.ifLeader !== leader) {
      const { term } = before;
      const text = `${options.ifLeader} does not lead; ${leader} does.\n`;
      printer.result({ ok: true, changed: false, from: '', to: leader, term }, text);
      return;
    }
    const { from, to, term } = await client.stepDown(before.term);
    const changed = to !== leader;
    const text = changed
      ? `${leader} has stepped down; ${to} leads in term ${term}.\n`
      : `Another term had begun: ${to} leads in term ${term}.\n`;
    printer.result({ ok: true, changed, from: from === '' ? leader : from, to, term }, text);
  });
}

/** Runs with a client of the cluster that the user trusts, and closes it. */
export async function withClient<Value>(
  context: CommandContext,
  options: TrustOptions,
  use: (client: Client) => Promise<Value>,
): Promise<Value> {
  const { client } = await trusted(context, options);
  try {
    return await use(client);
  } finally {
    client.close();
  }
}

function membersToJson(answer: MembersAnswer): { readonly [name: string]: Json } {
  const taken = new Set(answer.members.map(({ slot }) => slot));
  return {
    clusterId: answer.clusterId,
    epoch: answer.epoch,
    term: answer.term,
    commitIndex: answer.commitIndex,
    slots: answer.slots,
    vacant: answer.slots.filter((slot) => !taken.has(slot)),
    changeUnderWay: answer.changeUnderWay,
    versionInUse: answer.versionInUse,
    slotChanges: answer.slotChanges.map((change) => ({ ...change })),
    members: answer.members.map((member) => ({ ...member })),
  };
}

function describeMembers(answer: MembersAnswer): string {
  const head = [
    'SLOT',
    'ROLE',
    'REACHABLE',
    'MATCH',
    'BEHIND',
    'VERSION',
    'ADDRESS',
    'INCARNATION',
  ];
  const taken = new Set(answer.members.map(({ slot }) => slot));
  const rows = answer.members.map((member) => [
    member.slot,
    `${member.role}${member.leaving ? ' (leaving)' : ''}`,
    member.reachable ? 'yes' : 'no',
    String(member.matchIndex),
    String(member.behind),
    String(member.version),
    member.address,
    `${member.incarnation.slice(0, 16)}…`,
  ]);
  const vacant = answer.slots.filter((slot) => !taken.has(slot)).map((slot) => [slot, 'vacant']);
  const { commitIndex, term, epoch, slots, versionInUse } = answer;
  const change = answer.changeUnderWay ? 'A change of the configuration is under way.\n' : '';
  const facts =
    `${slots.length} slots, term ${term}, epoch ${epoch}, commit ${commitIndex}, ` +
    `state version in use ${versionInUse}.\n`;
  const newest = answer.slotChanges.at(-1);
  const owners = newest?.approvedBy.map((owner) => `${owner.slice(0, 12)}…`).join(', ') ?? '';
  const changed =
    newest === undefined ? '' : `Slots changed ${newest.number} times, last by ${owners}.\n`;
  return `${table([head, ...rows, ...vacant])}${facts}${changed}${change}`;
}

function explain({ code, needed, ready, missing }: StopAnswer): string {
  const those = ready.length === 0 ? 'none' : ready.join(', ');
  const counts = `${ready.length} of ${needed} voters that a quorum takes would remain (${those})`;
  switch (code) {
    case '':
      return counts;
    case 'SLOT_UNKNOWN':
      return 'the cluster has no such slot';
    case 'SWAP_UNDER_WAY':
      return 'a member is being swapped in, or leaves';
    default: {
      const lacking =
        missing.length === 0 ? '' : `; not reachable or behind: ${missing.join(', ')}`;
      return `only ${counts}${lacking}`;
    }
  }
}

/** How long to wait. @throws CliError CLI_USAGE */
export function waitMsOf(options: { readonly wait?: string }): number {
  const seconds = Number(options.wait ?? '0');
  if (seconds >= 0 && seconds <= WAIT_SECONDS_MAX) return seconds * 1000;
  const expected = `0 to ${WAIT_SECONDS_MAX} seconds`;
  const fields = { option: '--wait', expected, found: options.wait ?? '' };
  throw new CliError('CLI_USAGE', 'an option is wrong; see --help', { fields });
}
