/** What the store tells its owner, who logs or counts it. Nothing here is needed to work on. */
import type { EndorsementsError } from './errors.ts';

/** Something that happened. `key` names the endorsement. */
export type EndorsementEvent =
  /** An endorsement came from the network and verified. */
  | {
      readonly kind: 'fetched';
      readonly key: string;
      readonly durationMs: number;
      readonly bytes: number;
    }
  /** An attempt failed; another follows after `retryInMs`, or none when undefined. */
  | {
      readonly kind: 'fetch-failed';
      readonly key: string;
      readonly error: EndorsementsError;
      readonly retryInMs: number | undefined;
    }
  /** What a source gave is older than what is kept (or was replayed), and is thrown away. */
  | {
      readonly kind: 'rollback-refused';
      readonly key: string;
      readonly error: EndorsementsError;
    }
  /** What came with the evidence does not fit and is looked for elsewhere. */
  | { readonly kind: 'hint-ignored'; readonly key: string; readonly error: EndorsementsError }
  /** A file of the cache is ignored. */
  | { readonly kind: 'cache-damaged'; readonly key: string; readonly error: EndorsementsError }
  /** The cache could not be written; the endorsement is used from memory. */
  | { readonly kind: 'cache-unwritable'; readonly key: string; readonly error: EndorsementsError }
  /** Items were removed to keep the cache within its limits. */
  | { readonly kind: 'evicted'; readonly keys: readonly string[] };

/** Told of each event, at once. */
export type OnEndorsementEvent = (event: EndorsementEvent) => void;
