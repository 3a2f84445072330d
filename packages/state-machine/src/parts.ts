/** What a state consists of, and reading it from a snapshot. */
import { clusterId, epoch, type CanonicalReader, type ClusterId, type Epoch } from '@witan/core';
import { AuditLog } from './audit-log.ts';
import { decodeWith, readHex } from './codec.ts';
import { StateMachineError } from './errors.ts';
import { IssuedTable } from './issued-table.ts';
import { Ledger } from './ledger.ts';
import { Lifecycle } from './lifecycle.ts';
import * as limits from './limits.ts';
import { Membership } from './membership.ts';
import type { SnapshotOptions } from './options.ts';
import { RequestTable } from './request-table.ts';

/**
 * Of a snapshot. Version 2 added recoveries, 3 recovery shares, 4 changes of slots, 5 rotations, 6
 * the audit log.
 */
export const SNAPSHOT_VERSION = 6;
/** Older versions that are still read. */
const SNAPSHOT_VERSION_MIN = 1;

/** All of a state. */
export interface Parts<ReferenceValues> {
  readonly clusterId: ClusterId;
  readonly epoch: Epoch;
  readonly appliedIndex: number;
  readonly membership: Membership;
  readonly ledger: Ledger<ReferenceValues>;
  readonly issued: IssuedTable;
  readonly requests: RequestTable;
  readonly lifecycle: Lifecycle;
  readonly log: AuditLog;
}

/** Reads a snapshot and checks it as a whole. @throws StateMachineError as `decodeSnapshot` */
export function readSnapshot<ReferenceValues>(
  bytes: Uint8Array,
  options: SnapshotOptions<ReferenceValues>,
): Parts<ReferenceValues> {
  const bytesMax = options.bytesMax ?? limits.SNAPSHOT_BYTES_MAX;
  if (bytes.byteLength > bytesMax) {
    const fields = { expected: bytesMax, found: bytes.byteLength };
    throw new StateMachineError('SNAPSHOT_TOO_LARGE', fields);
  }
  const version = bytes[0];
  if (version !== undefined && (version < SNAPSHOT_VERSION_MIN || version > SNAPSHOT_VERSION)) {
    const fields = { expected: SNAPSHOT_VERSION, found: version };
    throw new StateMachineError('SNAPSHOT_VERSION_UNKNOWN', fields);
  }
  return decodeWith('SNAPSHOT_MALFORMED', bytes, bytesMax, (reader) =>
    readParts(reader, { ...options, version: reader.u8() }),
  );
}

/** Reads what stands behind the version of a snapshot. */
function readParts<ReferenceValues>(
  reader: CanonicalReader,
  options: SnapshotOptions<ReferenceValues> & { readonly version: number },
): Parts<ReferenceValues> {
  const cluster = clusterId(readHex(reader, 32));
  const era = epoch(reader.u64());
  const appliedIndex = reader.u64();
  return {
    clusterId: cluster,
    epoch: era,
    appliedIndex,
    membership: Membership.read(reader, options.version >= 4),
    ledger: Ledger.read(reader, { clusterId: cluster, epoch: era, ...options }),
    issued: IssuedTable.read(reader, appliedIndex),
    requests: RequestTable.read(reader, appliedIndex),
    lifecycle: Lifecycle.read(options.version >= 5 ? reader : undefined),
    log: AuditLog.read(reader, options.crypto, options.version >= 6),
  };
}
