/**
 * The workload's measured settings, out of the pod's initdata. `witan generate` writes them; this
 * reader accepts that form of the TOML document and nothing else, so that there is nothing in it
 * that two readers could understand differently.
 *
 * The file may hold the document itself or, as the downward API gives it, the pod's annotation: the
 * document compressed with gzip, in base64.
 */
import { readFile, stat } from 'node:fs/promises';
import { gunzipSync } from 'node:zlib';
import { parseReferenceValues, type ReferenceValues } from '@witan/attestation';
import { BytesError, CodedError, fromBase64, fromUtf8 } from '@witan/core';
import { InitializerError } from './errors.ts';

const BYTES_MAX = 1024 * 1024;
const ENDPOINTS_MAX = 64;
const REFERENCE_VALUES_MAX = 64;
/** JSON has no apostrophes here: `generate` writes them as escapes. */
const DOCUMENT = new RegExp(
  [
    '^version = "0\\.1\\.0"',
    'algorithm = "sha256"',
    '',
    '\\[data\\]',
    `"policy\\.json" = '''`,
    `[^']*'''`,
    `"witan\\.json" = '''`,
    `([^']*)'''`,
    '$',
  ].join('\n'),
);

/** What the initializer knows of the Coordinators before it has talked to any. */
export interface WorkloadInitdata {
  /** The exact bytes that were measured. */
  readonly bytes: Uint8Array;
  readonly workload: string;
  readonly endpoints: readonly string[];
  readonly coordinators: readonly ReferenceValues[];
  /** Root certificate to pin, PEM. */
  readonly rootCertificatePem: string | undefined;
}

/** @throws InitializerError INITIALIZER_INITDATA_UNREADABLE, INITIALIZER_INITDATA_INVALID */
export async function readWorkloadInitdata(file: string): Promise<WorkloadInitdata> {
  let bytes: Uint8Array;
  try {
    const { size } = await stat(file);
    if (size > BYTES_MAX) throw invalid('', `at most ${BYTES_MAX} bytes`, size);
    bytes = unpacked(new Uint8Array(await readFile(file)));
  } catch (cause) {
    if (cause instanceof InitializerError) throw cause;
    const message = 'initdata cannot be read; check WITAN_INITDATA';
    const options = { fields: { file }, cause };
    throw new InitializerError('INITIALIZER_INITDATA_UNREADABLE', message, options);
  }
  return parseWorkloadInitdata(bytes);
}

/** Undoes the annotation's encoding where there is one. */
function unpacked(bytes: Uint8Array): Uint8Array {
  // What gzip writes first (RFC 1952 section 2.3.1), in base64; TOML cannot begin so.
  const isAnnotation = Buffer.from(bytes.subarray(0, 4)).toString('latin1') === 'H4sI';
  if (!isAnnotation) return bytes;
  try {
    const compressed = fromBase64(fromUtf8(bytes).trimEnd());
    return new Uint8Array(gunzipSync(compressed, { maxOutputLength: BYTES_MAX }));
  } catch (cause) {
    if (!(cause instanceof BytesError) && !isZlibError(cause)) throw cause;
    const message = 'initdata annotation cannot be unpacked';
    const fields = { path: '', expected: 'base64 of gzip', found: 'something else' };
    throw new InitializerError('INITIALIZER_INITDATA_INVALID', message, { fields, cause });
  }
}

/** Damage, or more than the limit once unpacked (`ERR_BUFFER_TOO_LARGE`, `Z_…`). */
function isZlibError(error: unknown): boolean {
  return error instanceof Error && 'code' in error;
}

/** @throws InitializerError INITIALIZER_INITDATA_INVALID with path, expected and found */
export function parseWorkloadInitdata(bytes: Uint8Array): WorkloadInitdata {
  const settings = settingsOf(bytes);
  expect(settings, 'apiVersion', 'witan.dev/v1');
  expect(settings, 'kind', 'Workload');
  const workload = settings['workload'];
  if (typeof workload !== 'string') throw invalid('workload', 'a name', typeof workload);
  const coordinator = settings['coordinator'];
  if (!isObject(coordinator)) throw invalid('coordinator', 'an object', typeof coordinator);
  const pem = coordinator['rootCertificatePem'];
  if (pem !== undefined && typeof pem !== 'string') {
    throw invalid('coordinator.rootCertificatePem', 'PEM text', typeof pem);
  }
  return {
    bytes,
    workload,
    endpoints: listOf(coordinator, 'endpoints', ENDPOINTS_MAX).map(String),
    coordinators: referenceValuesOf(coordinator),
    rootCertificatePem: pem,
  };
}

function settingsOf(bytes: Uint8Array): Readonly<Record<string, unknown>> {
  try {
    const text = DOCUMENT.exec(fromUtf8(bytes))?.[1];
    const value: unknown = JSON.parse(text ?? '');
    if (isObject(value)) return value;
  } catch (cause) {
    const message = 'initdata holds no readable Witan settings';
    throw new InitializerError('INITIALIZER_INITDATA_INVALID', message, { cause });
  }
  throw invalid('', 'an object', 'something else');
}

function referenceValuesOf(coordinator: Readonly<Record<string, unknown>>): ReferenceValues[] {
  const list = listOf(coordinator, 'referenceValues', REFERENCE_VALUES_MAX);
  if (list.length === 0) throw invalid('coordinator.referenceValues', 'at least one entry', 0);
  return list.map((value, index) => {
    try {
      return parseReferenceValues(value, `coordinator.referenceValues[${index}]`);
    } catch (cause) {
      if (!(cause instanceof CodedError)) throw cause;
      const message = 'initdata holds no readable Witan settings';
      const options = { fields: cause.fields, cause };
      throw new InitializerError('INITIALIZER_INITDATA_INVALID', message, options);
    }
  });
}

function listOf(
  object: Readonly<Record<string, unknown>>,
  name: string,
  itemsMax: number,
): readonly unknown[] {
  const list = object[name];
  if (Array.isArray(list) && list.length <= itemsMax) return list;
  throw invalid(`coordinator.${name}`, `a list of at most ${itemsMax}`, typeof list);
}

function expect(settings: Readonly<Record<string, unknown>>, name: string, expected: string): void {
  if (settings[name] !== expected) throw invalid(name, expected, String(settings[name]));
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function invalid(path: string, expected: string, found: string | number): InitializerError {
  const message = 'initdata holds no readable Witan settings';
  const fields = { path, expected, found: String(found).slice(0, 80) };
  return new InitializerError('INITIALIZER_INITDATA_INVALID', message, { fields });
}
