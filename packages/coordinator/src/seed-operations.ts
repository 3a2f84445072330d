/** What a leader makes of seeds for commands: shares, and the link from one seed to the next. */
import type { ReferenceValues } from '@witan/attestation';
import type { Sha256Hex, UnixMillis } from '@witan/core';
import { dealShares, deriveHistorySigningKey, signP256, type Seed } from '@witan/keys';
import {
  distinctApprovals,
  encodeRecoveryHeader,
  seedLinkBytes,
  shareHolders,
  type Approval,
  type RotationStep,
  type ValidatedManifest,
} from '@witan/manifest';
import { seedInUse } from './authorities.ts';
import { seedLinkFor, type SeedParts, type StateMachine } from '@witan/state-machine';

/** The state, and the seeds that it names. */
export interface SeedSource {
  /** A seed by its number; undefined where it is not held. */
  readonly seedOf: (number: number) => Seed | undefined;
  /** Those that may come into force. */
  readonly candidateOf: (number: number, digest: Sha256Hex) => Seed | undefined;
  readonly view: StateMachine<ReferenceValues>;
}

/**
 * The link to the next seed, and that seed in shares. Only once the owners' approvals were found
 * good: nobody else has the next seed encrypted to keys of his choice.
 *
 * @returns undefined where this leader does not hold the next seed, or it is not recorded
 */
export async function seedParts(
  { step, approvals }: { readonly step: RotationStep; readonly approvals: readonly Approval[] },
  timeMs: UnixMillis,
  options: SeedSource,
): Promise<SeedParts | undefined> {
  const { view, candidateOf } = options;
  const { candidate } = view.rotations.seeds;
  const link = seedLinkFor(view, { step, timeMs }, distinctApprovals(approvals));
  const next = candidate && candidateOf(candidate.number, candidate.digest);
  if (link === undefined || next === undefined || view.manifest === undefined) return undefined;
  const historyKey = deriveHistorySigningKey(inForceOf(options), view.clusterId);
  const linkSignature = signP256(historyKey, seedLinkBytes(link));
  return { linkSignature, recoveryHeader: await dealNext(view.manifest, next, view) };
}

/** The seed that signs and is dealt out. */
export function inForceOf({ seedOf, view }: Omit<SeedSource, 'candidateOf'>): Seed {
  return seedInUse(seedOf, view.rotations.seeds.number);
}

/** A seed in shares for the manifest's recovery owners, under the next number. */
export async function dealNext(
  manifest: ValidatedManifest<ReferenceValues>,
  seed: Seed,
  view: SeedSource['view'],
): Promise<Uint8Array | undefined> {
  const holders = shareHolders(manifest);
  if (holders === undefined) return undefined;
  const header = await dealShares({
    seed,
    clusterId: view.clusterId,
    resharing: view.shares.resharing + 1,
    threshold: holders.threshold,
    owners: holders.owners.map(({ publicKey }) => publicKey),
  });
  return encodeRecoveryHeader(header);
}
