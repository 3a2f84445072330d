/**
 * Names of workload secrets. The value is derived from the seed under such a name, so two workloads
 * never share a secret even where they use the same word for it (I9).
 */
import { CanonicalWriter } from '@witan/core';
import { ManifestError } from './errors.ts';
import { isLabel } from './names.ts';
import { clip } from './path.ts';

const SECRET_LABEL = 'witan/workload-secret/v1';

/**
 * The derivation context of one secret of one workload: canonical bytes without a cluster id, which
 * the derivation itself adds.
 *
 * @throws ManifestError MANIFEST_BAD_VALUE unless both names are DNS labels
 */
export function secretRef(workload: string, secret: string): Uint8Array {
  for (const [path, name] of [
    ['workload', workload],
    ['secret', secret],
  ] as const) {
    if (!isLabel(name)) {
      const fields = { path, expected: 'a DNS label', found: clip(name) };
      throw new ManifestError('MANIFEST_BAD_VALUE', fields);
    }
  }
  return new CanonicalWriter().text(SECRET_LABEL).text(workload).text(secret).finish();
}
