/**
 * Owners approved every rotation and change of slots: those of the manifest that was in force, at
 * the place in the history that they signed for. None that the audit log tells of is missing.
 */
import { nodeCrypto } from '@witan/keys';
import { ManifestError, checkRecordedChanges, rotationText } from '@witan/manifest';
import type { RecordedChanges } from '../../recorded-changes.ts';
import type { FollowedLog } from '../follow-log.ts';
import type { SettledFacts, VerifyFacts } from '../facts.ts';
import { failed, passed, skipped, type Outcome } from './outcome.ts';

export function checkChanges({ settled, manifests, log }: VerifyFacts): Outcome {
  if (settled.length === 0) return skipped('no replica could be verified');
  let [rotations, slots, unchecked] = [0, 0, 0];
  for (const facts of settled) {
    const { changes, endpoint } = facts;
    if (changes === undefined) return skipped(`${endpoint} is of a build that does not show them`);
    const manifestOf = (generation: number) => {
      const hash = facts.history.history.hashes[generation - 1];
      return hash === undefined ? undefined : manifests.get(hash);
    };
    try {
      unchecked = Math.max(unchecked, checkAll(facts, changes, manifestOf));
    } catch (error) {
      if (!(error instanceof ManifestError)) throw error;
      const { path, expected, found } = error.fields;
      const detail = `${endpoint}: ${String(path)}: ${error.message}`;
      return { ...failed(detail, String(expected), String(found)), code: error.code };
    }
    const missing = missingOf(changes, log);
    if (missing !== undefined) {
      const detail = `${endpoint}: a change of the audit log is not among the records`;
      return { ...failed(detail, missing, 'no such record'), code: 'CLIENT_LOG_INCONSISTENT' };
    }
    rotations = Math.max(rotations, changes.rotations.length);
    slots = Math.max(slots, changes.slotChanges.length);
  }
  const rest =
    unchecked === 0 ? '' : `; ${unchecked} as the replicas recorded, whose manifests are not kept`;
  return passed(`${rotations} steps of rotations, ${slots} changes of slots${rest}`);
}

function checkAll(
  { deployment, history }: SettledFacts,
  { rotations, slotChanges }: RecordedChanges,
  manifestOf: Parameters<typeof checkRecordedChanges>[1]['manifestOf'],
): number {
  const { clusterId } = deployment;
  const { recoveries } = history.recovered;
  const check = { clusterId, history: history.history, recoveries, manifestOf, crypto: nodeCrypto };
  return checkRecordedChanges(rotations, check) + checkRecordedChanges(slotChanges, check);
}

/** What the log says was changed and the records do not. */
function missingOf(
  { rotations, slotChanges, asOfIndex }: RecordedChanges,
  log: FollowedLog | undefined,
): string | undefined {
  for (const { leaf } of log?.events ?? []) {
    if (leaf.index > asOfIndex) continue;
    if (leaf.kind === 'rotation') {
      const record = rotations[leaf.number - 1];
      const isIt = record?.kind === 'rotation' && rotationText(record.step) === leaf.step;
      if (!isIt) return `rotation ${leaf.number}: ${leaf.step}`;
    }
    if (leaf.kind === 'slots') {
      const record = slotChanges[leaf.number - 1];
      const isIt = record?.kind === 'slots' && record.to.join() === leaf.slots.join();
      if (!isIt) return `slots ${leaf.number}: ${leaf.slots.join(', ')}`;
    }
  }
  return undefined;
}
