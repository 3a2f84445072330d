/**
 * What owners sign to let something grow old. It names the place in one history: cluster, epoch,
 * transition in force, and how many rotation steps there were before. So an approval is good for
 * one step, and neither elsewhere nor later for another.
 */
import {
  CanonicalWriter,
  IdError,
  sha256Hex,
  type ClusterId,
  type Epoch,
  type Sha256Hex,
} from '@witan/core';
import { isLabel } from './names.ts';
import { writeDigest } from './records.ts';

const ROTATION_LABEL = 'witan/rotation-approval/v1';

/** Steps of the rotation of a CA, in their order. */
export type CaStep = 'prepare' | 'activate' | 'retire';

/** One step of a rotation. */
export type RotationStep =
  /** The next version of a secret, for all workloads that list the name. */
  | { readonly target: 'secret'; readonly name: string }
  /** A new generation of sealing keys. */
  | { readonly target: 'sealing' }
  | {
      readonly target: 'root' | 'mesh-ca';
      readonly step: CaStep;
      /** Do not wait for workloads that hold only what went before. */
      readonly force: boolean;
    }
  /** The next seed is drawn and handed out, or the former one is forgotten. */
  | { readonly target: 'seed'; readonly step: 'prepare' | 'retire' }
  /** The seed with this commitment is in force from now on; see seed-link.ts. */
  | { readonly target: 'seed'; readonly step: 'activate'; readonly commitment: Sha256Hex };

/** Where in a history a step is taken. */
export interface RotationSubject {
  readonly clusterId: ClusterId;
  readonly epoch: Epoch;
  /** Hash of the transition in force. */
  readonly previousTransition: Sha256Hex;
  /** How many steps of rotations were recorded before. */
  readonly number: number;
  readonly step: RotationStep;
}

/** The exact bytes that owners sign with ECDSA P-256 and SHA-256. */
export function rotationBytes(subject: RotationSubject): Uint8Array {
  const writer = new CanonicalWriter().text(ROTATION_LABEL);
  writeDigest(writer, subject.clusterId);
  writer.u64(subject.epoch);
  writeDigest(writer, subject.previousTransition);
  return writer.u64(subject.number).text(rotationText(subject.step)).finish();
}

/**
 * A step in one line: `secret db`, `sealing`, `mesh-ca activate`, `root retire force`, `seed
 * prepare`, `seed activate` with the commitment as 64 hex digits.
 */
export function rotationText(step: RotationStep): string {
  switch (step.target) {
    case 'secret':
      return `secret ${step.name}`;
    case 'sealing':
      return 'sealing';
    case 'root':
    case 'mesh-ca':
      return `${step.target} ${step.step}${step.force ? ' force' : ''}`;
    case 'seed':
      return step.step === 'activate' ? `seed activate ${step.commitment}` : `seed ${step.step}`;
    default:
      return step satisfies never;
  }
}

/** Longest text of a step, in bytes. */
export const ROTATION_TEXT_BYTES_MAX: number = 80;

/** Reads what `rotationText` wrote; undefined for any other text. */
export function rotationOfText(text: string): RotationStep | undefined {
  if (text.length > ROTATION_TEXT_BYTES_MAX) return undefined;
  if (text === 'sealing') return { target: 'sealing' };
  const [target, second = '', third, ...more] = text.split(' ');
  if (more.length > 0) return undefined;
  if (target === 'secret') {
    return third === undefined && isLabel(second) ? { target, name: second } : undefined;
  }
  if (target === 'seed') return seedStepOf(second, third);
  const isCa = target === 'root' || target === 'mesh-ca';
  const isStep = second === 'prepare' || second === 'activate' || second === 'retire';
  if (!isCa || !isStep || (third ?? 'force') !== 'force') return undefined;
  return { target, step: second, force: third === 'force' };
}

function seedStepOf(step: string, commitment: string | undefined): RotationStep | undefined {
  if (step === 'prepare' || step === 'retire') {
    return commitment === undefined ? { target: 'seed', step } : undefined;
  }
  if (step !== 'activate' || commitment === undefined) return undefined;
  try {
    return { target: 'seed', step, commitment: sha256Hex(commitment) };
  } catch (error) {
    if (error instanceof IdError) return undefined;
    throw error;
  }
}
