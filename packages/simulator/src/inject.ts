/** Carries out a schedule of faults. What cannot happen in the current state does nothing. */
import type { DiskFate, Fault, Trouble } from './faults.ts';
import type { SimProcess } from './process.ts';
import { restoreFromDisk } from './control.ts';
import type { DiskTrouble } from './disk.ts';
import { breakLines } from './lines.ts';
import type { Cut, Noise } from './network.ts';
import type { World } from './world.ts';

/** How long a replaced process that came back stays apart from the others, in milliseconds. */
const APART_MS = 4_000;
const FULL_CIRCLE = 60_000;

type NetworkTrouble = Extract<Trouble, { readonly kind: 'partition' | 'cut' | 'clog' | 'noise' }>;

export interface InjectorOptions {
  readonly noise: Noise;
  /** Off is the negative control: an incarnation comes back with its identity and its old disk. */
  readonly i2: boolean;
}

export class Injector {
  readonly #world: World;
  readonly #options: InjectorOptions;
  #isOver = false;
  #noiseRound = 0;
  carriedOut = 0;

  constructor(world: World, options: InjectorOptions, faults: readonly Fault[]) {
    this.#world = world;
    this.#options = options;
    for (const { atMs, trouble } of faults) {
      world.timeline.after(atMs, () => {
        if (!this.#isOver) this.#inject(trouble);
      });
    }
  }

  /** Ends all faults: what was cut is joined, what was paused goes on, what died starts again. */
  heal(): void {
    const world = this.#world;
    this.#isOver = true;
    world.network.heal();
    for (const process of world.live()) {
      process.resume();
      process.setRate(1);
      process.diskTrouble = 'none';
      process.mayFail = false;
      this.#reveal(process);
    }
    for (const slot of world.disks.keys()) {
      this.#oneForEach(slot);
      world.supervise(slot);
    }
  }

  /** An honest host runs one process for each slot, and the slot's name leads to it. */
  #oneForEach(slot: number): void {
    const world = this.#world;
    const here = world.live().filter((process) => process.slot === slot);
    const kept = here.findLast((process) => world.isVoter(process)) ?? here.at(-1);
    if (kept === undefined) return;
    world.names.set(slot, kept);
    for (const process of here)
      if (process !== kept && world.canLose(process)) world.kill(process, false, 'kept');
  }

  /** The current process of a slot. */
  #at(slot: number): SimProcess | undefined {
    return this.#world.live().findLast((process) => process.slot === slot && !process.isZombie);
  }

  #after(delayMs: number, run: () => void): void {
    this.#world.timeline.after(delayMs, () => {
      if (!this.#isOver) run();
    });
  }

  #inject(trouble: Trouble): void {
    this.carriedOut += 1;
    if (isOfNetwork(trouble)) this.#world.network.disturb(trouble.forMs);
    switch (trouble.kind) {
      case 'partition':
        this.#cut(trouble.forMs, (from, to) => {
          const sides = [(trouble.mask >> from.slot) & 1, (trouble.mask >> to.slot) & 1];
          return trouble.oneWay ? (sides[0] ?? 0) > (sides[1] ?? 0) : sides[0] !== sides[1];
        });
        return;
      case 'cut':
        this.#cut(trouble.forMs, (from, to) => {
          return from.slot === trouble.from && to.slot === trouble.to;
        });
        return;
      case 'clog': {
        const until = this.#world.timeline.nowMs + trouble.forMs;
        this.#world.network.cloggedUntilMs.set(trouble.slot, until);
        return;
      }
      case 'noise':
        this.#noise(trouble);
        return;
      case 'clone':
        this.#clone(trouble);
        return;
      default:
        this.#injectInto(trouble, this.#at(trouble.slot));
    }
  }

  #injectInto(
    trouble: Exclude<Trouble, NetworkTrouble | { readonly kind: 'clone' }>,
    process: SimProcess | undefined,
  ): void {
    if (process === undefined) return;
    this.#world.event(process, 'fault', trouble);
    switch (trouble.kind) {
      case 'pause':
        this.#pause(process, trouble.forMs);
        return;
      case 'zombie':
        this.#zombie(process, trouble.forMs, trouble.apart);
        return;
      case 'crash':
        this.#crash(process, trouble);
        return;
      case 'disk':
        this.#breakDisk(process, trouble.fault, trouble.forMs);
        return;
      case 'drift':
        process.setRate(trouble.rate);
        return;
      case 'jump':
        process.jump(trouble.byMs);
        return;
      case 'reset':
        breakLines(this.#world, process);
        return;
      case 'transfer':
        for (const { replica } of this.#world.live()) {
          const engine = replica.cluster?.engine;
          if (engine?.status().role === 'leader') engine.transferLeadership(process.self.nodeId);
        }
        return;
      default:
        trouble satisfies never;
    }
  }

  #cut(forMs: number, cut: Cut): void {
    const { cuts } = this.#world.network;
    cuts.add(cut);
    this.#after(forMs, () => {
      cuts.delete(cut);
    });
  }

  #noise(trouble: Trouble & { readonly kind: 'noise' }): void {
    const { network } = this.#world;
    this.#noiseRound += 1;
    const round = this.#noiseRound;
    const { loss, duplicate, delayMs } = trouble;
    network.noise = { loss, duplicate, delayMs };
    this.#after(trouble.forMs, () => {
      if (this.#noiseRound === round) network.noise = this.#options.noise;
    });
  }

  #pause(process: SimProcess, forMs: number): void {
    process.paused = true;
    this.#world.timeline.after(forMs, () => {
      process.resume();
    });
  }

  #zombie(process: SimProcess, forMs: number, apart: boolean): void {
    if (!this.#isSettled() || !this.#world.canLose(process)) return;
    process.isZombie = true;
    this.#world.copyDisk(process);
    process.isApart = apart;
    this.#pause(process, forMs);
    this.#world.supervise(process.slot, FULL_CIRCLE);
    this.#world.timeline.after(100, () => {
      if (!this.#isOver) this.#world.start(process.slot);
    });
    this.#after(forMs + APART_MS, () => {
      this.#reveal(process);
    });
  }

  /** Somebody who was away is one of many again; its slot's name leads to a successor, if any. */
  #reveal(process: SimProcess): void {
    if (process.isApart) process.steadySinceMs = this.#world.timeline.nowMs;
    process.isApart = false;
    process.isZombie = false;
  }

  /** Clones and zombies come only once all voters have something on disk: they may found before. */
  #isSettled(): boolean {
    const { groups } = this.#world.invariants;
    return [...groups.values()].some(({ configuration }) => {
      const voters = configuration?.state.voters ?? [];
      return (
        voters.length > 0 &&
        voters.every((id) => this.#world.byNodeId(id)?.replica.cluster?.journalOpen === true)
      );
    });
  }

  #crash(process: SimProcess, trouble: Trouble & { readonly kind: 'crash' }): void {
    const { afterCalls, power, disk, restartMs } = trouble;
    process.crashAfter(afterCalls, () => {
      if (!this.#options.i2) {
        void restoreFromDisk(this.#world, process, { power, restartMs });
        return;
      }
      if (!this.#world.canLose(process)) return;
      this.#world.kill(process, power, disk);
      this.#world.supervise(process.slot, restartMs);
    });
  }

  #clone(trouble: Trouble & { readonly kind: 'clone' }): void {
    const original = this.#at(trouble.slot);
    if (original === undefined || !this.#isSettled() || !this.#options.i2) return;
    if (trouble.disk !== 'wiped') this.#world.copyDisk(original);
    const clone = this.#world.start(trouble.slot);
    clone.isClone = true;
    this.#world.event(clone, 'fault', trouble);
    if (!trouble.takesName) this.#world.names.set(trouble.slot, original);
    const stop = (): void => {
      if (!clone.alive || !this.#world.canLose(clone)) return;
      this.#world.kill(clone, true, trouble.disk satisfies DiskFate);
      if (original.alive) this.#world.names.set(trouble.slot, original);
      this.#world.supervise(trouble.slot);
    };
    this.#world.timeline.after(trouble.forMs, stop);
  }

  #breakDisk(process: SimProcess, fault: Exclude<DiskTrouble, 'none'>, forMs: number): void {
    if (fault !== 'slow' && fault !== 'misdirect') {
      const isNobody = process.replica.cluster === undefined;
      if (isNobody || !this.#world.canLose(process) || !this.#options.i2) return;
      // It counts as lost from now on: the next write ends it.
      process.mayFail = true;
    }
    process.diskTrouble = fault;
    this.#after(forMs, () => {
      if (process.diskTrouble === 'slow') process.diskTrouble = 'none';
    });
  }
}

function isOfNetwork(trouble: Trouble): trouble is NetworkTrouble {
  return ['partition', 'cut', 'clog', 'noise'].includes(trouble.kind);
}
