/**
 * Builders of attestation evidence for tests and for simulated hardware: keys, certificates,
 * collateral and quotes with which the verifier can be exercised without a machine of the kind.
 * Nothing shipped imports this.
 */
export * from './azure-evidence.ts';
export * from './der-writer.ts';
export * from './event-log.ts';
export * from './p256.ts';
export * from './snp-hierarchy.ts';
export * from './tdx-documents.ts';
export * from './tdx-hierarchy.ts';
export * from './tdx-quote.ts';
export { testCrypto } from './node-crypto.ts';
export { objectOf, objectsOf, stringOf, type Json } from './json.ts';
export { collateralOf } from './tdx-collateral-file.ts';
export { referenceJsonFor } from './tdx-vectors.ts';
export { certificatesIn, readNamed } from './vector-files.ts';
export { mutated, numbersFrom, type Numbers } from './fuzz/mutate.ts';
