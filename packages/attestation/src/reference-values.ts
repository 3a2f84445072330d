/**
 * Reference values of any TEE, told apart by their field `tee`.
 */
import { AttestationError } from './errors.ts';
import { parseSnpReferenceValues, type SnpReferenceValues } from './snp/reference-values.ts';
import { parseTdxReferenceValues, type TdxReferenceValues } from './tdx/reference-values.ts';

/** What a manifest demands of evidence: one object per TEE. */
export type ReferenceValues = SnpReferenceValues | TdxReferenceValues;

/**
 * Validates reference values of whichever TEE they name.
 *
 * @param value parsed JSON
 * @param path where the value stands in its document, for error messages
 * @throws AttestationError REFERENCE_VALUES_INVALID with `path`, `expected` and `found`
 */
export function parseReferenceValues(value: unknown, path: string): ReferenceValues {
  const tee: unknown =
    typeof value === 'object' && value !== null && 'tee' in value ? value.tee : undefined;
  if (tee === 'snp') return parseSnpReferenceValues(value, path);
  if (tee === 'tdx') return parseTdxReferenceValues(value, path);
  throw new AttestationError('REFERENCE_VALUES_INVALID', {
    path: path === '' ? 'tee' : `${path}.tee`,
    expected: 'snp or tdx',
    found: typeof tee === 'string' ? tee.slice(0, 80) : typeof tee,
  });
}
