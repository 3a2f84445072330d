/** How far a full recovery is, for people: what is there, what stands in the way, what to do. */
import type { RecoveryObstacleView, RecoveryView } from '@witan/client';
import type { Json } from '../printer.ts';

/** The name of an owner by fingerprint. */
export type NameOf = (fingerprint: string) => string;

/** All of it. */
export function describeProgress(view: RecoveryView, nameOf: NameOf): string {
  const { shares, best, expected, answered, givenUp, obstacle } = view;
  const lines = [
    `  cluster   ${view.clusterId === '' ? 'not known yet' : view.clusterId}`,
    `  shares    ${sharesOf(view, nameOf)}`,
    `  replicas  ${answered.length} of ${expected.length}${listed(answered, ': ')}`,
    `  state     ${best === undefined ? 'none' : stateOf(best)}`,
    ...givenUp.map(({ slot, owners }) => `  given up  ${slot} by ${owners.map(nameOf).join(', ')}`),
  ];
  if (shares.missing.length > 0 && obstacle?.code === 'SHARES_MISSING') {
    lines.push(`  missing   shares of ${shares.missing.map(nameOf).toSorted().join(', ')}`);
  }
  return `${lines.join('\n')}\n${describeObstacle(obstacle, nameOf)}`;
}

/** One line, to be shown when it has changed. */
export function progressLine(view: RecoveryView): string {
  const { answered, expected, best, obstacle } = view;
  const index = best === undefined ? '' : `, best state ${shortState(best)}`;
  const waits = obstacle === undefined ? 'opening' : `waiting: ${obstacle.code}`;
  const slots = obstacle === undefined ? '' : listed(obstacle.slots, ' ');
  return (
    `${counted(view)}, ${answered.length} of ${expected.length} replicas${index}; ` +
    `${waits}${slots}\n`
  );
}

/** What stands in the way, and the next step. */
export function describeObstacle(
  obstacle: RecoveryObstacleView | undefined,
  nameOf: NameOf,
): string {
  if (obstacle === undefined) return 'Nothing stands in the way: the cluster opens.\n';
  const { code, slots, expected, found, owner } = obstacle;
  const [what, next] = sayings({ slots: slots.join(', '), expected, found, who: nameOf(owner) })[
    code as Code
  ] ?? [`${code} stands in the way.`, 'look at witan recover --status on every replica'];
  return `${what}\nNext: ${next}.\n`;
}

/** For programs. */
export function progressToJson(view: RecoveryView): Json {
  const { obstacle, best, givenUp, shares } = view;
  return {
    ...view,
    shares: { ...shares },
    best: best === undefined ? undefined : { ...best },
    givenUp: givenUp.map((one) => ({ ...one })),
    obstacle: obstacle === undefined ? undefined : { ...obstacle },
  };
}

type Code =
  | 'SHARES_MISSING'
  | 'SEED_UNCONFIRMED'
  | 'STATE_MISSING'
  | 'PROMISES_MISSING'
  | 'BELOW_FLOOR'
  | 'CLUSTERS_DIFFER'
  | 'NO_STATE'
  | 'OPENINGS_DIFFER';

function sayings(about: {
  readonly slots: string;
  readonly expected: string;
  readonly found: string;
  readonly who: string;
}): Readonly<Record<Code, readonly [string, string]>> {
  const { slots, expected, found, who } = about;
  return {
    SHARES_MISSING: [
      `More owners have to hand in a share. Needed: ${expected}; here: ${found}.`,
      'let another owner run witan recover, at any replica',
    ],
    SEED_UNCONFIRMED: [
      'The shares are here, and what they give opens no disk that has answered.',
      'start the replicas that hold a disk of this cluster',
    ],
    STATE_MISSING: [
      `The state of ${slots} is missing: it may hold what no other disk holds.`,
      `start it with its disk; where that is lost for good, a threshold of owners gives it up ` +
        `with witan recover --accept-missing ${slots.replaceAll(',', '')}`,
    ],
    PROMISES_MISSING: [
      `${slots} have answered and are about to take part.`,
      'wait a moment, and look at the network between the replicas if nothing changes',
    ],
    BELOW_FLOOR: [
      `The best state has ${found}; ${who} has seen ${expected}. The cluster does not open below.`,
      'find the disks that hold it; old copies were put in their place, or a disk is missing',
    ],
    CLUSTERS_DIFFER: [
      `The disks belong to different clusters: ${found}.`,
      'stop the replicas that have foreign disks, and start them with the right ones',
    ],
    NO_STATE: [
      'No replica that answers holds any state.',
      'start the replicas with their disks, and give the addresses of those that hold one',
    ],
    OPENINGS_DIFFER: [
      `The last epoch was opened more than once: ${found}.`,
      'start every replica of the opening that went on, so that all its disks answer',
    ],
  };
}

function sharesOf(view: RecoveryView, nameOf: NameOf): string {
  return `${counted(view)}${listed(view.shares.owners.map(nameOf).toSorted(), ': ')}`;
}

function counted({ shares, seed }: RecoveryView): string {
  if (seed === 'memory') return 'none needed, a survivor has the seed';
  if (seed === 'provider') return 'none needed, a sealing provider has opened the seed';
  const of = shares.threshold === 0 ? '' : ` of ${shares.threshold}`;
  return `${shares.received}${of} shares`;
}

function stateOf(best: NonNullable<RecoveryView['best']>): string {
  const { epoch, term, verified, transitionHash } = best;
  const how = verified ? 'read with the seed' : 'as disks claim';
  return `${shortState(best)}, epoch ${epoch}, term ${term}, ${how}\n            ${transitionHash}`;
}

function shortState({ generation, index }: NonNullable<RecoveryView['best']>): string {
  return `generation ${generation} index ${index.toLocaleString('en-US')}`;
}

function listed(items: readonly string[], before: string): string {
  return items.length === 0 ? '' : `${before}${items.join(', ')}`;
}
