/** What to do about an error: one line for people, behind the error itself. */
import { CodedError } from '@witan/core';

const NEXT_STEPS: Readonly<Record<string, string>> = {
  CLI_FLOOR_UNKNOWN: 'run it where the cluster was verified before, or give --no-floor',
  CLI_KEY_NOT_AN_OWNER: 'use the key of an owner who has the role in the manifest in force',
  CLI_LOCKS_OWNERS_OUT: 'add an owner with the role update, or give --allow-no-updates',
  CLI_NO_SHARES: 'give owners the role recovery, and set recoveryThreshold in the manifest',
  CLI_NOTHING_TO_TRUST: 'give --manifest FILE, the manifest that you expect to be in force',
  CLI_PREPARED_STALE: 'prepare it again with witan approve --prepare, and sign the new bytes',
  CLI_RECEIPT_REFUSED: 'do not rely on it; fetch it anew with witan receipt get, and compare',
  CLI_SHARE_MISMATCH: 'take the newest share with witan share get, and open it again',
  CLI_THRESHOLD_NOT_MET:
    'give more --owner-key, or let owners approve one by one with witan approve',
  CLI_TRANSITION_STALE: 'look at what changed with witan history, and decide again',
  CLI_VERIFICATION_FAILED: 'do not trust this deployment before the failed checks are explained',
  CLIENT_BELOW_FLOOR: 'do not trust the answer; ask the operators whether they recovered a backup',
  CLIENT_CONFLICT: 'look at what changed with witan history, and set the manifest again',
  CLIENT_COORDINATOR_REFUSED: 'check that the manifest lists what this Coordinator measures',
  CLIENT_HISTORY_FORKED: 'do not trust the answer; keep your files and tell the other owners',
  CLIENT_LOG_INCONSISTENT: 'do not trust the answer; keep your files and tell the other owners',
  CLIENT_NO_MANIFEST: 'set the first manifest with witan set',
  CLIENT_OTHER_CLUSTER: 'check the address; for a new cluster on purpose give --cluster new',
  CLIENT_PIN_MISMATCH: 'do not trust the answer; anchors change by signed links of roots alone',
  CLIENT_UNREACHABLE: 'check the addresses, and what witan status says of each replica',
  KUBERNETES_IMAGE_NOT_PINNED: 'write the image as name@sha256:DIGEST',
  KUBERNETES_NO_WORKLOAD: 'set runtimeClassName to one that starts with kata-',
  MANIFEST_BAD_REFERENCE_VALUES: 'take the reference values that the builder of the image gives',
};

const STEPS: ReadonlyMap<string, string> = new Map(Object.entries(NEXT_STEPS));

/** @returns a line with its newline; empty where the error says enough */
export function nextStepOf(error: unknown): string {
  const code: unknown = error instanceof CodedError ? error.code : undefined;
  const step = typeof code === 'string' ? STEPS.get(code) : undefined;
  return step === undefined ? '' : `Next: ${step}.\n`;
}
