/**
 * A world whose disks can be read back, copied and lost, with owners who hold shares. Histories are
 * really signed; shares are plain names, because collecting them is tested where it is written.
 */
import { createHash } from 'node:crypto';
import {
  Secret,
  epoch,
  sha256Hex,
  utf8,
  type ClusterId,
  type Sha256Hex,
  type SlotName,
} from '@witan/core';
import { approvalBytes, manifestDigest, recoveryBytes, type Floor } from '@witan/manifest';
import {
  decodeSeeds,
  replayDurableLog,
  type FormerLog,
  type PeerIdentity,
  type RecoveryPorts,
  type Seed,
  type SeedCandidate,
  type ShareSubmission,
} from '@witan/replica';
import { encodeCommand } from '@witan/state-machine';
import type { RecordingDisk } from '@witan/testkit';
import {
  approvalOf,
  changeSlots,
  historyKey,
  key,
  manifestBytes,
  nodeCrypto,
  owner,
  parseReferenceValues,
  setManifest,
  signWith,
} from '@witan/state-machine/testing';
import { markingKeyring, World, type Node } from './world.ts';

export const THREE: readonly string[] = ['witan-0', 'witan-1', 'witan-2'];
const THRESHOLD = 2;
/** Owners that a host made up, with a header of its own; their shares open another seed. */
const FORGED: readonly number[] = [10, 11];

/** Owners by number; each has the share `share/<number>`. */
export function ownerOf(number: number): Sha256Hex {
  return sha256Hex(createHash('sha256').update(`owner ${number}`).digest('hex'));
}

/** A journal on a slot's disk. */
interface Journal {
  readonly incarnation: PeerIdentity['incarnation'];
  readonly clusterId: ClusterId;
  readonly epoch: number;
  readonly disk: Pick<RecordingDisk, 'kept'>;
}

const sha256 = (...parts: readonly Uint8Array[]): Uint8Array => nodeCrypto.hash('sha256', ...parts);

export class RecoveryWorld extends World {
  /** What lies on the disks, by slot. */
  readonly disks = new Map<string, readonly Journal[]>();
  /** What a sealing provider gives: the cluster's seed, another one, or nothing. */
  provider: 'right' | 'wrong' | 'silent' = 'silent';
  #seed: Uint8Array | undefined;
  #clusterId: ClusterId | undefined;
  #writes = 0;

  constructor(slots: readonly string[] = THREE, seed = 1) {
    super(slots, seed, {
      crypto: nodeCrypto,
      parseReferenceValues,
      recoveryOf: (slot) => this.#ports(slot),
      onDisk: ({ slot, incarnation }, clusterId, number, disk) => {
        const before = this.disks.get(slot) ?? [];
        const journal = { incarnation, clusterId, epoch: number, disk };
        this.disks.set(slot, [...before, journal]);
      },
    });
  }

  /** Founds a cluster and sets its first manifest. */
  async found(): Promise<void> {
    for (const slot of this.slotNames) this.start(slot);
    await this.until(() => this.leader() !== undefined);
    await this.update();
  }

  /** Sets a manifest, which is acknowledged. @returns the floor that its owner keeps */
  async update(): Promise<Floor> {
    const cluster = this.leader()?.replica.cluster;
    if (cluster === undefined) throw new Error('no leader');
    this.#seed = Uint8Array.from(cluster.seed.expose());
    this.#clusterId = cluster.clusterId;
    this.#writes += 1;
    const { machine } = cluster.state;
    const manifest = manifestBytes();
    const approval = approvalOf(
      owner,
      approvalBytes({
        clusterId: cluster.clusterId,
        previousTransition: machine.head,
        manifestDigest: manifestDigest(manifest, nodeCrypto),
      }),
    );
    const change = { requestKey: key(this.#writes), approvals: [approval] };
    const command = encodeCommand(setManifest(machine, manifest, change));
    await this.settled(cluster.propose(command, true, 5_000));
    return cluster.state.machine.floor();
  }

  /** Changes the slots with the owner's approval. */
  async changeSlots(names: readonly string[]): Promise<void> {
    const cluster = this.leader()?.replica.cluster;
    if (cluster === undefined) throw new Error('no leader');
    const { machine } = cluster.state;
    this.#writes += 1;
    const { clusterId } = cluster;
    const change = { requestKey: key(this.#writes), subject: { clusterId } };
    const command = encodeCommand(changeSlots(machine, names, change));
    await this.settled(cluster.propose(command, false, 5_000));
  }

  async until(isDone: () => boolean, timeoutMs = 20_000): Promise<void> {
    if (await this.scheduler.run(timeoutMs, isDone)) return;
    throw new Error(`not in time\n${this.events.slice(-40).join('\n')}\n${String(this.fatal[0])}`);
  }

  async settled<Value>(promise: Promise<Value>): Promise<Value> {
    let done = false;
    const watched = promise.finally(() => {
      done = true;
    });
    watched.catch(() => undefined);
    await this.scheduler.run(20_000, () => done);
    return watched;
  }

  /** The process dies; what is on its disk stays. */
  restart(slot: string): Node {
    const old = this.nodes.findLast((node) => node.slot === slot && node.alive);
    if (old !== undefined) this.kill(old);
    return this.revive(slot);
  }

  revive(slot: string): Node {
    return this.start(slot, { holdsSealedState: this.held(slot).length > 0 });
  }

  /** From now on shares give another seed, and the disks open with it. */
  forgeSeed(): void {
    this.#seed = utf8('a seed that the host has made up');
  }

  killAll(): void {
    for (const node of this.live()) this.kill(node);
  }

  /** Journals with anything in them. */
  held(slot: string): readonly Journal[] {
    const journals = this.disks.get(slot) ?? [];
    return journals.filter(({ disk }) => disk.kept.snapshot !== undefined);
  }

  /** A copy of a slot's disk as it is now, to be put back later. */
  copyOf(slot: string): readonly Journal[] {
    return this.held(slot).map((journal) => ({
      ...journal,
      disk: { kept: { ...journal.disk.kept, records: [...journal.disk.kept.records] } },
    }));
  }

  submit(slot: string, number: number, more: Partial<ShareSubmission> = {}): void {
    const share = new Secret(utf8(`share/${number}`));
    this.at(slot).replica.submitShare({ share, floor: undefined, acceptMissing: [], ...more });
  }

  /** The epochs that live replicas serve in. */
  epochs(): readonly number[] {
    return this.live().flatMap(({ replica }) => {
      return replica.phase() === 'serving' ? [replica.cluster?.epoch ?? 0] : [];
    });
  }

  #ports(slot: SlotName): RecoveryPorts {
    const numbers = new Set<number>();
    const numberOf = (share: Secret): number => {
      const number = Number(Buffer.from(share.expose()).toString().split('/')[1]);
      if (![0, 1, 2, ...FORGED].includes(number)) throw new Error('no such share');
      return number;
    };
    const real = (): readonly number[] => [...numbers].filter((number) => number < 3);
    // The disks as they are when the process starts: what it writes itself is not a former log.
    const own = this.held(slot);
    const secret = (): Secret => new Secret(this.#seed ?? new Uint8Array(32));
    const clusterId = (): ClusterId => this.#clusterId ?? fail();
    const fail = (): never => {
      throw new Error('no cluster yet');
    };
    const given = new Map<string, readonly SeedCandidate[]>([['silent', []]]);
    return {
      providerSeeds: () => {
        const seed = this.provider === 'right' ? secret() : new Secret(utf8('w'.repeat(32)));
        const list = given.get(this.provider) ?? [{ seed, clusterId: clusterId() }];
        given.set(this.provider, list);
        return Promise.resolve(list);
      },
      shares: {
        learn: () => undefined,
        headers: () => [],
        add: (share) => {
          const number = numberOf(share);
          numbers.add(number);
          return { owner: ownerOf(number), clusterId: clusterId() };
        },
        shares: () => [...numbers].map((number) => new Secret(utf8(`share/${number}`))),
        count: () => ({
          received: numbers.size,
          threshold: THRESHOLD,
          owners: [...numbers].map(ownerOf),
          missing: [0, 1, 2].filter((number) => !numbers.has(number)).map(ownerOf),
        }),
        seeds: () =>
          real().length >= THRESHOLD ? [{ seed: secret(), clusterId: clusterId() }] : [],
        authorisers: (seed) => {
          const opens = real().length >= THRESHOLD && seed.equals(secret());
          const owners = real().map(ownerOf);
          return opens ? { threshold: THRESHOLD, owners } : undefined;
        },
        wipe: () => {
          numbers.clear();
        },
      },
      disks: {
        claims: () => Promise.resolve([]),
        open: (seed: Seed) => {
          const { seeds, candidates } = decodeSeeds(seed);
          const given = [...seeds.map((held) => held.seed), ...candidates];
          const it = given.find((one) =>
            Buffer.from(one.expose()).equals(this.#seed ?? new Uint8Array(0)),
          );
          return Promise.resolve(it === undefined ? [] : own.map((of) => logOf(of, it)));
        },
      },
      sign: (_seed, recovery) => ({
        recovery,
        signature: signWith(historyKey, recoveryBytes(recovery)),
      }),
      nowMs: () => 1_000,
    };
  }
}

function logOf({ incarnation, clusterId, epoch: number, disk }: Journal, seed: Seed): FormerLog {
  const { snapshot, records } = disk.kept;
  const state = replayDurableLog(snapshot, records, sha256);
  return { incarnation, clusterId, epoch: epoch(number), state, seed, keyring: markingKeyring };
}
