/** What the figures are measured against. */
import type { DurabilityResult } from './durability.ts';
import type { Interruption } from './interruptions.ts';
import type { LargeSnapshotResult } from './large-snapshot.ts';
import { median, percentile } from './numbers.ts';
import type { SoakResult } from './soak.ts';
import type { Cell } from './throughput.ts';

/** Everything that was measured. */
export interface Measured {
  readonly cells: readonly Cell[];
  readonly kills: Readonly<Partial<Record<Cell['system'], readonly Interruption[]>>>;
  readonly transfers: Readonly<Partial<Record<Cell['system'], readonly Interruption[]>>>;
  readonly durability: DurabilityResult | undefined;
  readonly snapshot: LargeSnapshotResult | undefined;
  readonly soak: SoakResult | undefined;
}

/** A figure beside its target. */
export interface Verdict {
  readonly name: string;
  readonly value: number;
  readonly unit: string;
  readonly target: number;
  readonly better: 'higher' | 'lower';
  readonly met: boolean;
}

const RATIO_MIN = 1.5;
const KILL_GAP_MS = 1_000;
const TRANSFER_GAP_MS = 50;
/** A resident set that grows by less over half a soak is flat: collectors work in steps. */
const GROWTH_MAX = 1.1;

/** Judges what was measured; what was not is not judged. */
export function judge(measured: Measured): readonly Verdict[] {
  return [
    ...loadVerdicts(measured.cells),
    ...interruptionVerdicts(measured),
    ...otherVerdicts(measured),
  ];
}

function loadVerdicts(cells: readonly Cell[]): readonly Verdict[] {
  const verdicts: Verdict[] = [];
  for (const own of cells) {
    const other = cells.find((cell) => cell.system === 'etcd' && cell.clients === own.clients);
    if (own.system !== 'witan' || other === undefined) continue;
    const at = `${own.clients} clients`;
    if (own.clients >= 64) {
      const ratio = own.perSecond / other.perSecond;
      verdicts.push(verdict(`throughput at ${at} over etcd's`, ratio, 'x', RATIO_MIN, 'higher'));
    }
    if (own.clients === 1) {
      const ratio = own.p50Ms / other.p50Ms;
      verdicts.push(verdict(`p50 at 1 client over etcd's`, ratio, 'x', 1, 'lower'));
    }
  }
  return verdicts;
}

function interruptionVerdicts({ kills, transfers }: Measured): readonly Verdict[] {
  const verdicts: Verdict[] = [];
  const killGaps = (kills.witan ?? []).map(({ gapMs }) => gapMs);
  if (killGaps.length > 0) {
    const p99 = percentile(killGaps, 0.99);
    verdicts.push(verdict('p99 gap after SIGKILL of the leader', p99, 'ms', KILL_GAP_MS, 'lower'));
  }
  const moveGaps = (transfers.witan ?? []).map(({ gapMs }) => gapMs);
  if (moveGaps.length > 0) {
    const gap = median(moveGaps);
    verdicts.push(verdict('gap of a planned transfer', gap, 'ms', TRANSFER_GAP_MS, 'lower'));
  }
  return verdicts;
}

function otherVerdicts({ durability, snapshot, soak }: Measured): readonly Verdict[] {
  const verdicts: Verdict[] = [];
  if (durability !== undefined) {
    const name = 'acknowledged writes lost when all are killed';
    verdicts.push(verdict(name, durability.lost.length, '', 0, 'lower'));
  }
  if (snapshot !== undefined) {
    const name = `elections while ${snapshot.stateMib} MiB of snapshot stream`;
    verdicts.push(verdict(name, snapshot.elections, '', 0, 'lower'));
  }
  if (soak !== undefined) {
    const name = `elections in ${soak.minutes} minutes of load`;
    verdicts.push(verdict(name, soak.elections, '', 0, 'lower'));
    const growth = 'resident set, last quarter over second';
    verdicts.push(verdict(growth, soak.rssGrowth, 'x', GROWTH_MAX, 'lower'));
  }
  return verdicts;
}

function verdict(
  name: string,
  value: number,
  unit: string,
  target: number,
  better: Verdict['better'],
): Verdict {
  const met = better === 'higher' ? value >= target : value <= target;
  return { name, value, unit, target, better, met };
}
