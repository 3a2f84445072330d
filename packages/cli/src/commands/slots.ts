/** `witan cluster scale` and `remove`: owners change the slots of a cluster. */
import { pause, type Client, type MembersAnswer, type RecordedSlotChange } from '@witan/client';
import type { ReferenceValues } from '@witan/attestation';
import { IdError, epoch, slotName, type SlotName } from '@witan/core';
import type { ValidatedManifest } from '@witan/manifest';
import { slotChange } from '../approvals/change.ts';
import { collect, reportGiven, sendEach, type CollectOptions } from '../approvals/one-by-one.ts';
import { noteClocks } from '../checks/clocks.ts';
import type { CommandContext } from '../context.ts';
import { CliError } from '../errors.ts';
import { waitMsOf, withClient } from './cluster.ts';
import type { TrustOptions } from './trust.ts';

export interface SlotOptions extends TrustOptions, CollectOptions {
  readonly wait?: string;
}

const COUNTS: readonly number[] = [1, 3, 5, 7];
const LOOK_MS = 250;

/**
 * Adds slots behind the others, numbered on, or removes the last ones.
 *
 * @throws CliError CLI_USAGE; as `change`
 */
export async function scale(
  context: CommandContext,
  count: string,
  options: SlotOptions,
): Promise<void> {
  const wanted = Number(count);
  if (!COUNTS.includes(wanted)) throw badCount(count);
  await change(context, options, ({ slots }) => {
    const kept = slots.slice(0, wanted);
    return [...kept, ...nextSlots(slots, wanted - kept.length)];
  });
}

/** @throws CliError CLI_SLOT_UNKNOWN, CLI_USAGE; as `change` */
export async function remove(
  context: CommandContext,
  names: readonly string[],
  options: SlotOptions,
): Promise<void> {
  await change(context, options, ({ slots }) => {
    const unknown = names.find((name) => !slots.includes(name));
    if (unknown !== undefined) {
      const fields = { expected: slots.join(', '), found: unknown };
      throw new CliError('CLI_SLOT_UNKNOWN', 'the cluster has no such slot', { fields });
    }
    const rest = slots.filter((slot) => !names.includes(slot));
    if (!COUNTS.includes(rest.length)) throw badCount(String(rest.length));
    return rest;
  });
}

/**
 * @param next the slots that shall be, from those that are
 * @throws CliError CLI_SLOTS_PENDING, and of owner keys before anything is sent; ClientError
 */
async function change(
  context: CommandContext,
  options: SlotOptions,
  next: (answer: MembersAnswer) => readonly string[],
): Promise<void> {
  const waitMs = waitMsOf(options);
  await withClient(context, options, async (client) => {
    const deployment = await client.getDeployment();
    if (deployment.kind === 'founded') {
      const message = 'slots can be changed once a manifest says who the owners are';
      throw new CliError('CLI_USAGE', message, { fields: { expected: 'a manifest', found: '' } });
    }
    noteClocks(context, deployment.mark.timeMs);
    const before = await client.getMembers();
    const to = next(before).map(slotOf);
    const isSame = to.join() === before.slots.join();
    const sent = isSame
      ? { kind: 'unchanged' as const }
      : await order(context, options, client, deployment.manifest, before, to);
    if (sent === undefined) return;
    const pending = waitMs > 0 ? await pendingAfter(context, client, waitMs) : undefined;
    report(context, before, to, sent, pending);
    if (pending === undefined) return;
    const message = 'the slots were changed, and members have not followed in time';
    throw new CliError('CLI_SLOTS_PENDING', message, { fields: pending });
  });
}

type Sent =
  | { readonly kind: 'unchanged' }
  | {
      readonly kind: 'changed';
      readonly change: RecordedSlotChange;
      readonly approvedBy: readonly string[];
    };

/** @returns undefined where other owners have to follow, which was reported */
async function order(
  context: CommandContext,
  options: SlotOptions,
  client: Client,
  manifest: ValidatedManifest<ReferenceValues>,
  before: MembersAnswer,
  to: readonly SlotName[],
): Promise<Sent | undefined> {
  const { clusterId, transitionHash: previousTransition } = before;
  const number = before.slotChanges.length;
  const place = { clusterId, previousTransition, number };
  const numbered = { ...place, epoch: epoch(before.epoch) };
  const change = slotChange(numbered, before.slots.map(slotOf), to);
  const collected = await collect(context, options, manifest, change);
  if (collected.kind === 'prepared') return undefined;
  const { approvals, names } = collected;
  if (collected.kind === 'one-by-one') {
    reportGiven(context, names, change, await sendEach(client, change, approvals));
    return undefined;
  }
  const recorded = await client.changeSlots({ ...place, slots: to, approvals });
  return { kind: 'changed', change: recorded, approvedBy: names };
}

type Pending = Readonly<Record<'vacant' | 'leaving', string>>;

function report(
  { printer }: CommandContext,
  before: MembersAnswer,
  slots: readonly SlotName[],
  sent: Sent,
  pending: Pending | undefined,
): void {
  const { clusterId } = before;
  const unchanged = sent.kind === 'unchanged';
  const number = unchanged ? before.slotChanges.length : sent.change.number;
  const base = { ok: pending === undefined, clusterId, number, slots, unchanged };
  if (unchanged) {
    const text = `The cluster has these slots already: ${slots.join(', ')}. Nothing was sent.\n`;
    printer.result(base, text);
    return;
  }
  const added = slots.filter((slot) => !before.slots.includes(slot));
  const { approvedBy, change } = sent;
  const removed = before.slots.filter((slot) => !change.slots.includes(slot));
  const steps = [
    ...(added.length === 0 ? [] : [`Vacant until processes start: ${added.join(', ')}.\n`]),
    ...(removed.length === 0 ? [] : [`Taken out one by one: ${removed.join(', ')}.\n`]),
  ];
  printer.result(
    { ...base, added, removed, approvedBy, index: change.index },
    `The cluster has ${slots.length} slots now: ${slots.join(', ')}.\n${steps.join('')}` +
      `Approved by ${approvedBy.join(', ')}.\n`,
  );
}

/** Waits until slots and voters are the same. @returns what is still to come when time is up */
async function pendingAfter(
  context: CommandContext,
  client: Client,
  waitMs: number,
): Promise<Pending | undefined> {
  const untilMs = performance.now() + waitMs;
  for (;;) {
    const { slots, members, changeUnderWay } = await client.getMembers();
    const voting = members.filter(({ role }) => role !== 'learner').map(({ slot }) => slot);
    const vacant = slots.filter((slot) => !voting.includes(slot));
    const leaving = members.filter((member) => member.leaving).map(({ slot }) => slot);
    if (vacant.length + leaving.length === 0 && !changeUnderWay) return undefined;
    if (performance.now() >= untilMs) {
      return { vacant: vacant.join(','), leaving: leaving.join(',') };
    }
    await pause(LOOK_MS, context.signal);
  }
}

/** Names as a StatefulSet gives them: the last one's, with the next numbers. */
function nextSlots(slots: readonly string[], count: number): readonly string[] {
  const last = slots.at(-1) ?? '';
  const match = /^(.*-)(\d+)$/.exec(last);
  const [, prefix = `${last}-`, ordinal = '0'] = match ?? [];
  return Array.from(
    { length: Math.max(0, count) },
    (_, at) => `${prefix}${Number(ordinal) + 1 + at}`,
  );
}

/** @throws CliError CLI_USAGE */
function slotOf(name: string): SlotName {
  try {
    return slotName(name);
  } catch (cause) {
    if (!(cause instanceof IdError)) throw cause;
    const fields = { expected: 'a DNS label', found: name };
    throw new CliError('CLI_USAGE', 'no name for a slot', { fields, cause });
  }
}

function badCount(found: string): CliError {
  const fields = { expected: COUNTS.join(', '), found: found.slice(0, 20) };
  return new CliError('CLI_USAGE', 'a cluster cannot have this number of slots', { fields });
}
