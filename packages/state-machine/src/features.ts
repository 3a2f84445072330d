/**
 * What a replica has to be able to apply, and since which state version one can. Replicas of two
 * builds apply one log, and have to come to the same state. So a leader proposes what is newer only
 * once every member is known to apply it, and the cluster keeps that: from then on nobody of an
 * older version is let in (decision record 0076).
 *
 * Whoever adds a kind of command, or lets one leave something else in the state, raises
 * `STATE_VERSION` by one and adds a line here. Version 0 is every build that announces none.
 */
import { rotationText, type RotationStep } from '@witan/manifest';
import type { Command } from './commands.ts';
import type { ProposedAction } from './proposals.ts';

/** The highest state version that this build applies. */
export const STATE_VERSION: number = 1;

/**
 * Since which version a kind of command is applied. `KIND WORD` goes before `KIND`: it stands for
 * rotations of one target.
 */
const SINCE: Readonly<Record<string, number>> = {
  noop: 0,
  'set-manifest': 0,
  'issue-certificate': 0,
  // Any build of before might be the member; some of them had none of these.
  'change-slots': 1,
  rotate: 1,
  'seed-candidate': 1,
  approve: 1,
  withdraw: 1,
  'use-version': 1,
};

/** From this version on each approval that waits, or is withdrawn, is a leaf of the audit log. */
export const APPROVAL_LEAVES_SINCE: number = 1;
/** From this version on withdrawn approvals count in no step of a rotation. */
export const WITHDRAWN_STEPS_SINCE: number = 1;

/** What `versionNeeded` looks at: of a command, or of an operation that becomes one. */
export interface Needing {
  readonly kind: Command['kind'];
  readonly step?: RotationStep;
  readonly action?: ProposedAction;
}

/** The state version that every member has to have before such a command may be proposed. */
export function versionNeeded({ kind, step, action }: Needing): number {
  const own = sinceOf(kind, step);
  // Whoever keeps a proposal has to understand what it proposes.
  if (action?.kind === 'rotation') return Math.max(own, sinceOf('rotate', action.step));
  return action?.kind === 'slots' ? Math.max(own, sinceOf('change-slots', undefined)) : own;
}

function sinceOf(kind: Command['kind'], step: RotationStep | undefined): number {
  const [word = ''] = step === undefined ? [] : rotationText(step).split(' ');
  return SINCE[`${kind} ${word}`] ?? SINCE[kind] ?? STATE_VERSION;
}
