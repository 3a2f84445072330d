/**
 * Random drills: a host that does one thing after another to a cluster's processes and disks, and
 * now and then ends all of them, so that owners have to recover it. After each act the cluster must
 * be whole again, or shut where it must be, and know everything that was acknowledged.
 *
 * Real in it: the replica driver with Raft, joining, swaps and recovery, the state machine with
 * signed transitions and recovery records, owners' floors and named losses. Not real: time, the
 * network, the bytes on disks (lists in memory), sealing (a mark) and shares (names); those have
 * tests, and drills with processes, of their own.
 */
import { sha256Hex, toHex, type SlotName } from '@witan/core';
import { transitionHash, type Floor } from '@witan/manifest';
import { nodeCrypto } from '@witan/state-machine/testing';
import { RecoveryWorld, THREE } from './recovery-world.ts';
import type { Node } from './world.ts';

/** What the host can do in one step. */
export const ACTS = [
  'kill',
  'kill-leader-amid-write',
  'rollback',
  'wipe',
  'clone',
  'pause',
  'zombie',
  'cut',
  'total-loss',
  'total-loss-old-disk',
  'total-rollback',
  'lost-disk',
  'survivor',
] as const;

/** One of them. */
export type Act = (typeof ACTS)[number];

/** What came of one random drill. */
export interface RandomDrill {
  readonly seed: number;
  readonly acts: readonly Act[];
  readonly acknowledged: number;
  readonly recoveries: number;
  /** How often a cluster stayed shut because it had to. */
  readonly keptShut: number;
  /** What did not hold; undefined where everything did. */
  readonly failure: string | undefined;
}

/** How a drill is played. */
export interface RandomDrillOptions {
  readonly seed: number;
  /** Acts in one drill. Default 8. */
  readonly steps?: number;
  /** Ends what was acknowledged; for a test that the drill notices. */
  readonly forget?: boolean;
}

const STEPS = 8;
const SETTLE_MS = 3_000;
const WHOLE_MS = 60_000;
/** Longer than a pause after which a slot is taken over. */
const SILENT_MS = 4_000;
const OWNERS = [0, 1, 2] as const;

/** Plays one drill. The same options give the same result. */
export async function randomDrill(options: RandomDrillOptions): Promise<RandomDrill> {
  const drill = new Drill(options);
  let failure: string | undefined;
  try {
    await drill.play(options.steps ?? STEPS);
  } catch (error) {
    failure = error instanceof Error ? error.message.slice(0, 4_000) : String(error);
  }
  return { seed: options.seed, ...drill.counts(), failure };
}

class Drill {
  readonly #world: RecoveryWorld;
  readonly #random: () => number;
  readonly #acts: Act[] = [];
  /** Acknowledged transitions, by generation. */
  readonly #acknowledged = new Map<number, string>();
  /** Old states of each slot's disk that the host has kept. */
  readonly #copies = new Map<string, ReturnType<RecoveryWorld['copyOf']>[]>();
  readonly #forget: boolean;
  #floor: Floor | undefined;
  #keptShut = 0;
  #recoveries = 0;

  constructor({ seed, forget = false }: RandomDrillOptions) {
    this.#world = new RecoveryWorld(THREE, seed);
    this.#random = numbersOf(seed);
    this.#forget = forget;
  }

  counts(): Omit<RandomDrill, 'seed' | 'failure'> {
    return {
      acts: this.#acts,
      acknowledged: this.#acknowledged.size,
      recoveries: this.#recoveries,
      keptShut: this.#keptShut,
    };
  }

  async play(steps: number): Promise<void> {
    await this.#world.found();
    await this.#whole();
    await this.#write();
    for (let step = 0; step < steps; step += 1) {
      for (const slot of THREE) if (this.#chance(0.3)) this.#keep(slot);
      const act = this.#pick(ACTS);
      this.#acts.push(act);
      await this.#do(act);
      await this.#whole();
      this.#check();
      await this.#write();
    }
    await this.#whole();
    this.#check();
  }

  async #do(act: Act): Promise<void> {
    const world = this.#world;
    const slot = this.#pick(THREE);
    switch (act) {
      case 'kill':
        world.restart(slot);
        return;
      case 'kill-leader-amid-write':
        return await this.#killAmidWrite();
      case 'rollback':
        await this.#write();
        world.kill(world.at(slot));
        this.#putBack(slot);
        world.revive(slot);
        return;
      case 'wipe':
        world.kill(world.at(slot));
        world.disks.set(slot, []);
        world.revive(slot);
        return;
      case 'clone':
        return await this.#clone(slot);
      case 'pause':
        return await this.#pause(slot, false);
      case 'zombie':
        return await this.#pause(slot, true);
      case 'cut':
        return await this.#cut(slot);
      default:
        return await this.#lose(act, slot);
    }
  }

  async #lose(
    act: 'total-loss' | 'total-loss-old-disk' | 'total-rollback' | 'lost-disk' | 'survivor',
    slot: SlotName | string,
  ): Promise<void> {
    const world = this.#world;
    if (act === 'survivor') {
      for (const other of THREE) if (other !== slot) world.kill(world.at(other));
      for (const other of THREE) if (other !== slot) world.revive(other);
      this.#recoveries += 1;
      return;
    }
    world.killAll();
    const newest = new Map(THREE.map((name) => [name, world.copyOf(name)]));
    if (act === 'total-rollback') {
      for (const name of THREE) this.#putBack(name);
      await this.#shut();
      for (const [name, disk] of newest) world.disks.set(name, disk);
    }
    if (act === 'total-loss-old-disk' || act === 'lost-disk') {
      if (act === 'lost-disk') world.disks.set(slot, []);
      else this.#putBack(slot);
      if (await this.#opens(act === 'lost-disk' ? [slot as SlotName] : [])) return;
      // The state of a voter is missing, or too old for what the owners have seen.
      this.#keptShut += 1;
      world.killAll();
      for (const [name, disk] of newest) world.disks.set(name, disk);
    }
    if (await this.#opens([])) return;
    const obstacles = world.live().map(({ replica }) => replica.recoveryProgress()?.obstacle);
    throw new Error(`the newest disks do not open: ${JSON.stringify(obstacles)}`);
  }

  /** Starts all on what their disks hold; two owners recover, with their floor. */
  async #opens(acceptMissing: readonly SlotName[]): Promise<boolean> {
    const world = this.#world;
    for (const slot of THREE) world.revive(slot);
    await world.scheduler.run(SETTLE_MS);
    const first = this.#int(OWNERS.length);
    const owners = OWNERS.filter((owner) => owner !== first);
    for (const owner of owners) {
      const slot = this.#pick(THREE);
      // An opening that is under way may end between two shares.
      if (world.at(slot).replica.recoveryProgress() === undefined) break;
      world.submit(slot, owner, { floor: this.#floor, acceptMissing });
      await world.scheduler.run(this.#int(2_000));
    }
    const isOpen = (): boolean => world.epochs().length > 0 && world.leader() !== undefined;
    const opened = await world.scheduler.run(WHOLE_MS / 2, isOpen);
    if (opened) this.#recoveries += 1;
    return opened;
  }

  /** Every disk is back where it was: nothing may open below what owners have seen (I6). */
  async #shut(): Promise<void> {
    const opened = await this.#opens([]);
    const generation = this.#world.leader()?.replica.cluster?.generation ?? 0;
    if (opened && generation < (this.#floor?.generation ?? 0)) {
      throw new Error(`opened at generation ${generation}, below the owners’ floor`);
    }
    this.#keptShut += opened ? 0 : 1;
    this.#world.killAll();
  }

  async #killAmidWrite(): Promise<void> {
    const world = this.#world;
    const leader = world.leader();
    const writing = this.#update();
    await world.scheduler.run(this.#int(6));
    if (leader !== undefined) world.kill(leader);
    await writing.catch(() => undefined);
    if (leader !== undefined) world.revive(leader.slot);
  }

  async #clone(slot: string): Promise<void> {
    const world = this.#world;
    const original = world.at(slot);
    const clone = world.revive(slot);
    // The slot's name leads to one of them.
    const [named, unnamed] = this.#chance(0.5) ? [original, clone] : [clone, original];
    unnamed.hidden = true;
    named.hidden = false;
    await world.scheduler.run(SILENT_MS);
    await this.#tryWrite();
    const here = THREE.map((name) => votersOf(world, name)).filter((count) => count > 1);
    if (here.length > 0) throw new Error(`two voters of one slot (I2)`);
    original.hidden = false;
    if (original.alive && original.replica.phase() === 'removed') world.kill(original);
    else world.kill(clone);
    if (!original.alive) clone.hidden = false;
  }

  async #pause(slot: string, replaced: boolean): Promise<void> {
    const world = this.#world;
    const node = world.at(slot);
    node.paused = true;
    await world.scheduler.run(replaced ? SILENT_MS : this.#int(3_000));
    await this.#tryWrite();
    if (!replaced) {
      node.paused = false;
      return;
    }
    const successor = world.revive(slot);
    await world.until(() => successor.replica.phase() === 'serving', WHOLE_MS);
    await this.#tryWrite();
    node.paused = false;
    node.hidden = true;
    await world.until(() => node.replica.phase() === 'removed', WHOLE_MS);
    world.kill(node);
  }

  async #cut(slot: string): Promise<void> {
    const world = this.#world;
    for (const other of THREE) if (other !== slot) world.cut.add(`${slot}>${other}`);
    await world.scheduler.run(this.#int(SILENT_MS));
    await this.#tryWrite();
    world.cut.clear();
  }

  /** What the host has kept of a slot's disk, or nothing of it. */
  #putBack(slot: string): void {
    const copies = this.#copies.get(slot) ?? [];
    this.#world.disks.set(slot, copies.length === 0 ? [] : this.#pick(copies));
  }

  #keep(slot: string): void {
    this.#copies.set(slot, [...(this.#copies.get(slot) ?? []), this.#world.copyOf(slot)]);
  }

  async #write(): Promise<void> {
    const world = this.#world;
    await world.until(() => world.leader() !== undefined, WHOLE_MS);
    await this.#update();
  }

  /** Where a majority lives, something is acknowledged; otherwise it need not be. */
  async #tryWrite(): Promise<void> {
    if (this.#world.leader() === undefined) return;
    await this.#update().catch(() => undefined);
  }

  async #update(): Promise<void> {
    const floor = await this.#world.update();
    this.#acknowledged.set(floor.generation, floor.transitionHash);
    if (this.#forget) this.#acknowledged.set(floor.generation, sha256Hex('0'.repeat(64)));
    if (floor.generation >= (this.#floor?.generation ?? 0)) this.#floor = floor;
  }

  async #whole(): Promise<void> {
    const world = this.#world;
    await world.until(() => isWhole(world), WHOLE_MS);
  }

  #check(): void {
    const world = this.#world;
    if (world.fatal.length > 0) throw new Error(`a replica ended: ${String(world.fatal[0])}`);
    const epochs = new Set(world.epochs());
    if (epochs.size > 1) throw new Error(`two epochs serve: ${[...epochs].join(', ')}`);
    for (const { slot, replica } of world.live()) {
      const transitions = replica.cluster?.state.machine.transitions ?? [];
      for (const [generation, expected] of this.#acknowledged) {
        const signed = transitions[generation - 1];
        const found = signed && transitionHash(signed.transition, nodeCrypto);
        if (found !== expected) {
          throw new Error(
            `${slot} lost acknowledged generation ${generation} (I3): ${found ?? 'none'}`,
          );
        }
      }
    }
  }

  #int(bound: number): number {
    return Math.floor(this.#random() * bound);
  }

  #chance(probability: number): boolean {
    return this.#random() < probability;
  }

  #pick<Value>(values: readonly Value[]): Value {
    return values[this.#int(values.length)] as Value;
  }
}

/** Every slot has one voter, and all have applied what the leader committed. */
function isWhole(world: RecoveryWorld): boolean {
  const leader = world.leader()?.replica.cluster;
  if (leader === undefined) return false;
  const { commitIndex, configuration } = leader.status();
  const live = world.live();
  const votes = (node: Node): boolean =>
    node.replica.phase() === 'serving' &&
    node.replica.cluster?.status().appliedIndex === commitIndex;
  return (
    configuration.votersOutgoing.length === 0 &&
    configuration.voters.length === THREE.length &&
    THREE.every((slot) => live.filter((node) => node.slot === slot).some(votes)) &&
    live.every(votes)
  );
}

/** How many members of a slot vote, by the leader's configuration. */
function votersOf(world: RecoveryWorld, slot: string): number {
  const cluster = world.leader()?.replica.cluster;
  if (cluster === undefined) return 0;
  const { voters } = cluster.status().configuration;
  return cluster.members().filter((peer) => peer.slot === slot && voters.includes(peer.nodeId))
    .length;
}

/** Numbers from 0 to below 1 that follow from a seed. */
function numbersOf(seed: number): () => number {
  let count = 0;
  return () => {
    count += 1;
    const text = new TextEncoder().encode(`random drill ${seed}/${count}`);
    return Number.parseInt(toHex(nodeCrypto.hash('sha256', text)).slice(0, 12), 16) / 2 ** 48;
  };
}
