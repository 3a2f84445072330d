/** The history is one signed chain up to the manifest in force. */
import type { VerifyFacts } from '../facts.ts';
import { failed, passed, short, skipped, type Outcome } from './outcome.ts';

export function checkHistory({ settled }: VerifyFacts): Outcome {
  const [first] = settled;
  if (first === undefined) return skipped('no replica could be verified');
  for (const { endpoint, deployment, history } of settled) {
    // The history was asked for later, so it may already have one more transition.
    const { generation, transitionHash } = deployment.mark;
    const transition = history.history.transitions[generation - 1];
    const hash = history.history.hashes[generation - 1];
    if (transition === undefined || hash !== transitionHash) {
      const detail = `${endpoint}: the mark's transition is not in the history`;
      return failed(detail, transitionHash, hash ?? 'nothing');
    }
    if (transition.manifestDigest !== deployment.manifest.digest) {
      const detail = `${endpoint}: the manifest in force is not the one in the history`;
      return failed(detail, transition.manifestDigest, deployment.manifest.digest);
    }
  }
  const { history } = first.history;
  const count = history.transitions.length;
  return passed(`${count} transition${count === 1 ? '' : 's'}, newest ${short(history.head)}`);
}
