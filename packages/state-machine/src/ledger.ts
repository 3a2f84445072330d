/**
 * The history of manifests: every transition, the bytes of the newest manifests, and the public
 * keys and certificates that came with them (I6, I8).
 */
import {
  assert,
  generation,
  type CanonicalReader,
  type CanonicalWriter,
  type ClusterId,
  type Crypto,
  type Epoch,
  type Generation,
  type Sha256Hex,
} from '@witan/core';
import {
  checkSeedApprovals,
  decodeSignedRecovery,
  decodeSignedTransition,
  encodeSignedRecovery,
  encodeSignedTransition,
  manifestDigest,
  MANIFEST_BYTES_MAX,
  HistoryKeys,
  NO_TRANSITION,
  parseManifest,
  RECOVERIES_MAX,
  recoveryHash,
  SIGNED_RECOVERY_BYTES_MAX,
  SIGNED_TRANSITION_BYTES_MAX,
  transitionHash,
  TRANSITIONS_MAX,
  verifyHistory,
  verifyRecoveries,
  type ParseReferenceValues,
  type SignedRecovery,
  type SignedSeedLink,
  type SignedTransition,
  type ValidatedManifest,
} from '@witan/manifest';
import { badValue } from './codec.ts';
import * as limits from './limits.ts';
import { NO_SHARES, readShares, writeShares, type GivenShares } from './recovery-shares.ts';

/** What stays the same from the first manifest on (I8). */
export interface FoundingKeys {
  /** DER */
  readonly rootCertificate: Uint8Array;
  /** DER SubjectPublicKeyInfo */
  readonly historyPublicKey: Uint8Array;
}

/** Everything that a new generation brings. */
export interface NewGeneration<ReferenceValues> {
  readonly signed: SignedTransition;
  /** Hash of the transition. */
  readonly head: Sha256Hex;
  readonly manifest: ValidatedManifest<ReferenceValues>;
  readonly meshCaCertificate: Uint8Array;
  /** With the first generation, and only then. */
  readonly founding: FoundingKeys | undefined;
  /** In force with this generation. */
  readonly shares: GivenShares;
  /** Workloads whose earlier certificates count no longer. */
  readonly withdrawn: readonly string[];
}

/** What decoding needs beside the bytes. */
export interface LedgerContext<ReferenceValues> {
  readonly clusterId: ClusterId;
  readonly epoch: Epoch;
  readonly parseReferenceValues: ParseReferenceValues<ReferenceValues>;
  readonly crypto: Crypto;
  /** Of the snapshot: 2 added recoveries, 3 recovery shares. */
  readonly version: number;
}

const FIRST_EPOCH = 1;

export class Ledger<ReferenceValues> {
  readonly #transitions: SignedTransition[] = [];
  /** The newest manifests, in ascending order of generations. */
  readonly #manifestBytes: Map<Generation, Uint8Array> = new Map();
  readonly #recoveries: SignedRecovery[] = [];
  #head: Sha256Hex = NO_TRANSITION;
  #recoveryHead: Sha256Hex = NO_TRANSITION;
  #manifest: ValidatedManifest<ReferenceValues> | undefined;
  #meshCaCertificate: Uint8Array | undefined;
  #founding: FoundingKeys | undefined;
  #shares: GivenShares = NO_SHARES;

  get transitions(): readonly SignedTransition[] {
    return this.#transitions;
  }

  get generation(): Generation {
    return generation(this.#transitions.length);
  }

  get head(): Sha256Hex {
    return this.#head;
  }

  get manifest(): ValidatedManifest<ReferenceValues> | undefined {
    return this.#manifest;
  }

  get meshCaCertificate(): Uint8Array | undefined {
    return this.#meshCaCertificate;
  }

  get founding(): FoundingKeys | undefined {
    return this.#founding;
  }

  /** Every full recovery, oldest first (I7). */
  get recoveries(): readonly SignedRecovery[] {
    return this.#recoveries;
  }

  /** Hash of the newest recovery; `NO_TRANSITION` where there was none. */
  get recoveryHead(): Sha256Hex {
    return this.#recoveryHead;
  }

  /** Which recovery shares are given out. */
  get shares(): GivenShares {
    return this.#shares;
  }

  manifestBytes(number: Generation): Uint8Array | undefined {
    return this.#manifestBytes.get(number);
  }

  append(next: NewGeneration<ReferenceValues>): void {
    const { transition } = next.signed;
    assert(transition.generation === this.generation + 1, 'generations have no gap (I6)');
    assert(transition.previous === this.#head, 'a transition builds on the newest (I6)');
    assert((this.#founding === undefined) === (next.founding !== undefined), 'one founding (I8)');
    this.#transitions.push(next.signed);
    this.#head = next.head;
    this.#manifest = next.manifest;
    this.#meshCaCertificate = next.meshCaCertificate;
    this.#founding ??= next.founding;
    this.#shares = next.shares;
    this.#manifestBytes.set(transition.generation, next.manifest.bytes);
    this.#manifestBytes.delete(oldestDropped(transition.generation));
  }

  /** New shares for the owners in force, because the seed is another. */
  reshared(shares: GivenShares): void {
    this.#shares = shares;
  }

  /** @param signed verified, and made for this history */
  recovered(signed: SignedRecovery, crypto: Crypto): void {
    assert(signed.recovery.previous === this.#recoveryHead, 'a recovery builds on the newest (I7)');
    this.#recoveries.push(signed);
    this.#recoveryHead = recoveryHash(signed.recovery, crypto);
  }

  write(writer: CanonicalWriter): void {
    writer.list(this.#transitions, (to, signed) => to.bytes(encodeSignedTransition(signed)));
    if (this.#founding === undefined || this.#meshCaCertificate === undefined) return;
    writer.bytes(this.#founding.rootCertificate).bytes(this.#founding.historyPublicKey);
    writer.bytes(this.#meshCaCertificate);
    writer.list([...this.#manifestBytes.values()], (to, bytes) => to.bytes(bytes));
    writer.list(this.#recoveries, (to, signed) => to.bytes(encodeSignedRecovery(signed)));
    writeShares(writer, this.#shares);
  }

  /** Reads a history, which has to be verified before anything is made of it. */
  static read<ReferenceValues>(
    reader: CanonicalReader,
    context: LedgerContext<ReferenceValues>,
  ): Ledger<ReferenceValues> {
    const ledger = new Ledger<ReferenceValues>();
    const transitions = reader.list(TRANSITIONS_MAX, (from) =>
      decodeSignedTransition(from.bytes(SIGNED_TRANSITION_BYTES_MAX)),
    );
    const newest = transitions.at(-1);
    if (newest === undefined) return ledger;
    const { clusterId, epoch } = newest.transition;
    if (clusterId !== context.clusterId) throw badValue('a history of another cluster');
    if (epoch > context.epoch) throw badValue('a history of a later epoch');
    ledger.#founding = {
      rootCertificate: reader.bytes(limits.CERTIFICATE_BYTES_MAX),
      historyPublicKey: reader.bytes(limits.PUBLIC_KEY_BYTES_MAX),
    };
    ledger.#head = transitionHash(newest.transition, context.crypto);
    ledger.#meshCaCertificate = reader.bytes(limits.CERTIFICATE_BYTES_MAX);
    for (const signed of transitions) ledger.#transitions.push(signed);
    const manifest = ledger.#readManifests(reader, context);
    const { version } = context;
    if (version >= 2) ledger.#readRecoveries(reader);
    ledger.#shares = readShares(version >= 3 ? reader : undefined, clusterId, manifest);
    return ledger;
  }

  /**
   * Checks the whole history again: links, numbers and signatures.
   *
   * @param links how the history key came from the first one
   * @throws ManifestError, CanonicalError
   */
  verify(links: readonly SignedSeedLink[], context: LedgerContext<ReferenceValues>): void {
    const { clusterId, epoch, crypto, version } = context;
    const founding = this.#founding?.historyPublicKey;
    if (founding === undefined) {
      if (links.length > 0) throw badValue('links between seeds without a history');
      return;
    }
    const keys = HistoryKeys.verified(founding, links, clusterId, crypto);
    const history = verifyHistory(this.#transitions, keys, crypto);
    // Only their place: manifests that are no longer kept cannot vouch for approvals.
    checkSeedApprovals(keys.links, history, () => undefined, crypto);
    if (version < 2) return;
    this.#recoveryHead = verifyRecoveries(this.#recoveries, clusterId, keys, crypto);
    const newest = this.#recoveries.at(-1)?.recovery.epoch ?? FIRST_EPOCH;
    if (newest !== epoch) throw badValue('an epoch that no recovery began');
  }

  #readManifests(
    reader: CanonicalReader,
    context: LedgerContext<ReferenceValues>,
  ): ValidatedManifest<ReferenceValues> {
    const { crypto, parseReferenceValues } = context;
    const kept = Math.min(this.#transitions.length, limits.MANIFESTS_KEPT_MAX);
    const documents = reader.list(limits.MANIFESTS_KEPT_MAX, (from) =>
      from.bytes(MANIFEST_BYTES_MAX),
    );
    if (documents.length !== kept) throw badValue('another number of manifests');
    for (const [offset, bytes] of documents.entries()) {
      const position = this.#transitions.length - kept + offset;
      const expected = this.#transitions[position]?.transition.manifestDigest;
      if (manifestDigest(bytes, crypto) !== expected)
        throw badValue('a manifest of another digest');
      this.#manifestBytes.set(generation(position + 1), bytes);
    }
    const inForce = documents.at(-1);
    assert(inForce !== undefined, 'a history has a newest manifest');
    const manifest = parseManifest(inForce, { crypto, parseReferenceValues });
    this.#manifest = manifest;
    return manifest;
  }

  #readRecoveries(reader: CanonicalReader): void {
    const recoveries = reader.list(RECOVERIES_MAX, (from) =>
      decodeSignedRecovery(from.bytes(SIGNED_RECOVERY_BYTES_MAX)),
    );
    this.#recoveries.push(...recoveries);
  }
}

function oldestDropped(newest: Generation): Generation {
  return generation(Math.max(0, newest - limits.MANIFESTS_KEPT_MAX));
}
