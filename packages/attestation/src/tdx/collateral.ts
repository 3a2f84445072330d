/**
 * TCB info (version 3) and quoting enclave identity (version 2) as Intel's provisioning service
 * signs them (Intel PCS API version 4).
 *
 * The bytes are read after their signature was checked over exactly those bytes. Fields that this
 * version does not know are refused (I10): the one that Intel did add, the module identities,
 * changed what the others mean.
 */
import { BytesError, fromUtf8, type UnixMillis } from '@witan/core';
import type { TcbStatus } from '../claims.ts';
import { AttestationError } from '../errors.ts';
import { ObjectReader } from '../schema.ts';

/** A status that Intel gives a TCB level. */
export type LevelStatus = Exclude<
  TcbStatus,
  'NotRated' | 'TDRelaunchAdvised' | 'TDRelaunchAdvisedConfigurationNeeded'
>;

/** What every level has. */
export interface LevelRating {
  readonly date: UnixMillis;
  readonly status: LevelStatus;
  readonly advisories: readonly string[];
}

/** A level of the platform, of 16 SGX and 16 TDX components. */
export interface PlatformLevel extends LevelRating {
  readonly sgx: readonly number[];
  readonly pceSvn: number;
  readonly tdx: readonly number[];
}

/** A level of the TDX module or of the quoting enclave. */
export interface EnclaveLevel extends LevelRating {
  readonly isvSvn: number;
}

/** Who may have signed the TDX module. Hex, lower case. */
export interface ModuleSigner {
  readonly mrSigner: string;
  readonly attributes: string;
  readonly attributesMask: string;
}

export interface ModuleIdentity extends ModuleSigner {
  /** Such as `TDX_01`, upper case. */
  readonly id: string;
  readonly levels: readonly EnclaveLevel[];
}

/** What both documents have. */
export interface Document {
  readonly id: string;
  readonly version: number;
  readonly issueDate: UnixMillis;
  readonly nextUpdate: UnixMillis;
  readonly tcbEvaluationDataNumber: number;
}

/** TCB info of version 3, as Intel signs it. */
export interface TcbInfo extends Document {
  readonly fmspc: string;
  readonly pceId: string;
  readonly module: ModuleSigner;
  readonly moduleIdentities: readonly ModuleIdentity[];
  /** From new to old. */
  readonly levels: readonly PlatformLevel[];
}

/** Identity of the quoting enclave, version 2, as Intel signs it. */
export interface QeIdentity extends Document {
  readonly miscSelect: string;
  readonly miscSelectMask: string;
  readonly attributes: string;
  readonly attributesMask: string;
  readonly mrSigner: string;
  readonly isvProdId: number;
  /** From new to old. */
  readonly levels: readonly EnclaveLevel[];
}

const LEVELS_MAX = 256;
const IDENTITIES_MAX = 64;
const COMPONENTS = 16;
const DOCUMENT_DEPTH_MAX = 16;
/** Objects and lists; 256 levels of 34 and as many of the module have about 9,000. */
const DOCUMENT_OBJECTS_MAX = 65_536;
/** Fields, told by their colons; Intel's largest documents have some thousand. */
const DOCUMENT_COLONS_MAX = 16_384;
/** The only way of comparing SVNs that is defined. */
const TCB_TYPE = 0;
const STATUSES: readonly LevelStatus[] = [
  'UpToDate',
  'SWHardeningNeeded',
  'ConfigurationNeeded',
  'ConfigurationAndSWHardeningNeeded',
  'OutOfDate',
  'OutOfDateConfigurationNeeded',
  'Revoked',
];

/**
 * Reads a TCB info. Whether it is for TDX is checked by the id, before the parts that only TDX has.
 *
 * @throws AttestationError TDX_COLLATERAL_MALFORMED, or TDX_TCB_INFO_ID for one of SGX or of
 *   another version
 */
export function parseTcbInfo(bytes: Uint8Array): TcbInfo {
  const reader = readerOf(bytes, 'tcbInfo');
  const document = readDocument(reader);
  if (document.id !== 'TDX' || document.version !== 3) {
    throw new AttestationError('TDX_TCB_INFO_ID', {
      expected: 'TDX version 3',
      found: `${document.id} version ${document.version}`,
    });
  }
  reader.integer('tcbType', TCB_TYPE);
  const tcbInfo: TcbInfo = {
    ...document,
    fmspc: reader.hexAnyCase('fmspc', 6),
    pceId: reader.hexAnyCase('pceId', 2),
    module: readWhole(reader.child('tdxModule'), readSigner),
    moduleIdentities: reader.has('tdxModuleIdentities')
      ? reader.wholeObjects('tdxModuleIdentities', IDENTITIES_MAX, (identity) => ({
          ...readSigner(identity),
          id: identity.pattern('id', /^[A-Za-z0-9_]{1,32}$/, 'an identity name').toUpperCase(),
          levels: identity.wholeObjects('tcbLevels', LEVELS_MAX, readEnclaveLevel),
        }))
      : [],
    levels: reader.wholeObjects('tcbLevels', LEVELS_MAX, readPlatformLevel),
  };
  reader.end();
  return tcbInfo;
}

/**
 * Reads an identity of the quoting enclave.
 *
 * @throws AttestationError TDX_COLLATERAL_MALFORMED, or TDX_QE_IDENTITY_ID for one of SGX or of
 *   another version
 */
export function parseQeIdentity(bytes: Uint8Array): QeIdentity {
  const reader = readerOf(bytes, 'enclaveIdentity');
  const document = readDocument(reader);
  if (document.id !== 'TD_QE' || document.version !== 2) {
    throw new AttestationError('TDX_QE_IDENTITY_ID', {
      expected: 'TD_QE version 2',
      found: `${document.id} version ${document.version}`,
    });
  }
  const identity: QeIdentity = {
    ...document,
    miscSelect: reader.hexAnyCase('miscselect', 4),
    miscSelectMask: reader.hexAnyCase('miscselectMask', 4),
    attributes: reader.hexAnyCase('attributes', 16),
    attributesMask: reader.hexAnyCase('attributesMask', 16),
    mrSigner: reader.hexAnyCase('mrsigner', 32),
    isvProdId: reader.integer('isvprodid', 0xffff),
    levels: reader.wholeObjects('tcbLevels', LEVELS_MAX, readEnclaveLevel),
  };
  reader.end();
  return identity;
}

function readerOf(bytes: Uint8Array, name: string): ObjectReader {
  if (isOvergrown(bytes)) {
    throw new AttestationError('TDX_COLLATERAL_MALFORMED', {
      path: name,
      expected: 'less nesting and fewer fields',
    });
  }
  try {
    const value: unknown = JSON.parse(fromUtf8(bytes));
    return new ObjectReader(value, name, 'TDX_COLLATERAL_MALFORMED');
  } catch (error) {
    if (!(error instanceof SyntaxError) && !(error instanceof BytesError)) throw error;
    throw new AttestationError('TDX_COLLATERAL_MALFORMED', { path: name, expected: 'JSON' }, error);
  }
}

function readWhole<Value>(reader: ObjectReader, read: (reader: ObjectReader) => Value): Value {
  const value = read(reader);
  reader.end();
  return value;
}

/** A JSON parser spends its time on nesting, objects and names; real documents have few of each. */
function isOvergrown(bytes: Uint8Array): boolean {
  let depth = 0;
  let opened = 0;
  let colons = 0;
  for (const byte of bytes) {
    if (byte === 0x5d || byte === 0x7d) depth -= 1;
    if (byte === 0x3a) colons += 1;
    if (colons > DOCUMENT_COLONS_MAX) return true;
    if (byte !== 0x5b && byte !== 0x7b) continue;
    depth += 1;
    opened += 1;
    if (depth > DOCUMENT_DEPTH_MAX || opened > DOCUMENT_OBJECTS_MAX) return true;
  }
  return false;
}

function readDocument(reader: ObjectReader): Document {
  return {
    id: reader.pattern('id', /^[A-Z_]{1,16}$/, 'a document name'),
    version: reader.integer('version', 255),
    issueDate: reader.time('issueDate'),
    nextUpdate: reader.time('nextUpdate'),
    tcbEvaluationDataNumber: reader.integer('tcbEvaluationDataNumber', 0x7fffffff),
  };
}

function readSigner(reader: ObjectReader): ModuleSigner {
  return {
    mrSigner: reader.hexAnyCase('mrsigner', 48),
    attributes: reader.hexAnyCase('attributes', 8),
    attributesMask: reader.hexAnyCase('attributesMask', 8),
  };
}

function readRating(reader: ObjectReader): LevelRating {
  return {
    date: reader.time('tcbDate'),
    status: reader.choice('tcbStatus', STATUSES),
    advisories: reader.has('advisoryIDs') ? reader.textList('advisoryIDs', 0) : [],
  };
}

function readEnclaveLevel(reader: ObjectReader): EnclaveLevel {
  const isvSvn = readWhole(reader.child('tcb'), (tcb) => tcb.integer('isvsvn', 0xffff));
  return { ...readRating(reader), isvSvn };
}

function readPlatformLevel(reader: ObjectReader): PlatformLevel {
  const tcb = readWhole(reader.child('tcb'), (inner) => ({
    sgx: readComponents(inner, 'sgxtcbcomponents'),
    pceSvn: inner.integer('pcesvn', 0xffff),
    tdx: readComponents(inner, 'tdxtcbcomponents'),
  }));
  return { ...readRating(reader), ...tcb };
}

/** 16 SVNs of one byte each. Larger ones exist in test data and must not be truncated. */
function readComponents(tcb: ObjectReader, name: string): readonly number[] {
  const components = tcb.wholeObjects(name, COMPONENTS, (component) => {
    component.ignore('category', 'type');
    return component.integer('svn', 255);
  });
  if (components.length === COMPONENTS) return components;
  throw new AttestationError('TDX_COLLATERAL_MALFORMED', {
    path: name,
    expected: COMPONENTS,
    found: components.length,
  });
}
