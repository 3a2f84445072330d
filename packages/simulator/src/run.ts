/** One run: draws a world and its faults from a seed, plays it, heals it, checks what is left. */
import { describeError } from '@witan/core';
import { SimulatorError } from './errors.ts';
import { drawFaults, type Fault } from './faults.ts';
import { Injector } from './inject.ts';
import { check, termAt } from './invariants.ts';
import { checkLinearizable } from './linearizability/checker.ts';
import { kvModel } from './linearizability/history.ts';
import { SimRandom } from './random.ts';
import { Workload } from './workload.ts';
import { World } from './world.ts';

/** What to play. */
export interface RunOptions {
  readonly seed: number;
  /** Events before the faults end. */
  readonly events: number;
  /** Off is the negative control. Default on. */
  readonly i2?: boolean;
  /** Numbers of the faults to keep; all without it. */
  readonly keep?: ReadonlySet<number>;
  readonly onEvent?: (line: string) => void;
}

/** What came of it; `hash` covers everything that ran. */
export interface RunResult {
  readonly seed: number;
  readonly failure: { readonly code: string; readonly text: string } | undefined;
  readonly hash: string;
  readonly events: number;
  readonly simulatedMs: number;
  readonly faults: readonly Fault[];
  readonly counts: Readonly<Record<string, number>>;
}

/** Simulated time after the healing within which the cluster must be whole again. */
const HEAL_MS = 30_000;
const HEAL_STEP_MS = 250;
/** No run lasts longer, in simulated time; faults are drawn for as long. */
const MS_PER_EVENT = 8;

/** Plays one seed. The same options give the same result, event for event. */
export async function runSeed(options: RunOptions): Promise<RunResult> {
  const { seed, events, i2 = true } = options;
  const random = new SimRandom(seed, 0);
  const slots = i2 ? random.pick([3, 3, 3, 3, 5, 5, 1] as const) : 3;
  const noise = { loss: random.pick([0, 0, 0.01, 0.05]), duplicate: 0.01, delayMs: 1 };
  let violation: unknown;
  const world = new World({
    seed,
    slots,
    noise,
    tuning: i2 ? drawTuning(random) : {},
    onViolation: (error) => {
      violation ??= error;
    },
    ...(options.onEvent === undefined ? {} : { onEvent: options.onEvent }),
  });
  const drawn = drawFaults(new SimRandom(seed, 4), slots, events * MS_PER_EVENT);
  const kept = drawn.filter(({ number }) => options.keep?.has(number) ?? true);
  const injector = new Injector(world, { noise, i2 }, kept);
  for (let slot = 0; slot < slots; slot += 1) world.start(slot);
  const workload = new Workload(world, new SimRandom(seed, 5), 4);
  const failed = (): boolean => violation !== undefined;
  await world.timeline.run(() => failed() || world.timeline.events >= events);
  const faultyMs = world.timeline.nowMs;
  if (!failed()) {
    injector.heal();
    // Where the host has shown blank disks to all of a slot's partners, there may be two clusters.
    if (i2 && !isForked(world)) await heal(world, failed);
    workload.stop();
  }
  if (!failed())
    world.guard(() => {
      checkEnd(world, workload);
    });
  return {
    seed,
    failure: violation === undefined ? undefined : failureOf(violation),
    hash: world.timeline.hash,
    events: world.timeline.events,
    simulatedMs: Math.round(world.timeline.nowMs),
    faults: kept.filter(({ atMs }) => atMs <= faultyMs),
    counts: {
      faults: injector.carriedOut,
      forked: isForked(world) ? 1 : 0,
      processes: world.processes.length,
      elections: world.invariants.elections,
      operations: workload.size,
      acknowledged: workload.acknowledged,
      unknown: workload.unknown,
      committed: [...world.invariants.groups.values()].reduce((sum, g) => sum + g.maxCommitted, 0),
    },
  };
}

function drawTuning(random: SimRandom): object {
  const snapshotEntries = random.pick([10, 25, 50, 200, 10_000]);
  const appendBytesMax = random.pick([1, 200, 1_000, 1024 * 1024]);
  return {
    snapshotEntries,
    keepEntries: Math.floor(snapshotEntries * random.pick([0, 0.2, 0.5])),
    appendBytesMax,
    inflightMessagesMax: random.pick([1, 4, 256]),
    inflightBytesMax: Math.max(appendBytesMax, 4_096),
  };
}

/** Waits until the cluster is whole, then orders one more write everywhere. */
async function heal(world: World, failed: () => boolean): Promise<void> {
  const { timeline } = world;
  const endMs = timeline.nowMs + HEAL_MS;
  let checkAtMs = timeline.nowMs;
  let problem: string | undefined = 'not looked at yet';
  await timeline.run(() => {
    if (failed() || timeline.nowMs > endMs) return true;
    if (timeline.nowMs < checkAtMs) return false;
    checkAtMs = timeline.nowMs + HEAL_STEP_MS;
    problem = notWhole(world);
    return problem === undefined;
  });
  if (problem === undefined || failed()) return;
  world.options.onViolation(
    new SimulatorError('SIMULATOR_NOT_LIVE', 'the cluster did not recover in time', {
      fields: { problem, phases: phasesOf(world) },
    }),
  );
}

/** Whether several clusters have something on disk: from then on neither is the one to be whole. */
function isForked(world: World): boolean {
  const kept = [...world.invariants.groups.values()].filter(({ mirrors }) =>
    mirrors.some(({ process }) => process.durable.isOpen),
  );
  return kept.length > 1;
}

function phasesOf(world: World): string {
  return world
    .live()
    .map(({ slot, birth, replica }) => {
      const status = replica.cluster?.status();
      const place = `${status?.role ?? '-'} ${status?.term ?? 0}/${status?.appliedIndex ?? 0}`;
      return `${slot}/${birth} ${replica.phase()} ${replica.waiting?.code ?? ''} ${place}`;
    })
    .join('; ');
}

/** What is missing until every slot has one voter, all in one cluster, with one log. */
function notWhole(world: World): string | undefined {
  const leader = world
    .live()
    .filter(({ replica }) => replica.cluster?.status().role === 'leader')
    .toSorted((a, b) => term(b) - term(a))[0];
  const status = leader?.replica.cluster?.status();
  if (leader === undefined || status === undefined) return 'no leader';
  const { voters, votersOutgoing } = status.configuration;
  if (votersOutgoing.length > 0) return 'a joint configuration';
  if (voters.length !== world.disks.length) return 'too few voters';
  const members = voters.map((id) => world.byNodeId(id));
  for (const member of members) {
    if (member?.alive !== true) return 'a voter is gone';
    const theirs = member.replica.cluster;
    if (theirs?.clusterId !== leader.replica.cluster?.clusterId) return 'another cluster';
    if (theirs?.status().commitIndex !== status.commitIndex) return 'a voter lags';
    if (theirs.status().appliedIndex !== status.commitIndex) return 'a voter has not applied';
    if (theirs.journalOpen && member.mayFail) return 'a disk is about to fail';
  }
  return undefined;
}

function term({ replica }: { replica: World['processes'][number]['replica'] }): number {
  return replica.cluster?.status().term ?? 0;
}

function checkEnd(world: World, workload: Workload): void {
  for (const group of world.invariants.groups.values()) {
    for (const mirror of group.mirrors) {
      for (let index = mirror.base + 1; index <= mirror.commit; index += 1) {
        const same = termAt(mirror, index) === group.committed[index]?.term;
        check(same, 'COMMITTED_PREFIX', { index, birth: mirror.process.birth });
      }
    }
    const states = new Map<number, string>();
    for (const { process } of group.mirrors) {
      const index = process.replica.cluster?.status().appliedIndex ?? 0;
      if (!process.alive || index < 2) continue;
      const state = Buffer.from(process.register.encode()).toString();
      check((states.get(index) ?? state) === state, 'STATE_MACHINES_EQUAL', { index });
      states.set(index, state);
    }
  }
  const verdict = checkLinearizable(kvModel, workload.history(), { stepsMax: 2_000_000 });
  const key = verdict.kind === 'linearizable' ? '' : verdict.key;
  check(verdict.kind !== 'illegal', 'LINEARIZABLE (I5)', { key });
}

function failureOf(error: unknown): { readonly code: string; readonly text: string } {
  if (error instanceof SimulatorError) {
    const { invariant } = error.fields;
    const code = typeof invariant === 'string' ? invariant : error.code;
    return { code, text: `${code} ${JSON.stringify(error.fields)}` };
  }
  return { code: 'UNEXPECTED', text: describeError(error) };
}
