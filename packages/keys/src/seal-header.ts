/**
 * The header of a sealed value: which subkey and nonce it was sealed with. Public, and part of what
 * the seal authenticates; a header that was only parsed proves nothing.
 *
 * Layout (58 bytes): version u8 | use u8 | generation u32 | epoch u64 | incarnation id 32 bytes |
 * nonce 12 bytes. Version 1 had no generation, which means generation 0.
 */
import {
  CanonicalReader,
  CanonicalWriter,
  epoch,
  fromHex,
  incarnationId,
  toHex,
  type Epoch,
  type IncarnationId,
} from '@witan/core';
import type { SealUse } from './derivations.ts';
import { KeysError } from './errors.ts';

/** Length of the header that is written, in bytes. */
export const SEAL_HEADER_BYTES = 58;

/** Version that is written; earlier ones are read. */
export const SEAL_VERSION = 2;
const SEAL_HEADER_BYTES_1 = 54;
const USE_CODES: Readonly<Record<SealUse, number>> = {
  'log-command': 1,
  'journal-record': 2,
  snapshot: 3,
  keyring: 4,
};
const USES: readonly SealUse[] = ['log-command', 'journal-record', 'snapshot', 'keyring'];

/** What a sealed value says about itself. */
export interface SealHeader {
  readonly use: SealUse;
  /** Of sealing keys; see sealing-generations.ts. */
  readonly generation: number;
  readonly epoch: Epoch;
  /** Who sealed it. */
  readonly incarnation: IncarnationId;
  /** 12 bytes. */
  readonly nonce: Uint8Array;
}

/** The canonical bytes of a header. */
export function writeSealHeader(header: SealHeader): Uint8Array<ArrayBuffer> {
  return new CanonicalWriter()
    .u8(SEAL_VERSION)
    .u8(USE_CODES[header.use])
    .u32(header.generation)
    .u64(header.epoch)
    .fixed(fromHex(header.incarnation))
    .fixed(header.nonce)
    .finish();
}

/**
 * Reads the header of a sealed value without opening it.
 *
 * @throws KeysError KEYS_SEAL_MALFORMED, KEYS_SEAL_VERSION_UNKNOWN
 */
export function parseSealHeader(sealed: Uint8Array): SealHeader {
  const version = sealed[0];
  if (version !== undefined && version !== 1 && version !== SEAL_VERSION) {
    throw new KeysError('KEYS_SEAL_VERSION_UNKNOWN', 'sealed value has an unknown version', {
      fields: { expected: SEAL_VERSION, found: version },
    });
  }
  try {
    const reader = new CanonicalReader(sealed.subarray(1, sealHeaderBytes(sealed)));
    const useCode = reader.u8();
    const header = {
      generation: version === 1 ? 0 : reader.u32(),
      epoch: epoch(reader.u64()),
      incarnation: incarnationId(toHex(reader.fixed(32))),
      nonce: reader.fixed(12),
    };
    const use = USES.find((name) => USE_CODES[name] === useCode);
    if (use !== undefined) return { use, ...header };
  } catch (cause) {
    throw malformedHeader(sealed, cause);
  }
  throw malformedHeader(sealed);
}

/** Length of the header in front of a sealed value, by its version. */
export function sealHeaderBytes(sealed: Uint8Array): number {
  return sealed[0] === 1 ? SEAL_HEADER_BYTES_1 : SEAL_HEADER_BYTES;
}

function malformedHeader(sealed: Uint8Array, cause?: unknown): KeysError {
  const fields = { found: sealed.byteLength };
  return new KeysError('KEYS_SEAL_MALFORMED', 'bytes are not a sealed value', { fields, cause });
}
