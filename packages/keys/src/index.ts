/**
 * Keys, secrets and certificates of a cluster, on node:crypto and jose.
 *
 * Recovery: `dealShares` (at the first manifest, and at each change of owners) gives a
 * `RecoveryHeader`, which is replicated and stands in the clear on every disk. Each owner takes the
 * JWE with its fingerprint out of it and opens it with `openShare`; `encodeShare` gives the bytes
 * to hand to any replica. A replica reads a header with `decodeRecoveryHeaderUnverified`, gives the
 * shares to a `ShareCollector`, and gets the seed from its `open`.
 */
export * from './errors.ts';
export { nodeCrypto, nodeRandom, systemClock } from './node-crypto.ts';
export * from './seed.ts';
export {
  deriveHistorySigningKey,
  deriveMeshCaKey,
  deriveRootCaKey,
  deriveSecret,
  type SealUse,
  type SecretOwner,
} from './derivations.ts';
export { isP256Spki, signP256, spkiFingerprint, spkiOf, verifyP256 } from './p256.ts';
export { spkiOfCertificate } from './read-certificate.ts';
export { SEAL_VERSION, parseSealHeader, type SealHeader } from './seal-header.ts';
export {
  GENERATIONS_MAX,
  GENERATION_ENTROPY_BYTES,
  SealingGenerations,
  type NumberedSeed,
} from './sealing-generations.ts';
export {
  SEAL_AAD_BYTES_MAX,
  SEAL_OVERHEAD_BYTES,
  SEAL_PLAINTEXT_BYTES_MAX,
  createSealer,
  createUnsealer,
  type Sealer,
  type SealerOptions,
  type Unsealer,
  type UnsealerOptions,
} from './sealing.ts';
export {
  generateOwnerKeyPair,
  loadOwnerPrivateKey,
  loadShareOwnerPrivateKey,
  loadShareOwnerPublicKey,
  privateKeyPemOf,
  publicKeyPemOf,
  type OwnerKeyPair,
  type OwnerKeyType,
} from './owner-keys.ts';
export {
  loadApprovalKey,
  loadApprovalPublicKey,
  ownerKeyKindOf,
  readForeignSignature,
  signingHint,
  signJws,
} from './approval-keys.ts';
export {
  DNS_NAMES_MAX,
  IP_ADDRESSES_MAX,
  randomSerial,
  workloadSpiffeId,
  type Validity,
} from './certificate-fields.ts';
export {
  createCrossCertificate,
  createMeshCaCertificate,
  createRootCertificate,
  issueLeafCertificate,
  loadCertificateAuthority,
  meshCaSigner,
  type CertificateAuthority,
  type CertificateSigner,
  type LeafCertificateRequest,
  type MeshCaCertificateRequest,
  type RootCertificateRequest,
} from './certificates.ts';
export {
  createRevocationList,
  type RevocationListRequest,
  type RevokedCertificate,
} from './revocation-list.ts';
export {
  decodeRecoveryHeaderUnverified,
  dealShares,
  unwrapSeed,
  type DealOptions,
} from './recovery/recovery-header.ts';
export { encodeRecoveryHeader, type DealtShare, type RecoveryHeader } from '@witan/manifest';
export {
  SHARES_MAX,
  SHARE_BYTES_MAX,
  commitmentOf,
  decodeShare,
  encodeShare,
  type RecoveryShare,
  type ShareBinding,
} from './recovery/share.ts';
export { ShareCollector, type ShareProgress } from './recovery/share-collector.ts';
export { openShare, ownerFingerprint } from './recovery/share-envelope.ts';
export {
  checkShare,
  checkShareAgainstJwe,
  decodeShareFile,
  encodeShareFile,
  readShareEnvelopeUnverified,
  type ShareEnvelope,
} from './recovery/share-file.ts';
export * from './marker-names.ts';
export { isSimulatedCertificate } from './simulated-marker.ts';
export {
  certificatePem,
  createIncarnationIdentity,
  incarnationIdOf,
  type IncarnationIdentity,
} from './identity.ts';
