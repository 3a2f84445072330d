/**
 * Results of commands. They are part of the replicated state, because a retry has to get the first
 * result again, so they are plain data with limits and a canonical encoding.
 */
import {
  generation,
  sha256Hex,
  slotName,
  unixMillis,
  unreachable,
  type CanonicalReader,
  type CanonicalWriter,
  type FieldValue,
  type Generation,
  type Sha256Hex,
  type SlotName,
  type UnixMillis,
} from '@witan/core';
import type { ManifestErrorCode } from '@witan/manifest';
import { badValue, readHex, writeHex } from './codec.ts';
import * as limits from './limits.ts';

/** A certificate that the cluster agreed to issue. */
export interface IssuedIdentity {
  /** 32 hex digits. */
  readonly serial: string;
  readonly workload: string;
  readonly spkiSha256: Sha256Hex;
  readonly evidenceSha256: Sha256Hex;
  readonly generation: Generation;
  readonly notBeforeMs: UnixMillis;
  readonly notAfterMs: UnixMillis;
  readonly servedBy: SlotName;
  /** Log index of the command. */
  readonly index: number;
}

/**
 * What the leader got wrong, and not the client: it prepared the command on an older state. A retry
 * under the same request key is judged afresh.
 */
export type PreparationCode =
  /** The first manifest came without root certificate or history key. */
  | 'FOUNDING_FIELDS_MISSING'
  /** A later manifest came with a root certificate or history key. */
  | 'FOUNDING_FIELDS_REPEATED'
  /** Recovery owners or their threshold change, and no shares were dealt. */
  | 'RECOVERY_HEADER_MISSING'
  /** Shares were dealt for other owners, under another number, or are malformed. */
  | 'RECOVERY_HEADER_UNFIT'
  /** Shares were dealt although recovery owners and threshold stay. */
  | 'RECOVERY_HEADER_UNDUE'
  /** A step of a rotation came with other certificates than it takes. */
  | 'ROTATION_CERTIFICATES_UNFIT'
  /** A seed came into force without the link to it, or with one that does not fit. */
  | 'ROTATION_SEED_LINK_UNFIT'
  /** The approval completes a change, which has to be carried out with it. */
  | 'APPROVALS_COMPLETE'
  /** The members are others than those whose versions the leader listed. */
  | 'VERSION_MEMBERS_DIFFER'
  /** The new transition is not signed by the history key. */
  | 'TRANSITION_SIGNATURE_INVALID';

/** Reasons of the state machine itself; the others come from manifest validation. */
export type StateRefusalCode =
  | PreparationCode
  /** A member runs a build that could not apply the command. */
  | 'MEMBER_VERSION_TOO_OLD'
  /** Something can be rotated once a manifest says who the owners are. */
  | 'ROTATION_NEEDS_MANIFEST'
  /** As many steps of rotations, or versions of a secret, as a cluster records. */
  | 'ROTATIONS_FULL'
  /** Another step of a rotation was recorded since the owners looked. */
  | 'ROTATION_NUMBER_STALE'
  /** No workload of the manifest in force lists the secret. */
  | 'ROTATION_SECRET_UNKNOWN'
  /** A CA is prepared, activated and retired in this order, and one CA after the other. */
  | 'ROTATION_STEP_REFUSED'
  /** Valid certificates are from before the step before, and were not renewed since. */
  | 'ROTATION_HOLDERS_LEFT'
  /** The owners have approved another seed than the one that all members hold. */
  | 'ROTATION_SEED_COMMITMENT'
  /** Members are not known to hold the next seed yet. */
  | 'ROTATION_SEED_HOLDERS_MISSING'
  /** Something still derives from the former seed. */
  | 'ROTATION_SEED_NEEDED'
  /** A candidate is recorded, and somebody holds it. */
  | 'ROTATION_SEED_CANDIDATE_KNOWN'
  /** The history has reached its limit. */
  | 'HISTORY_FULL'
  /** Approvals are collected once a manifest says who the owners are. */
  | 'PROPOSAL_NEEDS_MANIFEST'
  /** An owner has opened as many changes as he may at a time. */
  | 'PROPOSALS_FULL'
  /** An owner has withdrawn approvals of as many changes as he may. */
  | 'WITHDRAWALS_FULL'
  /** An owner took this approval back. */
  | 'APPROVAL_WITHDRAWN'
  /** The slots were changed as often as a cluster records. */
  | 'SLOT_CHANGES_FULL'
  /** Slots can be changed once a manifest says who the owners are. */
  | 'SLOTS_NEED_MANIFEST'
  /** The approval is for another list than the one in force. */
  | 'SLOTS_NUMBER_STALE'
  /** Members of removed slots have not left yet. */
  | 'SLOTS_CHANGE_UNDER_WAY'
  /** A cluster has 1, 3, 5 or 7 slots. */
  | 'SLOTS_COUNT_REFUSED'
  /** A change adds slots behind the others or removes some; each slot is named once. */
  | 'SLOTS_CHANGE_MIXED';

/** Every code that a refusal can have. */
export type RefusalCode = ManifestErrorCode | StateRefusalCode;

/** A command that was understood and is not allowed. */
export interface Refused {
  readonly kind: 'refused';
  readonly code: RefusalCode;
  readonly path: string;
  readonly expected: string;
  readonly found: string;
}

/** What a command did, or why it did nothing. Plain data without binary parts. */
export type CommandResult =
  | {
      readonly kind: 'manifest-set';
      readonly generation: Generation;
      readonly transitionHash: Sha256Hex;
    }
  | { readonly kind: 'issued'; readonly record: IssuedIdentity }
  /** The slots that the cluster has from now on, and the number of their list. */
  | {
      readonly kind: 'slots-changed';
      readonly number: number;
      readonly slots: readonly SlotName[];
    }
  /** One more approval of a change, or one that is known; it takes effect with all of them. */
  | {
      readonly kind: 'approval-recorded';
      readonly proposal: Sha256Hex;
      readonly isNew: boolean;
      readonly count: number;
      readonly needed: number;
    }
  | {
      readonly kind: 'approval-withdrawn';
      readonly proposal: Sha256Hex;
      readonly isNew: boolean;
    }
  /** The update builds on `found`, but the newest transition is `expected`. */
  | { readonly kind: 'conflict'; readonly expected: Sha256Hex; readonly found: Sha256Hex }
  | Refused
  /** The evidence was judged by manifest `found`, but `expected` is in force: judge again. */
  | {
      readonly kind: 'stale-generation';
      readonly expected: Generation;
      readonly found: Generation;
    }
  | { readonly kind: 'unknown-workload'; readonly workload: string }
  /** The request key was used for another request. */
  | { readonly kind: 'key-reused' }
  /** Another certificate has this serial: choose a new one. */
  | { readonly kind: 'serial-taken'; readonly serial: string }
  /** As many certificates as the cluster keeps records of are valid: wait for some to expire. */
  | { readonly kind: 'issued-full'; readonly expected: number }
  /** A step of a rotation, by its number, and what it brought in. */
  | { readonly kind: 'rotated'; readonly number: number; readonly version: number }
  /** A state version is in use, or was already. */
  | { readonly kind: 'version-in-use'; readonly version: number }
  /** The next seed is known by its digest, with those who hold it. */
  | { readonly kind: 'seed-candidate'; readonly number: number }
  | { readonly kind: 'noop' }
  /** The bytes are no command. */
  | { readonly kind: 'malformed'; readonly code: 'COMMAND_MALFORMED'; readonly reason: string };

/** Results that are remembered under the request key. The others invite a retry, or have no key. */
export type RememberedResult = Extract<
  CommandResult,
  { kind: 'manifest-set' | 'issued' | 'conflict' | 'refused' | 'slots-changed' | 'rotated' }
>;

const PREPARATION_CODES: ReadonlySet<RefusalCode> = new Set<PreparationCode>([
  'APPROVALS_COMPLETE',
  'VERSION_MEMBERS_DIFFER',
  'FOUNDING_FIELDS_MISSING',
  'FOUNDING_FIELDS_REPEATED',
  'RECOVERY_HEADER_MISSING',
  'RECOVERY_HEADER_UNFIT',
  'RECOVERY_HEADER_UNDUE',
  'ROTATION_CERTIFICATES_UNFIT',
  'ROTATION_SEED_LINK_UNFIT',
  'TRANSITION_SIGNATURE_INVALID',
]);

/** Whether a retry under the same key gets this result again, or is judged afresh. */
export function isRemembered(result: CommandResult): result is RememberedResult {
  switch (result.kind) {
    case 'manifest-set':
    case 'issued':
    case 'conflict':
    case 'slots-changed':
    case 'rotated':
      return true;
    case 'refused':
      return !PREPARATION_CODES.has(result.code);
    case 'approval-recorded':
    case 'approval-withdrawn':
    case 'stale-generation':
    case 'unknown-workload':
    case 'key-reused':
    case 'serial-taken':
    case 'issued-full':
    case 'version-in-use':
    case 'seed-candidate':
    case 'noop':
    case 'malformed':
      return false;
    default:
      return unreachable(result);
  }
}

/** Makes a refusal from an error's fields, each cut to its limit. */
export function refused(
  code: RefusalCode,
  path: FieldValue | undefined,
  expected: FieldValue | undefined,
  found: FieldValue | undefined,
): Refused {
  return {
    kind: 'refused',
    code,
    path: resultText(path),
    expected: resultText(expected),
    found: resultText(found),
  };
}

function resultText(value: FieldValue | undefined): string {
  if (value === undefined) return '';
  return String(value).slice(0, limits.RESULT_TEXT_CHARACTERS_MAX).toWellFormed();
}

/** Appends the record of an issued certificate. */
export function writeIssued(writer: CanonicalWriter, record: IssuedIdentity): void {
  writeHex(writer, record.serial);
  writer.text(record.workload);
  writeHex(writer, record.spkiSha256);
  writeHex(writer, record.evidenceSha256);
  writer.u64(record.generation).u64(record.notBeforeMs).u64(record.notAfterMs);
  writer.text(record.servedBy).u64(record.index);
}

/** Reads what `writeIssued` wrote. */
export function readIssued(reader: CanonicalReader): IssuedIdentity {
  return {
    serial: readHex(reader, limits.SERIAL_BYTES),
    workload: reader.text(limits.WORKLOAD_NAME_BYTES_MAX),
    spkiSha256: sha256Hex(readHex(reader, 32)),
    evidenceSha256: sha256Hex(readHex(reader, 32)),
    generation: generation(reader.u64()),
    notBeforeMs: unixMillis(reader.u64()),
    notAfterMs: unixMillis(reader.u64()),
    servedBy: slotName(reader.text(63)),
    index: reader.u64(),
  };
}

const KINDS: readonly RememberedResult['kind'][] = [
  'manifest-set',
  'issued',
  'conflict',
  'refused',
  'slots-changed',
  'rotated',
];
const CODE = /^[A-Z][A-Z0-9_]{0,63}$/;
/** UTF-8 takes at most three bytes for each UTF-16 code unit. */
const TEXT_BYTES_MAX = 3 * limits.RESULT_TEXT_CHARACTERS_MAX;

/** Appends a remembered result. */
export function writeResult(writer: CanonicalWriter, result: RememberedResult): void {
  writer.u8(KINDS.indexOf(result.kind));
  switch (result.kind) {
    case 'manifest-set':
      writer.u64(result.generation);
      return writeHex(writer, result.transitionHash);
    case 'issued':
      return writeIssued(writer, result.record);
    case 'conflict':
      writeHex(writer, result.expected);
      return writeHex(writer, result.found);
    case 'refused':
      writer.text(result.code).text(result.path).text(result.expected).text(result.found);
      return undefined;
    case 'rotated':
      writer.u64(result.number).u64(result.version);
      return undefined;
    case 'slots-changed':
      writer.u64(result.number).list(result.slots, (to, slot) => to.text(slot));
      return undefined;
    default:
      return unreachable(result);
  }
}

/** Reads what `writeResult` wrote. */
export function readResult(reader: CanonicalReader): RememberedResult {
  const kind = KINDS[reader.u8()];
  switch (kind) {
    case 'manifest-set':
      return {
        kind,
        generation: generation(reader.u64()),
        transitionHash: sha256Hex(readHex(reader, 32)),
      };
    case 'issued':
      return { kind, record: readIssued(reader) };
    case 'conflict':
      return {
        kind,
        expected: sha256Hex(readHex(reader, 32)),
        found: sha256Hex(readHex(reader, 32)),
      };
    case 'refused': {
      const code = reader.text(64);
      if (!CODE.test(code)) throw badValue('another form of code');
      return {
        kind,
        // An older or newer version may have codes that this one does not list.
        code: code as RefusalCode,
        path: reader.text(TEXT_BYTES_MAX),
        expected: reader.text(TEXT_BYTES_MAX),
        found: reader.text(TEXT_BYTES_MAX),
      };
    }
    case 'rotated':
      return { kind, number: reader.u64(), version: reader.u64() };
    case 'slots-changed':
      return {
        kind,
        number: reader.u64(),
        slots: reader.list(limits.SLOTS_MAX, (from) => slotName(from.text(63))),
      };
    case undefined:
      throw badValue('another kind of result');
    default:
      return unreachable(kind);
  }
}
