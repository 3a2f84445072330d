/**
 * The measured configuration: a document whose SHA-256 is the guest's HOST_DATA, so that evidence
 * covers it and the host cannot change it. It says which slots make up the cluster: a host that
 * could choose them could found a cluster of one and call it replicated.
 */
import { readFile, stat } from 'node:fs/promises';
import {
  AttestationError,
  configDigestFor,
  parseReferenceValues,
  type ReferenceValues,
} from '@witan/attestation';
import {
  IdError,
  fromUtf8,
  sha256Hex,
  slotName,
  toHex,
  type Sha256Hex,
  type SlotName,
} from '@witan/core';
import { nodeCrypto } from '@witan/keys';
import type { CoordinatorConfig } from './config.ts';
import { CoordinatorError } from './errors.ts';
import { parseTransitSettings, type TransitSettings } from './sealing/settings.ts';

const BYTES_MAX = 64 * 1024;
const SLOTS_MAX = 7;
const ROOTS_MAX = 8;
const PEERS_MAX = 16;
const API_VERSION = 'witan.dev/v1';

/** The measured configuration, checked. */
export interface CoordinatorInitdata {
  /** The exact bytes that were measured. */
  readonly bytes: Uint8Array;
  /** 1, 3, 5 or 7 slot names. */
  readonly slots: readonly SlotName[];
  /**
   * SHA-256 of simulated hardware's root certificates that this replica accepts before the first
   * manifest; afterwards the manifest decides (I11).
   */
  readonly developmentRoots: readonly Sha256Hex[];
  /**
   * Other Coordinators whose cluster this one may join before it knows the manifest in force: other
   * hardware, or the build that this one replaces. They never found a cluster with it. An entry
   * without host data or MRCONFIGID stands for this very configuration.
   */
  readonly peers: readonly ReferenceValues[];
  /** The service that wraps the seed for unattended recovery; absent: none does. */
  readonly sealing?: TransitSettings;
}

/** @throws CoordinatorError COORDINATOR_INITDATA_UNREADABLE, COORDINATOR_INITDATA_INVALID */
export async function readInitdata(file: string): Promise<CoordinatorInitdata> {
  let bytes: Uint8Array;
  try {
    const { size } = await stat(file);
    if (size > BYTES_MAX) throw invalid('', `at most ${BYTES_MAX} bytes`, String(size));
    bytes = new Uint8Array(await readFile(file));
  } catch (cause) {
    if (cause instanceof CoordinatorError) throw cause;
    const message = 'the measured configuration cannot be read; check --initdata';
    throw new CoordinatorError('COORDINATOR_INITDATA_UNREADABLE', message, {
      fields: { file },
      cause,
    });
  }
  return parseInitdata(bytes);
}

/** @throws CoordinatorError COORDINATOR_INITDATA_INVALID with path, expected and found */
export function parseInitdata(bytes: Uint8Array): CoordinatorInitdata {
  const document = parseObject(bytes);
  const known = ['apiVersion', 'kind', 'slots', 'developmentRoots', 'peers', 'sealing'];
  const unknown = Object.keys(document).find((name) => !known.includes(name));
  if (unknown !== undefined) throw invalid(unknown, `one of ${known.join(', ')}`, unknown);
  expectText(document, 'apiVersion', API_VERSION);
  expectText(document, 'kind', 'Coordinator');
  const slots = readList(document, 'slots', SLOTS_MAX, slotName);
  const isOdd = slots.length % 2 === 1;
  if (!isOdd || new Set(slots).size !== slots.length) {
    throw invalid('slots', '1, 3, 5 or 7 different names', slots.join());
  }
  const developmentRoots =
    document['developmentRoots'] === undefined
      ? []
      : readList(document, 'developmentRoots', ROOTS_MAX, sha256Hex);
  const peers = readPeers(document['peers'], bytes);
  const sealing = readSealing(document['sealing']);
  return { bytes, slots, developmentRoots, peers, ...(sealing === undefined ? {} : { sealing }) };
}

function readSealing(value: unknown): TransitSettings | undefined {
  if (value === undefined) return undefined;
  const settings = parseTransitSettings(value);
  if (!('field' in settings)) return settings;
  const { field, expected } = settings;
  const path = field === '' ? 'sealing' : `sealing.${field}`;
  throw invalid(path, expected, 'something else');
}

function readPeers(value: unknown, bytes: Uint8Array): readonly ReferenceValues[] {
  if (value === undefined) return [];
  if (!Array.isArray(value) || value.length > PEERS_MAX) {
    throw invalid('peers', `a list of at most ${PEERS_MAX}`, typeof value);
  }
  const digest = nodeCrypto.hash('sha256', bytes);
  const own = {
    hostData: toHex(configDigestFor('snp', digest)),
    mrConfigId: toHex(configDigestFor('tdx', digest)),
  };
  return value.map((entry: unknown, index) => {
    const path = `peers[${index}]`;
    if (typeof entry !== 'object' || entry === null) throw invalid(path, 'an object', typeof entry);
    const field = 'tee' in entry && entry.tee === 'tdx' ? 'mrConfigId' : 'hostData';
    try {
      return parseReferenceValues({ [field]: own[field], ...entry }, path);
    } catch (cause) {
      if (!(cause instanceof AttestationError)) throw cause;
      const { path: at, expected, found } = cause.fields;
      throw invalid(String(at), String(expected), String(found));
    }
  });
}

function parseObject(bytes: Uint8Array): Readonly<Record<string, unknown>> {
  let value: unknown;
  try {
    value = JSON.parse(fromUtf8(bytes));
  } catch (cause) {
    const message = 'the measured configuration is not JSON';
    throw new CoordinatorError('COORDINATOR_INITDATA_INVALID', message, { cause });
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw invalid('', 'an object', typeof value);
  }
  return value as Readonly<Record<string, unknown>>;
}

function expectText(
  document: Readonly<Record<string, unknown>>,
  name: string,
  expected: string,
): void {
  if (document[name] !== expected) throw invalid(name, expected, String(document[name]));
}

function readList<Item>(
  document: Readonly<Record<string, unknown>>,
  name: string,
  itemsMax: number,
  read: (text: string) => Item,
): readonly Item[] {
  const list = document[name];
  if (!Array.isArray(list) || list.length > itemsMax) {
    throw invalid(name, `a list of at most ${itemsMax}`, typeof list);
  }
  return list.map((item: unknown, index) => {
    try {
      return read(typeof item === 'string' ? item : '');
    } catch (error) {
      if (!(error instanceof IdError)) throw error;
      throw invalid(`${name}[${index}]`, String(error.fields['expected']), String(item));
    }
  });
}

function invalid(path: string, expected: string, found: string): CoordinatorError {
  const message = 'the measured configuration is not valid';
  const fields = { path, expected, found: found.slice(0, 80) };
  return new CoordinatorError('COORDINATOR_INITDATA_INVALID', message, { fields });
}

/** The host gives addresses; the measured configuration says which slots there are. */
export function checkSlots(
  config: Pick<CoordinatorConfig, 'peers'>,
  initdata: CoordinatorInitdata,
): void {
  const expected = [...initdata.slots].toSorted().join(',');
  const found = [...config.peers.keys()].toSorted().join(',');
  if (expected !== found) {
    const message = 'the addresses given are not those of the measured slots; check --peer';
    throw new CoordinatorError('COORDINATOR_USAGE', message, { fields: { expected, found } });
  }
}
