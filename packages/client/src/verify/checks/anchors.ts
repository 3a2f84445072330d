/**
 * The trust anchors are the pinned ones. Each answer was compared when it came; this says with
 * what.
 */
import { createHash } from 'node:crypto';
import { bytesEqual } from '@witan/core';
import type { VerifyFacts } from '../facts.ts';
import { passed, short, skipped, type Outcome } from './outcome.ts';

export function checkAnchors({ settled, before }: VerifyFacts): Outcome {
  const [first] = settled;
  if (first === undefined) return skipped('no replica could be verified');
  const { rootCertificate } = first.deployment;
  const fingerprint = short(createHash('sha256').update(rootCertificate).digest('hex'));
  if (before.rootCertificate === undefined) {
    return passed(`root ${fingerprint}, seen for the first time and pinned from now on`);
  }
  if (!bytesEqual(before.rootCertificate, rootCertificate)) {
    return passed(`root ${fingerprint}, to which the pinned root leads by signed links`);
  }
  return passed(`root ${fingerprint}, as pinned`);
}
