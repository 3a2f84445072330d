/** Small helpers that most tests need. */
import { nodeId, type ConfState, type NodeId } from '../../src/index.ts';

export function ids(...values: readonly number[]): readonly NodeId[] {
  return values.map((value) => nodeId(value));
}

export function confStateOf(
  voters: readonly number[],
  learners: readonly number[] = [],
): ConfState {
  return {
    voters: ids(...voters),
    votersOutgoing: [],
    learners: ids(...learners),
    learnersNext: [],
    autoLeave: false,
  };
}

export function bytes(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}

export function text(data: Uint8Array): string {
  return new TextDecoder().decode(data);
}

/** A seeded source of integers (mulberry32), so that a failure can be repeated. */
export function seededInt(seed: number): (boundExclusive: number) => number {
  let state = seed >>> 0;
  return (bound) => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return Math.floor((((mixed ^ (mixed >>> 14)) >>> 0) / 0x1_0000_0000) * bound);
  };
}
