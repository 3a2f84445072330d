/**
 * Event logs of confidential guests: the crypto-agile form of TCG (TCG PC Client Platform Firmware
 * Profile, section 10; TCG EFI Protocol, TCG_PCR_EVENT2) with the measurement registers of UEFI's
 * CC protocol in the place of PCRs (UEFI 2.10, section 38.2.2: 0 is MRTD, 1 to 4 are RTMR0 to 3).
 *
 * The log itself is unsigned. It is believed as far as its SHA-384 digests, extended one after the
 * other, give the registers of verified evidence; the text of an event is believed only where the
 * digest is the hash of that text.
 */
import { AttestationError } from '../errors.ts';
import { EVENT_DATA_BYTES_MAX, EVENT_LOG_BYTES_MAX, EVENT_LOG_EVENTS_MAX } from '../limits.ts';
import { EventLogReader } from './reader.ts';

/** One measured event. */
export interface LogEvent {
  /** Where it begins in the log, in bytes. */
  readonly offset: number;
  /** Measurement register by UEFI's numbers: 1 to 4 are RTMR0 to RTMR3. */
  readonly register: number;
  /** TCG event type, such as 0x80000003. */
  readonly type: number;
  /** SHA-384 that was extended; undefined where the event carries none. */
  readonly digest: Uint8Array | undefined;
  readonly data: Uint8Array;
}

/** A parsed log. */
export interface EventLog {
  readonly events: readonly LogEvent[];
  /** Bytes of the log without what fills its area. */
  readonly byteLength: number;
}

/** EV_NO_ACTION: informative, never extended. */
export const EV_NO_ACTION = 3;
/** TPM_ALG_SHA384. */
const ALG_SHA384 = 0x000c;
const SHA384_BYTES = 48;
const SIGNATURE = 'Spec ID Event03\0';
const ALGORITHMS_MAX = 8;
const DIGEST_BYTES_MAX = 64;
const SHA1_BYTES = 20;

/**
 * Reads a log: its header, then events up to the fill of zeros or ones, or to the end.
 *
 * @throws AttestationError EVENT_LOG_MALFORMED or EVENT_LOG_TOO_LARGE
 */
export function parseEventLog(bytes: Uint8Array): EventLog {
  if (bytes.byteLength > EVENT_LOG_BYTES_MAX) {
    throw tooLarge('bytes', EVENT_LOG_BYTES_MAX, bytes.byteLength);
  }
  const reader = new EventLogReader(bytes);
  const digestBytes = readHeader(reader);
  const events: LogEvent[] = [];
  const end = fillStart(bytes);
  while (reader.offset < end) {
    if (events.length >= EVENT_LOG_EVENTS_MAX) {
      throw tooLarge('events', EVENT_LOG_EVENTS_MAX, 'more');
    }
    events.push(readEvent(reader, digestBytes));
  }
  return { events, byteLength: reader.offset };
}

/** Whether bytes begin like a log, for those who sort files by content. */
export function looksLikeEventLog(bytes: Uint8Array): boolean {
  const at = 12 + SHA1_BYTES;
  if (bytes.byteLength < at + SIGNATURE.length) return false;
  return String.fromCharCode(...bytes.subarray(at, at + SIGNATURE.length)) === SIGNATURE;
}

/**
 * TCG_PCR_EVENT with a TCG_EfiSpecIdEvent: the algorithms of the log.
 *
 * @returns size of a digest by algorithm
 */
function readHeader(reader: EventLogReader): ReadonlyMap<number, number> {
  reader.u32('register of the header');
  const type = reader.u32('type of the header');
  if (type !== EV_NO_ACTION) throw reader.malformed('type of the header', 'EV_NO_ACTION', type);
  reader.take(SHA1_BYTES, 'digest of the header');
  const size = reader.u32('size of the header');
  const header = new EventLogReader(reader.take(size, 'header'));
  const signature = String.fromCharCode(...header.take(SIGNATURE.length, 'signature'));
  if (signature !== SIGNATURE) {
    throw reader.malformed('signature', 'Spec ID Event03', 'another');
  }
  // Platform class, version, errata and the size of UINTN.
  header.take(8, 'version of the header');
  const count = header.u32('number of algorithms');
  if (count === 0 || count > ALGORITHMS_MAX) {
    throw reader.malformed('number of algorithms', `1 to ${ALGORITHMS_MAX}`, count);
  }
  const digestBytes = new Map<number, number>();
  for (let index = 0; index < count; index += 1) {
    const algorithm = header.u16('algorithm');
    const length = header.u16('digest size');
    const isSized = length > 0 && length <= DIGEST_BYTES_MAX;
    if (!isSized || digestBytes.has(algorithm)) {
      throw reader.malformed('digest size', `1 to ${DIGEST_BYTES_MAX}, once each`, length);
    }
    digestBytes.set(algorithm, length);
  }
  header.take(header.u8('size of vendor data'), 'vendor data');
  if (header.left !== 0) throw reader.malformed('header', 'no more bytes', header.left);
  const sha384 = digestBytes.get(ALG_SHA384);
  if (sha384 !== SHA384_BYTES) {
    throw reader.malformed('algorithms', 'SHA-384', [...digestBytes.keys()].join(', '));
  }
  return digestBytes;
}

function readEvent(reader: EventLogReader, digestBytes: ReadonlyMap<number, number>): LogEvent {
  const { offset } = reader;
  const register = reader.u32('register');
  const type = reader.u32('event type');
  const count = reader.u32('number of digests');
  if (count === 0 || count > digestBytes.size) {
    throw reader.malformed('number of digests', `1 to ${digestBytes.size}`, count);
  }
  const digests = new Map<number, Uint8Array>();
  for (let index = 0; index < count; index += 1) {
    const algorithm = reader.u16('digest algorithm');
    const length = digestBytes.get(algorithm);
    if (length === undefined || digests.has(algorithm)) {
      throw reader.malformed('digest algorithm', 'each one of the header, once', algorithm);
    }
    digests.set(algorithm, reader.take(length, 'digest'));
  }
  const size = reader.u32('event size');
  if (size > EVENT_DATA_BYTES_MAX) throw tooLarge('event data', EVENT_DATA_BYTES_MAX, size);
  const data = reader.take(size, 'event data');
  return { offset, register, type, digest: digests.get(ALG_SHA384), data };
}

/** Where nothing but zeros or nothing but ones follow: what is left of the log's area. */
function fillStart(bytes: Uint8Array): number {
  const last = bytes.at(-1);
  let at = bytes.byteLength;
  if (last !== 0 && last !== 0xff) return at;
  while (at > 0 && bytes[at - 1] === last) at -= 1;
  return at;
}

function tooLarge(unit: string, expected: number, found: number | string): AttestationError {
  return new AttestationError('EVENT_LOG_TOO_LARGE', { unit, expected, found });
}
