/** Reading of what commands print. */
import { DevClusterError } from '../errors.ts';
import type { Facts } from './steps.ts';

/** A text in an object, or an empty one. */
function textOf(value: Readonly<Record<string, unknown>>, name: string): string {
  const text = value[name];
  return typeof text === 'string' ? text : '';
}

interface PrintedShares {
  readonly threshold: number;
  readonly shares: readonly { readonly owner: string }[];
}

/** What `witan set` did: the first generation, and recovery shares for the owners. */
export function factsOfSet(value: Readonly<Record<string, unknown>>): Facts {
  const recovery = value['recovery'] as PrintedShares | undefined;
  if (recovery === undefined) {
    const fields = { expected: 'recovery shares dealt', found: 'none' };
    throw new DevClusterError('DEVCLUSTER_STEP_FAILED', 'the step did not happen', { fields });
  }
  const { threshold, shares } = recovery;
  const owners = shares.map(({ owner }) => owner).join(', ');
  return {
    generation: 1,
    transition: textOf(value, 'transitionHash').slice(0, 16),
    'recovery shares': `${shares.length} dealt, encrypted to ${owners}; ${threshold} needed`,
  };
}
