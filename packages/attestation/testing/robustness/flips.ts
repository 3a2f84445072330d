/** Bit flips over evidence that is accepted: which of them are accepted as well. */
import {
  RecentSnpChains,
  SNP_REPORT_BYTES,
  parseTdxQuote,
  verifySnp,
  verifyTdx,
  type SnpVerifyRequest,
  type TdxVerifyRequest,
} from '../../src/index.ts';

/** How many flips were tried, and the places where one was accepted without an explanation. */
export interface FlipResult {
  readonly tried: number;
  readonly accepted: readonly number[];
  /** Places where a flip was accepted because the byte means nothing. */
  readonly meaningless: readonly number[];
}

/** Every bit of a report. The chain is verified once. */
export function flipReport(request: SnpVerifyRequest): FlipResult {
  const options = { ...request.options, chainCache: new RecentSnpChains(1) };
  const accepted: number[] = [];
  const bits = SNP_REPORT_BYTES * 8;
  for (let bit = 0; bit < bits; bit += 1) {
    const verdict = verifySnp({ ...request, options, report: flipped(request.report, bit) });
    if (verdict.ok) accepted.push(bit);
  }
  return { tried: bits, accepted, meaningless: [] };
}

/** Bytes of a quote of which every bit is flipped; of the bytes behind them one bit each. */
const EXHAUSTIVE_BYTES = 1300;

/**
 * A quote: the signed part and the signatures bit by bit, one bit of every byte after them.
 * Accepted flips are explained where they hit the line ends of the PEM text or its final NUL.
 */
export function flipQuote(request: TdxVerifyRequest): FlipResult {
  const { quote } = request;
  const whole = parseTdxQuote(quote);
  const end = quote.byteLength - whole.trailing.byteLength;
  const accepted: number[] = [];
  const meaningless: number[] = [];
  let tried = 0;
  for (let at = 0; at < end; at += 1) {
    const bits = at < EXHAUSTIVE_BYTES ? [0, 1, 2, 3, 4, 5, 6, 7] : [at % 8];
    for (const bit of bits) {
      tried += 1;
      const changed = flipped(quote, 8 * at + bit);
      if (!verifyTdx({ ...request, quote: changed }).ok) continue;
      (isLayout(quote[at] ?? 0, at, end) ? meaningless : accepted).push(at);
    }
  }
  return { tried, accepted, meaningless };
}

/** A report of every other length, up to twice its own. */
export function cutReport(request: SnpVerifyRequest): FlipResult {
  const accepted: number[] = [];
  const twice = new Uint8Array([...request.report, ...request.report]);
  for (let length = 0; length <= twice.byteLength; length += 1) {
    if (length === SNP_REPORT_BYTES) continue;
    if (verifySnp({ ...request, report: twice.subarray(0, length) }).ok) accepted.push(length);
  }
  return { tried: twice.byteLength, accepted, meaningless: [] };
}

/** A quote cut anywhere before its end. */
export function cutQuote(request: TdxVerifyRequest): FlipResult {
  const { quote } = request;
  const end = quote.byteLength - parseTdxQuote(quote).trailing.byteLength;
  const accepted: number[] = [];
  for (let length = 0; length < end; length += 1) {
    if (verifyTdx({ ...request, quote: quote.subarray(0, length) }).ok) accepted.push(length);
  }
  return { tried: end, accepted, meaningless: [] };
}

/** Line ends, and the NUL behind the last one. */
function isLayout(byte: number, at: number, end: number): boolean {
  return byte === 0x0a || byte === 0x0d || (byte === 0 && at === end - 1);
}

function flipped(bytes: Uint8Array, bit: number): Uint8Array {
  return bytes.with(bit >> 3, (bytes[bit >> 3] ?? 0) ^ (1 << (bit & 7)));
}
