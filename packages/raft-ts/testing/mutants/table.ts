/** All seeded bugs. */
import { ELECTION_MUTANTS } from './elections.ts';
import { MEMBERSHIP_MUTANTS } from './membership.ts';
import type { Mutant } from './mutant.ts';
import { REPLICATION_MUTANTS } from './replication.ts';
import { STORAGE_AND_READ_MUTANTS } from './storage-and-reads.ts';

export const MUTANTS: readonly Mutant[] = [
  ...ELECTION_MUTANTS,
  ...REPLICATION_MUTANTS,
  ...MEMBERSHIP_MUTANTS,
  ...STORAGE_AND_READ_MUTANTS,
];
