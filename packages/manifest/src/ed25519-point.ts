/**
 * Whether 32 bytes are a usable Ed25519 public key (RFC 8032 section 5.1.3): the one encoding of a
 * point on the curve, and none of the eight points of small order, under which anybody can make
 * signatures. Public data only: nothing here is constant-time.
 */

/** RFC 8032 section 5.1. */
const P = 2n ** 255n - 19n;
const D = mod(-121_665n * invert(121_666n));
const SQRT_OF_MINUS_1 = power(2n, (P - 1n) / 4n);

/** Extended coordinates (RFC 8032 section 5.1.4). */
type Point = readonly [x: bigint, y: bigint, z: bigint, t: bigint];

/** @param encoded y in little-endian order with the sign of x in the highest bit */
export function isEd25519Point(encoded: Uint8Array): boolean {
  const point = encoded.byteLength === 32 ? decode(encoded) : undefined;
  if (point === undefined) return false;
  // The cofactor is 8: three doublings bring all points of small order to the neutral one.
  const [x, y, z] = double(double(double(point)));
  return x !== 0n || y !== z;
}

function decode(encoded: Uint8Array): Point | undefined {
  let y = 0n;
  for (const byte of encoded.toReversed()) y = (y << 8n) | BigInt(byte);
  const sign = y >> 255n;
  y &= (1n << 255n) - 1n;
  if (y >= P) return undefined;
  const u = mod(y * y - 1n);
  const v = mod(D * y * y + 1n);
  let x = mod(u * v ** 3n * power(mod(u * v ** 7n), (P - 5n) / 8n));
  const square = mod(v * x * x);
  if (square === mod(-u)) x = mod(x * SQRT_OF_MINUS_1);
  else if (square !== u) return undefined;
  if (x === 0n && sign === 1n) return undefined;
  if ((x & 1n) !== sign) x = P - x;
  return [x, y, 1n, mod(x * y)];
}

function double(point: Point): Point {
  return add(point, point);
}

function add([x1, y1, z1, t1]: Point, [x2, y2, z2, t2]: Point): Point {
  const a = mod((y1 - x1) * (y2 - x2));
  const b = mod((y1 + x1) * (y2 + x2));
  const c = mod(2n * t1 * t2 * D);
  const d = mod(2n * z1 * z2);
  const [e, f, g, h] = [b - a, d - c, d + c, b + a];
  return [mod(e * f), mod(g * h), mod(f * g), mod(e * h)];
}

function mod(value: bigint): bigint {
  const rest = value % P;
  return rest < 0n ? rest + P : rest;
}

function power(base: bigint, exponent: bigint): bigint {
  let result = 1n;
  for (const bit of exponent.toString(2)) {
    result = mod(result * result);
    if (bit === '1') result = mod(result * base);
  }
  return result;
}

function invert(value: bigint): bigint {
  return power(value, P - 2n);
}
