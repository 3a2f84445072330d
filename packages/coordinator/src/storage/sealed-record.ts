/**
 * One value in the journal: a head in the clear, and the rest sealed under the head's digest.
 *
 *     version u8 | kind u8 | sequence u64 | mark | public part | sealed part      (canonical)
 *
 * The sequence counts all values of one incarnation, so a value that was moved, dropped or replayed
 * does not fit where it is found; owner, epoch and incarnation are in the seal's own header. The
 * mark says which log entry the value reaches (index, term, hash chain). A head proves nothing
 * until `openSealedRecord` has checked it with the seed.
 */
import { CanonicalError, CanonicalReader, CanonicalWriter, utf8, concatBytes } from '@witan/core';
import {
  nodeCrypto,
  parseSealHeader,
  type SealHeader,
  type Sealer,
  type Unsealer,
} from '@witan/keys';
import { RECOVERY_HEADER_BYTES_MAX } from '@witan/manifest';
import { LINK_BYTES, type LogMark } from '@witan/replica';
import { CoordinatorError } from '../errors.ts';

/** Version that this code writes. Version 1 had no head and was never read by any code. */
export const SEALED_RECORD_VERSION = 2;

/**
 * `entries`: what the engine appended. `snapshot`: its snapshot. `claims`: see claims.ts. `keys`:
 * nothing but the list of sealing generations, which a snapshot carries too; it is the public part
 * of both, itself sealed with the seed (keyring.ts), and needed to open what follows.
 */
export type SealedRecordKind = 'entries' | 'snapshot' | 'claims' | 'keys';

const KINDS: readonly (SealedRecordKind | undefined)[] = [
  undefined,
  'entries',
  'snapshot',
  'claims',
  'keys',
];
const LABEL = utf8('witan/v1/journal-record');
const PUBLIC_BYTES_MAX: number = RECOVERY_HEADER_BYTES_MAX + 512 * 1024;

/** What stands in the clear. */
export interface RecordHead {
  readonly kind: SealedRecordKind;
  /** 1 for the first value of an incarnation. */
  readonly sequence: number;
  readonly mark: LogMark | undefined;
  /** Authenticated, not secret. */
  readonly publicPart: Uint8Array;
}

/** Seals a value behind its head. */
export function sealRecord(sealer: Sealer, head: RecordHead, secret: Uint8Array): Uint8Array {
  const bytes = encodeHead(head);
  return concatBytes(bytes, sealer.seal(secret, aadOf(bytes)));
}

/** Reads a head without checking it. @throws CoordinatorError COORDINATOR_SEALED_LOG_UNREADABLE */
export function readHeadUnverified(record: Uint8Array): RecordHead {
  return splitRecord(record).head;
}

/**
 * Opens a value.
 *
 * @throws CoordinatorError COORDINATOR_SEALED_LOG_UNREADABLE; KeysError as `Unsealer.open`
 */
export function openSealedRecord(
  unsealer: Unsealer,
  record: Uint8Array,
): { readonly head: RecordHead; readonly secret: Uint8Array; readonly sealedBy: SealHeader } {
  const { head, headBytes, sealed } = splitRecord(record);
  const secret = unsealer.open(sealed, aadOf(headBytes));
  return { head, secret, sealedBy: parseSealHeader(sealed) };
}

/** An error of this layer. */
export function unreadable(
  check: string,
  fields: Readonly<Record<string, string | number>> = {},
  cause?: unknown,
): CoordinatorError {
  const message = 'a sealed log cannot be read back';
  return new CoordinatorError('COORDINATOR_SEALED_LOG_UNREADABLE', message, {
    fields: { check, ...fields },
    ...(cause === undefined ? {} : { cause }),
  });
}

function encodeHead(head: RecordHead): Uint8Array {
  return new CanonicalWriter()
    .u8(SEALED_RECORD_VERSION)
    .u8(KINDS.indexOf(head.kind))
    .u64(head.sequence)
    .optional(head.mark, (writer, mark) => writer.u64(mark.index).u64(mark.term).fixed(mark.link))
    .bytes(head.publicPart)
    .finish();
}

function splitRecord(record: Uint8Array): {
  readonly head: RecordHead;
  readonly headBytes: Uint8Array;
  readonly sealed: Uint8Array;
} {
  const [version] = record;
  if (version !== SEALED_RECORD_VERSION) {
    throw unreadable('version', { expected: SEALED_RECORD_VERSION, found: version ?? -1 });
  }
  try {
    const reader = new CanonicalReader(record);
    reader.u8();
    const kind = KINDS[reader.u8()];
    if (kind === undefined) throw unreadable('kind');
    const sequence = reader.u64();
    const mark = reader.optional((from) => ({
      index: from.u64(),
      term: from.u64(),
      link: from.fixed(LINK_BYTES),
    }));
    const publicPart = reader.bytes(PUBLIC_BYTES_MAX);
    const headBytes = record.subarray(0, record.byteLength - reader.bytesLeft);
    const sealed = record.subarray(headBytes.byteLength);
    return { head: { kind, sequence, mark, publicPart }, headBytes, sealed };
  } catch (cause) {
    if (cause instanceof CanonicalError) throw unreadable('head', {}, cause);
    throw cause;
  }
}

function aadOf(head: Uint8Array): Uint8Array {
  return concatBytes(LABEL, nodeCrypto.hash('sha256', head));
}
