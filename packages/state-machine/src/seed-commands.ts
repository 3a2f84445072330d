/** What the leader says of seeds in commands: the candidate, and what goes with `seed activate`. */
import type { CanonicalReader, CanonicalWriter } from '@witan/core';
import { RECOVERY_HEADER_BYTES_MAX, SIGNATURE_BYTES } from '@witan/manifest';
import type { SeedCandidate } from './seeds.ts';

/** What puts a seed into force, beside the owners' approval. */
export interface SeedParts {
  /** By the former history key over `seedLinkBytes`, r || s. */
  readonly linkSignature: Uint8Array;
  /** The new seed in shares, where the manifest has recovery owners. */
  readonly recoveryHeader: Uint8Array | undefined;
}

/** Says which seed comes next, and who holds it. Nobody approves it: what counts is `activate`. */
export interface SeedCandidateCommand {
  readonly kind: 'seed-candidate';
  readonly candidate: SeedCandidate;
}

/** Appends what `readSeedParts` reads. */
export function writeSeedParts(writer: CanonicalWriter, seed: SeedParts): void {
  writer.fixed(seed.linkSignature);
  writer.optional(seed.recoveryHeader, (to, bytes) => to.bytes(bytes));
}

/** Reads what `writeSeedParts` wrote. */
export function readSeedParts(reader: CanonicalReader): SeedParts {
  const linkSignature = reader.fixed(SIGNATURE_BYTES);
  const header = (from: CanonicalReader) => from.bytes(RECOVERY_HEADER_BYTES_MAX);
  return { linkSignature, recoveryHeader: reader.optional(header) };
}
