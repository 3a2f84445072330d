/**
 * Owners approved every manifest of the history: the first by its own owners, each later one by
 * those of the manifest before it. Where the cluster no longer keeps that manifest, the replicas'
 * word has to do: they checked before they signed the transition.
 */
import { nodeCrypto } from '@witan/keys';
import {
  ManifestError,
  checkApprovalsOfHistory,
  checkSeedApprovals,
  type Transition,
} from '@witan/manifest';
import { longestOf, type VerifyFacts } from '../facts.ts';
import { failed, passed, skipped, type Outcome } from './outcome.ts';

export function checkOwnerApprovals({ settled, manifests }: VerifyFacts): Outcome {
  const longest = longestOf(settled);
  if (longest === undefined) return skipped('no replica could be verified');
  const { history, keys } = longest.history;
  const manifestOf = (generation: number) => {
    const hash = history.hashes[generation - 1];
    return hash === undefined ? undefined : manifests.get(hash);
  };
  const newest = history.transitions.at(-1);
  if (newest === undefined) return skipped('the history is empty');
  try {
    const unchecked = checkApprovalsOfHistory(history, manifestOf, nodeCrypto);
    const unknown = checkSeedApprovals(keys.links, history, manifestOf, nodeCrypto);
    const owners = manifestOf(Math.max(1, newest.generation - 1))?.owners ?? [];
    const last = unchecked.at(-1);
    const rest =
      last === undefined
        ? ''
        : `; up to generation ${last} as the replicas recorded, whose manifests are not kept`;
    return passed(`${describe(newest, owners)}${rest}${ofSeeds(keys.links.length, unknown)}`);
  } catch (error) {
    if (!(error instanceof ManifestError)) throw error;
    const { path, expected, found } = error.fields;
    const detail = `${String(path)}: ${error.message}`;
    return { ...failed(detail, String(expected), String(found)), code: error.code };
  }
}

function ofSeeds(count: number, unknown: readonly number[]): string {
  if (count === 0) return '';
  const rest = unknown.length === 0 ? '' : `, of which ${unknown.length} as the replicas recorded`;
  return `; and ${count} rotation${count === 1 ? '' : 's'} of the seed${rest}`;
}

function describe(
  { approvals, generation }: Transition,
  owners: readonly { readonly fingerprint: string; readonly name: string }[],
): string {
  const all = generation === 1 ? '' : `all ${generation}, the newest `;
  if (approvals.length === 0) return `${all}by none: no owner may update this manifest`;
  const names = approvals.map(
    ({ ownerFingerprint }) =>
      owners.find(({ fingerprint }) => fingerprint === ownerFingerprint)?.name ??
      ownerFingerprint.slice(0, 16),
  );
  return `${all}by ${names.join(', ')}`;
}
