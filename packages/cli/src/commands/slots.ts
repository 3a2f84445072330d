/** `witan cluster scale` and `remove`: owners change the slots of a cluster. */
import {
  pause,
  type ApproveResult,
  type ChangeSlotsRequest,
  type Client,
  type MembersAnswer,
  type RecordedSlotChange,
} from '@witan/client';
import { IdError, epoch, slotName, type SlotName } from '@witan/core';
import { approvalRule, slotChangeBytes } from '@witan/manifest';
import { approveWith, readOwnerKeys, type OwnerKey } from '../checks/owner-keys.ts';
import type { CommandContext } from '../context.ts';
import { CliError } from '../errors.ts';
import { waitMsOf, withClient } from './cluster.ts';
import type { TrustOptions } from './trust.ts';

export interface SlotOptions extends TrustOptions {
  readonly ownerKey: readonly string[];
  readonly wait?: string;
  /** Other owners approve later. */
  readonly propose?: boolean;
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
    const { manifest } = deployment;
    const whose = { action: 'membership', othersFollow: options.propose === true } as const;
    const keys = await readOwnerKeys(options.ownerKey, manifest, whose);
    const before = await client.getMembers();
    const to = next(before).map(slotOf);
    const isSame = to.join() === before.slots.join();
    if (!isSame && keys.length < approvalRule(manifest, 'membership').threshold) {
      await propose(context, client, await signed(before, to, keys));
      return;
    }
    const sent = isSame ? undefined : await client.changeSlots(await signed(before, to, keys));
    const pending = waitMs > 0 ? await pendingAfter(context, client, waitMs) : undefined;
    report(context, before, to, sent, keys, pending);
    if (pending === undefined) return;
    const message = 'the slots were changed, and members have not followed in time';
    throw new CliError('CLI_SLOTS_PENDING', message, { fields: pending });
  });
}

async function signed(
  before: MembersAnswer,
  to: readonly SlotName[],
  keys: readonly OwnerKey[],
): Promise<ChangeSlotsRequest> {
  const { clusterId, transitionHash: previousTransition } = before;
  const number = before.slotChanges.length;
  const from = before.slots.map(slotOf);
  const place = { clusterId, previousTransition, number };
  const data = slotChangeBytes({ ...place, epoch: epoch(before.epoch), from, to });
  const approvals = await approveWith(keys, data);
  return { ...place, slots: to, approvals };
}

/** Sends the approvals one by one; the last one that it takes carries the change out. */
async function propose(
  { printer }: CommandContext,
  client: Client,
  request: ChangeSlotsRequest,
): Promise<void> {
  const { clusterId, previousTransition, number, slots, approvals } = request;
  const action = { kind: 'slots', number, slots } as const;
  let result: ApproveResult | undefined;
  for (const approval of approvals) {
    result = await client.approve({ clusterId, previousTransition, action, approval });
    if (result.inEffect) break;
  }
  if (result === undefined) throw new CliError('CLI_USAGE', 'no key was given');
  const { proposal, inEffect, count, needed } = result;
  const text = inEffect
    ? `The cluster has ${slots.length} slots now: ${slots.join(', ')}.\n`
    : `Approved by ${count} of ${needed} owners; others give the same command, or see ` +
      'witan approvals.\n';
  printer.result({ ok: true, clusterId, slots, proposal, inEffect, count, needed }, text);
}

type Pending = Readonly<Record<'vacant' | 'leaving', string>>;

function report(
  { printer }: CommandContext,
  before: MembersAnswer,
  slots: readonly SlotName[],
  sent: RecordedSlotChange | undefined,
  keys: readonly OwnerKey[],
  pending: Pending | undefined,
): void {
  const { clusterId } = before;
  const number = sent?.number ?? before.slotChanges.length;
  const base = { ok: pending === undefined, clusterId, number, slots, unchanged: !sent };
  if (sent === undefined) {
    const text = `The cluster has these slots already: ${slots.join(', ')}. Nothing was sent.\n`;
    printer.result(base, text);
    return;
  }
  const added = slots.filter((slot) => !before.slots.includes(slot));
  const removed = before.slots.filter((slot) => !sent.slots.includes(slot));
  const approvedBy = keys.map(({ name }) => name);
  const steps = [
    ...(added.length === 0 ? [] : [`Vacant until processes start: ${added.join(', ')}.\n`]),
    ...(removed.length === 0 ? [] : [`Taken out one by one: ${removed.join(', ')}.\n`]),
  ];
  printer.result(
    { ...base, added, removed, approvedBy, index: sent.index },
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
