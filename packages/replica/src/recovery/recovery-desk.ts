/**
 * A replica's part in a full recovery: tells the others what it holds, collects what owners and
 * peers tell it, and makes the reopening when it is the one to do so. What it decides is in
 * decide-recovery.ts.
 *
 * Assumes that every notice comes over an attested channel (I1), and that whoever reports what it
 * holds takes part in no cluster any more, so that it comes to hold nothing else.
 */
import { describeError, epoch as toEpoch, unixMillis } from '@witan/core';
import type { Epoch, IncarnationId, Sha256Hex, SlotName } from '@witan/core';
import { recoveryHash, type Recovery, type ValidatedManifest } from '@witan/manifest';
import { seedInForce } from '../life/seed-chain.ts';
import type { Keyring, PeerCalls, Seed } from '../ports.ts';
import type { Genesis, PeerIdentity, Standing } from '../standing.ts';
import { Authorisations } from './authorisations.ts';
import {
  decideRecovery,
  isGivenUp,
  nextEpoch,
  type Authorisation,
  type Opening,
  type RecoveryDecision,
  type RecoveryFacts,
  type RecoveryReport,
} from './decide-recovery.ts';
import { HeldLogs, type KnownSeed } from './held-logs.ts';
import type { FormerLog, RecoveryNotice, RecoveryPorts, ShareSubmission } from './ports.ts';
import { progressOf, type RecoveryProgress } from './progress.ts';
import { reopenedState, type ReplayOptions } from './replay.ts';

/** What the desk needs of the replica. */
export interface RecoveryDeskOptions<ReferenceValues> extends ReplayOptions<ReferenceValues> {
  readonly self: PeerIdentity;
  readonly ports: RecoveryPorts;
  readonly peers: PeerCalls;
  readonly openKeyring: (seed: Seed, clusterId: KnownSeed['clusterId'], epoch: Epoch) => Keyring;
  readonly onChange: () => void;
}

/** See the head of this file. */
export class RecoveryDesk<ReferenceValues> {
  readonly #options: RecoveryDeskOptions<ReferenceValues>;
  readonly #logs: HeldLogs<ReferenceValues>;
  readonly #authorisations = new Authorisations();
  /** What peers said last, for people to look at. */
  #heard: ReadonlyMap<SlotName, RecoveryNotice> = new Map();
  #promised: Epoch = toEpoch(1);
  #decision: RecoveryDecision | undefined;
  /** Whether this replica has no cluster, and so reports what it holds. */
  #participates = false;

  constructor(options: RecoveryDeskOptions<ReferenceValues>) {
    this.#options = options;
    this.#logs = new HeldLogs(options);
  }

  /** The least epoch whose reopening may still be taken up. */
  get promised(): Epoch {
    return this.#promised;
  }

  /** The manifest of the best state that this replica has opened. */
  get manifest(): ValidatedManifest<ReferenceValues> | undefined {
    return this.#logs.furthest()?.machine.manifest;
  }

  /** This incarnation has left its cluster, which lost its majority, with all that it holds. */
  survived(log: FormerLog): void {
    this.#logs.takeMemory(log);
    this.#options.onChange();
  }

  /** Whether so many owners give a slot up as open the seed, by shares that do open it. */
  isGivenUp(slot: SlotName, seed: Seed): boolean {
    return isGivenUp(slot, this.#authorised(seed));
  }

  /**
   * Takes an owner's share, and what the owner authorises with it.
   *
   * @throws KeysError KEYS_SHARE_*; nothing has changed then
   */
  submit(submission: ShareSubmission): { readonly owner: Sha256Hex } {
    const { floor, acceptMissing, share } = submission;
    const { owner } = this.#options.ports.shares.add(share);
    this.#authorisations.add({ owner, floor, acceptMissing });
    this.#options.onEvent('recovery share accepted', { owner });
    this.#options.onChange();
    return { owner };
  }

  /** What a peer tells. @returns what it is told */
  async noticed(notice: RecoveryNotice): Promise<RecoveryNotice> {
    await this.#logs.readClaims();
    this.#take(notice);
    await this.#logs.open();
    if (this.#participates && this.#logs.seed !== undefined) {
      this.#promise([this.#report(), ...reportsOf([notice])]);
    }
    this.#options.onChange();
    return this.#notice();
  }

  /**
   * Tells all who answer and have no leader, and is told by them.
   *
   * @param participates whether this replica has no cluster
   * @returns the reopening, when this replica is the one to make it and nothing stands in the way
   */
  async round(
    answers: ReadonlyMap<SlotName, Standing>,
    participates: boolean,
  ): Promise<Genesis | undefined> {
    this.#participates = participates;
    await this.#logs.readClaims();
    await this.#logs.open();
    const others = [...answers.values()].filter(({ cluster }) => cluster?.leader === undefined);
    const notices = new Map<SlotName, RecoveryNotice>();
    await Promise.all(
      others.map(async ({ self }) => {
        const notice = await this.#exchange(self);
        if (notice !== undefined) notices.set(self.slot, notice);
      }),
    );
    this.#heard = notices;
    for (const notice of notices.values()) this.#take(notice);
    await this.#logs.open();
    return this.#conclude([...notices.values()]);
  }

  progress(): RecoveryProgress {
    return progressOf({
      share: this.#options.ports.shares.count(),
      headers: this.#options.ports.shares.headers(),
      seed: this.#logs.seed,
      self: this.#options.self,
      held: this.#logs.held(),
      notices: [...this.#heard.values()],
      authorisations: this.#authorisations.all(),
      decision: this.#decision,
    });
  }

  /** The cluster is open, or this replica is in it: nothing that was collected is needed. */
  close(): void {
    this.#participates = false;
    this.#options.ports.shares.wipe();
    this.#authorisations.clear();
    this.#logs.clear();
    this.#heard = new Map();
    this.#decision = undefined;
  }

  async #exchange(peer: PeerIdentity): Promise<RecoveryNotice | undefined> {
    try {
      const { peers } = this.#options;
      const answer = await peers.recover(peer.slot, peer.incarnation, this.#notice());
      const { from, value } = answer;
      const isIt = from === peer.incarnation && isFrom(value, peer.slot, from);
      return isIt ? value : undefined;
    } catch (error) {
      const fields = { peer: peer.slot, error: describeError(error) };
      this.#options.onEvent('recovery notice not exchanged', fields);
      return undefined;
    }
  }

  #take(notice: RecoveryNotice): void {
    const { shares } = this.#options.ports;
    for (const header of notice.headers) shares.learn(header);
    for (const share of notice.shares) {
      try {
        shares.add(share);
      } catch (error) {
        this.#options.onEvent('share of a peer refused', {
          peer: notice.self.slot,
          error: describeError(error),
        });
      }
    }
    const { owners } = shares.count();
    for (const authorisation of notice.authorisations) {
      // Whoever has no share here has proved nothing here.
      if (owners.includes(authorisation.owner)) this.#authorisations.add(authorisation);
    }
    if (notice.seed !== undefined) this.#logs.takeSeed(notice.seed);
  }

  #notice(): RecoveryNotice {
    const { self, ports } = this.#options;
    const seed = this.#logs.seed;
    const opened = this.#participates && seed !== undefined;
    return {
      self,
      opened,
      held: this.#participates ? this.#logs.held() : [],
      headers: ports.shares.headers(),
      shares: ports.shares.shares(),
      authorisations: this.#authorisations.all(),
      promised: this.#promised,
      ...(opened ? { seed } : {}),
    };
  }

  #authorised(seed: Seed): Pick<RecoveryFacts, 'authorisations' | 'unproven' | 'shareThreshold'> {
    const { shares } = this.#options.ports;
    const { seed: inForce } = seedInForce(seed) ?? { seed };
    const proven = shares.authorisers(inForce);
    const all = this.#authorisations.all();
    const isProven = ({ owner }: Authorisation): boolean => proven?.owners.includes(owner) === true;
    return {
      authorisations: all.filter(isProven),
      unproven: all.filter((authorisation) => !isProven(authorisation)),
      shareThreshold: proven?.threshold ?? shares.count().threshold,
    };
  }

  #report(): RecoveryReport {
    return { self: this.#options.self, held: this.#logs.held(), promised: this.#promised };
  }

  #promise(reports: readonly RecoveryReport[]): void {
    this.#promised = nextEpoch(reports);
  }

  #conclude(notices: readonly RecoveryNotice[]): Genesis | undefined {
    const { seed } = this.#logs;
    this.#decision = undefined;
    this.#options.onChange();
    if (!this.#participates || seed === undefined) return undefined;
    const others = reportsOf(notices);
    this.#promise([this.#report(), ...others]);
    const decision = decideRecovery({
      reports: [this.#report(), ...others],
      ...this.#authorised(seed.seed),
      seedInMemory: seed.source !== 'shares',
    });
    this.#decision = decision;
    if (decision.kind === 'wait' || decision.at !== this.#options.self.slot) return undefined;
    return this.#reopen(decision, seed);
  }

  #reopen(opening: Opening, seed: KnownSeed): Genesis | undefined {
    const { self, ports, openKeyring, crypto, onEvent } = this.#options;
    const { best, epoch, acceptedMissing, owners } = opening;
    const log = this.#logs.find(best);
    if (log === undefined) return undefined;
    // Who answered for a slot that owners have removed, or never had, has no place there (I2).
    const members = opening.members.filter(({ slot }) => log.machine.slots.includes(slot));
    const { clusterId, term, index, generation, transitionHash } = best;
    const recovery: Recovery = {
      clusterId,
      epoch,
      previous: log.machine.recoveryHead,
      from: { epoch: best.epoch, term, index, generation, transitionHash },
      key: seed.source,
      owners,
      participants: members.map(({ slot, incarnation }) => ({ slot, incarnation })),
      acceptedMissing,
      timeMs: unixMillis(ports.nowMs()),
    };
    // As of that log, which names the one in force: what a peer told may lack it.
    const keyring = openKeyring(log.seed, clusterId, epoch);
    const signed = ports.sign(log.seed, recovery);
    const state = reopenedState(log, signed, members, keyring, this.#options);
    onEvent('cluster reopened', { epoch, index, generation, at: self.slot, key: seed.source });
    return {
      clusterId,
      seed: log.seed,
      slots: log.machine.slots,
      members,
      reopening: { epoch, opening: recoveryHash(recovery, crypto), state },
    };
  }
}

/** What those report that have read their disks with the seed. */
function reportsOf(notices: readonly RecoveryNotice[]): readonly RecoveryReport[] {
  return notices
    .filter(({ opened }) => opened)
    .map(({ self, held, promised }) => ({ self, held, promised }));
}

function isFrom({ self }: RecoveryNotice, slot: SlotName, incarnation: IncarnationId): boolean {
  return self.slot === slot && self.incarnation === incarnation;
}
