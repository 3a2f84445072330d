/**
 * A replica's way through a full recovery: when a member leaves its cluster for it, whom it tells
 * what it holds, and what it takes from peers and owners on the way.
 */
import type { IncarnationId, Sha256Hex, SlotName } from '@witan/core';
import type { ValidatedManifest } from '@witan/manifest';
import { ReplicaError } from '../errors.ts';
import type { RecoveryNotice, ShareSubmission } from '../recovery/ports.ts';
import type { RecoveryProgress } from '../recovery/progress.ts';
import { RecoveryDesk } from '../recovery/recovery-desk.ts';
import type { ReplicaOptions } from '../replica-options.ts';
import type { ClusterLife, Genesis, Standing } from '../standing.ts';
import type { Cluster } from './cluster.ts';
import { isStranded } from './look.ts';

/** What it needs of the replica around it. */
export interface RecoveringHost<ReferenceValues> {
  readonly cluster: () => Cluster<ReferenceValues> | undefined;
  /** Whether the replica is in a cluster that has lost its leader for a while. */
  readonly isLeaderless: () => boolean;
  /** Whether the replica has stopped, or was replaced. */
  readonly isOver: () => boolean;
  /** Forgets the cluster, in which this incarnation takes part no more. */
  readonly left: (life: ClusterLife) => void;
  readonly takeUp: (genesis: Genesis) => void;
}

/** See the head of this file. */
export class Recovering<ReferenceValues> {
  readonly #options: ReplicaOptions<ReferenceValues>;
  readonly #host: RecoveringHost<ReferenceValues>;
  readonly #desk: RecoveryDesk<ReferenceValues>;
  #survived: ClusterLife | undefined;
  #isActive = false;

  constructor(options: ReplicaOptions<ReferenceValues>, host: RecoveringHost<ReferenceValues>) {
    this.#options = options;
    this.#host = host;
    this.#desk = new RecoveryDesk({ ...options, ports: options.recovery });
  }

  /** The cluster that this incarnation survived: it takes part in its recovery only. */
  get survived(): ClusterLife | undefined {
    return this.#survived;
  }

  /** Whether this replica has no cluster and tells others what it holds. */
  get isActive(): boolean {
    return this.#isActive;
  }

  /** The least epoch whose reopening may still be taken up. */
  get promised(): RecoveryDesk<ReferenceValues>['promised'] {
    return this.#desk.promised;
  }

  /** The manifest of the best state that was opened. */
  get manifest(): ValidatedManifest<ReferenceValues> | undefined {
    return this.#desk.manifest;
  }

  progress(): RecoveryProgress {
    return this.#desk.progress();
  }

  /** @throws ReplicaError REPLICA_NOT_RECOVERING */
  async noticed(notice: RecoveryNotice, from: IncarnationId): Promise<RecoveryNotice> {
    if (notice.self.incarnation !== from || !this.#mayRecover()) throw notRecovering();
    return this.#desk.noticed(notice);
  }

  /** @throws ReplicaError REPLICA_NOT_RECOVERING; KeysError KEYS_SHARE_* */
  submit(submission: ShareSubmission): { readonly owner: Sha256Hex } {
    if (!this.#mayRecover()) throw notRecovering();
    return this.#desk.submit(submission);
  }

  /**
   * Takes part in a full recovery; as a member only once its cluster cannot go on.
   *
   * @returns whether this replica has just opened the cluster again
   */
  async round(answers: ReadonlyMap<SlotName, Standing>): Promise<boolean> {
    const cluster = this.#host.cluster();
    if (cluster !== undefined) {
      if (!this.#host.isLeaderless() || cluster.generation === 0) return false;
      const { members, configuration } = cluster.state.machine;
      const isGivenUp = (slot: SlotName): boolean => this.#desk.isGivenUp(slot, cluster.seed);
      const { self } = this.#options;
      if (isStranded({ self, members, configuration, isGivenUp }, answers)) this.#survive(cluster);
    }
    this.#isActive = this.#host.cluster() === undefined;
    const genesis = await this.#desk.round(answers, this.#isActive);
    const isFree = this.#host.cluster() === undefined && !this.#host.isOver();
    if (genesis === undefined || !isFree) return false;
    this.#host.takeUp(genesis);
    return true;
  }

  /** The replica has entered a cluster: nothing that was collected is needed. */
  over(): void {
    this.#survived = undefined;
    this.#isActive = false;
    this.#desk.close();
  }

  /**
   * Leaves a cluster that lost its majority, for good: from here on nothing is accepted in it, so
   * that what this incarnation reports stays true.
   */
  #survive(cluster: Cluster<ReferenceValues>): void {
    const { clusterId, epoch, opening } = cluster;
    this.#options.onEvent('cluster left for its recovery', { clusterId, epoch });
    this.#survived = { clusterId, epoch, opening };
    this.#host.left(this.#survived);
    this.#desk.survived(cluster.formerLog());
    this.#options.onChange();
  }

  #mayRecover(): boolean {
    if (this.#host.isOver()) return false;
    return this.#host.cluster() === undefined || this.#host.isLeaderless();
  }
}

function notRecovering(): ReplicaError {
  const message = 'this replica is in a working cluster: there is nothing to recover';
  return new ReplicaError('REPLICA_NOT_RECOVERING', message);
}
