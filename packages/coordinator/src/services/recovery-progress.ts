/** How far a full recovery is: as a message, and in a sentence for people with the next step. */
import { create } from '@bufbuild/protobuf';
import { fromHex } from '@witan/core';
import type { FloorVerdict } from '@witan/manifest';
import {
  RecoveryProgressSchema,
  RecoveryProgress_ObstacleSchema,
  RecoveryProgress_SeedSource,
  type RecoveryProgress as WireProgress,
  type RecoveryProgress_Obstacle,
} from '@witan/protocol';
import type { RecoveryObstacle, RecoveryProgress, SeedSource } from '@witan/replica';

const SOURCES: Readonly<Record<SeedSource, RecoveryProgress_SeedSource>> = {
  memory: RecoveryProgress_SeedSource.MEMORY,
  shares: RecoveryProgress_SeedSource.SHARES,
  provider: RecoveryProgress_SeedSource.PROVIDER,
};

/** As owners and operators are told. Nothing secret is in it. */
export function progressToWire(progress: RecoveryProgress): WireProgress {
  const { shares, best, seed, obstacle, clusterId } = progress;
  return create(RecoveryProgressSchema, {
    ...(clusterId === undefined ? {} : { clusterId: fromHex(clusterId) }),
    sharesReceived: shares.received,
    sharesThreshold: shares.threshold,
    owners: shares.owners.map(fromHex),
    ownersMissing: shares.missing.map(fromHex),
    ...(seed === undefined ? {} : { seed: SOURCES[seed] }),
    slotsExpected: [...progress.expected],
    slotsAnswered: [...progress.answered],
    ...(best === undefined
      ? {}
      : {
          bestEpoch: BigInt(best.epoch),
          bestTerm: BigInt(best.term),
          bestIndex: BigInt(best.index),
          bestGeneration: BigInt(best.generation),
          bestTransitionHash: fromHex(best.transitionHash),
        }),
    bestVerified: progress.verified,
    givenUp: progress.givenUp.map(({ slot, owners }) => ({ slot, owners: owners.map(fromHex) })),
    ...(obstacle === undefined ? {} : { obstacle: obstacleToWire(obstacle) }),
  });
}

/** One sentence: what is there, what stands in the way, and what a person can do. */
export function explainProgress(progress: RecoveryProgress): string {
  const { obstacle } = progress;
  const next = obstacle === undefined ? 'the cluster opens' : nextStep(obstacle);
  return `Sealed state is on disk and no cluster lives. ${whatIsThere(progress)}; ${next}.`;
}

function whatIsThere({ shares, seed, expected, answered, best }: RecoveryProgress): string {
  const of = shares.threshold === 0 ? '' : ` of ${shares.threshold}`;
  const counted = `${shares.received}${of} shares`;
  const known = { memory: 'seed in memory', provider: 'seed from a provider', shares: counted };
  const keys = seed === undefined ? counted : known[seed];
  const replicas = `${answered.length} of ${expected.length} replicas`;
  if (best === undefined) return `${keys}, no state`;
  const index = best.index.toLocaleString('en-US');
  return `${keys}, ${replicas}, best state generation ${best.generation} index ${index}`;
}

function nextStep(obstacle: RecoveryObstacle): string {
  switch (obstacle.code) {
    case 'SHARES_MISSING':
      return 'waiting for owners to run witan recover with their shares';
    case 'SEED_UNCONFIRMED':
      return 'the shares open no disk that answers: start the replicas that hold one';
    case 'NO_STATE':
      return 'no replica that answers holds any state: start those with a disk';
    case 'STATE_MISSING': {
      const slots = obstacle.slots.join(' ');
      const it = obstacle.slots.length === 1 ? 'it' : 'them';
      return (
        `waiting for ${obstacle.slots.join(', ')}: start ${it} with the disk, ` +
        `or run witan recover --accept-missing ${slots}`
      );
    }
    case 'PROMISES_MISSING':
      return `${obstacle.slots.join(', ')} are asked to take part`;
    case 'BELOW_FLOOR': {
      const { expected, found } = comparison(obstacle.verdict);
      return `the best state has ${found}, and an owner has seen ${expected}: find a newer disk`;
    }
    case 'CLUSTERS_DIFFER':
      return 'the disks belong to different clusters: remove the foreign ones';
    case 'OPENINGS_DIFFER':
      return 'the last epoch was opened twice, and the disks of none of them are complete';
    default:
      return obstacle satisfies never;
  }
}

function obstacleToWire(obstacle: RecoveryObstacle): RecoveryProgress_Obstacle {
  return create(RecoveryProgress_ObstacleSchema, {
    code: obstacle.code,
    ...detailsOf(obstacle),
  });
}

interface Details {
  readonly slots?: string[];
  readonly expected?: string;
  readonly found?: string;
  readonly owner?: Uint8Array;
}

function detailsOf(obstacle: RecoveryObstacle): Details {
  switch (obstacle.code) {
    case 'SHARES_MISSING':
      return { expected: `${obstacle.expected} shares`, found: `${obstacle.found}` };
    case 'SEED_UNCONFIRMED':
    case 'NO_STATE':
      return {};
    case 'STATE_MISSING':
    case 'PROMISES_MISSING':
      return { slots: [...obstacle.slots] };
    case 'BELOW_FLOOR':
      return { ...comparison(obstacle.verdict), owner: fromHex(obstacle.owner) };
    case 'CLUSTERS_DIFFER':
      return { expected: 'one cluster', found: obstacle.clusters.join(', ') };
    case 'OPENINGS_DIFFER':
      return { expected: 'one opening', found: obstacle.openings.join(', ') };
    default:
      return obstacle satisfies never;
  }
}

/** What a floor asks for, and what there is, in words. */
function comparison(verdict: FloorVerdict): { readonly expected: string; readonly found: string } {
  if (verdict.kind === 'ok') return { expected: '', found: '' };
  const { expected, found } = verdict;
  const what = WHAT[verdict.kind];
  return { expected: `${what} ${expected}`, found: `${what} ${found}` };
}

const WHAT: Readonly<Record<Exclude<FloorVerdict['kind'], 'ok'>, string>> = {
  'other-cluster': 'cluster',
  fork: 'transition',
  'lower-epoch': 'epoch',
  'lower-index': 'index',
  'lower-generation': 'generation',
};
