/** Which Coordinators a reading command trusts: those of a manifest that the user has. */
import type { ReferenceValues } from '@witan/attestation';
import type { Client, PinnedDeployment } from '@witan/client';
import type { ValidatedManifest } from '@witan/manifest';
import {
  connect,
  expectationsOf,
  parseStored,
  pinnedDeployment,
  readManifest,
  type ClusterOptions,
  type CommandContext,
} from '../context.ts';
import { CliError } from '../errors.ts';

export interface TrustOptions extends ClusterOptions {
  readonly manifest?: string;
}

/** A client, and what it holds the cluster to. */
export interface Trusted {
  readonly client: Client;
  /** The manifest that the user expects; absent where only the pinned one is known. */
  readonly expected: ValidatedManifest<ReferenceValues> | undefined;
  readonly pinned: PinnedDeployment | undefined;
}

/** @throws CliError CLI_NOTHING_TO_TRUST; errors of the manifest */
export async function trusted(context: CommandContext, options: TrustOptions): Promise<Trusted> {
  const expected =
    options.manifest === undefined ? undefined : await readManifest(options.manifest);
  const pinned = await pinnedDeployment(context, options);
  const known = pinned === undefined ? undefined : parseStored(pinned.manifest);
  const coordinators = [...(known?.coordinators ?? []), ...(expected?.coordinators ?? [])];
  if (coordinators.length === 0) {
    const message =
      'nothing says which Coordinators to trust; give --manifest, or --cluster for one of several';
    throw new CliError('CLI_NOTHING_TO_TRUST', message);
  }
  const held = pinned === undefined ? undefined : expectationsOf(pinned);
  return { client: connect(context, options, coordinators, held), expected, pinned };
}
