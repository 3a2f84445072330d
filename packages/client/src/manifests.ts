/** Reads the manifests that a verified history names, as far as the cluster keeps them. */
import type { ReferenceValues } from '@witan/attestation';
import type { Sha256Hex } from '@witan/core';
import type { ValidatedManifest, VerifiedHistory } from '@witan/manifest';
import type { Attempt } from './connector.ts';
import type { AppraisalSettings } from './coordinator-verifier.ts';
import { readManifest } from './deployment.ts';
import { ClientError } from './errors.ts';
import { askAsOwner, type AskHistory } from './history.ts';

/** Manifests by the hash of the transition that set them. */
export type ManifestsOfHistory = Map<Sha256Hex, ValidatedManifest<ReferenceValues>>;

/**
 * Adds the manifests that are not among `found` yet, from the newest down to the first one that the
 * replica does not keep. One request for each, because a manifest may fill half a message.
 *
 * @throws ClientError CLIENT_HISTORY_INVALID for a manifest that its transition does not name,
 *   CLIENT_MANIFEST_INVALID; RemoteError, TransportError
 */
export async function fetchManifests(
  { connection, timeoutMs }: Attempt,
  history: VerifiedHistory,
  found: ManifestsOfHistory,
  { crypto }: AppraisalSettings,
  ask: AskHistory = askAsOwner,
): Promise<void> {
  const endsAtMs = performance.now() + timeoutMs;
  for (const transition of history.transitions.toReversed()) {
    const hash = history.hashes[transition.generation - 1];
    if (hash === undefined || found.has(hash)) continue;
    const number = BigInt(transition.generation);
    const wire = await ask(
      connection,
      { fromGeneration: number, toGeneration: number, withManifests: true },
      { timeoutMs: Math.max(1, endsAtMs - performance.now()) },
    );
    const bytes = wire.records[0]?.manifest ?? new Uint8Array();
    if (bytes.byteLength === 0) return;
    const manifest = readManifest(bytes, crypto);
    if (manifest.digest !== transition.manifestDigest) {
      const check = `manifest of generation ${transition.generation}`;
      const fields = { check, expected: transition.manifestDigest, found: manifest.digest };
      throw new ClientError('CLIENT_HISTORY_INVALID', fields);
    }
    found.set(hash, manifest);
  }
}
