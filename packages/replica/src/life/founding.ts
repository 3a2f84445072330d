/** Founding a cluster: the secret that it starts from, and handing it to those whom it lists. */
import { describeError, Secret, type Crypto, type Random, type SlotName } from '@witan/core';
import type { PeerCalls, Scheduler } from '../ports.ts';
import type { Genesis, PeerIdentity, Standing } from '../standing.ts';
import { clusterIdOf } from './cluster-id.ts';
import { SEED_BYTES } from './seed-chain.ts';
import { within } from './sleep.ts';

/** A call without an answer for so long is given up, in milliseconds. */
const ANSWER_MS = 2_000;

/** A new cluster of these incarnations. */
export function foundingOf(
  { random, crypto }: { readonly random: Random; readonly crypto: Crypto },
  slots: readonly SlotName[],
  members: readonly PeerIdentity[],
): Genesis {
  const seed = new Secret(random.bytes(SEED_BYTES));
  return { clusterId: clusterIdOf(crypto, seed), seed, slots, members };
}

/**
 * Hands a founding to the incarnations that it lists and that do not have it.
 *
 * @returns whether one of them may have taken it up just now
 */
export async function handOver(
  options: {
    readonly peers: PeerCalls;
    readonly scheduler: Scheduler;
    readonly onEvent: (event: string, fields: Readonly<Record<string, string>>) => void;
  },
  genesis: Genesis,
  answers: ReadonlyMap<SlotName, Standing>,
): Promise<boolean> {
  const { peers, scheduler, onEvent } = options;
  let mayBeTaken = false;
  const lacking = [...answers].filter(([, { kind, self, cluster }]) => {
    const isListed = genesis.members.some((member) => member.incarnation === self.incarnation);
    const isReopening = genesis.reopening !== undefined;
    const lacksIt = kind === 'new' || kind === (isReopening ? 'sealed' : 'unsettled');
    return isListed && lacksIt && cluster?.clusterId !== genesis.clusterId;
  });
  await Promise.all(
    lacking.map(async ([slot, { self }]) => {
      const call = peers.deliverGenesis(slot, self.incarnation, genesis).catch((error: unknown) => {
        onEvent('founding not handed over', { peer: slot, error: describeError(error) });
      });
      const answer = await within(scheduler, ANSWER_MS, call);
      // Without an answer nobody knows: look again before anything else is founded.
      mayBeTaken ||= answer?.accepted ?? true;
      if (answer === undefined) return;
      const { accepted, code } = answer;
      onEvent('founding handed over', { peer: slot, accepted: String(accepted), code });
    }),
  );
  return mayBeTaken;
}
