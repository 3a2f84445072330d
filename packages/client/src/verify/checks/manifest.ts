/** The manifest in force is the expected one, on every replica. */
import { bytesEqual } from '@witan/core';
import type { VerifyFacts } from '../facts.ts';
import { failed, passed, short, skipped, type Outcome } from './outcome.ts';

export function checkManifest({ settled, replicas, expectedManifest }: VerifyFacts): Outcome {
  const founded = replicas.find(
    (facts) => facts.kind === 'answered' && facts.deployment.kind === 'founded',
  );
  if (founded !== undefined) {
    return {
      ...failed(`${founded.endpoint} has no manifest yet; set one with witan set`),
      code: 'CLIENT_NO_MANIFEST',
    };
  }
  const [first] = settled;
  if (first === undefined) return skipped('no replica could be verified');
  if (expectedManifest === undefined) {
    const { digest } = first.deployment.manifest;
    return skipped(`no file was given; in force is ${short(digest)}`);
  }
  const { bytes, digest } = expectedManifest;
  const other = settled.find(({ deployment }) => !bytesEqual(deployment.manifest.bytes, bytes));
  if (other !== undefined) {
    return failed(
      `${other.endpoint} has another manifest in force`,
      digest,
      other.deployment.manifest.digest,
    );
  }
  return passed(`SHA-256 ${short(digest)}`);
}
