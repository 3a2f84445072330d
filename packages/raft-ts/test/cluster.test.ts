/** Random clusters: safety after every event, agreement after healing, and determinism. */
import { describe, expect, it } from 'vitest';
import { MemoryStorage, nodeId } from '../src/index.ts';
import { Checkers } from './support/checkers.ts';
import { Cluster, type ClusterOptions } from './support/cluster.ts';
import { bytes, confStateOf } from './support/ids.ts';
import { SimNode } from './support/sim-node.ts';

const EVENTS = 4000;
const SEEDS = 10;

function optionsOf(seed: number): ClusterOptions {
  return {
    seed,
    asyncStorageWrites: seed % 2 === 1,
    preVote: seed % 3 !== 0,
    checkQuorum: seed % 5 !== 0,
  };
}

function run(seed: number, events: number): Cluster {
  const cluster = new Cluster(optionsOf(seed));
  try {
    for (let i = 0; i < events; i += 1) cluster.event();
  } catch (cause) {
    throw new Error(`seed ${seed} after ${cluster.trace.length} events`, { cause });
  }
  return cluster;
}

describe('a cluster under random faults', () => {
  const seeds = Array.from({ length: SEEDS }, (_, position) => position + 1);

  it.each(seeds)('seed %i keeps every safety property, and agrees once it is healed', (seed) => {
    const cluster = run(seed, EVENTS);
    expect(cluster.settle(3000)).toBe(true);
    expect(cluster.checkers.leadersSeen).toBeGreaterThan(0);
    expect(cluster.checkers.appliedMax).toBeGreaterThan(10);
  });

  it('answers reads, elects several leaders and changes members in the course of it', () => {
    const clusters = seeds.map((seed) => run(seed, 1500));
    const sum = (of: (cluster: Cluster) => number): number =>
      clusters.reduce((total, cluster) => total + of(cluster), 0);
    expect(sum((cluster) => cluster.readsAnswered)).toBeGreaterThan(20);
    expect(sum((cluster) => cluster.checkers.leadersSeen)).toBeGreaterThan(SEEDS);
    const grown = clusters.filter((cluster) =>
      cluster.nodes.some((node) => node.confState.voters.length !== 3),
    );
    expect(grown.length).toBeGreaterThan(0);
  });

  it('does the same for the same seed', () => {
    const [first, second] = [run(7, 1000), run(7, 1000)];
    expect(first.trace).toBe(second.trace);
    expect(first.nodes.map((node) => node.state)).toEqual(second.nodes.map((node) => node.state));
    expect(run(8, 1000).trace).not.toBe(first.trace);
  });
});

describe('the checkers', () => {
  const nodeOf = (id: number, checkers: Checkers): SimNode => {
    const storage = new MemoryStorage();
    storage.bootstrap(confStateOf([id]));
    const settings = { id: nodeId(id), electionTicks: 3, heartbeatTicks: 1, randomInt: () => 0 };
    return new SimNode(settings, storage, checkers);
  };
  const lead = (node: SimNode, all: readonly SimNode[], checkers: Checkers): void => {
    node.raw.campaign();
    for (let i = 0; i < 6; i += 1) {
      node.handleReady();
      checkers.checkNode(node, all);
    }
  };

  it('notice two leaders of one term', () => {
    const checkers = new Checkers();
    // Two groups of one know nothing of each other, as after a broken membership change.
    const all = [nodeOf(1, checkers), nodeOf(2, checkers)];
    lead(all[0] as SimNode, all, checkers);
    expect(() => lead(all[1] as SimNode, all, checkers)).toThrow('election safety');
  });

  it('notice different entries at one place', () => {
    const checkers = new Checkers();
    const node = nodeOf(1, checkers);
    const entry = { term: 1, index: 1, type: 'EntryNormal', data: bytes('a') } as const;
    checkers.applied(node, entry, 'one');
    expect(() => checkers.applied(node, entry, 'other')).toThrow('state machine safety');
    expect(() => checkers.applied(node, { ...entry, term: 2 }, 'one')).toThrow('was replaced');
  });
});
