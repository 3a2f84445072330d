/** What a seeded bug is: one exact replacement in one source file, and what it breaks. */

/** One seeded bug. Every suite passes without it; at least one must fail with it. */
export type Mutant = {
  /** Unique; names the bug. */
  readonly name: string;
  /** File to change, relative to the package. */
  readonly file: string;
  /** Text that must occur in the file exactly once. */
  readonly from: string;
  readonly to: string;
  /** The rule that no longer holds. */
  readonly breaks: string;
  /**
   * Script of test/scenarios/raft that must notice it by itself. Given for the classic bugs that
   * etcd's recorded files do not notice.
   */
  readonly script?: string;
};
