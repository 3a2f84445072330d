/** One run: draws a world and its faults from a seed, plays it, heals it, checks what is left. */
import { describeError } from '@witan/core';
import { DEFAULT_TUNING } from '@witan/replica';
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

/** Simulated time from the end of the faults to a leader, to equal logs and to a whole cluster. */
type Healing = Readonly<Record<'leaderMs' | 'equalMs' | 'wholeMs', number>>;

/** Simulated time after the healing within which the cluster must be whole again. */
const HEAL_MS = 30_000;
/** The longest election timeout: twice the least number of ticks, less one. */
const ELECTION_MS: number = (2 * DEFAULT_TUNING.electionTicks - 1) * DEFAULT_TUNING.tickMs;
/** Where a majority has survived: after so long there is a leader, and then all logs are equal. */
const LEADER_MS: number = 5 * ELECTION_MS;
const EQUAL_MS: number = 10 * ELECTION_MS;
const HEAL_STEP_MS = 250;
/** How many runs seal for real; sealing costs as much as everything else together. */
const SEALED_SHARE = 0.1;
/** No run lasts longer, in simulated time; faults are drawn for as long. */
const MS_PER_EVENT = 8;

/** Plays one seed. The same options give the same result, event for event. */
export async function runSeed(options: RunOptions): Promise<RunResult> {
  const { seed, events, i2 = true } = options;
  const random = new SimRandom(seed, 0);
  const slots = i2 ? random.pick([3, 3, 3, 3, 3, 3, 3, 5, 5, 5, 7, 1] as const) : 3;
  const noise = { loss: random.pick([0, 0, 0.01, 0.05]), duplicate: 0.01, delayMs: 1 };
  let violation: unknown;
  const world = new World({
    seed,
    slots,
    noise,
    tuning: i2 ? drawTuning(random) : {},
    seals: i2 && random.chance(SEALED_SHARE),
    snapshotsBeside: random.chance(0.7),
    reuses: i2,
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
  let healing: Healing = { leaderMs: 0, equalMs: 0, wholeMs: 0 };
  await world.timeline.run(() => failed() || world.timeline.events >= events);
  const faultyMs = world.timeline.nowMs;
  if (!failed()) {
    injector.heal();
    // Where the host has shown blank disks to all of a slot's partners, there may be two clusters.
    if (i2 && !isForked(world)) healing = await heal(world, failed);
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
      reuses: world.invariants.reuses,
      operations: workload.size,
      acknowledged: workload.acknowledged,
      unknown: workload.unknown,
      ...healing,
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

/** Waits until the cluster is whole; measures how long it took to have a leader and equal logs. */
async function heal(world: World, failed: () => boolean): Promise<Healing> {
  const { timeline } = world;
  const startMs = timeline.nowMs;
  let checkAtMs = startMs;
  let problem: string | undefined = 'not looked at yet';
  let leaderMs = -1;
  let equalMs = -1;
  const passedMs = (): number => Math.round(timeline.nowMs - startMs);
  const isPromised = world.hasMajority();
  await timeline.run(() => {
    if (failed() || passedMs() > HEAL_MS) return true;
    if (timeline.nowMs < checkAtMs) return false;
    checkAtMs = timeline.nowMs + HEAL_STEP_MS;
    const state = stateOf(world);
    if (leaderMs < 0 && state.hasLeader) leaderMs = passedMs();
    if (equalMs < 0 && state.isEqual) equalMs = passedMs();
    problem = state.problem;
    if (isPromised && leaderMs < 0 && passedMs() > LEADER_MS) problem = 'no leader in time';
    else if (isPromised && equalMs < 0 && passedMs() > EQUAL_MS)
      problem = 'logs differ for too long';
    else return problem === undefined;
    return true;
  });
  if (problem !== undefined && !failed()) {
    world.options.onViolation(
      new SimulatorError('SIMULATOR_NOT_LIVE', 'the cluster did not recover in time', {
        fields: { problem, phases: phasesOf(world) },
      }),
    );
  }
  return { leaderMs, equalMs, wholeMs: passedMs() };
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

/** Where the cluster of the newest leader stands, and what is missing until it is whole. */
function stateOf(world: World): {
  readonly hasLeader: boolean;
  readonly isEqual: boolean;
  readonly problem: string | undefined;
} {
  const leader = world
    .live()
    .filter(({ replica }) => replica.cluster?.status().role === 'leader')
    .toSorted((a, b) => term(b) - term(a))[0];
  const status = leader?.replica.cluster?.status();
  if (leader === undefined || status === undefined) {
    return { hasLeader: false, isEqual: false, problem: 'no leader' };
  }
  const { clusterId } = leader.replica.cluster ?? {};
  const { voters, votersOutgoing } = status.configuration;
  const members = voters.map((id) => world.byNodeId(id)).filter((member) => member?.alive === true);
  const behind = members.filter((member) => {
    const theirs = member?.replica.cluster;
    const { commitIndex, appliedIndex } = theirs?.status() ?? {};
    const isEqual = commitIndex === status.commitIndex && appliedIndex === status.commitIndex;
    return theirs?.clusterId !== clusterId || !isEqual;
  });
  const missing = [
    votersOutgoing.length > 0 && 'a joint configuration',
    voters.length !== world.disks.length && 'too few voters',
    members.length < voters.length && 'a voter is gone',
    behind.length > 0 && 'a voter lags',
  ];
  const problem = missing.find((text) => text !== false);
  return { hasLeader: true, isEqual: behind.length === 0, problem };
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
