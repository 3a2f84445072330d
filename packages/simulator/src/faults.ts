/** What goes wrong in a run, as a list that is drawn from the seed before the run starts. */
import type { DiskTrouble } from './disk.ts';
import type { SimRandom } from './random.ts';

/** What a process finds on its disk when it starts. */
export type DiskFate = 'kept' | 'rolled-back' | 'wiped' | 'flipped';

/** Slots are numbers from 0, sets of slots are bit masks, times are in simulated milliseconds. */
export type Trouble =
  | { readonly kind: 'partition'; readonly mask: number; readonly oneWay: boolean; forMs: number }
  | { readonly kind: 'cut'; readonly from: number; readonly to: number; readonly forMs: number }
  | { readonly kind: 'clog'; readonly slot: number; readonly forMs: number }
  | {
      readonly kind: 'noise';
      readonly loss: number;
      readonly duplicate: number;
      readonly delayMs: number;
      readonly forMs: number;
    }
  | { readonly kind: 'pause'; readonly slot: number; readonly forMs: number }
  | {
      readonly kind: 'crash';
      readonly slot: number;
      /** Dies at the n-th call to disk, network or clock from now: any await point. */
      readonly afterCalls: number;
      /** Whether the machine lost power, and with it what was not synced. */
      readonly power: boolean;
      readonly disk: DiskFate;
      readonly restartMs: number;
    }
  /** Paused long enough to be replaced, then brought back; `apart` from those who replaced it. */
  | { readonly kind: 'zombie'; readonly slot: number; readonly forMs: number; apart: boolean }
  /** A second process of the slot, for as long as nobody stops it. */
  | {
      readonly kind: 'clone';
      readonly slot: number;
      readonly forMs: number;
      readonly takesName: boolean;
      readonly disk: DiskFate;
    }
  | {
      readonly kind: 'disk';
      readonly slot: number;
      readonly fault: Exclude<DiskTrouble, 'none'>;
      readonly forMs: number;
    }
  | { readonly kind: 'drift'; readonly slot: number; readonly rate: number }
  | { readonly kind: 'jump'; readonly slot: number; readonly byMs: number }
  /** Lines of a process that lives on end. */
  | { readonly kind: 'reset'; readonly slot: number }
  | { readonly kind: 'transfer'; readonly slot: number };

/** A trouble at a time of the schedule; its number names it when a schedule is replayed. */
export interface Fault {
  /** Its place in the whole schedule; names it on the command line. */
  readonly number: number;
  readonly atMs: number;
  readonly trouble: Trouble;
}

const KINDS: readonly [Trouble['kind'], ...Trouble['kind'][]] = [
  'partition',
  'partition',
  'cut',
  'clog',
  'noise',
  'noise',
  'pause',
  'pause',
  'crash',
  'crash',
  'crash',
  'zombie',
  'clone',
  'clone',
  'disk',
  'disk',
  'drift',
  'jump',
  'reset',
  'transfer',
  'transfer',
];

/** Draws a schedule. @param untilMs where the last fault may start */
export function drawFaults(random: SimRandom, slots: number, untilMs: number): readonly Fault[] {
  const drawn: { atMs: number; trouble: Trouble }[] = [];
  const meanMs = random.pick([250, 500, 1_000, 2_000]);
  for (let atMs = random.exponential(500); atMs < untilMs; atMs += random.exponential(meanMs)) {
    if (random.chance(0.04)) drawn.push(...swizzle(random, slots, atMs));
    else if (random.chance(0.02)) drawn.push(...zombieQuorum(random, slots, atMs));
    else drawn.push({ atMs, trouble: drawTrouble(random, slots) });
  }
  drawn.sort((left, right) => left.atMs - right.atMs);
  return drawn.map((fault, number) => ({ number, ...fault }));
}

/** A random subset is clogged one by one and set free in another order. */
function swizzle(
  random: SimRandom,
  slots: number,
  atMs: number,
): { atMs: number; trouble: Trouble }[] {
  return Array.from({ length: slots }, (_, slot) => ({
    atMs: atMs + random.exponential(100),
    trouble: { kind: 'clog' as const, slot, forMs: random.between(200, 3_000) },
  })).filter(() => random.chance(0.6));
}

/** All are replaced one after another, and all who were replaced come back at once. */
function zombieQuorum(
  random: SimRandom,
  slots: number,
  atMs: number,
): { atMs: number; trouble: Trouble }[] {
  const stepMs = random.between(2_500, 4_000);
  return Array.from({ length: slots }, (_, slot) => ({
    atMs: atMs + slot * stepMs,
    trouble: { kind: 'zombie' as const, slot, forMs: (slots - slot) * stepMs, apart: true },
  }));
}

function drawTrouble(random: SimRandom, slots: number): Trouble {
  const slot = random.int(slots);
  const forMs = Math.round(100 + random.exponential(1_500));
  const kind = random.pick(KINDS);
  switch (kind) {
    case 'partition':
      return { kind, mask: random.int(2 ** slots), oneWay: random.chance(0.4), forMs };
    case 'cut':
      return { kind, from: slot, to: random.int(slots), forMs };
    case 'noise': {
      const loss = random.int(31) / 100;
      const duplicate = random.int(51) / 100;
      return { kind, loss, duplicate, delayMs: random.pick([1, 5, 20, 60]), forMs };
    }
    case 'clog':
    case 'pause':
      return { kind, slot, forMs };
    case 'crash': {
      const afterCalls = random.pick([0, 0, 1, 2, 3, 5, 8, 20]);
      const restartMs = random.between(10, 3_000);
      return {
        kind,
        slot,
        afterCalls,
        power: random.chance(0.6),
        disk: drawFate(random),
        restartMs,
      };
    }
    case 'zombie':
      return { kind, slot, forMs: random.between(2_000, 8_000), apart: random.chance(0.3) };
    case 'clone': {
      const takesName = random.chance(0.5);
      return { kind, slot, forMs: forMs * 3, takesName, disk: drawFate(random) };
    }
    case 'disk': {
      const faults = ['sync', 'write', 'full', 'slow', 'slow', 'misdirect', 'misdirect'] as const;
      const fault = random.pick(faults);
      return { kind, slot, fault, forMs };
    }
    case 'drift':
      return { kind, slot, rate: 0.9 + random.int(21) / 100 };
    case 'jump':
      return { kind, slot, byMs: random.pick([50, 500, 5_000, 60_000]) };
    case 'reset':
    case 'transfer':
      return { kind, slot };
    default:
      return kind satisfies never;
  }
}

function drawFate(random: SimRandom): DiskFate {
  return random.pick(['kept', 'kept', 'rolled-back', 'wiped', 'flipped']);
}
