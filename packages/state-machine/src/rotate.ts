/** Deciding over `rotate`: owners approve one step, in its order, and nobody is left behind. */
import type { Crypto, UnixMillis } from '@witan/core';
import {
  checkApprovalsOf,
  ManifestError,
  rotationText,
  SECRET_VERSION_MAX,
  type Approval,
  type RotationStep,
} from '@witan/manifest';
import { contentOf, proposalId, refuseWithdrawn } from './approval-content.ts';
import type { RotateCommand } from './commands.ts';
import { WITHDRAWN_STEPS_SINCE } from './features.ts';
import * as limits from './limits.ts';
import type { ProposalTable } from './proposals.ts';
import { refused, type CommandResult, type IssuedIdentity, type Refused } from './results.ts';
import type { ActivatedSeed } from './lifecycle.ts';
import { activatedSeed, refuseSeedLeft, refuseSeedStep } from './rotate-seed.ts';
import { certificateCountOf, phaseFor, type RotationRecord } from './rotations.ts';
import type { StateView } from './view.ts';

type View = Pick<
  StateView<unknown>,
  | 'clusterId'
  | 'epoch'
  | 'generation'
  | 'head'
  | 'historyPublicKey'
  | 'issued'
  | 'manifest'
  | 'members'
  | 'revocationOf'
  | 'rotations'
  | 'shares'
  | 'slots'
  | 'versions'
>;

/** Decides without changing anything. */
export function decideRotate(
  view: View,
  table: ProposalTable,
  command: RotateCommand,
  index: number,
  crypto: Crypto,
): {
  readonly result: CommandResult;
  readonly record?: RotationRecord;
  readonly seed?: ActivatedSeed;
} {
  const { step, previousTransition, timeMs } = command;
  if (previousTransition !== view.head) {
    const found = previousTransition;
    return { result: { kind: 'conflict', expected: view.head, found } };
  }
  const refusal = refuseStep(view, command);
  if (refusal !== undefined) return { result: refusal };
  const { number: at, approvals: given } = command;
  const content = contentOf(view, { kind: 'rotation', number: at, step }, crypto);
  const looks = view.versions.inUse >= WITHDRAWN_STEPS_SINCE;
  const withdrawn = looks ? refuseWithdrawn(table, given, proposalId(content, crypto)) : undefined;
  if (withdrawn !== undefined) return { result: withdrawn };
  try {
    const approvals = approvedBy(view, command, content, crypto);
    const unfit = refuseCertificates(command) ?? refuseLeftBehind(view, step, timeMs);
    if (unfit !== undefined) return { result: unfit };
    const seed = activatedSeed(view, command, { approvals, index, crypto });
    if (seed !== undefined && 'kind' in seed) return { result: seed };
    const number = view.rotations.records.length + 1;
    const version = versionAfter(view, step);
    const transition = view.head;
    return {
      result: { kind: 'rotated', number, version },
      record: { number, step, version, transition, approvals, timeMs, index },
      ...(seed && { seed }),
    };
  } catch (error) {
    if (!(error instanceof ManifestError)) throw error;
    const { path, expected, found } = error.fields;
    return { result: refused(error.code, path, expected, found) };
  }
}

/** @throws ManifestError for whatever the approvals lack */
function approvedBy(
  { manifest }: View,
  { approvals, timeMs }: RotateCommand,
  content: Uint8Array,
  crypto: Crypto,
): readonly Approval[] {
  const inForce = manifest ?? { owners: [], updateThreshold: 0 };
  return checkApprovalsOf(content, { inForce, isFirst: false, approvals, timeMs, crypto });
}

/**
 * Why a step may not follow the one before, whoever approves it. Who still holds an earlier
 * certificate, or not the next seed, is looked at only when the step is taken.
 */
export function refuseStep(
  view: Pick<View, 'manifest' | 'rotations'>,
  command: Pick<RotateCommand, 'step' | 'number'>,
): Refused | undefined {
  const { step, number } = command;
  const { rotations, manifest } = view;
  const taken = rotations.records.length;
  if (manifest === undefined) {
    return refused('ROTATION_NEEDS_MANIFEST', 'manifest', 'a manifest in force', 'none');
  }
  if (taken >= limits.ROTATIONS_MAX) {
    return refused('ROTATIONS_FULL', 'rotations', limits.ROTATIONS_MAX, taken + 1);
  }
  if (number !== taken) return refused('ROTATION_NUMBER_STALE', 'number', taken, number);
  if (step.target === 'sealing') return undefined;
  if (step.target === 'seed') return refuseSeedStep(view.rotations, step);
  if (step.target === 'secret') {
    const grants = grantsOf(view, step.name);
    if (grants.length === 0) {
      const expected = 'a secret that some workload of the manifest lists';
      return refused('ROTATION_SECRET_UNKNOWN', 'secret', expected, step.name);
    }
    if (versionAfter(view, step) <= SECRET_VERSION_MAX) return undefined;
    return refused('ROTATIONS_FULL', step.name, SECRET_VERSION_MAX, SECRET_VERSION_MAX + 1);
  }
  const [ca, other] =
    step.target === 'root'
      ? [rotations.root, rotations.meshCa]
      : [rotations.meshCa, rotations.root];
  // One after the other: a bundle holds two of one kind and one of the other. And all steps of one
  // CA under one seed.
  const isSeedDue = rotations.seeds.phase === 'prepared';
  const isFree = other.phase === 'idle' && !isSeedDue;
  if (ca.phase === phaseFor(step.step) && isFree) return undefined;
  const blocker = isSeedDue ? 'the next seed prepared' : `the other CA ${other.phase}`;
  const found = isFree ? ca.phase : blocker;
  return refused('ROTATION_STEP_REFUSED', rotationText(step), phaseFor(step.step), found);
}

/** What the leader made does not fit the step: it looked at an older state. */
function refuseCertificates({ step, certificates }: RotateCommand): Refused | undefined {
  const expected = certificateCountOf(step);
  if (certificates.length === expected) return undefined;
  return refused('ROTATION_CERTIFICATES_UNFIT', 'certificates', expected, certificates.length);
}

/**
 * Whoever holds a certificate from before the step before does not know the next CA, or is known
 * by the former one alone. Renewal takes its holder along; expiry ends the wait in any case.
 */
function refuseLeftBehind(view: View, step: RotationStep, timeMs: UnixMillis): Refused | undefined {
  if (step.target === 'seed') return refuseSeedLeft(view, step);
  if (step.target !== 'root' && step.target !== 'mesh-ca') return undefined;
  if (step.step === 'prepare' || step.force) return undefined;
  const ca = step.target === 'root' ? view.rotations.root : view.rotations.meshCa;
  const left = heldSinceBefore(view, ca.sinceIndex, timeMs);
  if (left.length === 0) return undefined;
  const names = [...new Set(left.map(({ workload }) => workload))].join(', ');
  const expected = 'no valid certificate from before the last step that was not renewed';
  return refused('ROTATION_HOLDERS_LEFT', names, expected, left.length);
}

/** The newest certificate of each key, where it is valid and older than `index`. */
export function heldSinceBefore(
  view: Pick<View, 'issued' | 'revocationOf'>,
  index: number,
  timeMs: number,
): readonly IssuedIdentity[] {
  const newest = new Map<string, IssuedIdentity>();
  for (const record of view.issued()) newest.set(record.spkiSha256, record);
  return [...newest.values()].filter(
    (record) =>
      record.index < index && record.notAfterMs > timeMs && view.revocationOf(record) === undefined,
  );
}

function grantsOf(
  { manifest }: Pick<View, 'manifest'>,
  name: string,
): readonly { readonly version: number }[] {
  const workloads = [...(manifest?.workloads.values() ?? [])];
  return workloads.flatMap(({ secrets }) => secrets.filter((grant) => grant.name === name));
}

function versionAfter(view: Pick<View, 'manifest' | 'rotations'>, step: RotationStep): number {
  const { rotations } = view;
  switch (step.target) {
    case 'secret': {
      const declared = grantsOf(view, step.name).map(({ version }) => version);
      return Math.max(rotations.secretVersion(step.name), ...declared) + 1;
    }
    case 'sealing':
      return 0;
    case 'seed':
      return rotations.seeds.number + (step.step === 'retire' ? 0 : 1);
    case 'root':
    case 'mesh-ca': {
      const { newest } = step.target === 'root' ? rotations.root : rotations.meshCa;
      return step.step === 'prepare' ? newest + 1 : newest;
    }
    default:
      return step satisfies never;
  }
}
