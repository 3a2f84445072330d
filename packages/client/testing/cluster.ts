/**
 * A cluster for tests: real keys, certificates, transitions, marks and attested servers, over one
 * shared state in memory in place of consensus. Faults can be planted in every answer.
 */
import type { KeyObject } from 'node:crypto';
import { parseReferenceValues, type ReferenceValues } from '@witan/attestation';
import {
  clusterId,
  epoch,
  fromHex,
  generation,
  incarnationId,
  sha256Hex,
  slotName,
  toHex,
  unixMillis,
  type ClusterId,
  type Epoch,
  type UnixMillis,
} from '@witan/core';
import {
  createMeshCaCertificate,
  createRootCertificate,
  createSeed,
  dealShares,
  deriveHistorySigningKey,
  deriveMeshCaKey,
  deriveRootCaKey,
  loadCertificateAuthority,
  nodeCrypto,
  nodeRandom,
  randomSerial,
  signP256,
  spkiOf,
  type CertificateAuthority,
} from '@witan/keys';
import {
  NO_TRANSITION,
  ManifestError,
  checkApprovals,
  encodeRecoveryHeader,
  highWaterMarkBytes,
  isDealtTo,
  nextTransition,
  parseManifest,
  recoveryBytes,
  recoveryHash,
  shareHolders,
  transitionBytes,
  seedCommitment,
  seedLinkBytes,
  rotationBytes,
  transitionHash,
  type Approval,
  type HighWaterMark,
  type Recovery,
  type RecoveryHeader,
  type SeedLink,
  type SignedSeedLink,
  type SignedTransition,
  type ValidatedManifest,
} from '@witan/manifest';
import type { SetManifestRequest } from '@witan/protocol';
import { PublicError } from '@witan/transport';
import type { ApprovedChange, TestLog } from './audit.ts';
import type { Loss } from './loss.ts';

const DAY_MS = 86_400_000;

/** The state that all replicas of a test share. */
export class TestCluster {
  readonly clusterId: ClusterId;
  readonly seed: ReturnType<typeof createSeed> = createSeed();
  /** In force; see `rotateSeed`. */
  historyKey: KeyObject;
  readonly formerKeys: KeyObject[] = [];
  readonly seedLinks: SignedSeedLink[] = [];
  epoch = 1;
  index = 7;
  readonly transitions: SignedTransition[] = [];
  readonly recoveries: Recovery[] = [];
  readonly manifests: ValidatedManifest<ReferenceValues>[] = [];
  readonly answered = new Map<string, number>();
  root: CertificateAuthority | undefined;
  meshCa: CertificateAuthority | undefined;
  recoveryHeader: RecoveryHeader | undefined;
  /** Absent for replicas of a version before there was one. */
  log: TestLog | undefined;
  /** What owners approved beside manifests, as the replicas tell it. */
  readonly rotations: ApprovedChange[] = [];
  readonly slotChanges: ApprovedChange[] = [];
  /** Of each kind in one answer. */
  changesPageMax = 256;
  /** While all its processes are gone. */
  loss: Loss | undefined;
  /** How far the cluster's clock is ahead of this machine's. */
  clockAheadMs = 0;
  #resharing = 0;

  constructor() {
    this.clusterId = clusterId(toHex(nodeRandom.bytes(32)));
    this.historyKey = deriveHistorySigningKey(this.seed, this.clusterId);
  }

  get historyPublicKey(): Uint8Array {
    return spkiOf(this.historyKey);
  }

  get manifest(): ValidatedManifest<ReferenceValues> | undefined {
    return this.manifests.at(-1);
  }

  get head(): ReturnType<typeof transitionHash> {
    const newest = this.transitions.at(-1);
    return newest === undefined ? NO_TRANSITION : transitionHash(newest.transition, nodeCrypto);
  }

  mark(changes: Partial<HighWaterMark> = {}): { mark: Uint8Array; signature: Uint8Array } {
    const mark = highWaterMarkBytes({
      clusterId: this.clusterId,
      epoch: this.epoch as Epoch,
      commitIndex: this.index,
      generation: generation(this.manifests.length),
      transitionHash: this.head,
      timeMs: this.#now(),
      ...(this.log && { log: this.log.tree.head() }),
      ...changes,
    });
    return { mark, signature: signP256(this.historyKey, mark) };
  }

  wireTransition(number: number): { transition: Uint8Array; signature: Uint8Array } {
    const signed = this.transitions[number - 1];
    if (signed === undefined) throw new Error('no such transition');
    return { transition: transitionBytes(signed.transition), signature: signed.signature };
  }

  wireRecoveries(): readonly { recovery: { recovery: Uint8Array; signature: Uint8Array } }[] {
    return this.recoveries.map((recovery) => {
      const bytes = recoveryBytes(recovery);
      return { recovery: { recovery: bytes, signature: signP256(this.historyKey, bytes) } };
    });
  }

  /**
   * Puts another seed into force, as `witan rotate seed` does.
   *
   * @param approve signs the exact bytes of the step; of a thief, what he pleases
   */
  rotateSeed(approve: (step: Uint8Array) => readonly Approval[]): void {
    const number = this.seedLinks.length + 2;
    const key = deriveHistorySigningKey(createSeed(), this.clusterId);
    const identity = {
      clusterId: this.clusterId,
      number,
      seedDigest: sha256Hex(toHex(nodeRandom.bytes(32))),
      historyPublicKey: spkiOf(key),
    };
    const place = {
      epoch: epoch(this.epoch),
      previousTransition: this.head,
    };
    const commitment = seedCommitment(identity, nodeCrypto);
    const steps = this.seedLinks.length * 3 + 1;
    const step = { target: 'seed', step: 'activate', commitment } as const;
    const approvals = approve(
      rotationBytes({ clusterId: this.clusterId, ...place, number: steps, step }),
    );
    const link: SeedLink = {
      ...identity,
      ...place,
      generation: generation(this.manifests.length),
      steps,
      approvals,
      timeMs: this.#now(),
    };
    const signature = signP256(this.historyKey, seedLinkBytes(link));
    this.seedLinks.push({ link, signature });
    this.formerKeys.push(this.historyKey);
    this.historyKey = key;
    this.index += 1;
  }

  /** Begins another epoch, as a full recovery from the state of now does. */
  recover(changes: Partial<Recovery> = {}): void {
    const before = this.recoveries.at(-1);
    const recovery: Recovery = {
      clusterId: this.clusterId,
      epoch: epoch(this.epoch + 1),
      previous: before === undefined ? NO_TRANSITION : recoveryHash(before, nodeCrypto),
      from: {
        epoch: epoch(this.epoch),
        term: 3,
        index: this.index,
        generation: generation(this.manifests.length),
        transitionHash: this.head,
      },
      key: 'shares',
      owners: [sha256Hex('0a'.repeat(32))],
      participants: ['witan-0', 'witan-1'].map((slot, at) => ({
        slot: slotName(slot),
        incarnation: incarnationId(`4${at}`.repeat(32)),
      })),
      acceptedMissing: [slotName('witan-2')],
      timeMs: unixMillis(Date.now()),
      ...changes,
    };
    this.recoveries.push(recovery);
    this.epoch = recovery.epoch;
    this.index += 1;
  }

  /** @returns the generation that the request made */
  async set(request: SetManifestRequest): Promise<number> {
    const key = toHex(request.requestKey);
    const before = this.answered.get(key);
    if (before !== undefined) return before;
    const manifest = this.#parse(request.manifest);
    const previous = sha256Hex(toHex(request.previousTransition));
    if (previous !== this.head) {
      const fields = { expected: this.head, found: previous };
      throw new PublicError('ABORTED', 'CONFLICT', 'stale', fields);
    }
    const approvals = this.#check(manifest, request);
    const transition = nextTransition({
      clusterId: this.clusterId,
      epoch: this.epoch as Epoch,
      previousGeneration: generation(this.manifests.length),
      previous,
      manifestDigest: manifest.digest,
      approvals,
      timeMs: this.#now(),
    });
    const signature = signP256(this.historyKey, transitionBytes(transition));
    this.transitions.push({ transition, signature });
    this.manifests.push(manifest);
    this.index += 1;
    await this.#certify();
    await this.#deal(manifest);
    this.answered.set(key, this.manifests.length);
    return this.manifests.length;
  }

  #now(): UnixMillis {
    return unixMillis(Date.now() + this.clockAheadMs);
  }

  #parse(bytes: Uint8Array): ValidatedManifest<ReferenceValues> {
    return parseManifest(bytes, { parseReferenceValues, crypto: nodeCrypto });
  }

  #check(
    manifest: ValidatedManifest<ReferenceValues>,
    request: SetManifestRequest,
  ): ReturnType<typeof checkApprovals> {
    const approvals = request.approvals.map(({ ownerFingerprint, signature }) => ({
      ownerFingerprint: sha256Hex(toHex(ownerFingerprint)),
      signature,
    }));
    try {
      return checkApprovals({
        inForce: this.manifest ?? manifest,
        isFirst: this.manifest === undefined,
        subject: {
          clusterId: this.clusterId,
          previousTransition: this.head,
          manifestDigest: manifest.digest,
        },
        approvals,
        timeMs: this.#now(),
        crypto: nodeCrypto,
      });
    } catch (error) {
      if (!(error instanceof ManifestError)) throw error;
      throw new PublicError('PERMISSION_DENIED', error.code, 'refused', error.fields, error);
    }
  }

  async #deal(manifest: ValidatedManifest<ReferenceValues>): Promise<void> {
    const holders = shareHolders(manifest);
    const before = this.recoveryHeader;
    if (holders !== undefined && before !== undefined && isDealtTo(before, holders)) return;
    this.recoveryHeader = undefined;
    if (holders === undefined) return;
    this.#resharing += 1;
    const { seed, clusterId: id } = this;
    const { threshold } = holders;
    const owners = holders.owners.map(({ publicKey }) => publicKey);
    const resharing = this.#resharing;
    this.recoveryHeader = await dealShares({ seed, clusterId: id, resharing, threshold, owners });
  }

  wireRecoveryHeader(): Uint8Array {
    const { recoveryHeader: header } = this;
    return header === undefined ? new Uint8Array() : encodeRecoveryHeader(header);
  }

  async #certify(): Promise<void> {
    const validity = {
      notBefore: unixMillis(Date.now() - DAY_MS),
      notAfter: unixMillis(Date.now() + 365 * DAY_MS),
      simulated: true,
    };
    const { seed, clusterId: id } = this;
    if (this.root === undefined) {
      const rootKey = deriveRootCaKey(seed, id);
      const serial = randomSerial();
      const der = createRootCertificate({ ...validity, serial, rootKey, clusterId: id });
      this.root = loadCertificateAuthority(rootKey, der);
    }
    const number = generation(this.manifests.length);
    const meshCaKey = deriveMeshCaKey(seed, id, number, this.head);
    const der = createMeshCaCertificate({
      ...validity,
      // Made later than the root's, and not to outlast it.
      notAfter: unixMillis(validity.notAfter - DAY_MS),
      serial: randomSerial(),
      root: this.root,
      meshCaKey,
      generation: number,
      transition: this.head,
    });
    this.meshCa = loadCertificateAuthority(meshCaKey, der);
  }

  /** The mesh CA in use, signed by another root. */
  async meshCaUnder(root: CertificateAuthority): Promise<Uint8Array> {
    const number = generation(this.manifests.length);
    return createMeshCaCertificate({
      ...root.validity,
      simulated: true,
      serial: randomSerial(),
      root,
      meshCaKey: deriveMeshCaKey(this.seed, this.clusterId, number, this.head),
      generation: number,
      transition: this.head,
    });
  }

  idBytes(): Uint8Array {
    return fromHex(this.clusterId);
  }
}
