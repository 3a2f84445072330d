/** A stored deployment as JSON: readable for people, strict for programs. */
import {
  CodedError,
  clusterId,
  epoch,
  fromBase64,
  fromHex,
  fromUtf8,
  generation,
  sha256Hex,
  toBase64,
  toHex,
  utf8,
} from '@witan/core';
import type { SeenRecovery, TreeHead } from '@witan/manifest';
import { ClientError } from '../errors.ts';
import type { PinnedDeployment } from './store.ts';

const API_VERSION = 'witan.dev/v1';

/** Size of a stored deployment in bytes: a manifest of 1 MiB in base64, and the rest. */
export const RECORD_BYTES_MAX: number = 2 * 1024 * 1024;

export function encodeRecord(deployment: PinnedDeployment): Uint8Array {
  const { floor, recovery, log, formerHistoryKeys } = deployment;
  const record = {
    apiVersion: API_VERSION,
    kind: 'PinnedDeployment',
    clusterId: deployment.clusterId,
    floor: {
      epoch: floor.epoch,
      commitIndex: floor.commitIndex,
      generation: floor.generation,
      transitionHash: floor.transitionHash,
    },
    ...(recovery === undefined ? {} : { recovery: { epoch: recovery.epoch, hash: recovery.hash } }),
    ...(log === undefined ? {} : { log: { size: log.size, root: toHex(log.root) } }),
    endpoints: deployment.endpoints,
    rootCertificate: toBase64(deployment.rootCertificate),
    historyPublicKey: toBase64(deployment.historyPublicKey),
    ...(formerHistoryKeys === undefined || formerHistoryKeys.length === 0
      ? {}
      : { formerHistoryKeys: formerHistoryKeys.map(toBase64) }),
    manifest: toBase64(deployment.manifest),
  };
  return utf8(`${JSON.stringify(record, null, 2)}\n`);
}

/**
 * @param file for the error
 * @throws ClientError CLIENT_STORE_DAMAGED
 */
export function decodeRecord(bytes: Uint8Array, file: string): PinnedDeployment {
  try {
    const record = objectOf(JSON.parse(fromUtf8(bytes)));
    const floor = objectOf(record['floor']);
    if (record['apiVersion'] !== API_VERSION) throw new TypeError('another version');
    const id = clusterId(textOf(record['clusterId']));
    const commitIndex = floor['commitIndex'];
    if (typeof commitIndex !== 'number' || !Number.isSafeInteger(commitIndex) || commitIndex < 0) {
      throw new TypeError('commit index is no index');
    }
    return {
      clusterId: id,
      floor: {
        clusterId: id,
        epoch: epoch(Number(floor['epoch'])),
        commitIndex,
        generation: generation(Number(floor['generation'])),
        transitionHash: sha256Hex(textOf(floor['transitionHash'])),
      },
      ...(record['recovery'] === undefined ? {} : { recovery: recoveryOf(record['recovery']) }),
      ...(record['log'] === undefined ? {} : { log: logOf(record['log']) }),
      endpoints: textsOf(record['endpoints']),
      rootCertificate: fromBase64(textOf(record['rootCertificate'])),
      historyPublicKey: fromBase64(textOf(record['historyPublicKey'])),
      ...(record['formerHistoryKeys'] === undefined
        ? {}
        : { formerHistoryKeys: textsOf(record['formerHistoryKeys']).map(fromBase64) }),
      manifest: fromBase64(textOf(record['manifest'])),
    };
  } catch (cause) {
    const known =
      cause instanceof CodedError || cause instanceof SyntaxError || cause instanceof TypeError;
    if (!known) throw cause;
    throw new ClientError('CLIENT_STORE_DAMAGED', { file }, cause);
  }
}

function recoveryOf(value: unknown): SeenRecovery {
  const recovery = objectOf(value);
  return { epoch: epoch(Number(recovery['epoch'])), hash: sha256Hex(textOf(recovery['hash'])) };
}

function logOf(value: unknown): TreeHead {
  const log = objectOf(value);
  const size = log['size'];
  if (typeof size !== 'number' || !Number.isSafeInteger(size) || size < 0) {
    throw new TypeError('size of the log is no size');
  }
  return { size, root: fromHex(sha256Hex(textOf(log['root']))) };
}

function objectOf(value: unknown): Readonly<Record<string, unknown>> {
  if (typeof value !== 'object' || value === null) throw new TypeError('not an object');
  return value as Readonly<Record<string, unknown>>;
}

function textOf(value: unknown): string {
  if (typeof value !== 'string') throw new TypeError('not a text');
  return value;
}

function textsOf(value: unknown): readonly string[] {
  if (!Array.isArray(value)) throw new TypeError('not a list');
  return value.map(textOf);
}
