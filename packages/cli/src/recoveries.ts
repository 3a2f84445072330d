/** Full recoveries as `verify` and `history` show them (I7). */
import type { VerifiedRecovery } from '@witan/client';
import type { Trusted } from './commands/trust.ts';
import { parseStored } from './context.ts';
import { table, type Json } from './printer.ts';

/** Names of owners by fingerprint, as far as the manifests that the user has say them. */
export function ownerNames({
  expected,
  pinned,
}: Pick<Trusted, 'expected' | 'pinned'>): (fingerprint: string) => string | undefined {
  const known = pinned === undefined ? [] : parseStored(pinned.manifest).owners;
  const owners = [...known, ...(expected?.owners ?? [])];
  const names = new Map(owners.map(({ name, fingerprint }) => [String(fingerprint), name]));
  return (fingerprint) => names.get(fingerprint);
}

export function recoveriesToJson(recoveries: readonly VerifiedRecovery[]): Json {
  return recoveries.map((recovery) => ({
    ...recovery,
    participants: recovery.participants.map((participant) => ({ ...participant })),
    time: new Date(recovery.timeMs).toISOString(),
  }));
}

/**
 * Rows for people; empty where the cluster was never recovered.
 *
 * @param nameOf the name of an owner by fingerprint, where it is known
 */
export function describeRecoveries(
  recoveries: readonly VerifiedRecovery[],
  nameOf: (fingerprint: string) => string | undefined = () => undefined,
): string {
  if (recoveries.length === 0) return '';
  const head = ['EPOCH', 'TIME (LEADER)', 'FROM', 'KEY', 'AUTHORISED BY', 'TOOK PART', 'GIVEN UP'];
  const rows = recoveries.map(({ epoch, timeMs, from, key, owners, participants, ...rest }) => [
    String(epoch),
    new Date(timeMs).toISOString(),
    `epoch ${from.epoch} index ${from.index} generation ${from.generation}`,
    key,
    listed(owners.map((owner) => nameOf(owner) ?? `${owner.slice(0, 12)}…`)),
    listed(participants.map(({ slot }) => slot)),
    listed(rest.acceptedMissing),
  ]);
  return `Full recoveries\n${table([head, ...rows])}`;
}

function listed(items: readonly string[]): string {
  return items.length === 0 ? 'none' : items.join(', ');
}
