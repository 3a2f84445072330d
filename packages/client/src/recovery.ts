/**
 * Full recovery: handing in an owner's share, and how far it is. By the word of one attested
 * replica that has no cluster: nothing here is signed, and nothing raises a floor. What came of it
 * shows in the deployment, its history and its mark.
 */
import { toHex, type ClusterId, type Secret } from '@witan/core';
import {
  decodeRecoveryHeaderUnverified,
  encodeFloor,
  ManifestError,
  type Floor,
  type RecoveryHeader,
} from '@witan/manifest';
import {
  RecoveryProgress_SeedSource,
  RecoveryService,
  type GetRecoveryResponse,
  type RecoveryProgress as WireProgress,
} from '@witan/protocol';
import type { Anchors } from './anchors.ts';
import type { Attempt } from './connector.ts';
import { ClientError } from './errors.ts';
import { clusterIdFromWire, plainText } from './wire.ts';

/** What an owner hands in. */
export interface ShareSubmission {
  /** As `keys`, encodeShare makes it. */
  readonly share: Secret;
  /** The highest state that the owner has seen: the cluster does not open below it (I6). */
  readonly floor: Floor | undefined;
  /** Slots that the owner gives up: their state need not answer. */
  readonly acceptMissing: readonly string[];
}

/** Why a cluster is not open, for people. */
export interface RecoveryObstacleView {
  /** Such as SHARES_MISSING, STATE_MISSING, BELOW_FLOOR; see docs/recovery.md. */
  readonly code: string;
  readonly slots: readonly string[];
  readonly expected: string;
  readonly found: string;
  /** SHA-256 of the public key of the owner whose floor stands in the way, hex. */
  readonly owner: string;
}

/** How far a recovery is, as one replica sees it. */
export interface RecoveryView {
  /** Hex; empty while nobody says which cluster it was. */
  readonly clusterId: string;
  readonly shares: {
    readonly received: number;
    /** 0 while no recovery header is known. */
    readonly threshold: number;
    /** Fingerprints of owners, hex. */
    readonly owners: readonly string[];
    readonly missing: readonly string[];
  };
  /** Where the seed came from; `none` while it is not there. */
  readonly seed: 'none' | 'memory' | 'shares' | 'provider';
  /** Slots of the best known state's configuration, and those that have answered. */
  readonly expected: readonly string[];
  readonly answered: readonly string[];
  readonly best?: {
    readonly epoch: number;
    readonly term: number;
    readonly index: number;
    readonly generation: number;
    readonly transitionHash: string;
    /** Whether it was read with the seed; otherwise it is what disks claim. */
    readonly verified: boolean;
  };
  readonly givenUp: readonly { readonly slot: string; readonly owners: readonly string[] }[];
  /** Absent when the cluster opens. */
  readonly obstacle?: RecoveryObstacleView;
}

/** What came of a submission. */
export interface SubmittedShare {
  readonly endpoint: string;
  /** Whose share it is, hex. */
  readonly owner: string;
  readonly progress: RecoveryView | undefined;
}

const SEEDS: Readonly<Record<RecoveryProgress_SeedSource, RecoveryView['seed']>> = {
  [RecoveryProgress_SeedSource.UNSPECIFIED]: 'none',
  [RecoveryProgress_SeedSource.MEMORY]: 'memory',
  [RecoveryProgress_SeedSource.SHARES]: 'shares',
  [RecoveryProgress_SeedSource.PROVIDER]: 'provider',
};
const TEXT_CHARS_MAX = 300;
const LIST_MAX = 64;

/**
 * Hands in a share. The replica was attested before: nobody else may see one (I1).
 *
 * @throws ClientError CLIENT_OTHER_CLUSTER; RemoteError, TransportError
 */
export async function sendShare(
  attempt: Attempt,
  submission: ShareSubmission,
  anchors: Anchors,
): Promise<SubmittedShare> {
  const { connection, endpoint, timeoutMs } = attempt;
  await fetchRecovery(attempt, anchors);
  const { floor, share, acceptMissing } = submission;
  // A copy, because the message outlives the call; wiped when the answer is here.
  const bytes = Uint8Array.from(share.expose());
  try {
    const wire = await connection.unary(
      RecoveryService.method.submitShare,
      {
        share: bytes,
        floor: floor === undefined ? new Uint8Array(0) : encodeFloor(floor),
        acceptMissing: [...acceptMissing],
      },
      { timeoutMs },
    );
    return { endpoint, owner: toHex(wire.owner), progress: recoveryView(wire.progress) };
  } finally {
    bytes.fill(0);
  }
}

/**
 * @returns undefined where no recovery is under way
 * @throws ClientError CLIENT_OTHER_CLUSTER; RemoteError, TransportError
 */
export async function fetchRecovery(
  attempt: Attempt,
  anchors: Anchors,
): Promise<RecoveryView | undefined> {
  const { progress } = await askRecovery(attempt, anchors);
  return recoveryView(progress);
}

async function askRecovery(
  { connection, timeoutMs }: Attempt,
  anchors: Anchors,
): Promise<GetRecoveryResponse> {
  const wire = await connection.unary(RecoveryService.method.getRecovery, {}, { timeoutMs });
  const { progress } = wire;
  // A genuine replica with somebody else's disk: what it says is about another cluster.
  if (progress !== undefined && progress.clusterId.byteLength > 0) {
    anchors.checkCluster(clusterIdFromWire(progress.clusterId));
  }
  return wire;
}

/**
 * The newest recovery header of the cluster on disks, while it waits for a recovery. Whoever writes
 * a disk can make one up: what is in it tells its owner, and then the cluster, whether it is true.
 *
 * @returns undefined where there is none
 * @throws ClientError CLIENT_OTHER_CLUSTER; RemoteError, TransportError
 */
export async function fetchRecoveryHeader(
  attempt: Attempt,
  anchors: Anchors,
  cluster: ClusterId,
): Promise<RecoveryHeader | undefined> {
  const { recoveryHeaders } = await askRecovery(attempt, anchors);
  const headers = recoveryHeaders.slice(0, LIST_MAX).flatMap((bytes) => decodedHeader(bytes));
  return headers
    .filter(({ clusterId }) => clusterId === cluster)
    .toSorted((left, right) => right.resharing - left.resharing)[0];
}

function decodedHeader(bytes: Uint8Array): readonly RecoveryHeader[] {
  try {
    return [decodeRecoveryHeaderUnverified(bytes)];
  } catch (error) {
    if (error instanceof ManifestError) return [];
    throw error;
  }
}

/** Text and numbers of a message, for people. @throws ClientError CLIENT_ANSWER_MALFORMED */
export function recoveryView(wire: WireProgress | undefined): RecoveryView | undefined {
  if (wire === undefined) return undefined;
  const { obstacle, bestEpoch } = wire;
  const seed = SEEDS[wire.seed];
  if (seed === undefined) throw new ClientError('CLIENT_ANSWER_MALFORMED', { part: 'recovery' });
  return {
    clusterId: toHex(wire.clusterId),
    shares: {
      received: wire.sharesReceived,
      threshold: wire.sharesThreshold,
      owners: digests(wire.owners),
      missing: digests(wire.ownersMissing),
    },
    seed,
    expected: texts(wire.slotsExpected),
    answered: texts(wire.slotsAnswered),
    ...(bestEpoch === 0n
      ? {}
      : {
          best: {
            epoch: Number(bestEpoch),
            term: Number(wire.bestTerm),
            index: Number(wire.bestIndex),
            generation: Number(wire.bestGeneration),
            transitionHash: toHex(wire.bestTransitionHash),
            verified: wire.bestVerified,
          },
        }),
    givenUp: wire.givenUp
      .slice(0, LIST_MAX)
      .map(({ slot, owners }) => ({ slot: plain(slot), owners: digests(owners) })),
    ...(obstacle === undefined
      ? {}
      : {
          obstacle: {
            code: plain(obstacle.code),
            slots: texts(obstacle.slots),
            expected: plain(obstacle.expected),
            found: plain(obstacle.found),
            owner: toHex(obstacle.owner),
          },
        }),
  };
}

function digests(list: readonly Uint8Array[]): readonly string[] {
  return list.slice(0, LIST_MAX).map(toHex);
}

function texts(list: readonly string[]): readonly string[] {
  return list.slice(0, LIST_MAX).map(plain);
}

/** Text for a terminal: short, and without control characters. */
function plain(text: string): string {
  return plainText(text, TEXT_CHARS_MAX);
}
