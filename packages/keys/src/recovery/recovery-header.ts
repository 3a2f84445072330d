/**
 * The recovery header: what every disk carries in the clear, so that a threshold of owners can
 * bring a cluster back whose every process is gone.
 *
 *     seed -- sealed under --> recovery key -- split k of n --> shares -- JWE --> owners
 *
 * The recovery key is random and new with each set of shares, so resharing makes all older shares
 * useless for the new header while the seed stays. (A threshold of *old* shares together with an
 * *old* header, from a retired disk or a backup, still gives the seed: only rotating the seed ends
 * that.) Nobody keeps the recovery key: it is wiped when the shares are made.
 *
 * The seal of the seed covers every other field, so a header that was altered, or put together from
 * two, does not open (KEYS_RECOVERY_HEADER_NOT_AUTHENTIC). Before that it is unverified.
 */
import { createCipheriv, createDecipheriv, hkdfSync } from 'node:crypto';
import { CanonicalWriter, Secret, fromHex, type ClusterId, type Random } from '@witan/core';
import {
  ManifestError,
  decodeRecoveryHeaderUnverified as decodeHeader,
  recoveryHeaderOpenPart,
  type DealtShare,
  type RecoveryHeader,
} from '@witan/manifest';
import { KeysError } from '../errors.ts';
import { nodeRandom } from '../node-crypto.ts';
import { seedFromBytes, type Seed } from '../seed.ts';
import { ownerFingerprint, sealShare } from './share-envelope.ts';
import { splitSecret } from './shamir.ts';
import { RECOVERY_KEY_BYTES, checkParameters, commitmentOf, type RecoveryShare } from './share.ts';

const NONCE_BYTES = 12;
const TAG_BYTES = 16;

/** What shares are made from. */
export interface DealOptions {
  readonly seed: Seed;
  readonly clusterId: ClusterId;
  /** Above that of every earlier set. */
  readonly resharing: number;
  readonly threshold: number;
  /** DER SubjectPublicKeyInfo of each owner, all different. */
  readonly owners: readonly Uint8Array[];
  readonly random?: Random;
}

/**
 * Makes a new recovery key, wraps the seed with it, and deals it out.
 *
 * @throws KeysError KEYS_SHARE_PARAMETERS, KEYS_SHARE_OWNER_KEY_UNSUPPORTED
 */
export async function dealShares(options: DealOptions): Promise<RecoveryHeader> {
  const { seed, resharing, threshold, owners, random = nodeRandom } = options;
  checkParameters(threshold, owners.length);
  const fingerprints = owners.map(ownerFingerprint);
  if (new Set(fingerprints).size !== owners.length || resharing < 1) {
    const fields = { resharing, owners: owners.length };
    throw new KeysError('KEYS_SHARE_PARAMETERS', 'owners are not different', { fields });
  }
  const key = random.bytes(RECOVERY_KEY_BYTES);
  const values = splitSecret(key, threshold, owners.length, random);
  try {
    const shares: DealtShare[] = [];
    for (const [at, { index, bytes }] of values.entries()) {
      const binding = { clusterId: options.clusterId, resharing, threshold, count: owners.length };
      const owner = fingerprints[at] ?? ownerFingerprint(new Uint8Array(0));
      const share: RecoveryShare = { ...binding, index, owner, value: new Secret(bytes) };
      const jwe = await sealShare(share, owners[at] ?? new Uint8Array(0));
      shares.push({ index, owner, commitment: commitmentOf(share), jwe });
      share.value.wipe();
    }
    const open = { clusterId: options.clusterId, resharing, threshold, shares };
    return { ...open, wrappedSeed: wrapSeed(seed, key, open, random) };
  } finally {
    key.fill(0);
    for (const { bytes } of values) bytes.fill(0);
  }
}

/** Reads a header without checking it. @throws KeysError KEYS_RECOVERY_HEADER_MALFORMED */
export function decodeRecoveryHeaderUnverified(bytes: Uint8Array): RecoveryHeader {
  try {
    return decodeHeader(bytes);
  } catch (cause) {
    if (!(cause instanceof ManifestError)) throw cause;
    const message = 'bytes are not a recovery header';
    throw new KeysError('KEYS_RECOVERY_HEADER_MALFORMED', message, {
      fields: { check: String(cause.fields['path']) },
      cause,
    });
  }
}

/**
 * Opens the seed with the recovery key, which proves the whole header.
 *
 * @throws KeysError KEYS_RECOVERY_HEADER_NOT_AUTHENTIC
 */
export function unwrapSeed(header: RecoveryHeader, recoveryKey: Uint8Array): Seed {
  const { wrappedSeed } = header;
  const tagAt = wrappedSeed.byteLength - TAG_BYTES;
  const nonce = wrappedSeed.subarray(0, NONCE_BYTES);
  const key = wrappingKey(recoveryKey, header);
  const decipher = createDecipheriv('aes-256-gcm', key, nonce, { authTagLength: TAG_BYTES });
  decipher.setAAD(recoveryHeaderOpenPart(header));
  decipher.setAuthTag(wrappedSeed.subarray(tagAt));
  const seed = decipher.update(wrappedSeed.subarray(NONCE_BYTES, tagAt));
  try {
    decipher.final();
    return seedFromBytes(seed);
  } catch (cause) {
    const message = 'the recovery header does not open: it was altered, or is of other shares';
    throw new KeysError('KEYS_RECOVERY_HEADER_NOT_AUTHENTIC', message, { cause });
  } finally {
    seed.fill(0);
    key.fill(0);
  }
}

type OpenPart = Omit<RecoveryHeader, 'wrappedSeed'>;

function wrapSeed(seed: Seed, recoveryKey: Uint8Array, open: OpenPart, random: Random): Uint8Array {
  const nonce = random.bytes(NONCE_BYTES);
  const key = wrappingKey(recoveryKey, open);
  const cipher = createCipheriv('aes-256-gcm', key, nonce, { authTagLength: TAG_BYTES });
  cipher.setAAD(recoveryHeaderOpenPart(open));
  const ciphertext = cipher.update(seed.expose());
  cipher.final();
  key.fill(0);
  return Uint8Array.from([...nonce, ...ciphertext, ...cipher.getAuthTag()]);
}

/** HKDF-SHA-256 of the recovery key, bound to cluster and resharing. Of no use elsewhere. */
export function wrappingKey(
  recoveryKey: Uint8Array,
  open: Pick<OpenPart, 'clusterId' | 'resharing'>,
): Uint8Array {
  const info = new CanonicalWriter()
    .text('witan/recovery-wrap/v1')
    .fixed(fromHex(open.clusterId))
    .u32(open.resharing)
    .finish();
  return new Uint8Array(hkdfSync('sha256', recoveryKey, new Uint8Array(0), info, 32));
}
