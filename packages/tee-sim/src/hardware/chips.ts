/**
 * Simulated processors. Chip id and signing key are derived from the hierarchy's secret: the same
 * chip at the same TCB always has the same key, and another TCB has another, as with real VCEKs.
 */
import type { KeyObject } from 'node:crypto';
import { toHex, utf8 } from '@witan/core';
import { tcbBytes, type SnpTcb } from '@witan/attestation';
import { CHIP_CERTIFICATE_LIFETIME_MS, makeChipCertificate } from '../hierarchy/certificates.ts';
import { deriveBytes, deriveKey } from '../hierarchy/derived-keys.ts';
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

/** The processors of one host. */
export class Chips {
  readonly #hierarchy: Hierarchy;
  readonly #keys = new Map<string, ChipKey>();

  constructor(hierarchy: Hierarchy) {
    this.#hierarchy = hierarchy;
  }

  /** @returns the CHIP_ID of the chip with that name, in the form of the product line */
  idOf(chip: string): Uint8Array {
    const { product, chipSecret } = this.#hierarchy;
    const byteLength = product === 'Turin' ? TURIN_ID_BYTES : CHIP_ID_BYTES;
    const id = new Uint8Array(CHIP_ID_BYTES);
    id.set(deriveBytes(chipSecret, byteLength, 'chip id', utf8(chip)));
    return id;
  }

  /** @param expired whether the certificate shall have ended already */
  keyOf(chipId: Uint8Array, tcb: SnpTcb, expired = false): ChipKey {
    const version = tcbBytes(this.#hierarchy.product, tcb);
    const index = `${toHex(chipId)}/${toHex(version)}/${String(expired)}`;
    const known = this.#keys.get(index);
    if (known !== undefined) return known;
    const key = this.#make(chipId, tcb, version, expired);
    if (this.#keys.size >= KEYS_MAX) this.#keys.clear();
    this.#keys.set(index, key);
    return key;
  }

  #make(chipId: Uint8Array, tcb: SnpTcb, version: Uint8Array, expired: boolean): ChipKey {
    const { product, intermediate, chipSecret } = this.#hierarchy;
    const { privateKey, publicKey: chipKey } = deriveKey(
      'P-384',
      chipSecret,
      'chip key',
      chipId,
      version,
    );
    const nowMs = Date.now() - (expired ? CHIP_CERTIFICATE_LIFETIME_MS : 0);
    return {
      privateKey,
      certificate: makeChipCertificate({ product, intermediate, chipKey, chipId, tcb, nowMs }),
    };
  }
}
