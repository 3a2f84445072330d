/**
 * The workload's measured settings, out of the pod's initdata. `witan generate` writes them; this
 * reader accepts that form of the TOML document and nothing else, so that there is nothing in it
 * that two readers could understand differently.
 */
import { readFile, stat } from 'node:fs/promises';
import { parseReferenceValues, type ReferenceValues } from '@witan/attestation';
import { CodedError, fromUtf8 } from '@witan/core';
import { InitializerError } from './errors.ts';

const BYTES_MAX = 1024 * 1024;
const ENDPOINTS_MAX = 64;
const REFERENCE_VALUES_MAX = 64;
const SETTINGS = /^"witan\.json" = '''\n([^']*)'''$/m;

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
    bytes = new Uint8Array(await readFile(file));
  } catch (cause) {
    if (cause instanceof InitializerError) throw cause;
    const message = 'initdata cannot be read; check WITAN_INITDATA';
    const options = { fields: { file }, cause };
    throw new InitializerError('INITIALIZER_INITDATA_UNREADABLE', message, options);
  }
  return parseWorkloadInitdata(bytes);
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
    const text = SETTINGS.exec(fromUtf8(bytes))?.[1];
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
