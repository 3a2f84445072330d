/** Leaves of the audit log in words, for `verify`, `receipt` and `audit`. */
import type { FetchedLeaves, NumberedLeaf } from '@witan/client';
import { toHex } from '@witan/core';
import { LEAF_KINDS, type LogLeaf, type TreeHead } from '@witan/manifest';
import type { Json } from './printer.ts';

/** How many leaves there are of each kind. */
export function countKinds(leaves: readonly NumberedLeaf[]): Readonly<Record<string, number>> {
  const counts = LEAF_KINDS.map((kind): [string, number] => [
    kind,
    leaves.filter(({ leaf }) => leaf.kind === kind).length,
  ]);
  return Object.fromEntries(counts.filter(([, count]) => count > 0));
}

export function describeCounts(leaves: readonly NumberedLeaf[]): string {
  const counts = Object.entries(countKinds(leaves)).map(([kind, count]) => `${kind} ${count}`);
  return counts.length === 0 ? 'nothing' : counts.join(', ');
}

export function leafToJson(number: number, leaf: LogLeaf): Json {
  return { number, ...(leaf as unknown as Readonly<Record<string, Json>>), time: timeOf(leaf) };
}

/** One row for people: number, time, kind, and what it says. */
export function rowOfLeaf({ number, leaf }: NumberedLeaf): readonly string[] {
  return [String(number), timeOf(leaf), leaf.kind, describeLeaf(leaf)];
}

export function timeOf({ timeMs }: LogLeaf): string {
  return timeMs === 0 ? 'no time' : new Date(timeMs).toISOString();
}

export function describeLeaf(leaf: LogLeaf): string {
  switch (leaf.kind) {
    case 'approval':
      return `${leaf.action} by ${short(leaf.owner)}`;
    case 'update':
      return `generation ${leaf.generation}, manifest ${short(leaf.manifestDigest)}`;
    case 'issuance':
      return `certificate ${leaf.serial} for ${leaf.workload}, through ${leaf.servedBy}`;
    case 'release': {
      const secrets = leaf.secrets.map(({ name, version }) => `${name} v${version}`);
      return `${secrets.join(', ')} to ${leaf.workload}, certificate ${leaf.serial}`;
    }
    case 'membership': {
      const came = leaf.added.map(({ slot }) => `+${slot}`);
      const left = leaf.removed.map(({ slot }) => `-${slot}`);
      return `${[...came, ...left].join(' ')} voters ${leaf.voters.join(' ')}`.trim();
    }
    case 'slots':
      return `change ${leaf.number}: ${leaf.slots.join(' ')}`;
    case 'rotation':
      return `step ${leaf.number}: ${leaf.step}`;
    case 'recovery':
      return `epoch ${leaf.epoch}, by ${leaf.owners.length} owners, key from ${leaf.key}`;
    case 'revocation':
      return `earlier certificates of ${leaf.workloads.join(', ')}`;
    case 'withdrawal':
      return `proposal ${short(leaf.proposal)} by ${short(leaf.owner)}`;
    default:
      return leaf satisfies never;
  }
}

export function headToJson({ size, root }: TreeHead): { readonly [name: string]: Json } {
  return { size, root: toHex(root) };
}

/** What of the log was looked at, and what that shows. */
export function describeReach(
  fetched: Pick<FetchedLeaves, 'from' | 'to' | 'head' | 'isPruned'>,
): string {
  const { from, to, head, isPruned } = fetched;
  const root = `the signed root ${short(toHex(head.root))}`;
  const part = `Every leaf from ${from} to ${to - 1} of ${head.size}`;
  const checked =
    from === to
      ? `No leaf of ${head.size} was looked at.`
      : `${part} was checked against ${root}, so none of them is left out.`;
  const before = isPruned
    ? ` Leaves before ${from} are no longer kept.`
    : from > 0
      ? ` Leaves before ${from} were not looked at.`
      : '';
  const after = to < head.size ? ` Leaves from ${to} on were not looked at.` : '';
  return `${checked}${before}${after}\n`;
}

/** The same for programs. */
export function reachToJson({ from, to, head }: Pick<FetchedLeaves, 'from' | 'to' | 'head'>): {
  readonly [name: string]: Json;
} {
  return { ...headToJson(head), from, to, complete: from === 0 && to === head.size };
}

const short = (hex: string): string => `${hex.slice(0, 16)}…`;
