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
    default:
      return leaf satisfies never;
  }
}

export function headToJson({ size, root }: TreeHead): { readonly [name: string]: Json } {
  return { size, root: toHex(root) };
}

/** How far the answer reaches back. */
export function describeReach({ from, head }: Pick<FetchedLeaves, 'from' | 'head'>): string {
  const older = from === 0 ? 'complete' : `leaves before ${from} are no longer kept`;
  return `Log of ${head.size} entries, root ${short(toHex(head.root))}, signed; ${older}.\n`;
}

const short = (hex: string): string => `${hex.slice(0, 16)}…`;
