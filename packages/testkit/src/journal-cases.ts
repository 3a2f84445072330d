/** Building blocks of the journal compliance suite: media, records and how they are compared. */
import { expect } from 'vitest';
import { fromUtf8, utf8 } from '@witan/core';
import { JournalError, type Journal, type JournalOptions, type Recovered } from '@witan/journal';

/** Hooks and limits that a case may set when it opens. */
export type JournalHooks = Pick<JournalOptions, 'onFatal' | 'onSync' | 'backlogBytesMax'>;

/** What the suite runs on: one disk over several processes that open a journal on it. */
export interface JournalMedium {
  open(hooks?: JournalHooks): Promise<{ readonly journal: Journal; readonly recovered: Recovered }>;
  /** Whether a journal is there. */
  exists(): Promise<boolean>;
  /** Ends the process without warning; what was not confirmed may be lost. */
  crash(): Promise<void>;
  /** Every sync fails from now on; the next crash mends the disk. */
  failSyncs(): void;
}

/** One demand on a journal. */
export interface JournalDemand {
  readonly title: string;
  readonly body: (medium: JournalMedium) => Promise<void>;
}

/** The owner in most cases. */
export const OWNER_A: Uint8Array = utf8('owner a');
export const OWNER_B: Uint8Array = utf8('owner b');

/** A record that names itself. */
export function numbered(number: number): Uint8Array {
  return utf8(`record ${number} ${'x'.repeat((number * 53) % 400)}`);
}

/** Records `first` to `last`. */
export function range(first: number, last: number): readonly Uint8Array[] {
  return Array.from({ length: last - first + 1 }, (_, at) => numbered(first + at));
}

/** Opens and starts a segment. */
export async function started(medium: JournalMedium, hooks?: JournalHooks): Promise<Journal> {
  const { journal } = await medium.open(hooks);
  await journal.startSegment(OWNER_A);
  return journal;
}

/** Opens, reads back and closes. */
export async function readBack(medium: JournalMedium): Promise<Recovered> {
  const { journal, recovered } = await medium.open();
  await journal.close();
  return recovered;
}

/** Demands that exactly these records come back behind the snapshot, byte for byte. */
export function expectRecords(recovered: Recovered, records: readonly Uint8Array[]): void {
  expect(recovered.records.map(({ data }) => hash(data))).toEqual(records.map(hash));
}

/** Short texts whole, long ones by length and ends, so that a difference can be read. */
function hash(bytes: Uint8Array): string {
  return bytes.byteLength < 1000 ? fromBytes(bytes) : `${bytes.byteLength}:${sumOf(bytes)}`;
}

function fromBytes(bytes: Uint8Array): string {
  try {
    return fromUtf8(bytes);
  } catch {
    return [...bytes].join(' ');
  }
}

function sumOf(bytes: Uint8Array): number {
  return bytes.reduce((sum, byte, at) => (sum * 31 + byte + at) % 0x1_0000_0000, 7);
}

/** The code with which a promise rejects. */
export async function codeOf(work: Promise<unknown>): Promise<string | undefined> {
  try {
    await work;
    return undefined;
  } catch (error) {
    if (error instanceof JournalError) return error.code;
    throw error;
  }
}
