/** Full load for minutes: no election that nothing asked for, and memory that stays where it is. */
import { runLoad } from './load.ts';
import { Members } from './members.ts';
import { median } from './numbers.ts';
import type { ReplicaFigures } from './replica.ts';
import { startWitan } from './witan-system.ts';

const CLIENTS = 64;
const START_MS = 20_000;
const MIB = 1024 * 1024;

/** One look at all replicas. */
export interface SoakSample {
  readonly atSeconds: number;
  /** The largest of the replicas, in MiB. */
  readonly heapMib: number;
  readonly rssMib: number;
  readonly bufferMib: number;
  readonly term: number;
  /** The longest time in which some event loop did not turn, milliseconds. */
  readonly stallMs: number;
}

/** What a soak gave. */
export interface SoakResult {
  readonly minutes: number;
  readonly perSecond: number;
  readonly failed: number;
  /** Elections after the first leader. */
  readonly elections: number;
  /** Median of the last quarter over that of the second one, of the largest resident set. */
  readonly rssGrowth: number;
  readonly samples: readonly SoakSample[];
}

/** Runs the load. @param onSample called about every `sampleMs` */
export async function soak(
  directory: string,
  minutes: number,
  sampleMs: number,
  onSample: (sample: SoakSample) => void,
): Promise<SoakResult> {
  const system = await startWitan(directory);
  const members = new Members(system.endpoints);
  try {
    const leader = await members.untilLeader(START_MS);
    const [first] = await system.figures();
    const startedMs = performance.now();
    const durationMs = minutes * 60_000;
    const load = runLoad(system.endpoints[leader] ?? '', {
      clients: CLIENTS,
      durationMs,
      warmUpMs: 0,
    });
    const samples: SoakSample[] = [];
    while (performance.now() - startedMs < durationMs) {
      await new Promise((resolve) => setTimeout(resolve, sampleMs));
      const sample = sampleOf(await system.figures(), (performance.now() - startedMs) / 1000);
      samples.push(sample);
      onSample(sample);
    }
    const { perSecond, failed } = await load;
    const rss = samples.map(({ rssMib }) => rssMib);
    const quarter = Math.max(1, Math.floor(rss.length / 4));
    return {
      minutes,
      perSecond,
      failed,
      elections: (samples.at(-1)?.term ?? 0) - (first?.term ?? 0),
      rssGrowth: median(rss.slice(-quarter)) / median(rss.slice(quarter, 2 * quarter)),
      samples,
    };
  } finally {
    members.close();
    await system.stop();
  }
}

function sampleOf(figures: readonly ReplicaFigures[], atSeconds: number): SoakSample {
  const largest = (value: (one: ReplicaFigures) => number): number =>
    Math.max(...figures.map(value));
  return {
    atSeconds: Math.round(atSeconds),
    heapMib: Math.round(largest(({ heapBytes }) => heapBytes) / MIB),
    rssMib: Math.round(largest(({ rssBytes }) => rssBytes) / MIB),
    bufferMib: Math.round(largest(({ bufferBytes }) => bufferBytes) / MIB),
    term: largest(({ term }) => term),
    stallMs: Math.round(largest(({ stallMs }) => stallMs)),
  };
}
