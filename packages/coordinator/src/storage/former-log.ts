/**
 * The journal of an earlier incarnation: a summary without the seed, and its contents with it.
 *
 * Neither gives a right to vote (I2), and neither says that nothing newer exists (I4). A newcomer
 * reuses the contents only as far as a live leader's hash chain confirms the mark; full recovery
 * compares the marks of all disks, above every floor that owners present.
 */
import {
  CanonicalError,
  CodedError,
  type ClusterId,
  type Epoch,
  type IncarnationId,
  type Secret,
} from '@witan/core';
import { nodeJournalFs, openJournal, type JournalFs, type Recovered } from '@witan/journal';
import { KeysError, createUnsealer, nodeCrypto, type SealingGenerations } from '@witan/keys';
import {
  decodeSeeds,
  replayDurableLog,
  type DurableState,
  type LogMark,
  type Seed,
} from '@witan/replica';
import { decodeClaims, type DiskClaims } from './claims.ts';
import { decodeOwner, type JournalOwner } from './journal-owner.ts';
import { anySeedOf, generationsOf, openGenerations, seedsOf } from './keyring.ts';
import { openSealedRecord, readHeadUnverified, unreadable } from './sealed-record.ts';

/** What a disk claims to hold. Unverified: whoever holds the disk may have written all of it. */
export interface DiskSummary {
  readonly clusterId: ClusterId;
  readonly epoch: Epoch;
  readonly incarnation: IncarnationId;
  /** The last log entry; `link` is its hash chain. Absent where no entry says so. */
  readonly mark: LogMark | undefined;
  /** The last configuration, transition and recovery header. */
  readonly claims: DiskClaims | undefined;
}

/** The contents of a disk: authentic, complete from the snapshot on, but perhaps old. */
export interface FormerLog {
  readonly owner: JournalOwner;
  readonly state: DurableState;
  readonly claims: DiskClaims | undefined;
  /** Those that the disk knows of: what opens the commands and snapshots inside. */
  readonly generations: SealingGenerations;
  /** Those that it was opened with and those that it gave, with what may follow them. */
  readonly seed: Seed;
}

/**
 * Reads what a disk claims, without the seed. Changes nothing but the lock file.
 *
 * @returns undefined where there is no journal
 * @throws CoordinatorError COORDINATOR_SEALED_LOG_UNREADABLE; JournalError as `openJournal`
 */
export async function readSummaryUnverified(
  directory: string,
  fs: JournalFs = nodeJournalFs,
): Promise<DiskSummary | undefined> {
  const recovered = await readJournal(directory, fs);
  const values = valuesOf(recovered);
  if (values.length === 0) return undefined;
  const owner = ownerOf(recovered);
  let mark: LogMark | undefined;
  let claims: DiskClaims | undefined;
  for (const value of values) {
    const head = readHeadUnverified(value);
    mark = head.mark ?? mark;
    if (head.kind === 'claims') claims = claimsOf(head.publicPart);
  }
  return { ...owner, mark, claims };
}

/**
 * Opens a disk's contents with the seed in force, and checks that nothing is missing, moved or
 * repeated. Former seeds are on the disk itself, as far as they are needed.
 *
 * @param seed the seeds that are known, or one of unknown number
 * @returns undefined where there is no journal
 * @throws CoordinatorError COORDINATOR_SEALED_LOG_UNREADABLE; KeysError KEYS_SEAL_* for a foreign
 *   or altered value; ReplicaError REPLICA_RECORDS_UNREADABLE; JournalError as `openJournal`
 */
export async function readFormerLog(
  directory: string,
  seed: Seed,
  fs: JournalFs = nodeJournalFs,
): Promise<FormerLog | undefined> {
  const recovered = await readJournal(directory, fs);
  const values = valuesOf(recovered);
  if (values.length === 0) return undefined;
  const owner = ownerOf(recovered);
  const { clusterId } = owner;
  const { candidates } = decodeSeeds(seed);
  const keys = { clusterId, generations: generationsOf(seed, clusterId), candidates };
  const refusal = findSeeds(keys, values);
  if (refusal !== undefined && keys.generations.seeds().length === 0) throw refusal;
  const opened = openAll(values, keys, owner);
  const snapshot = opened.snapshots.at(0);
  const hash = (...parts: readonly Uint8Array[]): Uint8Array => nodeCrypto.hash('sha256', ...parts);
  return {
    owner,
    state: replayDurableLog(snapshot, opened.records, hash),
    claims: opened.claims,
    generations: keys.generations,
    seed: seedsOf(keys.generations, candidates),
  };
}

interface Keys {
  readonly clusterId: ClusterId;
  readonly generations: SealingGenerations;
  readonly candidates: readonly Secret[];
}

/** The newest list that opens has all seeds that the values before it take. */
function findSeeds(keys: Keys, values: readonly Uint8Array[]): KeysError | undefined {
  let refusal: KeysError | undefined;
  for (const value of values.toReversed()) {
    try {
      takeGenerations(keys, value);
    } catch (error) {
      // What cannot be opened at all is refused in its turn.
      if (!(error instanceof KeysError)) throw error;
      refusal = error;
    }
  }
  return refusal;
}

function openAll(values: readonly Uint8Array[], keys: Keys, owner: JournalOwner) {
  const seed = anySeedOf(keys.generations);
  const unsealer = createUnsealer({ ...keys, seed, use: 'journal-record' });
  const snapshots: Uint8Array[] = [];
  const records: Uint8Array[] = [];
  let claims: DiskClaims | undefined;
  let sequence: number | undefined;
  for (const value of values) {
    takeGenerations(keys, value);
    const { head, secret, sealedBy } = openSealedRecord(unsealer, value);
    if (sealedBy.incarnation !== owner.incarnation || sealedBy.epoch !== owner.epoch) {
      throw unreadable('writer', { expected: owner.incarnation, found: sealedBy.incarnation });
    }
    // Only a snapshot may stand for what was dropped before it.
    const expected = sequence === undefined ? firstSequence(head) : sequence + 1;
    if (head.sequence !== expected) {
      throw unreadable('sequence', { expected, found: head.sequence });
    }
    sequence = head.sequence;
    if (head.kind === 'snapshot') snapshots.push(secret);
    else if (head.kind === 'entries') records.push(secret);
    else if (head.kind === 'claims') claims = claimsOf(head.publicPart);
  }
  return { snapshots, records, claims };
}

/** Before the value that carries them can be opened: it may be sealed in one of them. */
function takeGenerations(keys: Keys, value: Uint8Array): void {
  const { kind, publicPart } = readHeadUnverified(value);
  if (kind === 'keys' || kind === 'snapshot') openGenerations(keys, publicPart, keys.candidates);
}

function firstSequence(head: { readonly kind: string; readonly sequence: number }): number {
  return head.kind === 'snapshot' ? head.sequence : 1;
}

/** Readers of this process take turns: a journal's lock keeps out whoever else has it open. */
const READING = new Map<string, Promise<unknown>>();

function readJournal(directory: string, fs: JournalFs): Promise<Recovered> {
  const before = READING.get(directory) ?? Promise.resolve();
  const reading = before.then(async () => {
    const { journal, recovered } = await openJournal({ directory, fs });
    await journal.close();
    return recovered;
  });
  const done = reading
    .catch(() => undefined)
    .then(() => {
      if (READING.get(directory) === done) READING.delete(directory);
    });
  READING.set(directory, done);
  return reading;
}

/** The snapshot first, if there is one, and all records behind it. */
function valuesOf(recovered: Recovered): readonly Uint8Array[] {
  const records = recovered.records.map(({ data }) => data);
  return recovered.snapshot === undefined ? records : [recovered.snapshot.data, ...records];
}

/** The one writer of a journal: each incarnation has its own directory. */
function ownerOf(recovered: Recovered): JournalOwner {
  const owners = recovered.records.map(({ owner }) => owner);
  if (recovered.snapshot !== undefined) owners.unshift(recovered.snapshot.owner);
  const [first = new Uint8Array(0)] = owners;
  if (owners.some((owner) => !Buffer.from(owner).equals(first))) throw unreadable('owners');
  const owner = reading('owner', () => decodeOwner(first));
  if (owner === undefined) throw unreadable('owner');
  return owner;
}

function claimsOf(bytes: Uint8Array): DiskClaims {
  const claims = reading('claims', () => decodeClaims(bytes));
  if (claims === undefined) throw unreadable('claims');
  return claims;
}

function reading<Value>(check: string, read: () => Value): Value {
  try {
    return read();
  } catch (cause) {
    if (!(cause instanceof CanonicalError) && !(cause instanceof CodedError)) throw cause;
    throw unreadable(check, {}, cause);
  }
}
