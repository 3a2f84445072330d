/**
 * Leaves of the audit log: what the cluster did, one canonical record each. A leaf never holds a
 * secret, and its order in the log is the order of the replicated log, so its numbers only rise.
 */
import {
  CanonicalWriter,
  epoch,
  fromHex,
  generation,
  incarnationId,
  sha256Hex,
  slotName,
  toHex,
  unixMillis,
  unreachable,
  type CanonicalReader,
  type Epoch,
  type Generation,
  type IncarnationId,
  type Sha256Hex,
  type SlotName,
  type UnixMillis,
} from '@witan/core';
import { ManifestError } from './errors.ts';
import { LOG_LEAF_BYTES_MAX } from './limits.ts';
import { decodeRecord, readDigest, writeDigest } from './records.ts';

const VERSION = 1;
const SERIAL_BYTES = 16;
const NAME_BYTES_MAX = 253;
const TEXT_BYTES_MAX = 512;
const MEASUREMENT_BYTES_MAX = 64;
const ITEMS_MAX = 1024;

/** What every leaf says. None of these goes down from one leaf to the next. */
export interface LeafPlace {
  /** Index in the replicated log; leaves of one command share it. */
  readonly index: number;
  readonly epoch: Epoch;
  /** Generation in force afterwards. */
  readonly generation: Generation;
  /** By the leader's clock; the newest one known where the event has none of its own. */
  readonly timeMs: UnixMillis;
}

/** A replica's incarnation in its slot. */
export interface LeafMember {
  readonly slot: SlotName;
  readonly incarnation: IncarnationId;
}

/** What happened. */
export type LeafEvent =
  /**
   * One owner's consent to what the next leaf of the same index says; or, where the action is
   * `proposal ID …`, to a change that waits for more of them.
   */
  | { readonly kind: 'approval'; readonly owner: Sha256Hex; readonly action: string }
  | {
      readonly kind: 'update';
      readonly transitionHash: Sha256Hex;
      readonly manifestDigest: Sha256Hex;
    }
  | {
      readonly kind: 'issuance';
      /** 32 hex digits. */
      readonly serial: string;
      readonly workload: string;
      readonly spkiSha256: Sha256Hex;
      readonly evidenceSha256: Sha256Hex;
      /** Hex; empty where the issuer named none. */
      readonly measurement: string;
      readonly notBeforeMs: UnixMillis;
      readonly notAfterMs: UnixMillis;
      readonly servedBy: SlotName;
    }
  /** Secrets that the holder of a certificate is given with it. */
  | {
      readonly kind: 'release';
      readonly serial: string;
      readonly workload: string;
      /** A name may be there in several versions. */
      readonly secrets: readonly { readonly name: string; readonly version: number }[];
    }
  | {
      readonly kind: 'membership';
      readonly added: readonly LeafMember[];
      readonly removed: readonly LeafMember[];
      /** Slots that vote afterwards, those of a leaving half included. */
      readonly voters: readonly SlotName[];
    }
  /** The list of slots was changed by owners. */
  | { readonly kind: 'slots'; readonly number: number; readonly slots: readonly SlotName[] }
  /** A step of a rotation, in words. */
  | {
      readonly kind: 'rotation';
      readonly number: number;
      readonly step: string;
      readonly version: number;
    }
  | {
      readonly kind: 'recovery';
      readonly recoveryHash: Sha256Hex;
      readonly key: string;
      readonly owners: readonly Sha256Hex[];
      readonly participants: readonly LeafMember[];
      readonly acceptedMissing: readonly SlotName[];
    }
  /** An update took these workloads, or what admitted them, away: earlier certificates are void. */
  | { readonly kind: 'revocation'; readonly workloads: readonly string[] }
  /** An owner's approvals of a change count no longer. */
  | {
      readonly kind: 'withdrawal';
      readonly owner: Sha256Hex;
      /** SHA-256 of what the owners sign. */
      readonly proposal: Sha256Hex;
    };

/** One leaf of the audit log. */
export type LogLeaf = LeafPlace & LeafEvent;
/** What a leaf can be about. */
export type LeafKind = LeafEvent['kind'];

/** All kinds, in the order of their numbers on the wire. */
export const LEAF_KINDS: readonly LeafKind[] = [
  'approval',
  'update',
  'issuance',
  'release',
  'membership',
  'slots',
  'rotation',
  'recovery',
  'revocation',
  'withdrawal',
];

/** The canonical encoding: what is hashed. */
export function leafBytes(leaf: LogLeaf): Uint8Array {
  const writer = new CanonicalWriter().u8(VERSION).u8(LEAF_KINDS.indexOf(leaf.kind));
  writer.u64(leaf.index).u64(leaf.epoch).u64(leaf.generation).u64(leaf.timeMs);
  writeEvent(writer, leaf);
  return writer.finish();
}

/** @throws ManifestError RECORD_MALFORMED */
export function decodeLeaf(bytes: Uint8Array): LogLeaf {
  return decodeRecord('log leaf', bytes, LOG_LEAF_BYTES_MAX, (reader) => {
    const version = reader.u8();
    if (version !== VERSION) throw malformed('version', VERSION, version);
    const kind = LEAF_KINDS[reader.u8()];
    if (kind === undefined) throw malformed('kind', LEAF_KINDS.join(', '), 'another');
    const place: LeafPlace = {
      index: reader.u64(),
      epoch: epoch(reader.u64()),
      generation: generation(reader.u64()),
      timeMs: unixMillis(reader.u64()),
    };
    return { ...place, ...readEvent(reader, kind) };
  });
}

function writeEvent(writer: CanonicalWriter, event: LeafEvent): void {
  switch (event.kind) {
    case 'approval':
      writeDigest(writer, event.owner);
      writer.text(event.action);
      return;
    case 'update':
      writeDigest(writer, event.transitionHash);
      return writeDigest(writer, event.manifestDigest);
    case 'issuance':
      writer.fixed(fromHex(event.serial)).text(event.workload);
      writeDigest(writer, event.spkiSha256);
      writeDigest(writer, event.evidenceSha256);
      writer.bytes(fromHex(event.measurement)).u64(event.notBeforeMs).u64(event.notAfterMs);
      writer.text(event.servedBy);
      return;
    case 'release':
      writer.fixed(fromHex(event.serial)).text(event.workload);
      writer.list(event.secrets, (to, { name, version }) => to.text(name).u64(version));
      return;
    case 'membership':
      writer.list(event.added, writeMember).list(event.removed, writeMember);
      writer.list(event.voters, (to, slot) => to.text(slot));
      return;
    case 'slots':
      writer.u64(event.number).list(event.slots, (to, slot) => to.text(slot));
      return;
    case 'rotation':
      writer.u64(event.number).text(event.step).u64(event.version);
      return;
    case 'recovery':
      writeDigest(writer, event.recoveryHash);
      writer.text(event.key).list(event.owners, writeDigest);
      writer.list(event.participants, writeMember);
      writer.list(event.acceptedMissing, (to, slot) => to.text(slot));
      return;
    case 'revocation':
      writer.list(event.workloads, (to, name) => to.text(name));
      return;
    case 'withdrawal':
      writeDigest(writer, event.owner);
      return writeDigest(writer, event.proposal);
    default:
      return unreachable(event);
  }
}

function readEvent(reader: CanonicalReader, kind: LeafKind): LeafEvent {
  switch (kind) {
    case 'approval':
      return { kind, owner: readHash(reader), action: reader.text(TEXT_BYTES_MAX) };
    case 'update':
      return { kind, transitionHash: readHash(reader), manifestDigest: readHash(reader) };
    case 'issuance':
      return {
        kind,
        serial: toHex(reader.fixed(SERIAL_BYTES)),
        workload: reader.text(NAME_BYTES_MAX),
        spkiSha256: readHash(reader),
        evidenceSha256: readHash(reader),
        measurement: toHex(reader.bytes(MEASUREMENT_BYTES_MAX)),
        notBeforeMs: unixMillis(reader.u64()),
        notAfterMs: unixMillis(reader.u64()),
        servedBy: readSlot(reader),
      };
    case 'release':
      return {
        kind,
        serial: toHex(reader.fixed(SERIAL_BYTES)),
        workload: reader.text(NAME_BYTES_MAX),
        secrets: reader.list(ITEMS_MAX, (from) => ({
          name: from.text(TEXT_BYTES_MAX),
          version: from.u64(),
        })),
      };
    case 'membership':
      return {
        kind,
        added: reader.list(ITEMS_MAX, readMember),
        removed: reader.list(ITEMS_MAX, readMember),
        voters: reader.list(ITEMS_MAX, readSlot),
      };
    case 'slots':
      return { kind, number: reader.u64(), slots: reader.list(ITEMS_MAX, readSlot) };
    case 'rotation':
      return {
        kind,
        number: reader.u64(),
        step: reader.text(TEXT_BYTES_MAX),
        version: reader.u64(),
      };
    case 'recovery':
      return {
        kind,
        recoveryHash: readHash(reader),
        key: reader.text(NAME_BYTES_MAX),
        owners: reader.list(ITEMS_MAX, readHash),
        participants: reader.list(ITEMS_MAX, readMember),
        acceptedMissing: reader.list(ITEMS_MAX, readSlot),
      };
    case 'revocation':
      return { kind, workloads: reader.list(ITEMS_MAX, (from) => from.text(NAME_BYTES_MAX)) };
    case 'withdrawal':
      return { kind, owner: readHash(reader), proposal: readHash(reader) };
    default:
      return unreachable(kind);
  }
}

function writeMember(writer: CanonicalWriter, { slot, incarnation }: LeafMember): void {
  writeDigest(writer.text(slot), incarnation);
}

function readMember(reader: CanonicalReader): LeafMember {
  return { slot: readSlot(reader), incarnation: incarnationId(readDigest(reader)) };
}

const readHash = (reader: CanonicalReader): Sha256Hex => sha256Hex(readDigest(reader));
const readSlot = (reader: CanonicalReader): SlotName => slotName(reader.text(NAME_BYTES_MAX));

function malformed(part: string, expected: string | number, found: string | number) {
  return new ManifestError('RECORD_MALFORMED', { path: `leaf.${part}`, expected, found });
}
