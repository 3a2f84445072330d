/**
 * Chooses between what came with the evidence, the cache and the network, for one endorsement.
 */
import type { Clock, UnixMillis } from '@witan/core';
import { demandValid, type Acquirer } from '../acquire.ts';
import type { Content } from '../content.ts';
import { EndorsementsError } from '../errors.ts';
import type { OnEndorsementEvent } from '../events.ts';
import type { Keeper } from '../keeper.ts';
import { keyOf, type EndorsementRequest } from '../request.ts';
import { isOlder, verifyItem } from '../verify/item.ts';
import type { Trust, VerifiedItem } from '../verify/trust.ts';

/** Where a part of the endorsements came from. */
export type PartSource = 'evidence' | 'cache' | 'network' | 'missing';

/** What was found for one part. */
export interface GatheredPart {
  /** Key of the endorsement, such as `amd-crl/Milan/VCEK`; or what could not be looked for. */
  readonly key: string;
  readonly source: PartSource;
  /** End of its validity; undefined when it is missing. */
  readonly validUntil: UnixMillis | undefined;
  /** Why it is missing, or why it is not a fresh one. */
  readonly problem: EndorsementsError | undefined;
}

/** Endorsements for one piece of evidence. */
export interface Gathered<Endorsements> {
  /** What was found, and in places where nothing was found what came with the evidence. */
  readonly endorsements: Endorsements;
  readonly parts: readonly GatheredPart[];
  /** Whether nothing is missing. The verifier decides what that means. */
  readonly complete: boolean;
}

/** What gathering needs. */
export interface GatherContext {
  readonly acquirer: Acquirer;
  /** How long to wait for downloads, in milliseconds. */
  readonly patienceMs: number;
  readonly keeper: Keeper;
  readonly trust: Trust;
  readonly clock: Clock;
  readonly onEvent: OnEndorsementEvent;
}

/** One part with its endorsement, when there is one. */
export interface Chosen {
  readonly part: GatheredPart;
  readonly item: VerifiedItem | undefined;
  /** What came with the evidence is older than what is known, and must not be used. */
  readonly superseded: boolean;
}

/**
 * Takes what came with the evidence when it verifies, is valid, and is not older than what the
 * cache knows; else asks cache and network. A list or document that is newer than what is known is
 * remembered, so that nobody who comes later gets by with an older one.
 *
 * @param hint what came with the evidence, with a chain
 * @param issuerChain PEM for those whose source does not send a chain
 */
export async function choose(
  request: EndorsementRequest,
  hint: Omit<Content, 'key'> | undefined,
  issuerChain: Uint8Array | undefined,
  context: GatherContext,
): Promise<Chosen> {
  const key = keyOf(request);
  const hinted = hint === undefined ? undefined : verifiedHint(request, hint, context);
  const newest = hinted !== undefined && (await isNewest(hinted, issuerChain, context));
  if (newest) return chosen(key, 'evidence', hinted, undefined);
  const { patienceMs } = context;
  const acquired = await context.acquirer.get(request, { issuerChain, patienceMs });
  if (acquired.kind === 'missing') {
    return { ...missing(key, acquired.problem), superseded: hinted !== undefined };
  }
  return chosen(key, acquired.source, acquired.item, acquired.problem);
}

/** A part that could not be had. */
export function missing(key: string, problem: EndorsementsError): Chosen {
  const part = { key, source: 'missing', validUntil: undefined, problem } as const;
  return { part, item: undefined, superseded: false };
}

/** Evidence that leads to no request. The verifier will say what is wrong with it. */
export function unusable<Endorsements>(
  endorsements: Endorsements,
  cause: unknown,
): Gathered<Endorsements> {
  const problem = new EndorsementsError('ENDORSEMENTS_EVIDENCE_UNUSABLE', { cause });
  return { endorsements, parts: [missing('evidence', problem).part], complete: false };
}

/** Puts the report of all parts together. */
export function gathered<Endorsements>(
  endorsements: Endorsements,
  all: readonly Chosen[],
): Gathered<Endorsements> {
  const parts = all.map(({ part }) => part);
  return { endorsements, parts, complete: parts.every(({ source }) => source !== 'missing') };
}

function chosen(
  key: string,
  source: PartSource,
  item: VerifiedItem,
  problem: EndorsementsError | undefined,
): Chosen {
  return { part: { key, source, validUntil: item.notAfter, problem }, item, superseded: false };
}

function verifiedHint(
  request: EndorsementRequest,
  hint: Omit<Content, 'key'>,
  { trust, clock, onEvent }: GatherContext,
): VerifiedItem | undefined {
  try {
    const item = verifyItem(request, hint, trust);
    demandValid(item, clock.now());
    return item;
  } catch (error) {
    if (!(error instanceof EndorsementsError)) throw error;
    onEvent({ kind: 'hint-ignored', key: keyOf(request), error });
    return undefined;
  }
}

/**
 * Whether nothing newer is known than what came with the evidence. An attester, or whoever relays
 * for it, could otherwise keep an old list or TCB info in use until its nextUpdate.
 */
async function isNewest(
  hint: VerifiedItem,
  issuerChain: Uint8Array | undefined,
  context: GatherContext,
): Promise<boolean> {
  const { issuedAt } = hint.version;
  if (issuedAt === undefined) return true;
  const known = await context.keeper.find(hint.request);
  const comparable = known?.item.rootFingerprint === hint.rootFingerprint;
  if (comparable && isOlder(hint.version, known.item.version)) return false;
  // Nobody fetched it here, so it is as old as it says itself.
  if (known === undefined || (comparable && isOlder(known.item.version, hint.version))) {
    if (!(await learn(hint, issuedAt, context))) return false;
  }
  const held = (await context.keeper.find(hint.request)) ?? { item: hint, fetchedAt: issuedAt };
  if (context.acquirer.isDue(held)) context.acquirer.refresh(hint.request, issuerChain);
  return true;
}

async function learn(
  hint: VerifiedItem,
  issuedAt: UnixMillis,
  { keeper, onEvent }: GatherContext,
): Promise<boolean> {
  try {
    await keeper.keep(hint, issuedAt);
    return true;
  } catch (error) {
    // Somebody learnt of a newer one at the same moment.
    if (!(error instanceof EndorsementsError)) throw error;
    onEvent({ kind: 'hint-ignored', key: hint.key, error });
    return false;
  }
}
