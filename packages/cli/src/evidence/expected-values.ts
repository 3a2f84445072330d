/**
 * Reference values to hold evidence to, from whichever document has them: one object or a list of
 * them, the file of the image's builder (its Coordinators), or a manifest (Coordinators and
 * workloads).
 */
import {
  parseAzureReferenceValues,
  parseReferenceValues,
  type AnyReferenceValues,
  type ReferenceValues,
} from '@witan/attestation';
import { CodedError, fromUtf8 } from '@witan/core';
import { CliError } from '../errors.ts';
import { parseStored } from '../context.ts';
import { readBounded } from './input.ts';
import { isJsonObject } from './json-bytes.ts';

/** One entry with its place in the document. */
export interface ExpectedValues {
  readonly name: string;
  readonly values: AnyReferenceValues;
}

const FILE_BYTES_MAX: number = 16 * 1024 * 1024;
const ENTRIES_MAX = 1024;
const MESSAGE = 'reference values are not valid';
const EXPECTED = 'reference values, a list of them, or a document with coordinators';

/**
 * @throws CliError CLI_FILE_UNREADABLE, CLI_REFERENCE_VALUES_INVALID; ManifestError for a manifest
 */
export async function readExpectedValues(path: string): Promise<readonly ExpectedValues[]> {
  const bytes = await readBounded({ path, what: 'reference values' }, FILE_BYTES_MAX);
  const value = parseJson(bytes);
  if (isJsonObject(value) && value['apiVersion'] !== undefined) return ofManifest(bytes);
  const entries = isJsonObject(value) ? (value['coordinators'] ?? [value]) : value;
  if (!Array.isArray(entries) || entries.length === 0 || entries.length > ENTRIES_MAX) {
    const found = Array.isArray(entries) ? `${entries.length} entries` : typeof entries;
    throw invalid({ expected: EXPECTED, found });
  }
  const prefix = isJsonObject(value) && value['coordinators'] !== undefined ? 'coordinators' : '';
  const alone = entries.length === 1 && prefix === '';
  return entries.map((entry: unknown, index) => {
    const name = alone ? 'reference values' : `${prefix}[${index}]`;
    return { name, values: checked(entry, alone ? '' : name) };
  });
}

function ofManifest(bytes: Uint8Array): readonly ExpectedValues[] {
  const manifest = parseStored(bytes);
  const named = (place: string, list: readonly ReferenceValues[]): readonly ExpectedValues[] =>
    list.map((values, index) => ({ name: `${place}[${index}]`, values }));
  return [
    ...named('coordinators', manifest.coordinators),
    ...[...manifest.workloads].flatMap(([name, { referenceValues }]) =>
      named(`workloads.${name}`, referenceValues),
    ),
  ];
}

function parseJson(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(fromUtf8(bytes)) as unknown;
  } catch (cause) {
    const options = { fields: { expected: 'JSON' }, cause };
    throw new CliError('CLI_REFERENCE_VALUES_INVALID', MESSAGE, options);
  }
}

function checked(value: unknown, path: string): AnyReferenceValues {
  const tee = isJsonObject(value) ? value['tee'] : undefined;
  const isAzure = tee === 'az-snp' || tee === 'az-tdx';
  try {
    return isAzure ? parseAzureReferenceValues(value, path) : parseReferenceValues(value, path);
  } catch (cause) {
    if (!(cause instanceof CodedError)) throw cause;
    throw invalid(cause.fields, cause);
  }
}

function invalid(fields: CliError['fields'], cause?: unknown): CliError {
  const options = cause === undefined ? { fields } : { fields, cause };
  return new CliError('CLI_REFERENCE_VALUES_INVALID', MESSAGE, options);
}
