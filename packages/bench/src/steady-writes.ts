/**
 * Writes that go on whatever happens to the leader: each client repeats a write until it is
 * acknowledged, wherever the leader is then. Notes when, so that gaps can be seen.
 */
import { PATHS } from './etcd-wire.ts';
import { GrpcClient } from './grpc-client.ts';
import { putRequest } from './load.ts';
import type { Members } from './members.ts';

const CLIENTS = 8;
const RETRY_MS = 2;
const ATTEMPT_MS = 5_000;

/** A load that can be watched. */
export class SteadyWrites {
  /** When writes were acknowledged, in ascending order. */
  readonly acknowledgedMs: number[] = [];
  /** Attempts that ended without an answer, so that it had to be asked again. */
  failedAttempts = 0;
  readonly #members: Members;
  #leader: number;
  #client: GrpcClient;
  #number = 0;
  #stopped = false;
  #looking: Promise<void> | undefined;
  readonly #workers: Promise<unknown>;

  constructor(members: Members, leader: number) {
    this.#members = members;
    this.#leader = leader;
    this.#client = new GrpcClient(members.endpoints[leader] ?? '');
    this.#workers = Promise.all(Array.from({ length: CLIENTS }, () => this.#work()));
  }

  get leader(): number {
    return this.#leader;
  }

  /** Waits for so many more acknowledgements. @throws Error when they do not come in time */
  async reach(more: number, withinMs = 20_000): Promise<void> {
    const goal = this.acknowledgedMs.length + more;
    const untilMs = performance.now() + withinMs;
    while (this.acknowledgedMs.length < goal) {
      if (performance.now() > untilMs) throw new Error('writes are not acknowledged any more');
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
  }

  /** The longest time without an acknowledgement from `fromMs` on, in milliseconds. */
  longestGapMs(fromMs: number): number {
    let longestMs = 0;
    let lastMs = fromMs;
    for (const atMs of this.acknowledgedMs) {
      if (atMs < fromMs) continue;
      longestMs = Math.max(longestMs, atMs - lastMs);
      lastMs = atMs;
    }
    return longestMs;
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    await this.#workers;
    this.#client.close();
  }

  async #work(): Promise<void> {
    while (!this.#stopped) {
      this.#number += 1;
      const request = putRequest(this.#number);
      while (!(await this.#attempt(request))) {
        if (this.#stopped) return;
        this.failedAttempts += 1;
        this.#looking ??= this.#look();
        await this.#looking;
      }
      this.acknowledgedMs.push(performance.now());
    }
  }

  async #attempt(request: Uint8Array): Promise<boolean> {
    try {
      await this.#client.call(PATHS.put, request, ATTEMPT_MS);
      return true;
    } catch {
      return false;
    }
  }

  /** Once for all clients that ask at the same time. */
  async #look(): Promise<void> {
    await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
    const leader = await this.#members.leader();
    if (leader >= 0 && leader !== this.#leader) {
      this.#client.close();
      this.#client = new GrpcClient(this.#members.endpoints[leader] ?? '');
      this.#leader = leader;
    }
    this.#looking = undefined;
  }
}
