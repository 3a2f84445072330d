/**
 * What stands in front of a command in a log entry: who proposed it, so that the proposer
 * recognises its own when it is applied, and whether the cluster becomes worth keeping on disk.
 * Neither is secret.
 */
import { CanonicalReader } from '@witan/core';
import { writeU53 } from './u53.ts';

const VERSION = 1;

export interface Envelope {
  readonly opensJournal: boolean;
  /** Node id of the proposer and its own count: unique, because an id is one process life (I2). */
  readonly proposer: number;
  readonly sequence: number;
  readonly command: Uint8Array;
}

export const ENVELOPE_BYTES = 18;

export function encodeEnvelope(envelope: Envelope): Uint8Array {
  const bytes = new Uint8Array(ENVELOPE_BYTES + envelope.command.byteLength);
  bytes[0] = VERSION;
  bytes[1] = envelope.opensJournal ? 1 : 0;
  writeU53(bytes, 2, envelope.proposer);
  writeU53(bytes, 10, envelope.sequence);
  bytes.set(envelope.command, ENVELOPE_BYTES);
  return bytes;
}

/** @returns undefined for an entry that no proposer of this version made */
export function decodeEnvelope(data: Uint8Array): Envelope | undefined {
  if (data.byteLength < ENVELOPE_BYTES || data[0] !== VERSION || (data[1] ?? 2) > 1) {
    return undefined;
  }
  const reader = new CanonicalReader(data.subarray(1, ENVELOPE_BYTES));
  const opensJournal = reader.bool();
  try {
    const proposer = reader.u64();
    const sequence = reader.u64();
    return { opensJournal, proposer, sequence, command: data.subarray(ENVELOPE_BYTES) };
  } catch {
    return undefined;
  }
}
