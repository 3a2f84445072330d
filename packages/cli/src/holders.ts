/**
 * Who holds certificates, by the leaves of the audit log: what was issued and has not expired, and
 * of that what a later manifest has revoked. The log says both, so nobody's word is needed.
 */
import type { FetchedLeaves } from '@witan/client';
import type { LogLeaf } from '@witan/manifest';

type Issuance = LogLeaf & { readonly kind: 'issuance' };

/** Certificates of one workload with one measurement. */
export interface Holders {
  readonly workload: string;
  /** Hex; empty where it was not recorded. */
  readonly measurement: string;
  readonly certificates: number;
  readonly keys: number;
  readonly generations: readonly number[];
  readonly validUntil: string;
}

/** Certificates that have not expired, those that count apart from those that were revoked. */
export function sortHolders({ leaves, mark }: Pick<FetchedLeaves, 'leaves' | 'mark'>): {
  readonly held: readonly Holders[];
  readonly revoked: readonly Holders[];
} {
  const revokedBefore = new Map<string, number>();
  for (const { leaf } of leaves) {
    if (leaf.kind !== 'revocation') continue;
    for (const workload of leaf.workloads) revokedBefore.set(workload, leaf.index);
  }
  const valid = leaves
    .map(({ leaf }) => leaf)
    .filter((leaf): leaf is Issuance => leaf.kind === 'issuance' && leaf.notAfterMs > mark.timeMs);
  // A revocation concerns what was recorded before it, as in the state that it follows from.
  const isRevoked = ({ workload, index }: Issuance): boolean =>
    index < (revokedBefore.get(workload) ?? 0);
  return {
    held: grouped(valid.filter((leaf) => !isRevoked(leaf))),
    revoked: grouped(valid.filter(isRevoked)),
  };
}

function grouped(issued: readonly Issuance[]): readonly Holders[] {
  const groups = new Map<string, Issuance[]>();
  for (const leaf of issued) {
    const key = `${leaf.workload} ${leaf.measurement}`;
    const group = groups.get(key) ?? [];
    group.push(leaf);
    groups.set(key, group);
  }
  return [...groups.values()].flatMap((group) => {
    const [first] = group;
    return first === undefined ? [] : [summary(first, group)];
  });
}

function summary({ workload, measurement }: Issuance, group: readonly Issuance[]): Holders {
  const last = group.reduce((latest, { notAfterMs }) => Math.max(latest, notAfterMs), 0);
  return {
    workload,
    measurement,
    certificates: group.length,
    keys: new Set(group.map(({ spkiSha256 }) => spkiSha256)).size,
    generations: [...new Set(group.map(({ generation }) => Number(generation)))],
    validUntil: new Date(last).toISOString(),
  };
}

/** The head of a table of them. */
export const HOLDER_HEAD: readonly string[] = [
  'WORKLOAD',
  'CERTIFICATES',
  'KEYS',
  'VALID UNTIL',
  'MEASUREMENT',
];

/** A row of it. */
export function rowOfHolders(one: Holders): readonly string[] {
  return [
    one.workload,
    String(one.certificates),
    String(one.keys),
    one.validUntil,
    one.measurement === '' ? 'not recorded' : one.measurement,
  ];
}
