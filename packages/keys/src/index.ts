/**
 * Keys, secrets and certificates of a cluster, on node:crypto and @peculiar/x509.
 */
export * from './errors.ts';
export { nodeCrypto, nodeRandom, systemClock } from './node-crypto.ts';
export * from './seed.ts';
export {
  deriveHistorySigningKey,
  deriveMeshCaKey,
  deriveRootCaKey,
  deriveWorkloadSecret,
  type SealUse,
} from './derivations.ts';
export { signP256, spkiFingerprint, spkiOf, verifyP256 } from './p256.ts';
export { parseSealHeader, type SealHeader } from './seal-header.ts';
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
  loadOwnerPublicKey,
  privateKeyPemOf,
  publicKeyPemOf,
  type OwnerKeyPair,
} from './owner-keys.ts';
export {
  DNS_NAMES_MAX,
  IP_ADDRESSES_MAX,
  randomSerial,
  workloadSpiffeId,
  type Validity,
} from './certificate-fields.ts';
export {
  createMeshCaCertificate,
  createRootCertificate,
  issueLeafCertificate,
  loadCertificateAuthority,
  type CertificateAuthority,
  type LeafCertificateRequest,
  type MeshCaCertificateRequest,
  type RootCertificateRequest,
} from './certificates.ts';
export * from './marker-names.ts';
export { isSimulatedCertificate } from './simulated-marker.ts';
export {
  certificatePem,
  createIncarnationIdentity,
  incarnationIdOf,
  type IncarnationIdentity,
} from './identity.ts';
