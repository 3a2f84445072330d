/** A stop that leaves no gap: it waits until it is safe, and another replica takes over first. */
import type { ReferenceValues } from '@witan/attestation';
import type { Cluster } from '@witan/replica';
import { PublicError } from '@witan/transport';
import type { ServiceContext } from './services/context.ts';
import { askLeader } from './services/lead.ts';

const HAND_OVER_MS = 1_500;
const LOOK_MS = 20;
const ASK_AGAIN_MS = 500;

/** Returns when another one leads, or after a moment. */
export async function handOver(cluster: Cluster<ReferenceValues> | undefined): Promise<void> {
  if (cluster?.status().role !== 'leader') return;
  const best = cluster.steward.successor();
  if (best === undefined) return;
  cluster.engine.transferLeadership(best.nodeId);
  const untilMs = performance.now() + HAND_OVER_MS;
  while (performance.now() < untilMs && cluster.status().role === 'leader') {
    await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
  }
}

/**
 * Asks the leader whether this slot may stop, again and again. Where nobody leads, or where there
 * is no other voter, only the time ends it: whoever stops the process decides.
 */
export async function waitUntilSafe(
  context: ServiceContext,
  timeoutMs: number,
  onEvent: (event: string, fields: Readonly<Record<string, string>>) => void,
): Promise<void> {
  const untilMs = performance.now() + timeoutMs;
  let told = '';
  while (performance.now() < untilMs && context.replica.phase() === 'serving') {
    const code = await refusal(context, untilMs);
    if (code === '') return;
    if (code !== told) onEvent('stop put off', { code });
    told = code;
    await new Promise((resolve) => setTimeout(resolve, ASK_AGAIN_MS));
  }
}

async function refusal(context: ServiceContext, untilMs: number): Promise<string> {
  const question = { question: { case: 'canStop', value: { slot: context.slot } } } as const;
  try {
    const verdict = await askLeader(context, question, untilMs);
    return verdict.safe ? '' : (verdict.code ?? '');
  } catch (error) {
    if (error instanceof PublicError) return error.code;
    throw error;
  }
}
