/** Waits for a recovery, and says what is in its way meanwhile. */
import { pause, type Client, type EndpointStatus, type RecoveryView } from '@witan/client';
import type { ClusterId } from '@witan/core';
import type { CommandContext } from '../context.ts';
import { progressLine } from './progress-text.ts';

const LOOK_MS = 300;
/** What needs a person may be waited for in vain: two looks at it are enough by default. */
const SETTLED_MS = 3_000;
/** Where nothing is asked for. */
const WAIT_MS_DEFAULT = 30_000;
/** What the replicas see to by themselves. */
const PASSING: readonly string[] = ['PROMISES_MISSING', 'SEED_UNCONFIRMED'];

/** What was seen last. */
export interface Watched {
  /** Whether a replica serves in a cluster with a leader. */
  readonly serving: boolean;
  /** The view that is furthest; undefined where no replica is in a recovery. */
  readonly view: RecoveryView | undefined;
}

/** Looks until the cluster serves. @param waitMs undefined: until only a person can do more */
export async function watchRecovery(
  context: CommandContext,
  client: Client,
  cluster: ClusterId,
  waitMs: number | undefined,
): Promise<Watched> {
  const startedMs = performance.now();
  let shown = '';
  let changedMs = startedMs;
  for (;;) {
    const answers = await client.getStatus();
    const view = furthestView(answers);
    if (isServing(answers, cluster)) return { serving: true, view };
    const line =
      view === undefined ? 'no replica says that a recovery is under way\n' : progressLine(view);
    const nowMs = performance.now();
    if (line !== shown) {
      context.printer.note(line);
      shown = line;
      changedMs = nowMs;
    }
    const code = view?.obstacle?.code;
    const needsPerson = code !== undefined && !PASSING.includes(code);
    const isSettled = waitMs === undefined && needsPerson && nowMs - changedMs > SETTLED_MS;
    if (isSettled || nowMs - startedMs > (waitMs ?? WAIT_MS_DEFAULT))
      return { serving: false, view };
    await pause(LOOK_MS, context.signal);
  }
}

/** Of what the replicas say, that which knows most. */
export function furthestView(answers: readonly EndpointStatus[]): RecoveryView | undefined {
  const views = answers.flatMap((answer) =>
    answer.kind === 'ok' && answer.status.recovery !== undefined ? [answer.status.recovery] : [],
  );
  return views.toSorted((left, right) => weightOf(right) - weightOf(left))[0];
}

function weightOf({ shares, answered, seed, best, obstacle }: RecoveryView): number {
  const known = (seed === 'none' ? 0 : 4) + (best?.verified === true ? 2 : 0);
  return (obstacle === undefined ? 1e6 : 0) + known * 1e4 + shares.received * 1e2 + answered.length;
}

function isServing(answers: readonly EndpointStatus[], cluster: ClusterId): boolean {
  return answers.some(
    (answer) =>
      answer.kind === 'ok' &&
      answer.status.phase === 'serving' &&
      answer.status.leader !== '' &&
      answer.status.clusterId === cluster,
  );
}
