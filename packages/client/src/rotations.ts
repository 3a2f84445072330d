/** What was rotated, steps of rotations, and what is revoked. */
import { fromHex, toHex, type ClusterId, type Sha256Hex } from '@witan/core';
import { rotationText, type Approval, type RotationStep } from '@witan/manifest';
import {
  RotationService,
  type CaStatus,
  type RotationRecord,
  type SeedStatus,
} from '@witan/protocol';
import type { Attempt } from './connector.ts';
import { ClientError } from './errors.ts';
import { approvalToWire, digestFromWire, markFromWire, plainText } from './wire.ts';
import { clusterOfAnswer, type AnswerAnchors, type Anchors } from './anchors.ts';

/** A step, as the cluster recorded it. */
export interface RecordedRotation {
  readonly number: number;
  /** The step in words. */
  readonly step: string;
  /** A secret's version, or the number of a CA; 0 for sealing keys. */
  readonly version: number;
  readonly transitionHash: string;
  /** SHA-256 of the owners' public keys, hex. */
  readonly approvedBy: readonly string[];
  readonly timeMs: number;
  readonly index: number;
}

/** Where the rotation of a CA stands. */
export interface CaProgress {
  readonly phase: string;
  /** Number of the CA in use; 0 for the one that came without a rotation. */
  readonly active: number;
  /** Keys whose newest valid certificate is from before the newest step. */
  readonly holdersLeft: number;
  readonly workloadsLeft: readonly string[];
}

/** Where the rotation of the seed stands. */
export interface SeedProgress {
  readonly phase: string;
  /** Number of the seed in force; 1 for the founding's. */
  readonly number: number;
  /** What owners approve with `seed activate`, 64 hex digits, once the next seed is recorded. */
  readonly commitment: string | undefined;
  /** Slots whose members are not known to hold the next seed. */
  readonly slotsLeft: readonly string[];
  /** What still derives from a former seed. */
  readonly neededBy: readonly string[];
}

/** All of one state. */
export interface RotationsAnswer {
  readonly clusterId: ClusterId;
  readonly epoch: number;
  readonly transitionHash: Sha256Hex;
  readonly records: readonly RecordedRotation[];
  readonly root: CaProgress;
  readonly meshCa: CaProgress;
  readonly seed: SeedProgress;
  /** Whether a new generation of sealing keys is still to begin. */
  readonly sealingPending: boolean;
}

/** A step, with what authorises it. */
export interface RotateRequest {
  readonly clusterId: ClusterId;
  readonly previousTransition: Sha256Hex;
  /** How many steps the owners saw. */
  readonly number: number;
  readonly step: RotationStep;
  /** Signatures over `rotationBytes` of exactly this step. */
  readonly approvals: readonly Approval[];
}

/** A certificate that counts no longer. */
export interface RevokedIdentity {
  /** 32 hex digits. */
  readonly serial: string;
  readonly workload: string;
  readonly revokedMs: number;
  readonly notAfterMs: number;
}

/** What is revoked. */
export interface RevocationsAnswer {
  readonly clusterId: ClusterId;
  readonly number: number;
  /** The newest, where there are too many for an answer. */
  readonly revoked: readonly RevokedIdentity[];
  readonly revokedCount: number;
  /** DER, one for each CA whose certificates may be met. */
  readonly revocationLists: readonly Uint8Array[];
  /** CAs with too many revoked certificates for a list. */
  readonly listsLeftOut: number;
}

const TEXT_CHARS_MAX = 100;

/** @throws ClientError; errors of the channel */
export async function fetchRotations(attempt: Attempt, anchors: Anchors): Promise<RotationsAnswer> {
  const { connection, timeoutMs } = attempt;
  const wire = await connection.unary(RotationService.method.getRotations, {}, { timeoutMs });
  return {
    clusterId: clusterOfAnswer(wire.clusterId, anchors),
    epoch: Number(wire.epoch),
    transitionHash: digestFromWire('transition hash', wire.transitionHash),
    records: wire.records.map(recordFromWire),
    root: caFromWire(wire.root),
    meshCa: caFromWire(wire.meshCa),
    seed: seedFromWire(wire.seed),
    sealingPending: wire.sealingPending,
  };
}

/**
 * @param requestKey 16 bytes, the same for every attempt
 * @throws ClientError CLIENT_CONFLICT, CLIENT_REQUEST_REFUSED, and CLIENT_ANSWER_MALFORMED where
 *   another step is recorded; errors of the channel
 */
export async function sendRotation(
  attempt: Attempt,
  request: RotateRequest,
  requestKey: Uint8Array,
  anchors: Anchors,
): Promise<RecordedRotation> {
  const { connection, timeoutMs } = attempt;
  anchors.checkCluster(request.clusterId);
  const step = rotationText(request.step);
  const wire = await connection.unary(
    RotationService.method.rotate,
    {
      requestKey,
      previousTransition: fromHex(request.previousTransition),
      number: BigInt(request.number),
      step,
      approvals: request.approvals.map(approvalToWire),
    },
    { timeoutMs },
  );
  clusterOfAnswer(wire.clusterId, anchors);
  const record = wire.record === undefined ? undefined : recordFromWire(wire.record);
  if (record?.step !== step) {
    const fields = { part: 'rotation', expected: step, found: record?.step ?? '' };
    throw new ClientError('CLIENT_ANSWER_MALFORMED', fields);
  }
  return record;
}

/**
 * @param historyPublicKey the key that has to have signed the answer's mark
 * @throws ClientError; errors of the channel
 */
export async function fetchRevocations(
  attempt: Attempt,
  anchors: Anchors,
  historyPublicKey: Uint8Array,
): Promise<{ readonly result: RevocationsAnswer; readonly answer: AnswerAnchors }> {
  const { floor } = anchors.known;
  const { connection, timeoutMs } = attempt;
  const wire = await connection.unary(RotationService.method.getRevocations, {}, { timeoutMs });
  const clusterId = clusterOfAnswer(wire.clusterId, anchors);
  const answer = { clusterId, historyPublicKey, mark: markFromWire(wire.highWaterMark) };
  anchors.check(answer, floor);
  const result = {
    clusterId,
    number: Number(wire.number),
    revoked: wire.revoked.map((one) => ({
      serial: toHex(one.serial),
      workload: plain(one.workload),
      revokedMs: Number(one.revokedMs),
      notAfterMs: Number(one.notAfterMs),
    })),
    // A Coordinator from before there was a count names all.
    revokedCount: Math.max(Number(wire.revokedCount), wire.revoked.length),
    revocationLists: wire.revocationLists,
    listsLeftOut: wire.listsLeftOut,
  };
  return { result, answer };
}

function recordFromWire(wire: RotationRecord): RecordedRotation {
  return {
    number: Number(wire.number),
    step: plain(wire.step),
    version: Number(wire.version),
    transitionHash: toHex(wire.transitionHash),
    approvedBy: wire.approvedBy.map((fingerprint) => toHex(fingerprint)),
    timeMs: Number(wire.timeMs),
    index: Number(wire.index),
  };
}

function caFromWire(wire: CaStatus | undefined): CaProgress {
  return {
    phase: plain(wire?.phase ?? ''),
    active: Number(wire?.active ?? 0n),
    holdersLeft: Number(wire?.holdersLeft ?? 0n),
    workloadsLeft: wire?.workloadsLeft.map(plain) ?? [],
  };
}

function seedFromWire(wire: SeedStatus | undefined): SeedProgress {
  const commitment = wire?.commitment ?? new Uint8Array(0);
  return {
    // A replica of before there were rotations of the seed says nothing of it.
    phase: plain(wire?.phase ?? 'idle'),
    number: Number(wire?.number ?? 1n),
    commitment: commitment.byteLength === 32 ? toHex(commitment) : undefined,
    slotsLeft: wire?.slotsLeft.map(plain) ?? [],
    neededBy: wire?.neededBy.map(plain) ?? [],
  };
}

/** Text for a terminal: short, and without control characters. */
function plain(text: string): string {
  return plainText(text, TEXT_CHARS_MAX);
}
