/**
 * A replica's seeds: keeps those that it holds in step with the state, and as the leader draws the
 * next one, hands it to every member and records who holds it (docs/decisions/0070).
 *
 * The next seed never enters the log, which opens with the one in force: it travels over attested
 * channels alone (I1). Which of several candidates counts, the log decides; and a replica that does
 * not hold the one that comes into force stops (I10) and comes back as a newcomer (I2).
 */
import {
  Secret,
  describeError,
  fromHex,
  type ClusterId,
  type Crypto,
  type IncarnationId,
  type Random,
  type Sha256Hex,
} from '@witan/core';
import { seedCommitment } from '@witan/manifest';
import { encodeCommand, type SeedCandidate, type StateView } from '@witan/state-machine';
import { ReplicaError } from '../errors.ts';
import type {
  KeyGenerations,
  PeerCalls,
  Scheduler,
  Seed,
  SeedDelivery,
  SeedReceipt,
} from '../ports.ts';
import { isSameLife, type ClusterLife, type PeerIdentity } from '../standing.ts';
import { SEED_BYTES, SeedRing, seedDigest } from './seed-chain.ts';
import { within } from './sleep.ts';

/** A member without an answer for so long is asked again later, in milliseconds. */
const ANSWER_MS = 2_000;

/** What is looked at in the state. */
export type SeedState = Pick<StateView<unknown>, 'clusterId' | 'members' | 'rotations'>;

/** What rotating a seed takes beside the cluster's own parts. */
export interface SeedDeskOptions {
  readonly life: ClusterLife;
  readonly self: PeerIdentity;
  readonly seed: Seed;
  readonly crypto: Crypto;
  /** Absent where nothing is sealed. */
  readonly generations: KeyGenerations | undefined;
  /** Absent where seeds are not rotated. */
  readonly rotation: SeedRotation | undefined;
  readonly state: () => SeedState;
  readonly propose: (command: Uint8Array) => Promise<unknown>;
  /** Hands leadership to somebody else. */
  readonly steward: () => { handOver(): void };
  /** Shortens what is kept to the state of now. */
  readonly log: () => { compact(): void };
  readonly onEvent: (event: string, fields: Readonly<Record<string, string | number>>) => void;
}

/** How the next seed is drawn and handed out. */
export interface SeedRotation {
  readonly random: Random;
  readonly scheduler: Scheduler;
  readonly deliver: NonNullable<PeerCalls['deliverSeed']>;
  /** DER SubjectPublicKeyInfo of a seed's history key. */
  readonly historyPublicKey: (seed: Secret, clusterId: ClusterId) => Uint8Array;
}

/** See the head of this file. */
export class SeedDesk {
  readonly #ring: SeedRing;
  readonly #options: SeedDeskOptions;
  /** Who has confirmed to this leader, by digest and incarnation. */
  readonly #confirmed = new Set<string>();
  #busy = false;

  constructor(options: SeedDeskOptions) {
    this.#options = options;
    const { crypto, life, seed } = options;
    this.#ring = new SeedRing(crypto, life.clusterId, seed);
  }

  /** A seed to derive from; undefined where it is not held, or retired. */
  of(number: number): Secret | undefined {
    return this.#ring.of(number);
  }

  /** The candidate that the state names, where it is held. */
  candidateOf(number: number, digest: Sha256Hex): Secret | undefined {
    return this.#ring.candidateOf(number, digest);
  }

  /** Those that may come into force. */
  get candidates(): readonly Secret[] {
    return this.#ring.candidates;
  }

  /** All of it as one value, to hand on over an attested channel (I1). */
  encode(withCandidates = true): Seed {
    return this.#ring.encode(withCandidates);
  }

  /**
   * Puts the seeds into the state's order, before anything is read or sealed behind it.
   *
   * @throws ReplicaError REPLICA_SEED_MISSING where the one in force is not held
   */
  follow(state: SeedState): void {
    const { generations, log, onEvent } = this.#options;
    if (!alignSeeds(this.#ring, generations, state)) return;
    this.#confirmed.clear();
    const { number, usableFrom } = state.rotations.seeds;
    onEvent('seed in force', { number, usableFrom });
    log().compact();
  }

  /** Takes the next seed from the leader. @param from the identity that the channel has proved */
  delivered(delivery: SeedDelivery, from: IncarnationId): SeedReceipt {
    const refused = (code: string): SeedReceipt => ({ accepted: false, code });
    const { members, rotations, clusterId } = this.#options.state();
    const { phase, number, candidate } = rotations.seeds;
    if (!isSameLife(delivery, this.#options.life)) return refused('ANOTHER_CLUSTER');
    if (!members.some(({ incarnation }) => incarnation === from)) return refused('NOT_A_MEMBER');
    if (delivery.seed.byteLength !== SEED_BYTES) return refused('SEED_MALFORMED');
    // Behind with applying: the leader asks again.
    if (phase !== 'prepared' || delivery.number !== number + 1) return refused('NOT_PREPARED');
    const digest = seedDigest(this.#options.crypto, clusterId, delivery.number, delivery.seed);
    const isHeld = members.some(({ incarnation }) => candidate?.holders.includes(incarnation));
    if (isHeld && candidate?.digest !== digest) return refused('CANDIDATE_KNOWN');
    this.#ring.hold(new Secret(delivery.seed.expose()));
    return { accepted: true, code: '' };
  }

  /** To be called now and then on the leader. Never rejects. */
  async beat(): Promise<void> {
    const { rotation, state, onEvent } = this.#options;
    if (rotation === undefined || this.#busy) return;
    if (state().rotations.seeds.phase !== 'prepared') return;
    this.#busy = true;
    try {
      await this.#handOut(rotation);
    } catch (error) {
      onEvent('next seed not handed out yet', { error: describeError(error) });
    } finally {
      this.#busy = false;
    }
  }

  async #handOut(rotation: SeedRotation): Promise<void> {
    const { state, crypto, life, self, propose, onEvent } = this.#options;
    const { members, rotations } = state();
    const number = rotations.seeds.number + 1;
    const known = rotations.seeds.candidate;
    const isHolder = ({ incarnation }: Pick<PeerIdentity, 'incarnation'>): boolean =>
      known?.holders.includes(incarnation) === true;
    if (members.every(isHolder)) return;
    const seed = this.#next(rotation, members.some(isHolder));
    // Whoever holds it has to hand it on.
    if (seed === undefined) return this.#options.steward().handOver();
    const digest = seedDigest(crypto, life.clusterId, number, seed);
    const isConfirmed = (peer: PeerIdentity): boolean =>
      peer.incarnation === self.incarnation ||
      this.#confirmed.has(`${digest}/${peer.incarnation}`) ||
      (isHolder(peer) && known?.digest === digest);
    await Promise.all(
      members
        .filter((peer) => !isConfirmed(peer))
        .map((peer) => this.#deliver(rotation, peer, { ...life, number, seed }, digest)),
    );
    const now = state();
    if (now.rotations.seeds.phase !== 'prepared' || !now.members.every(isConfirmed)) return;
    const holders = now.members.map(({ incarnation }) => incarnation).toSorted();
    const historyPublicKey = rotation.historyPublicKey(seed, life.clusterId);
    const identity = { clusterId: life.clusterId, number, seedDigest: digest, historyPublicKey };
    const commitment = seedCommitment(identity, crypto);
    const candidate: SeedCandidate = { number, digest, historyPublicKey, commitment, holders };
    await propose(encodeCommand({ kind: 'seed-candidate', candidate }));
    onEvent('next seed held by every member', { number, members: holders.length });
  }

  /** @returns undefined where others hold the recorded one, and this replica does not */
  #next(rotation: SeedRotation, isHeld: boolean): Secret | undefined {
    const known = this.#options.state().rotations.seeds.candidate;
    const recorded = known === undefined ? undefined : this.#held(known);
    if (recorded !== undefined || isHeld) return recorded;
    const own = this.#ring.candidates.at(-1);
    if (own !== undefined) return own;
    const seed = new Secret(rotation.random.bytes(SEED_BYTES));
    this.#ring.hold(seed);
    return seed;
  }

  #held({ number, digest }: SeedCandidate): Secret | undefined {
    return this.#ring.candidateOf(number, digest);
  }

  async #deliver(
    { scheduler, deliver }: SeedRotation,
    { slot, incarnation }: PeerIdentity,
    delivery: SeedDelivery,
    digest: string,
  ): Promise<void> {
    const { onEvent } = this.#options;
    const call = deliver(slot, incarnation, delivery).catch((error: unknown) => {
      onEvent('next seed not handed out yet', { peer: slot, error: describeError(error) });
    });
    const answer = await within(scheduler, ANSWER_MS, call);
    if (answer?.accepted === true) this.#confirmed.add(`${digest}/${incarnation}`);
    else if (answer !== undefined) {
      onEvent('next seed not taken yet', { peer: slot, code: answer.code });
    }
  }
}

/**
 * Puts seeds and generations of sealing keys into a state's order.
 *
 * @returns whether another seed is in force than before, or former ones are forgotten
 * @throws ReplicaError REPLICA_SEED_MISSING where the one in force is not held (I10)
 */
export function alignSeeds(
  ring: SeedRing,
  generations: KeyGenerations | undefined,
  { rotations: { seeds } }: Pick<SeedState, 'rotations'>,
): boolean {
  const { number, usableFrom } = seeds;
  const digest = seeds.digestOf(number);
  let hasChanged = false;
  if (digest !== undefined) {
    const before = ring.current.number;
    const { seed } = ring.activate(number, digest);
    generations?.beginUnder(number, seed, fromHex(digest));
    hasChanged = ring.current.number !== before;
  }
  for (let former = usableFrom; former < number; former += 1) {
    const expected = seeds.digestOf(former);
    if (expected !== undefined && !ring.fits(former, expected)) throw lacking(former);
  }
  if (usableFrom > ring.usableFrom) {
    ring.forgetFormer();
    hasChanged = true;
  }
  if (usableFrom > 1) generations?.forgetFormer();
  return hasChanged;
}

function lacking(number: number): ReplicaError {
  const message = 'this replica does not hold a former seed that is still needed';
  return new ReplicaError('REPLICA_SEED_MISSING', message, { fields: { expected: number } });
}
