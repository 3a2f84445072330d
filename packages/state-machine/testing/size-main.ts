/**
 * What certificates cost the replicated state: memory, snapshot, and reading it. A process of its
 * own for `npm run bench:mesh`; prints one JSON object with figures.
 */
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { LOG_LEAVES_KEPT_MAX } from '../src/limits.ts';
import { IssuingState } from './issuing.ts';

/** As `npm run bench:mesh` takes it. */
interface Measured {
  readonly name: string;
  readonly unit: string;
  readonly runs: readonly number[];
  /** Absent: no target is stated. */
  readonly most?: number;
}

/** Certificates that are valid at once, while memory is watched and for the snapshot. */
const VALID = 10_000;
/**
 * What each further identity leaves behind until the limits of the log are reached: two entries and
 * their hashes (record 0064).
 */
const BYTES_PER_IDENTITY_MAX = 1_024;
/**
 * Behind these limits memory is flat: hashes of whole tiles alone are added, a byte for each
 * identity. What is in use goes up and down by the room that arrays of hashes have.
 */
const STATE_MIB_MAX = 256;
const APPLY_MS_MAX = 1_000;

/** Bytes that are in use once everything else was collected. */
function usedBytes(): number {
  // Twice: what the first frees may hold buffers.
  for (let time = 0; time < 2; time += 1) collect();
  const { heapUsed, arrayBuffers } = process.memoryUsage();
  return heapUsed + arrayBuffers;
}

setFlagsFromString('--expose-gc');
const collect = runInNewContext('gc') as () => void;

/**
 * The slope from 10,000 identities on, when certificates expire as fast as they come, up to those
 * asked for; and the slope from there to as many again, once the limits of the log are reached.
 * Each is a new certificate for an identity that was not seen before; a renewal is no other
 * command, and differs in nothing that is kept.
 */
function memory(identities: number): readonly Measured[] {
  const machine = new IssuingState(VALID);
  machine.issue(VALID);
  const atFirst = usedBytes();
  machine.issue(identities - VALID);
  const atLast = usedBytes();
  const limit = LOG_LEAVES_KEPT_MAX / LEAVES_PER_IDENTITY + FLAT_MARGIN;
  machine.issue(Math.max(0, limit - identities));
  const atLimit = usedBytes();
  machine.issue(identities);
  const behind = usedBytes();
  return [
    {
      name: `memory for each identity, ${VALID} to ${identities}`,
      unit: 'bytes',
      runs: [(atLast - atFirst) / (identities - VALID)],
      most: BYTES_PER_IDENTITY_MAX,
    },
    { name: `memory of a state after ${identities}`, unit: 'MiB', runs: [atLast / 2 ** 20] },
    {
      name: `the same behind the limits, and ${identities} later`,
      unit: 'MiB',
      runs: [atLimit / 2 ** 20, behind / 2 ** 20],
      most: STATE_MIB_MAX,
    },
  ];
}

/** The certificate, and the release of its secrets. */
const LEAVES_PER_IDENTITY = 2;
/** Arrays grow in steps; so much later each has had its last. */
const FLAT_MARGIN = 40_000;

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
