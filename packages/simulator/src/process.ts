/**
 * One simulated process: the real replica, with a clock that may be wrong, a disk that may fail,
 * and a life that may end at any call to its surroundings.
 */
import type { IncarnationId, SlotName } from '@witan/core';
import type { DurableState, PeerIdentity, Replica, Scheduler } from '@witan/replica';
import { SimulatedCrash, type CrashFs } from '@witan/journal/testing';
import { DurableView, SimDurableLog, hostedFs, type DiskHost, type DiskTrouble } from './disk.ts';
import type { Mirror } from './invariants.ts';
import { Register } from './register.ts';
import type { World } from './world.ts';

export interface ProcessOptions {
  readonly world: World;
  readonly slot: number;
  readonly birth: number;
  readonly slotName: SlotName;
  readonly incarnation: IncarnationId;
  readonly self: PeerIdentity;
  readonly fs: CrashFs;
}

export class SimProcess implements Scheduler, DiskHost {
  readonly world: World;
  readonly slot: number;
  readonly birth: number;
  readonly self: PeerIdentity;
  readonly fs: CrashFs;
  readonly durable: DurableView = new DurableView();
  readonly log: SimDurableLog;
  readonly register: Register = new Register();
  replica!: Replica<unknown>;
  mirror: Mirror | undefined;
  /** What it found on its slot's disk, to be reused as far as a leader confirms it. */
  former: DurableState | undefined;
  configurationDue = false;
  alive = true;
  /** Nothing runs, but nothing is forgotten. */
  paused = false;
  /** Only processes of the same side hear each other: those who were replaced, apart. */
  isApart = false;
  /** Paused until somebody has taken its place. */
  isZombie = false;
  isClone = false;
  diskTrouble: DiskTrouble = 'none';
  /** Whether a failed disk explains that it ends. */
  mayFail = false;
  /** Whether its disk has confirmed a write that it put somewhere else. */
  wasMisled = false;
  /** Since when it runs, and is one of many, without a break. */
  steadySinceMs: number;
  #rate = 1;
  #jumpedMs = 0;
  #rateSinceMs: number;
  #clockMs = 0;
  #deferred: (() => void)[] = [];
  #callsLeft: number | undefined;
  #onCrash: () => void = () => undefined;

  constructor(options: ProcessOptions) {
    this.world = options.world;
    this.slot = options.slot;
    this.birth = options.birth;
    this.self = options.self;
    this.fs = options.fs;
    this.#rateSinceMs = this.world.timeline.nowMs;
    this.steadySinceMs = this.world.timeline.nowMs;
    const directory = `/data/journal-${options.incarnation.slice(0, 16)}`;
    this.log = new SimDurableLog(directory, hostedFs(options.fs, this), this.durable);
  }

  // --- life -----------------------------------------------------------------------------------

  /** Runs now, or when the pause is over, or never. */
  enter(callback: () => void): void {
    if (!this.alive) return;
    if (this.paused) this.#deferred.push(callback);
    else callback();
  }

  resume(): void {
    if (!this.paused) return;
    this.paused = false;
    this.steadySinceMs = this.world.timeline.nowMs;
    const deferred = this.#deferred;
    this.#deferred = [];
    for (const callback of deferred) this.enter(callback);
  }

  /** Dies at the n-th call from now to disk, network or clock. */
  crashAfter(calls: number, onCrash: () => void): void {
    this.#callsLeft = calls;
    this.#onCrash = onCrash;
    if (calls === 0) this.called();
  }

  /** Every call to the surroundings passes here. @returns false when the process is gone */
  called(): boolean {
    if (!this.alive) return false;
    if (this.#callsLeft === undefined) return true;
    this.#callsLeft -= 1;
    if (this.#callsLeft >= 0) return true;
    this.#callsLeft = undefined;
    this.#onCrash();
    return this.alive;
  }

  // --- clock ----------------------------------------------------------------------------------

  monotonicMs(): number {
    const { nowMs } = this.world.timeline;
    return this.#clockMs + (nowMs - this.#rateSinceMs) * this.#rate + this.#jumpedMs;
  }

  setRate(rate: number): void {
    this.#clockMs = this.monotonicMs() - this.#jumpedMs;
    this.#rateSinceMs = this.world.timeline.nowMs;
    this.#rate = rate;
  }

  jump(byMs: number): void {
    this.#jumpedMs += byMs;
  }

  after(delayMs: number, callback: () => void): () => void {
    this.called();
    return this.world.timeline.after(delayMs / this.#rate, () => {
      this.enter(callback);
    });
  }

  soon(callback: () => void): void {
    this.after(0, callback);
  }

  // --- disk -----------------------------------------------------------------------------------

  async operate<Value>(
    what: 'sync' | 'write' | 'other',
    run: () => Promise<Value>,
  ): Promise<Value> {
    // Crashes stand before an operation and behind it: also between a write and its sync.
    if (!this.called()) throw new SimulatedCrash();
    if (this.diskTrouble === what) throw this.#failure('EIO');
    if (this.diskTrouble === 'full' && what === 'write') throw this.#failure('ENOSPC');
    if (what === 'sync') await this.#wait();
    const value = await run();
    if (!this.called()) throw new SimulatedCrash();
    return value;
  }

  misdirected(files: number): { readonly file: number; readonly byBytes: number } | undefined {
    if (this.diskTrouble !== 'misdirect') return undefined;
    this.diskTrouble = 'none';
    this.wasMisled = true;
    const { diskRandom } = this.world;
    const byBytes = diskRandom.pick([-4_096, -512, 512, 4_096, 65_536]);
    return { file: diskRandom.int(files), byBytes: diskRandom.chance(0.3) ? 0 : byBytes };
  }

  #wait(): Promise<void> {
    const meanMs = this.diskTrouble === 'slow' ? 150 : 1.5;
    const delayMs = this.world.diskRandom.exponential(meanMs);
    return new Promise((resolve) => {
      this.world.timeline.after(delayMs, () => {
        this.enter(resolve);
      });
    });
  }

  #failure(code: string): Error {
    this.mayFail = true;
    return Object.assign(new Error(`simulated ${code}`), { code });
  }
}
