/**
 * The endorsement store: what a verifier needs beside evidence, from the evidence itself, from a
 * cache on disk, or from the vendors' services.
 *
 * It decides nothing. What it hands out was verified down from a root, so that rubbish never takes
 * the place of something good, and is verified once more by `@witan/attestation` with everything
 * else. So a host that controls disk and network can make endorsements missing or old, not false.
 *
 * A store may be shared by everything in a process, and a directory by several processes.
 */
import type { Clock, Crypto, Random } from '@witan/core';
import type {
  SnpEndorsements,
  SnpEvidence,
  SnpRoots,
  TdxEndorsements,
  TdxEvidence,
  TdxRoots,
} from '@witan/attestation';
import { nodeCrypto, nodeRandom } from '@witan/keys';
import { Acquirer, stateOf, type AgeOptions, type ItemState } from './acquire.ts';
import { EndorsementsError } from './errors.ts';
import type { OnEndorsementEvent } from './events.ts';
import type { GatherContext, Gathered, GatheredPart } from './gather/choose.ts';
import { obtain } from './gather/obtain.ts';
import { gatherSnp } from './gather/snp.ts';
import { gatherTdx } from './gather/tdx.ts';
import { Keeper, type ListedItem } from './keeper.ts';
import { downloadOptionsOf, type DownloadOptions } from './net/download.ts';
import { createHttpFetch, type HttpFetch } from './net/http.ts';
import { Pace, type PaceOptions } from './net/pace.ts';
import { systemTimer, type Timer } from './net/timer.ts';
import type { EndorsementRequest } from './request.ts';
import { baseUrlsOf, type BaseUrls } from './sources.ts';
import { exportBundle, importBundle } from './transfer.ts';
import type { BundleSelection, ExportReport, ImportReport } from './transfer.ts';
import { VENDOR_ROOTS, type Trust } from './verify/trust.ts';

/** How a store works. Times are in milliseconds. */
export interface EndorsementStoreOptions {
  /** Cache directory; made when it is missing, with mode 0700. Without it: memory only. */
  readonly directory?: string;
  /**
   * The longest time since fetching for which revocation lists and Intel's documents are used
   * without asking again. With `offline`, the age from which they are withheld. Certificates are
   * used until they end. They are never good past their own end, whatever this says.
   */
  readonly maximumAgeMs: number;
  readonly clock: Clock;
  /** Never use the network. Default false. */
  readonly offline?: boolean;
  /** Age from which they are refreshed in the background. Default a day, at most `maximumAgeMs`. */
  readonly refreshAfterMs?: number;
  /** Rest after a failed download of one endorsement, doubled up to 20 times. Default 15 000. */
  readonly failureDelayMs?: number;
  /** Services or mirrors; each has the vendor's as its default. */
  readonly baseUrls?: Partial<BaseUrls>;
  /** `environment` (default), `none`, or the URL of a proxy. Not used with `fetch`. */
  readonly proxy?: string;
  /** Replaces the HTTP client. */
  readonly fetch?: HttpFetch;
  readonly download?: DownloadOptions;
  readonly pace?: PaceOptions;
  /** Bound on the cache directory. Default 1024 items and 64 MiB. */
  readonly cacheItemsMax?: number;
  readonly cacheBytesMax?: number;
  /**
   * Accepted roots; the default is those of AMD and Intel. A store that accepts development roots
   * should have a directory of its own (invariant I11).
   */
  readonly roots?: { readonly snp?: SnpRoots; readonly tdx?: TdxRoots };
  readonly crypto?: Crypto;
  /** For jitter only. */
  readonly random?: Random;
  /** For waits between attempts and rests; the machine's own when absent. */
  readonly timer?: Timer;
  readonly onEvent?: OnEndorsementEvent;
}

/** An endorsement in the cache directory. */
export interface StoredItem extends ListedItem {
  readonly state: ItemState;
}

/** How to gather. */
export interface GatherOptions {
  /** How long to wait for downloads, which go on afterwards. Default: until they end. */
  readonly patienceMs?: number;
}

/** Endorsements for evidence. */
export interface EndorsementStore {
  /**
   * Gathers what the verifier needs for a report or quote. First what travels with the evidence,
   * then the cache, then the network. Never throws for evidence, services or disks: what is missing
   * is in `parts` with its reason, and the verifier refuses for it.
   */
  endorsementsFor(
    evidence: SnpEvidence,
    options?: GatherOptions,
  ): Promise<Gathered<SnpEndorsements>>;
  endorsementsFor(
    evidence: TdxEvidence,
    options?: GatherOptions,
  ): Promise<Gathered<TdxEndorsements>>;
  endorsementsFor(
    evidence: SnpEvidence | TdxEvidence,
    options?: GatherOptions,
  ): Promise<Gathered<SnpEndorsements> | Gathered<TdxEndorsements>>;
  /** Gets single endorsements into the cache, chains before what they sign. Never throws for what
   * services and disks do. */
  obtain(requests: readonly EndorsementRequest[]): Promise<readonly GatheredPart[]>;
  /** What the cache directory holds, ordered by key. */
  list(): Promise<readonly StoredItem[]>;
  /** Writes a bundle. Throws EndorsementsError as `transfer.ts` says. */
  exportBundle(file: string, selection?: BundleSelection): Promise<ExportReport>;
  /** Takes in a bundle. Throws EndorsementsError as `transfer.ts` says. */
  importBundle(file: string): Promise<ImportReport>;
  /** Resolves when no download runs, not even one in the background. */
  idle(): Promise<void>;
  /** Ends downloads; what asks for more gets ENDORSEMENTS_CLOSED. */
  close(): void;
}

const DAY_MS: number = 24 * 60 * 60 * 1000;
const FAILURE_DELAY_MS_MAX: number = 10 * 60 * 1000;

/**
 * Opens a store. Nothing is read, written or asked before it is used.
 *
 * @throws EndorsementsError ENDORSEMENTS_OPTION_INVALID
 */
export function createEndorsementStore(options: EndorsementStoreOptions): EndorsementStore {
  const { clock, timer = systemTimer } = options;
  const ages = agesOf(options);
  const onEvent = options.onEvent ?? ((): void => undefined);
  const trust: Trust = {
    crypto: options.crypto ?? nodeCrypto,
    snp: options.roots?.snp ?? VENDOR_ROOTS.snp,
    tdx: options.roots?.tdx ?? VENDOR_ROOTS.tdx,
  };
  const limits = {
    itemsMax: positive('cacheItemsMax', options.cacheItemsMax ?? 1024),
    bytesMax: positive('cacheBytesMax', options.cacheBytesMax ?? 64 * 1024 * 1024),
  };
  const keeper = new Keeper(options.directory, trust, limits, onEvent);
  const acquirer = new Acquirer({
    keeper,
    trust,
    clock,
    random: options.random ?? nodeRandom,
    timer,
    ages,
    offline: options.offline ?? false,
    baseUrls: baseUrlsOf(options.baseUrls),
    fetch: options.fetch ?? createHttpFetch(proxyOf(options)),
    pace: new Pace(options.pace, timer),
    download: downloadOptionsOf(options.download),
    onEvent,
  });
  const patient = { acquirer, keeper, trust, clock, onEvent, patienceMs: Number.POSITIVE_INFINITY };
  // One implementation for three signatures: the kind of the evidence decides.
  const endorsementsFor = (
    evidence: SnpEvidence | TdxEvidence,
    { patienceMs = Number.POSITIVE_INFINITY }: GatherOptions = {},
  ): Promise<Gathered<object>> => {
    const context: GatherContext = { ...patient, patienceMs };
    return evidence.kind === 'snp' ? gatherSnp(evidence, context) : gatherTdx(evidence, context);
  };
  return {
    endorsementsFor,
    list: async () => {
      const items = await keeper.list();
      return items.map((each) => ({ ...each, state: stateOf(each, clock.now(), ages) }));
    },
    obtain: (requests) => obtain(requests, patient),
    exportBundle: (file, selection) => exportBundle(keeper, trust, file, selection),
    importBundle: (file) => importBundle(keeper, trust, clock, file),
    idle: () => acquirer.idle(),
    close: () => {
      acquirer.close();
    },
  };
}

function agesOf(options: EndorsementStoreOptions): AgeOptions {
  const maximumAgeMs = positive('maximumAgeMs', options.maximumAgeMs);
  const refreshAfterMs = options.refreshAfterMs ?? DAY_MS;
  return {
    maximumAgeMs,
    refreshAfterMs: Math.min(positive('refreshAfterMs', refreshAfterMs), maximumAgeMs),
    failureDelayMs: Math.max(0, options.failureDelayMs ?? 15_000),
    failureDelayMsMax: FAILURE_DELAY_MS_MAX,
  };
}

function positive(option: string, value: number): number {
  if (Number.isFinite(value) && value > 0) return value;
  const fields = { option, expected: 'a number above 0', found: value };
  throw new EndorsementsError('ENDORSEMENTS_OPTION_INVALID', { fields });
}

function proxyOf({ proxy }: EndorsementStoreOptions): { readonly proxy?: string } {
  return proxy === undefined ? {} : { proxy };
}
