/** The manifest: schema and validation, approvals, transitions, high-water marks, differences. */
export * from './approval-jws.ts';
export * from './approvals.ts';
export { diffManifests, type ManifestChange } from './diff.ts';
export * from './errors.ts';
export * from './high-water-mark.ts';
export * from './history.ts';
export type { JsonArray, JsonObject, JsonValue } from './json.ts';
export * from './limits.ts';
export { manifestDigest, parseManifest, type ParseOptions } from './parse.ts';
export { NO_TRANSITION, SIGNATURE_BYTES } from './records.ts';
export * from './recovery.ts';
export * from './recovery-header.ts';
export { secretRef } from './secret-ref.ts';
export * from './slot-change.ts';
export * from './transition.ts';
export * from './types.ts';
export * from './whole-history.ts';
