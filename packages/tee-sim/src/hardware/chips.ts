/**
 * Simulated processors. Chip id and signing key are derived from the hierarchy's secret: the same
 * chip at the same TCB always has the same key, and another TCB has another, as with real VCEKs.
 */
import {
  createECDH,
  createPrivateKey,
  createPublicKey,
  hkdfSync,
  type KeyObject,
} from 'node:crypto';
import { concatBytes, toHex, utf8 } from '@witan/core';
import { tcbBytes, type SnpTcb } from '@witan/attestation';
import { makeChipCertificate } from '../hierarchy/certificates.ts';
import type { Hierarchy } from '../hierarchy/store.ts';

/** What signs the reports of one chip at one TCB. */
export interface ChipKey {
  readonly privateKey: KeyObject;
  /** VCEK certificate, DER. */
  readonly certificate: Uint8Array;
}

const CHIP_ID_BYTES = 64;
const TURIN_ID_BYTES = 8;
/** Keys kept in memory; a test that sweeps TCBs must not grow the daemon without bound. */
const KEYS_MAX = 256;
/** Order of P-384 (FIPS 186-5, appendix of SP 800-186 section 3.2.1.4). */
const P384_ORDER = 2n ** 384n - 2n ** 192n + 0xc7634d81f4372ddf581a0db248b0a77aecec196accc52973n;

/** The processors of one host. */
export class Chips {
  readonly #hierarchy: Hierarchy;
  readonly #keys = new Map<string, ChipKey>();

  constructor(hierarchy: Hierarchy) {
    this.#hierarchy = hierarchy;
  }

  /** @returns the CHIP_ID of the chip with that name, in the form of the product line */
  idOf(chip: string): Uint8Array {
    const byteLength = this.#hierarchy.product === 'Turin' ? TURIN_ID_BYTES : CHIP_ID_BYTES;
    const id = new Uint8Array(CHIP_ID_BYTES);
    id.set(this.#derive(byteLength, utf8('chip id'), utf8(chip)));
    return id;
  }

  keyOf(chipId: Uint8Array, tcb: SnpTcb): ChipKey {
    const version = tcbBytes(this.#hierarchy.product, tcb);
    const index = `${toHex(chipId)}/${toHex(version)}`;
    const known = this.#keys.get(index);
    if (known !== undefined) return known;
    const key = this.#make(chipId, tcb, version);
    if (this.#keys.size >= KEYS_MAX) this.#keys.clear();
    this.#keys.set(index, key);
    return key;
  }

  #make(chipId: Uint8Array, tcb: SnpTcb, version: Uint8Array): ChipKey {
    const { product, intermediate } = this.#hierarchy;
    // 192 bits more than the order make the bias of the reduction negligible.
    const wide = this.#derive(72, utf8('chip key'), chipId, version);
    const privateKey = p384Key((BigInt(`0x${toHex(wide)}`) % (P384_ORDER - 1n)) + 1n);
    const chipKey = createPublicKey(privateKey);
    const nowMs = Date.now();
    return {
      privateKey,
      certificate: makeChipCertificate({ product, intermediate, chipKey, chipId, tcb, nowMs }),
    };
  }

  #derive(byteLength: number, label: Uint8Array, ...parts: readonly Uint8Array[]): Uint8Array {
    const info = concatBytes(utf8('witan-tee-sim '), label, Uint8Array.of(0), ...parts);
    const secret = this.#hierarchy.chipSecret;
    return new Uint8Array(hkdfSync('sha384', secret, new Uint8Array(), info, byteLength));
  }
}

function p384Key(scalar: bigint): KeyObject {
  const d = Buffer.from(scalar.toString(16).padStart(96, '0'), 'hex');
  const ecdh = createECDH('secp384r1');
  ecdh.setPrivateKey(d);
  const point = ecdh.getPublicKey();
  const base64url = (bytes: Buffer): string => bytes.toString('base64url');
  return createPrivateKey({
    format: 'jwk',
    key: {
      kty: 'EC',
      crv: 'P-384',
      d: base64url(d),
      x: base64url(point.subarray(1, 49)),
      y: base64url(point.subarray(49, 97)),
    },
  });
}
