/** Small changes to bytes, from a seed: the same seed gives the same changes. */

/** A source of numbers from 0 up to below the argument. */
export type Numbers = (below: number) => number;

/** Numbers from a seed (a Weyl sequence, mixed as in MurmurHash3's finalizer). */
export function numbersFrom(seed: number): Numbers {
  let state = seed >>> 0;
  return (below) => {
    state = (state + 0x9e3779b9) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 16), 0x85ebca6b);
    mixed = Math.imul(mixed ^ (mixed >>> 13), 0xc2b2ae35);
    mixed ^= mixed >>> 16;
    return below === 0 ? 0 : (mixed >>> 0) % below;
  };
}

const INTERESTING: readonly number[] = [0, 1, 0x7f, 0x80, 0x81, 0x82, 0x84, 0xfe, 0xff];
const TOKENS: readonly string[] = ['-1', '256', '65536', '1e9', 'null', '""', '[]', '{}', 'true'];

type Change = (bytes: Uint8Array, next: Numbers, other: Uint8Array) => Uint8Array;

const setByte =
  (choose: (old: number, next: Numbers) => number): Change =>
  (bytes, next) => {
    const at = next(bytes.byteLength);
    return bytes.byteLength === 0 ? bytes : bytes.with(at, choose(bytes[at] ?? 0, next));
  };

/** Replaces a stretch of bytes. */
function replaced(bytes: Uint8Array, from: number, to: number, by: Uint8Array): Uint8Array {
  return new Uint8Array(Buffer.concat([bytes.subarray(0, from), by, bytes.subarray(to)]));
}

const CHANGES: readonly Change[] = [
  setByte((old, next) => old ^ (1 << next(8))),
  setByte((_, next) => INTERESTING[next(INTERESTING.length)] ?? 0),
  setByte((old, next) => (old + (next(2) === 0 ? 1 : 255)) & 0xff),
  // Lengths and offsets: one more or one less than what stands there, little-endian.
  (bytes, next) => {
    const view = new DataView(Uint8Array.from(bytes).buffer);
    const at = next(Math.max(bytes.byteLength - 4, 0));
    if (bytes.byteLength < 4) return bytes;
    view.setUint32(at, (view.getUint32(at, true) + (next(2) === 0 ? 1 : -1)) >>> 0, true);
    return new Uint8Array(view.buffer);
  },
  (bytes, next) => bytes.slice(0, next(bytes.byteLength + 1)),
  (bytes, next) => replaced(bytes, bytes.byteLength, bytes.byteLength, new Uint8Array(1 + next(9))),
  (bytes, next) => {
    const at = next(bytes.byteLength);
    return replaced(bytes, at, Math.min(at + 1 + next(16), bytes.byteLength), new Uint8Array());
  },
  (bytes, next) => {
    const at = next(bytes.byteLength);
    const stretch = bytes.slice(at, at + 1 + next(32));
    const to = next(bytes.byteLength + 1);
    return replaced(bytes, to, to, stretch);
  },
  (bytes, next, other) => {
    const at = next(Math.min(bytes.byteLength, other.byteLength));
    return replaced(bytes, at, bytes.byteLength, other.subarray(at));
  },
  // The length of the whole in one octet more than it needs (X.690, 10.1).
  (bytes) => {
    if (bytes[0] !== 0x30 || bytes[1] !== 0x82) return bytes;
    return replaced(bytes, 1, 2, Uint8Array.of(0x83, 0));
  },
  // A value of JSON becomes another one.
  (bytes, next) => {
    const text = Buffer.from(bytes).toString('latin1');
    const values = [...text.matchAll(/[0-9]+|"[^"]*"/g)];
    const chosen = values[next(values.length)];
    if (chosen === undefined) return bytes;
    const by = Buffer.from(TOKENS[next(TOKENS.length)] ?? '');
    return replaced(bytes, chosen.index, chosen.index + chosen[0].length, by);
  },
];

/** One to three changes to one of the seeds. */
export function mutated(seeds: readonly Uint8Array[], next: Numbers): Uint8Array {
  const pick = (): Uint8Array => seeds[next(seeds.length)] ?? new Uint8Array();
  let bytes = pick();
  for (let left = 1 + next(3); left > 0; left -= 1) {
    bytes = CHANGES[next(CHANGES.length)]?.(bytes, next, pick()) ?? bytes;
  }
  return bytes;
}
