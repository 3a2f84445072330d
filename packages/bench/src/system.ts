/** What the benchmark compares: groups of three processes on this machine, behind etcd's calls. */

/** A running group. */
export interface RunningSystem {
  readonly name: 'witan' | 'etcd';
  /** host:port of each member's calls. */
  readonly endpoints: readonly string[];
  /** SIGKILL, by process id. Resolves when the process is gone. */
  kill(member: number): Promise<void>;
  /** Ends all processes and removes their files. */
  stop(): Promise<void>;
}

/** Something to measure: how to start a fresh group with empty directories below `directory`. */
export interface System {
  readonly name: RunningSystem['name'];
  readonly start: (directory: string) => Promise<RunningSystem>;
}
