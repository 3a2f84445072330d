/** What a state consists of, and reading it from a snapshot. */
import { clusterId, epoch, type CanonicalReader, type ClusterId, type Epoch } from '@witan/core';
import { readHex } from './codec.ts';
import { IssuedTable } from './issued-table.ts';
import { Ledger } from './ledger.ts';
import { Lifecycle } from './lifecycle.ts';
import { Membership } from './membership.ts';
import type { SnapshotOptions } from './options.ts';
import { RequestTable } from './request-table.ts';

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
}

/** Reads what stands behind the version of a snapshot. */
export function readParts<ReferenceValues>(
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
  };
}
