/** The append-only Merkle log: hashing, the log, and checking its proofs. */
export { emptyRoot, leafHash, MERKLE_HASH_BYTES, nodeHash, rootOfFrontier } from './hashing.ts';
export { LOG_LIMITS, MerkleLog, type LogLimits } from './merkle-log.ts';
export {
  MERKLE_PROOF_HASHES_MAX,
  verifyConsistency,
  verifyFrontier,
  verifyInclusion,
  type TreeHead,
} from './proofs.ts';
