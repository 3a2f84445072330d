/** The file in which the builder of the images says what to expect of them. */
import {
  configDigestFor,
  parseReferenceValues,
  type EvidenceKind,
  type ReferenceValues,
} from '@witan/attestation';
import { CodedError, fromUtf8, toHex } from '@witan/core';
import { CliError } from './errors.ts';
import { readInput } from './files.ts';

export interface ReferenceValuesFile {
  /** As they stand in the file: they go into the manifest as they are. */
  readonly coordinators: readonly unknown[];
  /** The same, checked. */
  readonly coordinatorValues: readonly ReferenceValues[];
  /** Reference values of workloads, one entry for each TEE, without the configuration. */
  readonly workloads: readonly WorkloadValues[];
  readonly coordinatorEndpoints: readonly string[];
}

/** Reference values that `generate` completes for each workload with its configuration. */
export interface WorkloadValues {
  readonly tee: EvidenceKind;
  readonly fields: Readonly<Record<string, unknown>>;
}

const FIELDS = ['coordinators', 'workload', 'coordinatorEndpoints'];
const ZERO_DIGEST = new Uint8Array(32);
const WORKLOAD_ENTRIES_MAX = 16;

/** @throws CliError CLI_FILE_UNREADABLE, CLI_REFERENCE_VALUES_INVALID */
export async function readReferenceValues(path: string): Promise<ReferenceValuesFile> {
  const document = parseObject(await readInput(path, 'reference values'));
  const unknown = Object.keys(document).find((name) => !FIELDS.includes(name));
  if (unknown !== undefined) throw invalid(unknown, `one of ${FIELDS.join(', ')}`, unknown);
  const {
    coordinators,
    workload,
    coordinatorEndpoints = [],
  } = document as {
    readonly coordinators?: unknown;
    readonly workload?: unknown;
    readonly coordinatorEndpoints?: unknown;
  };
  if (!Array.isArray(coordinators) || coordinators.length === 0) {
    throw invalid('coordinators', 'a list with at least one entry', kindOf(coordinators));
  }
  if (!Array.isArray(coordinatorEndpoints) || !coordinatorEndpoints.every(isText)) {
    throw invalid('coordinatorEndpoints', 'a list of host:port', kindOf(coordinatorEndpoints));
  }
  const coordinatorValues = coordinators.map((value: unknown, index) =>
    checked(value, `coordinators[${index}]`),
  );
  return {
    coordinators,
    coordinatorValues,
    workloads: workloadsIn(workload),
    coordinatorEndpoints,
  };
}

/** One object, or a list of them. */
function workloadsIn(value: unknown): readonly WorkloadValues[] {
  const list: readonly unknown[] = Array.isArray(value) ? value : [value];
  if (list.length === 0 || list.length > WORKLOAD_ENTRIES_MAX) {
    throw invalid('workload', `an object, or 1 to ${WORKLOAD_ENTRIES_MAX} of them`, kindOf(value));
  }
  return list.map((fields, index) => {
    const path = Array.isArray(value) ? `workload[${index}]` : 'workload';
    if (!isObject(fields)) throw invalid(path, 'an object', kindOf(fields));
    const { tee: found } = fields as { readonly tee?: unknown };
    const tee: EvidenceKind = found === 'tdx' ? 'tdx' : 'snp';
    // Checked now, with a digest in the place that `generate` fills for each workload.
    checked({ ...fields, ...configurationFields(tee, ZERO_DIGEST) }, path);
    return { tee, fields };
  });
}

/**
 * The field of reference values that pins a configuration.
 *
 * @param sha256 SHA-256 of the configuration
 */
export function configurationFields(
  tee: EvidenceKind,
  sha256: Uint8Array,
): Readonly<Record<string, string>> {
  const digest = toHex(configDigestFor(tee, sha256));
  return tee === 'snp' ? { hostData: digest } : { mrConfigId: digest };
}

function parseObject(bytes: Uint8Array): Readonly<Record<string, unknown>> {
  try {
    const value: unknown = JSON.parse(fromUtf8(bytes));
    if (isObject(value)) return value;
  } catch (cause) {
    const message = 'reference values are not JSON';
    throw new CliError('CLI_REFERENCE_VALUES_INVALID', message, { cause });
  }
  throw invalid('', 'an object', 'something else');
}

function checked(value: unknown, path: string): ReferenceValues {
  try {
    return parseReferenceValues(value, path);
  } catch (cause) {
    if (!(cause instanceof CodedError)) throw cause;
    const options = { fields: cause.fields, cause };
    throw new CliError('CLI_REFERENCE_VALUES_INVALID', 'reference values are not valid', options);
  }
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function isText(value: unknown): value is string {
  return typeof value === 'string';
}

function kindOf(value: unknown): string {
  return Array.isArray(value) ? `a list of ${value.length}` : typeof value;
}

function invalid(path: string, expected: string, found: string): CliError {
  const fields = { path, expected, found };
  const message = 'reference values are not valid';
  return new CliError('CLI_REFERENCE_VALUES_INVALID', message, { fields });
}
