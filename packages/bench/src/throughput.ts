/** Both systems under the same load, in turn, run by run. */
import { runLoad, type LoadFigures } from './load.ts';
import { Members } from './members.ts';
import { median } from './numbers.ts';
import type { System } from './system.ts';

const START_MS = 20_000;
/** Before anything is measured in a fresh group: compilers and caches get warm. */
const WARM_UP = { clients: 64, durationMs: 3_000, warmUpMs: 0 };
const CELL_WARM_UP_MS = 500;

/** One system at one number of clients, over all runs. */
export interface Cell {
  readonly system: System['name'];
  readonly clients: number;
  /** Medians of the runs. */
  readonly perSecond: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  /** Calls that were refused or not answered, over all runs. */
  readonly failed: number;
  readonly runs: readonly LoadFigures[];
}

/** What to run. */
export interface ThroughputPlan {
  readonly systems: readonly System[];
  readonly clients: readonly number[];
  readonly runs: number;
  readonly durationMs: number;
  readonly directory: string;
  readonly progress: (text: string) => void;
}

/** Runs everything; which system begins alternates. */
export async function measureThroughput(plan: ThroughputPlan): Promise<readonly Cell[]> {
  const measured = new Map<string, LoadFigures[]>();
  for (let run = 0; run < plan.runs; run += 1) {
    const order = run % 2 === 0 ? plan.systems : plan.systems.toReversed();
    for (const system of order) {
      const running = await system.start(plan.directory);
      const members = new Members(running.endpoints);
      try {
        const leader = running.endpoints[await members.untilLeader(START_MS)] ?? '';
        await runLoad(leader, WARM_UP);
        for (const clients of plan.clients) {
          const { durationMs } = plan;
          const figures = await runLoad(leader, { clients, durationMs, warmUpMs: CELL_WARM_UP_MS });
          const key = `${system.name}/${clients}`;
          measured.set(key, [...(measured.get(key) ?? []), figures]);
          const rate = figures.perSecond.toFixed(0);
          plan.progress(`run ${run + 1} ${system.name} ${clients} clients: ${rate}/s`);
        }
      } finally {
        members.close();
        await running.stop();
      }
    }
  }
  return plan.systems.flatMap(({ name }) =>
    plan.clients.map((clients) => cellOf(name, clients, measured.get(`${name}/${clients}`) ?? [])),
  );
}

function cellOf(system: System['name'], clients: number, runs: readonly LoadFigures[]): Cell {
  return {
    system,
    clients,
    perSecond: median(runs.map((run) => run.perSecond)),
    p50Ms: median(runs.map((run) => run.p50Ms)),
    p99Ms: median(runs.map((run) => run.p99Ms)),
    failed: runs.reduce((sum, run) => sum + run.failed, 0),
    runs,
  };
}
