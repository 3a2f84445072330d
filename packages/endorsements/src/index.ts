/**
 * Endorsements of hardware vendors: fetched, verified, cached, and carried in bundles. Deciding
 * what they mean for evidence is the work of `@witan/attestation`.
 */
export type { ItemState } from './acquire.ts';
export * from './cli-commands.ts';
export { EndorsementsError, type EndorsementsErrorCode } from './errors.ts';
export type { EndorsementEvent, OnEndorsementEvent } from './events.ts';
export type { Gathered, GatheredPart, PartSource } from './gather/choose.ts';
export type { DownloadOptions } from './net/download.ts';
export {
  createHttpFetch,
  type HttpAnswer,
  type HttpFetch,
  type HttpFetchOptions,
  type HttpRequest,
} from './net/http.ts';
export type { PaceOptions } from './net/pace.ts';
export * from './request.ts';
export { VENDOR_URLS, type BaseUrls } from './sources.ts';
export {
  createEndorsementStore,
  type EndorsementStore,
  type EndorsementStoreOptions,
  type GatherOptions,
  type StoredItem,
} from './store.ts';
export type { BundleSelection, ExportReport, ImportReport } from './transfer.ts';
export { isBundle, readBundleUnverified, type ManifestEntry } from './bundle.ts';
export { decodeContent as readCachedUnverified, type Content } from './content.ts';
export * from './settings.ts';
export { endorsementSource, hardwareEvidence } from './source.ts';
export type { Timer } from './net/timer.ts';
export type { VerifiedItem } from './verify/trust.ts';
export * from './program.ts';
