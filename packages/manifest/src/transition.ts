/**
 * Transitions: the hash-linked, signed history of manifests (I6). A transition's hash covers all of
 * it but the signature, so two valid signatures over one transition do not make two histories.
 */
import {
  assert,
  CanonicalWriter,
  clusterId,
  epoch,
  generation,
  sha256Hex,
  toHex,
  unixMillis,
  type CanonicalReader,
  type ClusterId,
  type Crypto,
  type Epoch,
  type Generation,
  type Sha256Hex,
  type UnixMillis,
} from '@witan/core';
import {
  compareApprovals,
  distinctApprovals,
  readApproval,
  writeApproval,
  type Approval,
} from './approvals.ts';
import { ManifestError } from './errors.ts';
import { APPROVALS_MAX, SIGNED_TRANSITION_BYTES_MAX } from './limits.ts';
import {
  decodeRecord,
  expectLabel,
  NO_TRANSITION,
  readDigest,
  SIGNATURE_BYTES,
  writeDigest,
} from './records.ts';

const TRANSITION_LABEL = 'witan/transition/v1';

/** One step of the history: which manifest came into force, and who approved it. */
export interface Transition {
  readonly clusterId: ClusterId;
  readonly epoch: Epoch;
  /** 1 for the first manifest, then one more each. */
  readonly generation: Generation;
  readonly manifestDigest: Sha256Hex;
  /** Hash of the transition before; `NO_TRANSITION` in the first. */
  readonly previous: Sha256Hex;
  /** One per owner, in ascending order of fingerprints. */
  readonly approvals: readonly Approval[];
  /** The leader's clock. Informative: the order comes from the links. */
  readonly timeMs: UnixMillis;
}

/** A transition under the cluster's history key. */
export interface SignedTransition {
  readonly transition: Transition;
  /** ECDSA P-256 with SHA-256 over `transitionBytes`, r || s, 64 bytes. */
  readonly signature: Uint8Array;
}

/** What the next transition is made from. */
export interface NextTransition {
  readonly clusterId: ClusterId;
  readonly epoch: Epoch;
  readonly previousGeneration: Generation;
  /** Hash of the newest transition; `NO_TRANSITION` where there is none. */
  readonly previous: Sha256Hex;
  readonly manifestDigest: Sha256Hex;
  /** In any order, with duplicates or without; the first of each owner is kept. */
  readonly approvals: readonly Approval[];
  readonly timeMs: UnixMillis;
}

/** Builds the transition that follows; the one way to do so, for leader and replicas alike. */
export function nextTransition(next: NextTransition): Transition {
  return {
    clusterId: next.clusterId,
    epoch: next.epoch,
    generation: generation(next.previousGeneration + 1),
    manifestDigest: next.manifestDigest,
    previous: next.previous,
    approvals: distinctApprovals(next.approvals),
    timeMs: next.timeMs,
  };
}

/** The canonical encoding: what is hashed and signed. */
export function transitionBytes(transition: Transition): Uint8Array {
  const writer = new CanonicalWriter();
  writeTransition(writer, transition);
  return writer.finish();
}

/** SHA-256 of `transitionBytes`. */
export function transitionHash(transition: Transition, crypto: Crypto): Sha256Hex {
  return sha256Hex(toHex(crypto.hash('sha256', transitionBytes(transition))));
}

/** Whether the signature is the history key's. Says nothing about links; see `verifyHistory`. */
export function isTransitionSignatureValid(
  signed: SignedTransition,
  historyPublicKey: Uint8Array,
  crypto: Crypto,
): boolean {
  return crypto.verify({
    algorithm: 'ecdsa-p256-sha256',
    publicKey: historyPublicKey,
    data: transitionBytes(signed.transition),
    signature: signed.signature,
  });
}

/** Canonical encoding of a transition and its signature. */
export function encodeSignedTransition(signed: SignedTransition): Uint8Array {
  const writer = new CanonicalWriter();
  writeTransition(writer, signed.transition);
  return writer.bytes(signed.signature).finish();
}

/** @throws ManifestError RECORD_MALFORMED */
export function decodeSignedTransition(bytes: Uint8Array): SignedTransition {
  return decodeRecord('signed transition', bytes, SIGNED_TRANSITION_BYTES_MAX, (reader) => ({
    transition: readTransition(reader),
    signature: reader.bytes(SIGNATURE_BYTES),
  }));
}

function writeTransition(writer: CanonicalWriter, transition: Transition): void {
  assert(areOrdered(transition.approvals), 'approvals of a transition are ordered and distinct');
  writer.text(TRANSITION_LABEL);
  writeDigest(writer, transition.clusterId);
  writer.u64(transition.epoch).u64(transition.generation);
  writeDigest(writer, transition.manifestDigest);
  writeDigest(writer, transition.previous);
  writer.list(transition.approvals, writeApproval).u64(transition.timeMs);
}

function readTransition(reader: CanonicalReader): Transition {
  expectLabel(reader, TRANSITION_LABEL);
  const transition: Transition = {
    clusterId: clusterId(readDigest(reader)),
    epoch: epoch(reader.u64()),
    generation: generation(reader.u64()),
    manifestDigest: sha256Hex(readDigest(reader)),
    previous: sha256Hex(readDigest(reader)),
    approvals: reader.list(APPROVALS_MAX, readApproval),
    timeMs: unixMillis(reader.u64()),
  };
  const isFirst = transition.previous === NO_TRANSITION;
  if (transition.generation === 0 || isFirst !== (transition.generation === 1)) {
    throw new ManifestError('RECORD_MALFORMED', {
      path: 'transition.generation',
      expected: isFirst ? 1 : 'at least 2, as there is a previous transition',
      found: transition.generation,
    });
  }
  if (!areOrdered(transition.approvals)) {
    throw new ManifestError('RECORD_MALFORMED', {
      path: 'transition.approvals',
      expected: 'ascending fingerprints, each once',
      found: 'another order',
    });
  }
  return transition;
}

function areOrdered(approvals: readonly Approval[]): boolean {
  return approvals.every((approval, index) => {
    const before = approvals[index - 1];
    return before === undefined || compareApprovals(before, approval) < 0;
  });
}
