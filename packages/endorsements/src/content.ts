/**
 * The bytes of an endorsement as they are kept: exactly what the vendor sent, with the chain that
 * leads from it to a root, so that each can be verified without any other.
 */
import { CanonicalError, CanonicalReader, CanonicalWriter, toHex, type Crypto } from '@witan/core';
import { PEM_BYTES_MAX } from '@witan/attestation';
import { EndorsementsError } from './errors.ts';
import { BODY_BYTES_MAX, CONTENT_BYTES_MAX, KEY_LENGTH_MAX } from './limits.ts';

/** An endorsement as a vendor sent it. */
export interface Content {
  /** The request that it answers. */
  readonly key: string;
  /** PEM of what signs the body, up to the root. Empty where the body is a chain itself. */
  readonly issuerChain: Uint8Array;
  /** DER, PEM or JSON, byte for byte. */
  readonly body: Uint8Array;
}

const ENCODING_VERSION = 1;

/** One content has one encoding. */
export function encodeContent({ key, issuerChain, body }: Content): Uint8Array<ArrayBuffer> {
  return new CanonicalWriter()
    .u8(ENCODING_VERSION)
    .text(key)
    .bytes(issuerChain)
    .bytes(body)
    .finish();
}

/**
 * The inverse of `encodeContent`.
 *
 * @throws EndorsementsError ENDORSEMENTS_CACHE_DAMAGED
 */
export function decodeContent(bytes: Uint8Array): Content {
  try {
    const reader = new CanonicalReader(bytes.subarray(0, CONTENT_BYTES_MAX));
    if (reader.u8() !== ENCODING_VERSION) {
      throw new EndorsementsError('ENDORSEMENTS_CACHE_DAMAGED', {
        fields: { expected: `version ${ENCODING_VERSION}` },
      });
    }
    const key = reader.text(KEY_LENGTH_MAX);
    const content = {
      key,
      issuerChain: reader.bytes(PEM_BYTES_MAX),
      body: reader.bytes(BODY_BYTES_MAX),
    };
    reader.end();
    return content;
  } catch (error) {
    if (!(error instanceof CanonicalError)) throw error;
    throw new EndorsementsError('ENDORSEMENTS_CACHE_DAMAGED', { cause: error });
  }
}

/** SHA-256 of the encoded content in hex: its name in the cache. */
export function digestOf(crypto: Crypto, encoded: Uint8Array): string {
  return toHex(crypto.hash('sha256', encoded));
}
