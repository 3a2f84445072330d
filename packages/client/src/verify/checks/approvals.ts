/**
 * Owners approved the manifest in force. For the first manifest its own owners count and can be
 * checked here; for a later one those of the manifest before it, which only the replicas had to
 * have, and they checked before they signed the transition.
 */
import { nodeCrypto } from '@witan/keys';
import { ManifestError, checkApprovals } from '@witan/manifest';
import type { VerifyFacts } from '../facts.ts';
import { failed, passed, skipped, type Outcome } from './outcome.ts';

export function checkOwnerApprovals({ settled }: VerifyFacts): Outcome {
  const [first] = settled;
  if (first === undefined) return skipped('no replica could be verified');
  const { manifest, mark } = first.deployment;
  const transition = first.history.history.transitions[mark.generation - 1];
  if (transition === undefined) return skipped('the transition is not in the history');
  const { approvals, clusterId, previous, manifestDigest, generation } = transition;
  const names = approvals.map(
    ({ ownerFingerprint }) =>
      manifest.owners.find(({ fingerprint }) => fingerprint === ownerFingerprint)?.name ??
      ownerFingerprint.slice(0, 16),
  );
  if (generation !== 1) return passed(`by ${names.join(', ')}, as the replicas recorded`);
  if (approvals.length === 0 && manifest.updateThreshold === 0) {
    return passed('none needed: no owner may update this manifest');
  }
  try {
    checkApprovals({
      inForce: manifest,
      isFirst: true,
      subject: { clusterId, previousTransition: previous, manifestDigest },
      approvals,
      crypto: nodeCrypto,
    });
    return passed(`by ${names.join(', ')}`);
  } catch (error) {
    if (!(error instanceof ManifestError)) throw error;
    const { expected, found } = error.fields;
    return { ...failed(error.message, String(expected), String(found)), code: error.code };
  }
}
