/** A test cluster that lost all its processes: owners hand in shares until it goes on. */
import { fromHex, Secret, sha256Hex, type Sha256Hex } from '@witan/core';
import { KeysError, ShareCollector, decodeShare } from '@witan/keys';
import { decodeFloor, type Floor } from '@witan/manifest';
import {
  GetStatusResponse_Phase,
  RecoveryService,
  type SubmitShareRequest,
  type SubmitShareResponseSchema,
} from '@witan/protocol';
import { PublicError, serviceRegistration, type ServiceRegistration } from '@witan/transport';
import type { MessageInitShape } from '@bufbuild/protobuf';
import type { TestCluster } from './cluster.ts';

type Progress = NonNullable<MessageInitShape<typeof SubmitShareResponseSchema>['progress']>;

export class Loss {
  readonly floors: (Floor | undefined)[] = [];
  /** Slots whose disks are gone. */
  readonly missing: readonly string[];
  readonly #cluster: TestCluster;
  readonly #collector: ShareCollector;
  readonly #owners = new Set<Sha256Hex>();
  readonly #givenUp = new Map<string, Set<Sha256Hex>>();

  constructor(cluster: TestCluster, missing: readonly string[] = []) {
    const { recoveryHeader } = cluster;
    if (recoveryHeader === undefined) throw new Error('no shares were dealt');
    this.#cluster = cluster;
    this.#collector = new ShareCollector(recoveryHeader);
    this.missing = missing;
  }

  submit(request: SubmitShareRequest): MessageInitShape<typeof SubmitShareResponseSchema> {
    const bytes = new Secret(request.share);
    const { owner } = decodeShare(bytes);
    try {
      this.#collector.add(bytes);
    } catch (error) {
      if (!(error instanceof KeysError)) throw error;
      const isAgain = error.code === 'KEYS_SHARE_DUPLICATE';
      if (!isAgain) throw new PublicError('INVALID_ARGUMENT', error.code, 'no', error.fields);
    }
    this.#owners.add(owner);
    this.floors.push(request.floor.byteLength === 0 ? undefined : decodeFloor(request.floor));
    for (const slot of request.acceptMissing) {
      this.#givenUp.set(slot, (this.#givenUp.get(slot) ?? new Set()).add(owner));
    }
    const progress = this.progress();
    if (progress.obstacle === undefined) {
      this.#cluster.loss = undefined;
      this.#cluster.recover({ owners: [...this.#owners].toSorted().map(sha256Hex) });
    }
    return { owner: fromHex(owner), progress };
  }

  progress(): Progress {
    const { received, threshold, owners, missing } = this.#collector.progress;
    const slots = this.missing.filter((slot) => (this.#givenUp.get(slot)?.size ?? 0) < threshold);
    const { index, manifests, head, clusterId } = this.#cluster;
    const obstacle =
      received < threshold
        ? { code: 'SHARES_MISSING', expected: `${threshold} shares`, found: `${received}` }
        : slots.length > 0
          ? { code: 'STATE_MISSING', slots }
          : undefined;
    const expected = ['witan-0', 'witan-1', 'witan-2'];
    return {
      clusterId: fromHex(clusterId),
      sharesReceived: received,
      sharesThreshold: threshold,
      owners: owners.map(fromHex),
      ownersMissing: missing.map(fromHex),
      slotsExpected: expected,
      slotsAnswered: expected.filter((slot) => !this.missing.includes(slot)),
      bestEpoch: BigInt(this.#cluster.epoch),
      bestTerm: 3n,
      bestIndex: BigInt(index),
      bestGeneration: BigInt(manifests.length),
      bestTransitionHash: fromHex(head),
      givenUp: [...this.#givenUp].map(([slot, by]) => ({ slot, owners: [...by].map(fromHex) })),
      ...(obstacle === undefined ? {} : { obstacle }),
    };
  }
}

/** The recovery service of a replica of that cluster. */
export function recoveryService<Claims>(
  cluster: TestCluster,
  enter: (method: string) => Promise<void>,
): ServiceRegistration<Claims> {
  return serviceRegistration<typeof RecoveryService, Claims>(RecoveryService, {
    submitShare: async (request) => {
      await enter('submitShare');
      if (cluster.loss !== undefined) return cluster.loss.submit(request);
      throw new PublicError('FAILED_PRECONDITION', 'REPLICA_NOT_RECOVERING', 'it works');
    },
    getRecovery: async () => {
      await enter('getRecovery');
      return cluster.loss === undefined ? {} : { progress: cluster.loss.progress() };
    },
  });
}

/** What a replica without a cluster says of itself. */
export function lostStatus(loss: Loss): {
  readonly phase: GetStatusResponse_Phase;
  readonly simulated: boolean;
  readonly recovery: Progress;
} {
  const phase = GetStatusResponse_Phase.SEALED;
  return { phase, simulated: true, recovery: loss.progress() };
}
