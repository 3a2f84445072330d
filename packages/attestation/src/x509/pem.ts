/**
 * PEM text (RFC 7468): base64 between labelled lines.
 */
import { BytesError, fromBase64, toBase64 } from '@witan/core';
import { AttestationError } from '../errors.ts';
import { PEM_BLOCKS_MAX, PEM_BYTES_MAX } from '../limits.ts';

/** One block: what stands behind BEGIN, and the bytes. */
export interface PemBlock {
  readonly label: string;
  readonly der: Uint8Array;
}

const BEGIN = /^-----BEGIN ([A-Z0-9 ]{1,64})-----$/;
const LINE_LENGTH = 64;

/**
 * Reads all blocks of a text. Text between blocks is ignored, as is usual for certificate files.
 *
 * @throws AttestationError PEM_TOO_LARGE or PEM_MALFORMED
 */
export function parsePem(text: string): readonly PemBlock[] {
  if (text.length > PEM_BYTES_MAX) throw tooLarge('bytes', PEM_BYTES_MAX);
  const blocks: PemBlock[] = [];
  let label: string | undefined;
  let body: string[] = [];
  for (const line of text.split(/\r?\n/).map((raw) => raw.trim())) {
    if (label === undefined) {
      label = BEGIN.exec(line)?.[1];
      body = [];
    } else if (line === `-----END ${label}-----`) {
      if (blocks.length >= PEM_BLOCKS_MAX) throw tooLarge('blocks', PEM_BLOCKS_MAX);
      blocks.push({ label, der: decode(body.join('')) });
      label = undefined;
    } else {
      body.push(line);
    }
  }
  if (label !== undefined) throw new AttestationError('PEM_MALFORMED', { what: 'no END line' });
  return blocks;
}

/** The certificates of a PEM text in their order. Throws as `parsePem` does. */
export function parsePemCertificates(text: string): readonly Uint8Array[] {
  return parsePem(text)
    .filter(({ label }) => label === 'CERTIFICATE')
    .map(({ der }) => der);
}

/** Writes one block with lines of 64 characters and a final newline. */
export function toPem(label: string, der: Uint8Array): string {
  const lines = toBase64(der).match(new RegExp(`.{1,${LINE_LENGTH}}`, 'g')) ?? [];
  return [`-----BEGIN ${label}-----`, ...lines, `-----END ${label}-----`, ''].join('\n');
}

function decode(text: string): Uint8Array {
  try {
    return fromBase64(text);
  } catch (error) {
    if (!(error instanceof BytesError)) throw error;
    throw new AttestationError('PEM_MALFORMED', { what: 'base64' }, error);
  }
}

function tooLarge(unit: string, expected: number): AttestationError {
  return new AttestationError('PEM_TOO_LARGE', { unit, expected });
}
