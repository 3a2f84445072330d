/**
 * Every derivation from the seed, in one table (I9).
 *
 * HKDF-SHA-256 (RFC 5869) with the seed as input key, no salt (the seed is uniformly random, RFC
 * 5869 section 3.1) except for 'seal/generation', and an `info` that is the canonical encoding of
 *
 *     text 'witan/v1/' + label | 32 bytes cluster id | typed context parts
 *
 * A label fixes the number and the types of its parts, and each part is written behind a type byte,
 * so no two derivations share an `info`. Labels are never reused or given another meaning.
 */
import { hkdfSync, type KeyObject } from 'node:crypto';
import {
  CanonicalWriter,
  Secret,
  fromHex,
  type ClusterId,
  type Epoch,
  type Generation,
  type IncarnationId,
  type Sha256Hex,
} from '@witan/core';
import { KeysError } from './errors.ts';
import { P256_SEED_BYTES, p256KeyFromUniformBytes } from './p256.ts';
import { seedFromBytes, type Seed } from './seed.ts';

type PartKind = 'number' | 'digest' | 'text';

/** One row of the table: what a label derives, and from which further parts. */
export interface Derivation {
  /** Types of the context parts, in order. */
  readonly parts: readonly PartKind[];
  /** Length of the output in bytes. */
  readonly byteLength: number;
  readonly purpose: string;
}

/** The context parts of each label; `DERIVATIONS` says how they are written. */
export interface DerivationContexts {
  readonly 'seal/log-command': readonly [Epoch, IncarnationId];
  readonly 'seal/journal-record': readonly [Epoch, IncarnationId];
  readonly 'seal/snapshot': readonly [Epoch, IncarnationId];
  readonly 'seal/keyring': readonly [Epoch, IncarnationId];
  readonly 'seal/generation': readonly [generation: number];
  readonly 'ca/root': readonly [];
  readonly 'ca/mesh': readonly [Generation, Sha256Hex];
  readonly 'history/signing': readonly [];
  readonly 'workload/secret': readonly [workload: string, secretName: string, version: number];
  readonly 'shared/secret': readonly [secretName: string, version: number];
  readonly 'pod/secret': readonly [
    workload: string,
    secretName: string,
    version: number,
    spkiSha256: Sha256Hex,
  ];
  readonly 'ca/root-rotated': readonly [number: number];
  readonly 'ca/mesh-rotated': readonly [Generation, Sha256Hex, number: number];
}

/** A label of the table. */
export type DerivationLabel = keyof DerivationContexts;

/** All derivations by label. Adding a use means adding a row. */
export const DERIVATIONS: Readonly<Record<DerivationLabel, Derivation>> = {
  'seal/log-command': {
    parts: ['number', 'digest'],
    byteLength: 32,
    purpose: 'AES-256-GCM subkey of one incarnation in one epoch for replicated commands',
  },
  'seal/journal-record': {
    parts: ['number', 'digest'],
    byteLength: 32,
    purpose: 'AES-256-GCM subkey of one incarnation in one epoch for its journal records',
  },
  'seal/snapshot': {
    parts: ['number', 'digest'],
    byteLength: 32,
    purpose: 'AES-256-GCM subkey of one incarnation in one epoch for snapshots',
  },
  'seal/keyring': {
    parts: ['number', 'digest'],
    byteLength: 32,
    purpose: 'AES-256-GCM subkey of one incarnation in one epoch for the list of generations',
  },
  'seal/generation': {
    parts: ['number'],
    byteLength: 32,
    purpose: 'what the sealing subkeys of a later generation derive from, with its entropy as salt',
  },
  'ca/root': {
    parts: [],
    byteLength: P256_SEED_BYTES,
    purpose: 'P-256 key of the root CA, the same for the life of the cluster (I8)',
  },
  'ca/mesh': {
    parts: ['number', 'digest'],
    byteLength: P256_SEED_BYTES,
    purpose: 'P-256 key of the mesh CA of one manifest generation and transition (I8)',
  },
  'history/signing': {
    parts: [],
    byteLength: P256_SEED_BYTES,
    purpose: 'P-256 key that signs transitions and high-water marks (I6)',
  },
  'workload/secret': {
    parts: ['text', 'text', 'number'],
    byteLength: 32,
    purpose: 'secret that all pods of one workload hold, by name and version',
  },
  'shared/secret': {
    parts: ['text', 'number'],
    byteLength: 32,
    purpose: 'secret that all workloads hold that list it, by name and version',
  },
  'pod/secret': {
    parts: ['text', 'text', 'number', 'digest'],
    byteLength: 32,
    purpose: 'secret of one pod alone: of the attested key that it had certified',
  },
  'ca/root-rotated': {
    parts: ['number'],
    byteLength: P256_SEED_BYTES,
    purpose: 'P-256 key of the root CA after so many rotations, from 1',
  },
  'ca/mesh-rotated': {
    parts: ['number', 'digest', 'number'],
    byteLength: P256_SEED_BYTES,
    purpose: 'P-256 key of the mesh CA of one generation, by the number of the rotation',
  },
};

/** Longest name in a context, in bytes of UTF-8; Node limits `info` to 1024 bytes in all. */
const CONTEXT_TEXT_BYTES_MAX = 256;

const NO_SALT = new Uint8Array(0);

/** Marks each part's type in `info`. */
const PART_TAGS: Readonly<Record<PartKind, number>> = { number: 1, digest: 2, text: 3 };

/**
 * Derives the bytes of one row. Not exported from the package: callers use the functions below.
 *
 * @throws KeysError KEYS_CONTEXT_INVALID for an empty or over-long name
 */
export function derive<Label extends DerivationLabel>(
  seed: Seed,
  clusterId: ClusterId,
  label: Label,
  context: DerivationContexts[Label],
  salt: Uint8Array = NO_SALT,
): Secret {
  const info = derivationInfo(clusterId, label, context);
  const byteLength = DERIVATIONS[label].byteLength;
  const output = new Uint8Array(hkdfSync('sha256', seed.expose(), salt, info, byteLength));
  try {
    return new Secret(output);
  } finally {
    output.fill(0);
  }
}

/** The `info` of a derivation; public, and unique to label, cluster and context. */
export function derivationInfo<Label extends DerivationLabel>(
  clusterId: ClusterId,
  label: Label,
  context: DerivationContexts[Label],
): Uint8Array<ArrayBuffer> {
  const row = DERIVATIONS[label];
  const values: readonly (number | string)[] = context;
  const writer = new CanonicalWriter().text(`witan/v1/${label}`).fixed(fromHex(clusterId));
  row.parts.forEach((kind, index) => {
    writer.u8(PART_TAGS[kind]);
    writePart(writer, kind, values[index]);
  });
  return writer.finish();
}

function writePart(writer: CanonicalWriter, kind: PartKind, value: unknown): void {
  if (kind === 'number' && typeof value === 'number' && Number.isSafeInteger(value) && value >= 0) {
    writer.u64(value);
  } else if (kind === 'digest' && typeof value === 'string' && /^[0-9a-f]{64}$/.test(value)) {
    writer.fixed(fromHex(value));
  } else if (kind === 'text' && typeof value === 'string' && textFits(value)) {
    writer.text(value);
  } else {
    const fields = { expected: kind, bytesMax: CONTEXT_TEXT_BYTES_MAX };
    throw new KeysError('KEYS_CONTEXT_INVALID', 'derivation context is not of the form required', {
      fields,
    });
  }
}

function textFits(text: string): boolean {
  // An unpaired surrogate would be written as U+FFFD, so that two names would share one secret.
  return (
    text.length > 0 && text.isWellFormed() && Buffer.byteLength(text) <= CONTEXT_TEXT_BYTES_MAX
  );
}

/** What a sealing key is for. */
export type SealUse = 'log-command' | 'journal-record' | 'snapshot' | 'keyring';

/** The AES-256-GCM key under which one incarnation seals for one use; every seed holder has it. */
export function deriveSealingKey(
  seed: Seed,
  clusterId: ClusterId,
  use: SealUse,
  epoch: Epoch,
  incarnation: IncarnationId,
): Secret {
  return derive(seed, clusterId, `seal/${use}`, [epoch, incarnation]);
}

/**
 * What the sealing keys of a later generation derive from, in the place of the seed.
 *
 * @param entropy drawn when the generation began; 32 bytes
 */
export function deriveSealingRoot(
  seed: Seed,
  clusterId: ClusterId,
  generation: number,
  entropy: Secret,
): Seed {
  const root = derive(seed, clusterId, 'seal/generation', [generation], entropy.expose());
  try {
    return seedFromBytes(root.expose());
  } finally {
    root.wipe();
  }
}

/**
 * The root CA's private key.
 *
 * @param rotation how often the root was rotated; 0 for the founding's
 */
export function deriveRootCaKey(seed: Seed, clusterId: ClusterId, rotation = 0): KeyObject {
  const bytes =
    rotation === 0
      ? derive(seed, clusterId, 'ca/root', [])
      : derive(seed, clusterId, 'ca/root-rotated', [rotation]);
  return p256KeyFromUniformBytes(bytes);
}

/**
 * A mesh CA's private key. A new manifest generation is a new mesh CA, so workloads of an older
 * generation are no longer trusted by newer ones.
 *
 * @param transition hash of the transition that set this generation
 * @param rotation number of the rotation that made it; 0 for the one that came with the generation
 */
export function deriveMeshCaKey(
  seed: Seed,
  clusterId: ClusterId,
  generation: Generation,
  transition: Sha256Hex,
  rotation = 0,
): KeyObject {
  const bytes =
    rotation === 0
      ? derive(seed, clusterId, 'ca/mesh', [generation, transition])
      : derive(seed, clusterId, 'ca/mesh-rotated', [generation, transition, rotation]);
  return p256KeyFromUniformBytes(bytes);
}

/** The private key that signs transitions and high-water marks. */
export function deriveHistorySigningKey(seed: Seed, clusterId: ClusterId): KeyObject {
  return p256KeyFromUniformBytes(derive(seed, clusterId, 'history/signing', []));
}

/** Whom a secret belongs to: all workloads that list it, all pods of one workload, or one pod. */
export type SecretOwner =
  | { readonly kind: 'shared' }
  | { readonly kind: 'workload'; readonly workload: string }
  | { readonly kind: 'pod'; readonly workload: string; readonly spkiSha256: Sha256Hex };

/**
 * A secret: 32 bytes. Owners of different kinds share none, whatever their names (I9).
 *
 * @param owner its workload's name in the manifest has 1 to 256 bytes of UTF-8
 * @param secretName 1 to 256 bytes of UTF-8
 * @param version a whole number from 0
 * @throws KeysError KEYS_CONTEXT_INVALID
 */
export function deriveSecret(
  seed: Seed,
  clusterId: ClusterId,
  owner: SecretOwner,
  secretName: string,
  version: number,
): Secret {
  switch (owner.kind) {
    case 'shared':
      return derive(seed, clusterId, 'shared/secret', [secretName, version]);
    case 'workload':
      return derive(seed, clusterId, 'workload/secret', [owner.workload, secretName, version]);
    case 'pod': {
      const context = [owner.workload, secretName, version, owner.spkiSha256] as const;
      return derive(seed, clusterId, 'pod/secret', context);
    }
    default:
      return owner satisfies never;
  }
}
