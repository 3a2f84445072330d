/**
 * Clients: read and write small registers at any process that they can reach, also at ones that
 * were replaced. What they saw becomes a history for the linearizability checker; what was
 * acknowledged is compared with the committed log at once (I3).
 */
import { ReplicaError } from '@witan/replica';
import type { KvInput, Operation } from './linearizability/history.ts';
import { check } from './invariants.ts';
import type { SimProcess } from './process.ts';
import type { SimRandom } from './random.ts';
import { encodeInput } from './register.ts';
import type { World } from './world.ts';

const OPERATION_MS = 2_000;
const GIVE_UP_MS = 4_000;
const PAUSE_MS = 120;
/** Operations on one set of keys; then clients move on, so that histories stay short. */
const OPERATIONS_PER_ROUND = 48;
const KEYS = 3;

interface Pending {
  readonly client: number;
  readonly input: KvInput;
  readonly calledAt: number;
  returned?: { readonly at: number; readonly output: string };
  /** It is certain that it never took effect. */
  failed: boolean;
}

export class Workload {
  readonly #world: World;
  readonly #random: SimRandom;
  readonly #history: Pending[] = [];
  acknowledged = 0;
  unknown = 0;
  #stopped = false;

  constructor(world: World, random: SimRandom, clients: number) {
    this.#world = world;
    this.#random = random;
    for (let client = 0; client < clients; client += 1) this.#next(client);
  }

  get size(): number {
    return this.#history.length;
  }

  stop(): void {
    this.#stopped = true;
  }

  history(): readonly Operation<KvInput, string>[] {
    return this.#history.filter(({ failed }) => !failed);
  }

  #next(client: number): void {
    if (this.#stopped) return;
    this.#world.timeline.after(this.#random.exponential(PAUSE_MS), () => {
      this.#operate(client);
    });
  }

  #operate(client: number): void {
    const process = this.#random.pick(this.#world.live());
    const cluster = process?.replica.cluster;
    const isRead = this.#random.chance(0.4);
    const leaderId = cluster?.status().leaderId ?? 0;
    const leader = this.#random.chance(0.9) ? this.#world.byNodeId(leaderId) : process;
    const target = isRead ? process : leader;
    if (cluster === undefined || target?.alive !== true) {
      this.#next(client);
      return;
    }
    const { clusterId } = cluster;
    const round = Math.floor(this.#history.length / OPERATIONS_PER_ROUND);
    const key = `${clusterId.slice(0, 6)}/${round}/${this.#random.int(KEYS)}`;
    const value = `${this.#history.length},`;
    const kind = isRead ? 'get' : this.#random.pick(['append', 'append', 'put'] as const);
    const input: KvInput = kind === 'get' ? { kind, key } : { kind, key, value };
    const calledAt = this.#world.timeline.nextSequence();
    const operation: Pending = { client, input, calledAt, failed: false };
    this.#history.push(operation);
    this.#send(target, clusterId, operation, () => {
      this.#next(client);
    });
  }

  /** A request and its answer take a while on their way, and either may be lost. */
  #send(target: SimProcess, clusterId: string, operation: Pending, onEnd: () => void): void {
    const { timeline } = this.#world;
    let isOver = false;
    const end = (): void => {
      if (isOver) return;
      isOver = true;
      if (operation.returned === undefined && !operation.failed) this.unknown += 1;
      onEnd();
    };
    timeline.after(GIVE_UP_MS, end);
    timeline.after(this.#random.exponential(3), () => {
      target.enter(() => {
        void this.#run(target, clusterId, operation.input).then((result) => {
          if (this.#random.chance(0.03)) return;
          timeline.after(this.#random.exponential(3), () => {
            if (isOver) return;
            if (result.kind === 'failed') operation.failed = true;
            if (result.kind === 'done') {
              this.acknowledged += 1;
              const at = timeline.nextSequence();
              operation.returned = { at, output: result.output };
            }
            end();
          });
        });
      });
    });
  }

  async #run(
    target: SimProcess,
    clusterId: string,
    input: KvInput,
  ): Promise<
    { readonly kind: 'done'; readonly output: string } | { readonly kind: 'failed' | 'unknown' }
  > {
    const cluster = target.replica.cluster;
    if (cluster?.clusterId !== clusterId) return { kind: 'failed' };
    try {
      if (input.kind === 'get') {
        await cluster.engine.readBarrier({ timeoutMs: OPERATION_MS });
        if (!target.alive) return { kind: 'unknown' };
        return { kind: 'done', output: target.register.read(input.key) };
      }
      const { index } = await cluster.propose(encodeInput(input), true, OPERATION_MS);
      if (!target.alive) return { kind: 'unknown' };
      this.#world.guard(() => {
        const committed = this.#world.invariants.groups.get(clusterId)?.committed[index];
        check(committed !== undefined, 'ACKNOWLEDGED_IS_COMMITTED (I3)', { index });
      });
      return { kind: 'done', output: '' };
    } catch (error) {
      if (!(error instanceof ReplicaError)) {
        this.#world.options.onViolation(error);
        return { kind: 'unknown' };
      }
      const isRefused = error.code === 'REPLICA_NOT_LEADER' || error.code === 'REPLICA_BUSY';
      return { kind: isRefused ? 'failed' : 'unknown' };
    }
  }
}
