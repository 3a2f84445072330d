/** Keys of simulated processors: derived from a secret, as real ones are from fuses and TCB. */
import {
  createECDH,
  createPrivateKey,
  createPublicKey,
  hkdfSync,
  type KeyObject,
} from 'node:crypto';
import { concatBytes, toHex, utf8 } from '@witan/core';

interface Curve {
  readonly jwkName: string;
  readonly opensslName: string;
  readonly scalarBytes: number;
  readonly order: bigint;
}

/** Orders of the curves (SP 800-186 section 3.2.1). */
const CURVES: Readonly<Record<'P-256' | 'P-384', Curve>> = {
  'P-256': {
    jwkName: 'P-256',
    opensslName: 'prime256v1',
    scalarBytes: 32,
    order: 0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551n,
  },
  'P-384': {
    jwkName: 'P-384',
    opensslName: 'secp384r1',
    scalarBytes: 48,
    order: 2n ** 384n - 2n ** 192n + 0xc7634d81f4372ddf581a0db248b0a77aecec196accc52973n,
  },
};

/** 192 bits more than the order make the bias of the reduction negligible. */
const WIDER_BYTES = 24;

/** @returns bytes that depend on the secret, the label and all parts (HKDF with SHA-384) */
export function deriveBytes(
  secret: Uint8Array,
  byteLength: number,
  label: string,
  ...parts: readonly Uint8Array[]
): Uint8Array {
  const info = concatBytes(utf8('witan-tee-sim '), utf8(label), Uint8Array.of(0), ...parts);
  return new Uint8Array(hkdfSync('sha384', secret, new Uint8Array(), info, byteLength));
}

/** @returns a key pair that depends on the secret, the label and all parts */
export function deriveKey(
  curve: 'P-256' | 'P-384',
  secret: Uint8Array,
  label: string,
  ...parts: readonly Uint8Array[]
): { readonly privateKey: KeyObject; readonly publicKey: KeyObject } {
  const { jwkName, opensslName, scalarBytes, order } = CURVES[curve];
  const wide = deriveBytes(secret, scalarBytes + WIDER_BYTES, label, ...parts);
  const scalar = (BigInt(`0x${toHex(wide)}`) % (order - 1n)) + 1n;
  const d = Buffer.from(scalar.toString(16).padStart(scalarBytes * 2, '0'), 'hex');
  const ecdh = createECDH(opensslName);
  ecdh.setPrivateKey(d);
  const point = ecdh.getPublicKey();
  const coordinate = (at: number): string =>
    point.subarray(1 + at * scalarBytes, 1 + (at + 1) * scalarBytes).toString('base64url');
  const key = {
    kty: 'EC',
    crv: jwkName,
    d: d.toString('base64url'),
    x: coordinate(0),
    y: coordinate(1),
  };
  const privateKey = createPrivateKey({ format: 'jwk', key });
  return { privateKey, publicKey: createPublicKey(privateKey) };
}
