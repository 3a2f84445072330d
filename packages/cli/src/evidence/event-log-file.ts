/** An event log in a file: binary, hex or base64, as `ccel` tools and people write it. */
import {
  AttestationError,
  EVENT_LOG_BYTES_MAX,
  looksLikeEventLog,
  parseEventLog,
  replayEventLog,
  type EventLog,
} from '@witan/attestation';
import { nodeCrypto } from '@witan/keys';
import { decodeContent } from './encoding.ts';
import { readBounded, unusable } from './input.ts';

const WHAT = 'event log';
const EXPECTED = 'a TCG2 event log, as in /sys/firmware/acpi/tables/data/CCEL';

/** @throws CliError CLI_FILE_UNREADABLE */
export async function readEventLogFile(path: string): Promise<EventLog> {
  const source = { path, what: WHAT };
  // Text takes up to twice the bytes, and line breaks.
  const content = decodeContent(await readBounded(source, 2 * EVENT_LOG_BYTES_MAX + 65_536));
  if (content.kind !== 'bytes' || !looksLikeEventLog(content.bytes)) {
    throw unusable(source, EXPECTED, content.kind === 'bytes' ? 'other bytes' : content.kind);
  }
  try {
    const log = parseEventLog(content.bytes);
    // A log that cannot be replayed at all is no log; whether it fits evidence comes later.
    replayEventLog(log, nodeCrypto);
    return log;
  } catch (cause) {
    if (!(cause instanceof AttestationError)) throw cause;
    throw unusable(source, EXPECTED, `a malformed one: ${cause.code}`, cause);
  }
}
