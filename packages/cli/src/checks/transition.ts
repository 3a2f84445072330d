/** Before anything is sent: what the user looked at is still the newest. */
import type { Deployment } from '@witan/client';
import { sha256Hex, type Sha256Hex } from '@witan/core';
import { CliError } from '../errors.ts';

/**
 * @param stated the transition that the user says to build on; absent: the newest
 * @returns the transition to build on
 * @throws IdError; CliError CLI_TRANSITION_STALE that names both
 */
export function checkTransition(deployment: Deployment, stated: string | undefined): Sha256Hex {
  const newest = deployment.transitionHash;
  if (stated === undefined) return newest;
  const found = sha256Hex(stated);
  if (found === newest) return newest;
  const message = 'the update does not build on the newest transition';
  throw new CliError('CLI_TRANSITION_STALE', message, { fields: { expected: newest, found } });
}
