/**
 * The 64 bytes that evidence carries for its verifier. A nonce is hashed under a label of its own,
 * so that no text that somebody chooses can become report data of the attested channel.
 */
import { BytesError, fromHex, utf8 } from '@witan/core';
import { standaloneReportData } from '@witan/transport';
import { CliError } from '../errors.ts';

/** What such evidence is for; part of what is hashed, so it never changes. */
const NONCE_LABEL = 'witan evidence collect nonce';
const REPORT_DATA_BYTES = 64;
const NONCE_BYTES_MAX = 4096;

/** @throws CliError CLI_USAGE unless `text` is 64 bytes in hex */
export function parseReportData(text: string): Uint8Array {
  const expected = `${REPORT_DATA_BYTES} bytes in hex`;
  try {
    const bytes = fromHex(text.startsWith('0x') ? text.slice(2) : text);
    if (bytes.byteLength === REPORT_DATA_BYTES) return bytes;
    throw wrong('--report-data', expected, `${bytes.byteLength} bytes`);
  } catch (cause) {
    if (!(cause instanceof BytesError)) throw cause;
    throw wrong('--report-data', expected, `${text.length} characters`);
  }
}

/** Qualifying data of a vTPM's quote as they are. @throws CliError CLI_USAGE */
export function parseQuoteNonce(text: string): Uint8Array {
  const expected = `1 to ${REPORT_DATA_BYTES} bytes in hex`;
  try {
    const bytes = fromHex(text.startsWith('0x') ? text.slice(2) : text);
    if (bytes.byteLength > 0 && bytes.byteLength <= REPORT_DATA_BYTES) return bytes;
    throw wrong('--quote-nonce', expected, `${bytes.byteLength} bytes`);
  } catch (cause) {
    if (!(cause instanceof BytesError)) throw cause;
    throw wrong('--quote-nonce', expected, `${text.length} characters`);
  }
}

/** @throws CliError CLI_USAGE for an empty or overlong nonce */
export function nonceReportData(nonce: string): Uint8Array {
  const bytes = utf8(nonce);
  if (bytes.byteLength > 0 && bytes.byteLength <= NONCE_BYTES_MAX) {
    return standaloneReportData(NONCE_LABEL, bytes);
  }
  throw wrong('--nonce', `1 to ${NONCE_BYTES_MAX} bytes`, `${bytes.byteLength} bytes`);
}

function wrong(option: string, expected: string, found: string): CliError {
  const fields = { option, expected, found };
  return new CliError('CLI_USAGE', 'an option is wrong; see --help', { fields });
}
