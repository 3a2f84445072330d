/**
 * A strict DER reader (ITU-T X.690): definite minimal lengths, low tag numbers, bounded depth.
 *
 * It reads what certificates and revocation lists need and refuses the rest. It never copies: what
 * it returns are views of the input.
 */
import { AttestationError } from '../errors.ts';
import { DER_DEPTH_MAX } from '../limits.ts';

/** Identifier octets of the values that certificates are made of. */
export const DER_TAG = {
  boolean: 0x01,
  integer: 0x02,
  bitString: 0x03,
  octetString: 0x04,
  null: 0x05,
  oid: 0x06,
  enumerated: 0x0a,
  utf8String: 0x0c,
  printableString: 0x13,
  teletexString: 0x14,
  ia5String: 0x16,
  utcTime: 0x17,
  generalizedTime: 0x18,
  bmpString: 0x1e,
  sequence: 0x30,
  set: 0x31,
} as const;

/** The identifier octet of a constructed context-specific value. */
export function contextTag(number: number): number {
  return 0xa0 | number;
}

/** One value: its identifier octet, its content and both together with the length. */
export interface DerValue {
  readonly tag: number;
  readonly content: Uint8Array;
  readonly raw: Uint8Array;
}

const LENGTH_OCTETS_MAX = 4;

/** Reads consecutive values. Methods throw AttestationError DER_MALFORMED on anything else. */
export class DerReader {
  readonly #bytes: Uint8Array;
  readonly #depth: number;
  #offset = 0;

  /** @param depth how many constructed values are around this one */
  constructor(bytes: Uint8Array, depth: number = 0) {
    if (depth > DER_DEPTH_MAX) {
      throw new AttestationError('DER_LIMIT_EXCEEDED', { unit: 'depth', expected: DER_DEPTH_MAX });
    }
    this.#bytes = bytes;
    this.#depth = depth;
  }

  get atEnd(): boolean {
    return this.#offset === this.#bytes.byteLength;
  }

  /** The identifier octet of the next value, or undefined at the end. */
  peek(): number | undefined {
    return this.#bytes[this.#offset];
  }

  /** The next value, whatever it is. */
  any(): DerValue {
    const start = this.#offset;
    const tag = this.#octet();
    if ((tag & 0x1f) === 0x1f) throw malformed('high tag number', start);
    const length = this.#length();
    if (length > this.#bytes.byteLength - this.#offset) throw malformed('length', start);
    const content = this.#bytes.subarray(this.#offset, this.#offset + length);
    this.#offset += length;
    return { tag, content, raw: this.#bytes.subarray(start, this.#offset) };
  }

  /** The next value, which must have this identifier octet. */
  value(tag: number): DerValue {
    if (this.peek() !== tag) {
      throw new AttestationError('DER_MALFORMED', {
        what: 'tag',
        offset: this.#offset,
        expected: tag,
        found: this.peek() ?? 'end',
      });
    }
    return this.any();
  }

  /** The next value if it has this identifier octet. */
  optional(tag: number): DerValue | undefined {
    return this.peek() === tag ? this.any() : undefined;
  }

  /** A reader of the values inside the next one. */
  inside(tag: number): DerReader {
    return this.within(this.value(tag).content);
  }

  /** A reader of the values inside the next one if it has this identifier octet. */
  optionalInside(tag: number): DerReader | undefined {
    return this.peek() === tag ? this.inside(tag) : undefined;
  }

  sequence(): DerReader {
    return this.inside(DER_TAG.sequence);
  }

  /** A reader of content that was taken from this one, one level deeper. */
  within(content: Uint8Array): DerReader {
    return new DerReader(content, this.#depth + 1);
  }

  /** Demands that nothing is left. */
  end(): void {
    if (!this.atEnd) throw malformed('trailing bytes', this.#offset);
  }

  #octet(): number {
    const octet = this.#bytes[this.#offset];
    if (octet === undefined) throw malformed('unexpected end', this.#offset);
    this.#offset += 1;
    return octet;
  }

  #length(): number {
    const start = this.#offset;
    const first = this.#octet();
    if (first < 0x80) return first;
    const octets = first & 0x7f;
    if (octets === 0 || octets > LENGTH_OCTETS_MAX) throw malformed('length', start);
    let length = 0;
    for (let i = 0; i < octets; i += 1) length = length * 256 + this.#octet();
    if (length < 0x80 || length < 256 ** (octets - 1)) throw malformed('length', start);
    return length;
  }
}

/** Reads one value that fills all of `bytes`. */
export function readWhole<Result>(
  bytes: Uint8Array,
  read: (reader: DerReader) => Result,
  depth: number = 0,
): Result {
  const reader = new DerReader(bytes, depth);
  const result = read(reader);
  reader.end();
  return result;
}

function malformed(what: string, offset: number): AttestationError {
  return new AttestationError('DER_MALFORMED', { what, offset });
}
