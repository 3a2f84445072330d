/** What a manifest would change, in lines for people who are asked to approve it. */
import type { ReferenceValues } from '@witan/attestation';
import type { ManifestChange, ValidatedManifest } from '@witan/manifest';
import { CliError } from '../errors.ts';

const CHANGES_SHOWN = 40;
const VALUE_CHARS_MAX = 60;

/** @param shownMax lines at most; all of them where absent */
export function describeDiff(
  changes: readonly ManifestChange[],
  shownMax: number = CHANGES_SHOWN,
): string {
  if (changes.length === 0) return 'No change but in spacing or order.\n';
  const lines = changes.slice(0, shownMax).map((change) => {
    const before = change.kind === 'added' ? '' : ` - ${short(change.before)}`;
    const after = change.kind === 'removed' ? '' : ` + ${short(change.after)}`;
    return `  ${change.kind} ${change.path}${before}${after}`;
  });
  const rest = changes.length - lines.length;
  const more = rest > 0 ? `  and ${rest} more\n` : '';
  return `Changes to the manifest in force:\n${lines.join('\n')}\n${more}`;
}

function short(value: unknown): string {
  const text = JSON.stringify(value);
  return text.length > VALUE_CHARS_MAX ? `${text.slice(0, VALUE_CHARS_MAX - 1)}…` : text;
}

/**
 * A manifest that nothing can follow is sent only on the user's word, whatever it says itself.
 *
 * @throws CliError CLI_LOCKS_OWNERS_OUT
 */
export function refuseLockout(
  manifest: Pick<ValidatedManifest<ReferenceValues>, 'allowNoUpdates'>,
  allowed: boolean | undefined,
): void {
  if (!manifest.allowNoUpdates || allowed === true) return;
  const expected = 'an owner with the role update, or --allow-no-updates';
  const fields = { path: 'allowNoUpdates', expected, found: true };
  const message = 'after this manifest no owner can ever change anything again';
  throw new CliError('CLI_LOCKS_OWNERS_OUT', message, { fields });
}
