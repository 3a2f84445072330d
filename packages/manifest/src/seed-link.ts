/**
 * Links from one seed of a cluster to the next. The history key derives from the seed, so a new
 * seed brings a new history key, and whoever pinned the former one has to be led to it. A link is
 * signed by the former history key, and it holds the owners' approvals of the step `seed activate`
 * with the commitment to the new seed *and* its history key. Whoever stole the former seed can sign
 * a link of his own, and has no approvals that fit it: so both are needed, always.
 */
import {
  assert,
  CanonicalWriter,
  clusterId,
  epoch,
  generation,
  sha256Hex,
  toHex,
  unixMillis,
  type CanonicalReader,
  type ClusterId,
  type Crypto,
  type Epoch,
  type Generation,
  type Sha256Hex,
  type UnixMillis,
} from '@witan/core';
import {
  checkApprovalsAt,
  compareApprovals,
  readApproval,
  writeApproval,
  type Approval,
  type ApprovalRules,
} from './approvals.ts';
import { ManifestError, type ManifestErrorCode } from './errors.ts';
import { APPROVALS_MAX, SEED_LINK_BYTES_MAX, SEEDS_MAX } from './limits.ts';
import { itemPath } from './path.ts';
import { decodeRecord, expectLabel, readDigest, SIGNATURE_BYTES, writeDigest } from './records.ts';
import { rotationBytes } from './rotation.ts';

const COMMITMENT_LABEL = 'witan/seed-commitment/v1';
const LINK_LABEL = 'witan/seed-link/v1';
const PUBLIC_KEY_BYTES_MAX = 1024;
const FIRST_NUMBER = 2;

/** A seed by what may be known of it. */
export interface SeedIdentity {
  readonly clusterId: ClusterId;
  /** 1 for the founding's, then one more each. */
  readonly number: number;
  /** SHA-256 that only the seed itself has; see `seedDigest` in `replica`. */
  readonly seedDigest: Sha256Hex;
  /** DER SubjectPublicKeyInfo of the history key that derives from it. */
  readonly historyPublicKey: Uint8Array;
}

/** Where one seed gave way to the next, and who approved it. */
export interface SeedLink extends SeedIdentity {
  readonly epoch: Epoch;
  /** The newest generation of manifests then; later ones are signed by the new history key. */
  readonly generation: Generation;
  /** Hash of that generation's transition. */
  readonly previousTransition: Sha256Hex;
  /** How many steps of rotations were recorded before. */
  readonly steps: number;
  /** One per owner, in ascending order of fingerprints. */
  readonly approvals: readonly Approval[];
  /** The leader's clock. */
  readonly timeMs: UnixMillis;
}

/** A link under the former history key. */
export interface SignedSeedLink {
  readonly link: SeedLink;
  /** ECDSA P-256 with SHA-256 over `seedLinkBytes`, r || s, 64 bytes. */
  readonly signature: Uint8Array;
}

/** What owners approve with `seed activate`: SHA-256 over cluster, number, seed and history key. */
export function seedCommitment(of: SeedIdentity, crypto: Pick<Crypto, 'hash'>): Sha256Hex {
  const writer = new CanonicalWriter().text(COMMITMENT_LABEL);
  writeDigest(writer, of.clusterId);
  writer.u32(of.number);
  writeDigest(writer, of.seedDigest);
  const bytes = writer.bytes(of.historyPublicKey).finish();
  return sha256Hex(toHex(crypto.hash('sha256', bytes)));
}

/** The canonical encoding: what the former history key signs. */
export function seedLinkBytes(link: SeedLink): Uint8Array {
  const writer = new CanonicalWriter();
  writeLink(writer, link);
  return writer.finish();
}

/** Canonical encoding of a link and its signature. */
export function encodeSeedLink({ link, signature }: SignedSeedLink): Uint8Array {
  const writer = new CanonicalWriter();
  writeLink(writer, link);
  return writer.bytes(signature).finish();
}

/** @throws ManifestError RECORD_MALFORMED */
export function decodeSeedLink(bytes: Uint8Array): SignedSeedLink {
  return decodeRecord('seed link', bytes, SEED_LINK_BYTES_MAX, (reader) => ({
    link: readLink(reader),
    signature: reader.bytes(SIGNATURE_BYTES),
  }));
}

/** Whether the signature is that key's. Says nothing of approvals; see `checkSeedApprovals`. */
export function isSeedLinkSignatureValid(
  { link, signature }: SignedSeedLink,
  formerPublicKey: Uint8Array,
  crypto: Crypto,
): boolean {
  return crypto.verify({
    algorithm: 'ecdsa-p256-sha256',
    publicKey: formerPublicKey,
    data: seedLinkBytes(link),
    signature,
  });
}

/**
 * The keys of one history: the founding's, and behind it that of each later seed. Each key signs
 * what was recorded between its own link and the next.
 */
export class HistoryKeys {
  readonly #founding: Uint8Array;
  readonly #links: readonly SeedLink[];

  private constructor(founding: Uint8Array, links: readonly SeedLink[]) {
    this.#founding = founding;
    this.#links = links;
  }

  /** Of a history whose seed was never rotated. */
  static single(publicKey: Uint8Array): HistoryKeys {
    return new HistoryKeys(publicKey, []);
  }

  /** Of links that were checked before. */
  static trusted(founding: Uint8Array, links: readonly SeedLink[]): HistoryKeys {
    return new HistoryKeys(founding, links);
  }

  /**
   * Checks that links are one unbroken chain: numbers, cluster, order, and that each is signed by
   * the key before it. Approvals take the manifests: see `checkSeedApprovals`.
   *
   * @param founding DER SubjectPublicKeyInfo of the first history key
   * @throws ManifestError SEED_LINKS_TOO_MANY, SEED_LINK_BROKEN, SEED_LINK_SIGNATURE_INVALID
   */
  static verified(
    founding: Uint8Array,
    links: readonly SignedSeedLink[],
    cluster: ClusterId,
    crypto: Crypto,
  ): HistoryKeys {
    if (links.length > SEEDS_MAX) throw refuse('SEED_LINKS_TOO_MANY', 0, SEEDS_MAX, links.length);
    let publicKey = founding;
    for (const [index, signed] of links.entries()) {
      const { link } = signed;
      checkOrder(link, links[index - 1]?.link, cluster, index);
      if (!isSeedLinkSignatureValid(signed, publicKey, crypto)) {
        const expected = 'a signature by the history key before it';
        throw refuse('SEED_LINK_SIGNATURE_INVALID', index, expected, 'another');
      }
      publicKey = link.historyPublicKey;
    }
    return new HistoryKeys(
      founding,
      links.map(({ link }) => link),
    );
  }

  /** All keys, oldest first; the last one is in force. */
  get all(): readonly Uint8Array[] {
    return [this.#founding, ...this.#links.map(({ historyPublicKey }) => historyPublicKey)];
  }

  get newest(): Uint8Array {
    return this.#links.at(-1)?.historyPublicKey ?? this.#founding;
  }

  get links(): readonly SeedLink[] {
    return this.#links;
  }

  /** The key that signed the transition of a generation. */
  ofGeneration(number: number): Uint8Array {
    const link = this.#links.findLast((candidate) => candidate.generation < number);
    return link?.historyPublicKey ?? this.#founding;
  }

  /** The key that signed the recovery that began an epoch. */
  ofRecovery(begun: Epoch): Uint8Array {
    const link = this.#links.findLast((candidate) => candidate.epoch < begun);
    return link?.historyPublicKey ?? this.#founding;
  }
}

/**
 * Checks that each link stands behind the transition that it names, and that the owners of the
 * manifest in force then approved the very seed and history key that it leads to.
 *
 * @param history verified
 * @param manifestOf the manifest of a generation; undefined where it is no longer kept
 * @returns numbers of the seeds whose approvals could not be checked, ascending
 * @throws ManifestError SEED_LINK_OFF_HISTORY; as `checkApprovalsOf`, with the link in its path
 */
export function checkSeedApprovals(
  links: readonly SeedLink[],
  history: { readonly hashes: readonly Sha256Hex[] },
  manifestOf: (generation: number) => ApprovalRules | undefined,
  crypto: Crypto,
): readonly number[] {
  return links.flatMap((link, index) => {
    const found = history.hashes[link.generation - 1];
    if (found !== link.previousTransition) {
      const what = found ?? 'no such transition';
      throw refuse('SEED_LINK_OFF_HISTORY', index, link.previousTransition, what);
    }
    const inForce = manifestOf(link.generation);
    if (inForce === undefined) return [link.number];
    const { clusterId: cluster, approvals, timeMs, previousTransition } = link;
    const commitment = seedCommitment(link, crypto);
    const data = rotationBytes({
      clusterId: cluster,
      epoch: link.epoch,
      previousTransition,
      number: link.steps,
      step: { target: 'seed', step: 'activate', commitment },
    });
    const check = { inForce, isFirst: false, approvals, timeMs, crypto };
    checkApprovalsAt(itemPath('seedLinks', index), data, check);
    return [];
  });
}

function checkOrder(
  link: SeedLink,
  before: SeedLink | undefined,
  cluster: ClusterId,
  index: number,
): void {
  const number = FIRST_NUMBER + index;
  if (link.clusterId !== cluster) throw refuse('SEED_LINK_BROKEN', index, cluster, link.clusterId);
  if (link.number !== number) throw refuse('SEED_LINK_BROKEN', index, number, link.number);
  const isLater =
    before === undefined ||
    (link.epoch >= before.epoch &&
      link.generation >= before.generation &&
      link.steps > before.steps);
  if (isLater) return;
  const place = ({ epoch: era, generation: at, steps }: SeedLink): string =>
    `epoch ${era}, generation ${at}, step ${steps}`;
  throw refuse('SEED_LINK_BROKEN', index, `behind ${place(before)}`, place(link));
}

function refuse(
  code: ManifestErrorCode,
  index: number,
  expected: string | number,
  found: string | number,
): ManifestError {
  return new ManifestError(code, { path: itemPath('seedLinks', index), expected, found });
}

function writeLink(writer: CanonicalWriter, link: SeedLink): void {
  assert(areOrdered(link.approvals), 'approvals of a link are ordered and distinct');
  writer.text(LINK_LABEL);
  writeDigest(writer, link.clusterId);
  writer.u32(link.number);
  writeDigest(writer, link.seedDigest);
  writer.bytes(link.historyPublicKey).u64(link.epoch).u64(link.generation);
  writeDigest(writer, link.previousTransition);
  writer.u64(link.steps).list(link.approvals, writeApproval).u64(link.timeMs);
}

function readLink(reader: CanonicalReader): SeedLink {
  expectLabel(reader, LINK_LABEL);
  const link: SeedLink = {
    clusterId: clusterId(readDigest(reader)),
    number: reader.u32(),
    seedDigest: sha256Hex(readDigest(reader)),
    historyPublicKey: reader.bytes(PUBLIC_KEY_BYTES_MAX),
    epoch: epoch(reader.u64()),
    generation: generation(reader.u64()),
    previousTransition: sha256Hex(readDigest(reader)),
    steps: reader.u64(),
    approvals: reader.list(APPROVALS_MAX, readApproval),
    timeMs: unixMillis(reader.u64()),
  };
  if (link.generation > 0 && areOrdered(link.approvals)) return link;
  const expected = 'a generation, and ascending fingerprints, each once';
  throw new ManifestError('RECORD_MALFORMED', { path: 'seed link', expected, found: 'others' });
}

function areOrdered(approvals: readonly Approval[]): boolean {
  return approvals.every((approval, index) => {
    const before = approvals[index - 1];
    return before === undefined || compareApprovals(before, approval) < 0;
  });
}
