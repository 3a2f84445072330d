/**
 * High-water marks and floors (I6). Every answer carries a mark signed by the history key; a client
 * keeps the highest one that it has seen as its floor and refuses anything below.
 */
import {
  CanonicalWriter,
  clusterId,
  epoch,
  generation,
  sha256Hex,
  unixMillis,
  type CanonicalReader,
  type ClusterId,
  type Crypto,
  type Epoch,
  type Generation,
  type Sha256Hex,
  type UnixMillis,
} from '@witan/core';
import { ManifestError } from './errors.ts';
import { MERKLE_HASH_BYTES, type TreeHead } from './merkle/index.ts';
import {
  decodeRecord,
  readLabel,
  expectLabel,
  readDigest,
  SIGNATURE_BYTES,
  writeDigest,
} from './records.ts';

/** A mark without a tree head, from before there was a log. */
const MARK_LABEL_1 = 'witan/high-water-mark/v1';
const MARK_LABEL = 'witan/high-water-mark/v2';
const FLOOR_LABEL = 'witan/floor/v1';
const RECORD_BYTES_MAX = 512;

/** The highest state that a client has seen. */
export interface Floor {
  readonly clusterId: ClusterId;
  readonly epoch: Epoch;
  /** Index in the replicated log; it keeps growing across epochs. */
  readonly commitIndex: number;
  readonly generation: Generation;
  /** Hash of the newest transition; `NO_TRANSITION` in generation 0. */
  readonly transitionHash: Sha256Hex;
}

/** A state that the cluster vouches for. */
export interface HighWaterMark extends Floor {
  /** Clock of the replica that signed. Informative. */
  readonly timeMs: UnixMillis;
  /** Head of the audit log in this state; absent in marks of version 1. */
  readonly log?: TreeHead;
}

/** A mark under the cluster's history key. */
export interface SignedHighWaterMark {
  readonly mark: HighWaterMark;
  /** ECDSA P-256 with SHA-256 over `highWaterMarkBytes`, r || s, 64 bytes. */
  readonly signature: Uint8Array;
}

/** How a mark relates to a floor. Every kind but `ok` has to be refused. */
export type FloorVerdict =
  | { readonly kind: 'ok' }
  | {
      readonly kind: 'other-cluster' | 'fork';
      readonly expected: string;
      readonly found: string;
    }
  | {
      readonly kind: 'lower-epoch' | 'lower-index' | 'lower-generation';
      readonly expected: number;
      readonly found: number;
    };

/** The exact bytes that the history key signs. */
export function highWaterMarkBytes(mark: HighWaterMark): Uint8Array {
  const { log } = mark;
  const writer = new CanonicalWriter().text(log === undefined ? MARK_LABEL_1 : MARK_LABEL);
  writeFloor(writer, mark);
  writer.u64(mark.timeMs);
  return (log === undefined ? writer : writer.u64(log.size).fixed(log.root)).finish();
}

/**
 * @returns the mark, now known to come from the holders of the history key
 * @throws ManifestError MARK_SIGNATURE_INVALID
 */
export function verifyHighWaterMark(
  signed: SignedHighWaterMark,
  historyPublicKey: Uint8Array,
  crypto: Crypto,
): HighWaterMark {
  const valid = crypto.verify({
    algorithm: 'ecdsa-p256-sha256',
    publicKey: historyPublicKey,
    data: highWaterMarkBytes(signed.mark),
    signature: signed.signature,
  });
  if (!valid) {
    throw new ManifestError('MARK_SIGNATURE_INVALID', {
      path: 'high-water mark',
      expected: 'a signature by the history key',
      found: 'another signature',
    });
  }
  return signed.mark;
}

/** Canonical encoding of a mark and its signature. */
export function encodeSignedHighWaterMark(signed: SignedHighWaterMark): Uint8Array {
  const writer = new CanonicalWriter().fixed(highWaterMarkBytes(signed.mark));
  return writer.bytes(signed.signature).finish();
}

/** @throws ManifestError RECORD_MALFORMED */
export function decodeSignedHighWaterMark(bytes: Uint8Array): SignedHighWaterMark {
  return decodeRecord('signed high-water mark', bytes, RECORD_BYTES_MAX, (reader) => {
    const label = readLabel(reader, [MARK_LABEL, MARK_LABEL_1]);
    const mark = { ...readFloor(reader), timeMs: unixMillis(reader.u64()) };
    const log = label === MARK_LABEL ? { log: readHead(reader) } : {};
    return { mark: { ...mark, ...log }, signature: reader.bytes(SIGNATURE_BYTES) };
  });
}

/** Canonical encoding of a floor, as recovery requests carry it. */
export function encodeFloor(floor: Floor): Uint8Array {
  const writer = new CanonicalWriter().text(FLOOR_LABEL);
  writeFloor(writer, floor);
  return writer.finish();
}

/** @throws ManifestError RECORD_MALFORMED */
export function decodeFloor(bytes: Uint8Array): Floor {
  return decodeRecord('floor', bytes, RECORD_BYTES_MAX, (reader) => {
    expectLabel(reader, FLOOR_LABEL);
    return readFloor(reader);
  });
}

/** The floor that a client keeps after it accepted `mark`. */
export function floorOf(mark: HighWaterMark): Floor {
  const { clusterId: cluster, epoch: era, commitIndex, generation: number, transitionHash } = mark;
  return { clusterId: cluster, epoch: era, commitIndex, generation: number, transitionHash };
}

/**
 * Compares a mark with a floor (I6). No component may be lower, not even under a higher epoch: a
 * recovery opens at or above every index that was acknowledged. A fork is the same generation with
 * another transition; one in an earlier generation shows in `compareHistoryToFloor`.
 */
export function compareToFloor(mark: Floor, floor: Floor): FloorVerdict {
  if (mark.clusterId !== floor.clusterId) {
    return { kind: 'other-cluster', expected: floor.clusterId, found: mark.clusterId };
  }
  if (mark.epoch < floor.epoch) {
    return { kind: 'lower-epoch', expected: floor.epoch, found: mark.epoch };
  }
  if (mark.commitIndex < floor.commitIndex) {
    return { kind: 'lower-index', expected: floor.commitIndex, found: mark.commitIndex };
  }
  if (mark.generation < floor.generation) {
    return { kind: 'lower-generation', expected: floor.generation, found: mark.generation };
  }
  const sameGeneration = mark.generation === floor.generation;
  if (sameGeneration && mark.transitionHash !== floor.transitionHash) {
    return { kind: 'fork', expected: floor.transitionHash, found: mark.transitionHash };
  }
  return { kind: 'ok' };
}

function writeFloor(writer: CanonicalWriter, floor: Floor): void {
  writeDigest(writer, floor.clusterId);
  writer.u64(floor.epoch).u64(floor.commitIndex).u64(floor.generation);
  writeDigest(writer, floor.transitionHash);
}

function readFloor(reader: CanonicalReader): Floor {
  return {
    clusterId: clusterId(readDigest(reader)),
    epoch: epoch(reader.u64()),
    commitIndex: reader.u64(),
    generation: generation(reader.u64()),
    transitionHash: sha256Hex(readDigest(reader)),
  };
}

function readHead(reader: CanonicalReader): TreeHead {
  return { size: reader.u64(), root: reader.fixed(MERKLE_HASH_BYTES) };
}
