/**
 * Entries that a leader adds to its own log, and the limit on those that are not applied yet.
 */
import type { Core } from './core.ts';
import { decodeChange } from './own-changes.ts';
import { ignoreTrace, trace, traceChangeConf } from './trace.ts';
import { payloadSizeBytes, type Entry } from './types.ts';

/** An entry before the leader has given it its place. */
export type EntryBody = Pick<Entry, 'type' | 'data'>;

/**
 * Appends entries and promises itself an acknowledgement once they are durable.
 * @returns false, without any change, if the uncommitted tail would become too large
 */
export function appendOwn(core: Core, bodies: readonly EntryBody[]): boolean {
  const last = core.log.lastIndex();
  const entries = bodies.map((body, offset) => ({
    term: core.term,
    index: last + 1 + offset,
    type: body.type,
    data: body.data,
  }));
  if (!growUncommitted(core, payloadSizeBytes(entries))) return false;
  for (const entry of entries) traceEntry(core, entry);
  const index = core.log.append(entries);
  core.send({ type: 'MsgAppResp', to: core.id, index });
  return true;
}

function traceEntry(core: Core, entry: Entry): void {
  if (core.config.onTrace === ignoreTrace) return;
  const change = decodeChange(entry);
  if (change === undefined) trace(core, 'Replicate');
  else traceChangeConf(core, change.changes);
}

function growUncommitted(core: Core, bytes: number): boolean {
  const limit = core.config.maxUncommittedEntriesBytes;
  const after = core.uncommittedBytes + bytes;
  // An empty payload (no-op, leaving a joint configuration) must never be refused.
  if (limit !== 0 && core.uncommittedBytes > 0 && bytes > 0 && after > limit) return false;
  core.uncommittedBytes = after;
  return true;
}

/** Notes that entries with so many payload bytes were applied. */
export function shrinkUncommitted(core: Core, bytes: number): void {
  // Entries of an earlier leader were never counted, so that the sum may be smaller.
  core.uncommittedBytes = Math.max(0, core.uncommittedBytes - bytes);
}
