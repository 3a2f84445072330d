/**
 * TPM 2.0 structures as bytes (TCG TPM 2.0 Library, part 2). All numbers are big-endian.
 */
import { concatBytes } from '@witan/core';
import { AttesterError } from '../errors.ts';

/** Longest command or response; the kernel's buffer has this size (TPM_BUFSIZE). */
export const TPM_MESSAGE_BYTES_MAX = 4096;

export function u8(value: number): Uint8Array {
  return Uint8Array.of(value);
}

export function u16(value: number): Uint8Array {
  return Uint8Array.of(value >>> 8, value & 0xff);
}

export function u32(value: number): Uint8Array {
  return concatBytes(u16(value >>> 16), u16(value & 0xffff));
}

/** TPM2B: a length of 16 bits and the bytes. */
export function sized(bytes: Uint8Array): Uint8Array {
  return concatBytes(u16(bytes.byteLength), bytes);
}

/** Takes consecutive fields. @throws AttesterError ATTESTER_TPM_MALFORMED where the bytes end */
export class TpmReader {
  readonly #bytes: Uint8Array;
  readonly #what: string;
  #offset = 0;

  /** @param what the structure's name, for errors */
  constructor(bytes: Uint8Array, what: string) {
    this.#bytes = bytes;
    this.#what = what;
  }

  u8(): number {
    return this.take(1)[0] ?? 0;
  }

  u16(): number {
    return this.u8() * 0x100 + this.u8();
  }

  u32(): number {
    return this.u16() * 0x10000 + this.u16();
  }

  sized(): Uint8Array {
    return this.take(this.u16());
  }

  take(byteLength: number): Uint8Array {
    const end = this.#offset + byteLength;
    if (end > this.#bytes.byteLength) throw malformed(this.#what, 'more bytes');
    const taken = this.#bytes.slice(this.#offset, end);
    this.#offset = end;
    return taken;
  }

  /** Demands a fixed value. */
  expect(name: string, expected: number, found: number): void {
    if (found !== expected) throw malformed(this.#what, `${name} ${expected}, not ${found}`);
  }

  end(): void {
    if (this.#offset !== this.#bytes.byteLength) throw malformed(this.#what, 'nothing more');
  }
}

/** The error for an answer that is no proper TPM structure. */
export function malformed(what: string, expected: string): AttesterError {
  return new AttesterError('ATTESTER_TPM_MALFORMED', 'the TPM gave an unreadable answer', {
    fields: { what, expected },
  });
}
