/**
 * What certificates cost the replicated state: memory, snapshot, and reading it. A process of its
 * own for `npm run bench:mesh`; prints one JSON object with figures.
 */
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { IssuingState } from './issuing.ts';

/** As `npm run bench:mesh` takes it. */
interface Measured {
  readonly name: string;
  readonly unit: string;
  readonly runs: readonly number[];
  /** Absent: no target is stated. */
  readonly most?: number;
}

const STEPS = 10;
/** Certificates that are valid at once, while memory is watched and for the snapshot. */
const VALID = 10_000;
/**
 * What each further identity leaves behind until the limits of the log are reached: two entries and
 * their hashes (record 0064).
 */
const BYTES_PER_IDENTITY_MAX = 1_024;
const APPLY_MS_MAX = 1_000;

/** Slope over the second half, when certificates expire as fast as they come. */
function memory(identities: number): readonly Measured[] {
  setFlagsFromString('--expose-gc');
  const collect = runInNewContext('gc') as () => void;
  const machine = new IssuingState(VALID);
  const used: number[] = [];
  for (let step = 0; step < STEPS; step += 1) {
    machine.issue(identities / STEPS);
    collect();
    const { heapUsed, arrayBuffers } = process.memoryUsage();
    used.push(heapUsed + arrayBuffers);
  }
  const grown = (used.at(-1) ?? 0) - (used[STEPS / 2 - 1] ?? 0);
  const slope = grown / (identities / 2);
  return [
    {
      name: `memory for each of ${identities} identities`,
      unit: 'bytes',
      runs: [slope],
      most: BYTES_PER_IDENTITY_MAX,
    },
    { name: 'memory of that state', unit: 'MiB', runs: [(used.at(-1) ?? 0) / 2 ** 20] },
  ];
}

function snapshot(): readonly Measured[] {
  const machine = new IssuingState(VALID * 2);
  machine.issue(VALID);
  const sizes: number[] = [];
  const made: number[] = [];
  const read: number[] = [];
  for (let run = 0; run < 5; run += 1) {
    const startedMs = performance.now();
    const bytes = machine.state.encodeSnapshot();
    const encodedMs = performance.now();
    IssuingState.read(bytes);
    sizes.push(bytes.byteLength / 2 ** 20);
    made.push(encodedMs - startedMs);
    read.push(performance.now() - encodedMs);
  }
  return [
    { name: `snapshot of ${VALID} workloads`, unit: 'MiB', runs: sizes },
    { name: 'writing it', unit: 'ms', runs: made },
    { name: 'reading and checking it', unit: 'ms', runs: read, most: APPLY_MS_MAX },
  ];
}

const identities = Number(process.argv[2]);
process.stdout.write(`${JSON.stringify([...memory(identities), ...snapshot()])}\n`);
