/**
 * Every metric of Witan, a row each. docs/telemetry.md lists the same rows and a test compares
 * them.
 */

/** What a metric is: a count that only grows, or a value of now. */
export interface MetricRow {
  readonly kind: 'counter' | 'gauge';
  /** One sentence for docs and for the text exposition. */
  readonly help: string;
}

/** Rows by name. Outside, a counter `x` is `witan_x_total` and a gauge `x` is `witan_x`. */
export const METRICS = {
  applied_index: { kind: 'gauge', help: 'Highest log index applied by this replica.' },
  certificates_issued: {
    kind: 'counter',
    help: 'Workload certificates that this replica has handed out.',
  },
  channels_attested: {
    kind: 'counter',
    help: 'Channels on which evidence was accepted and data may flow.',
  },
  clones_refused: {
    kind: 'counter',
    help: 'Second processes that asked for the slot of a live incarnation.',
  },
  commit_index: { kind: 'gauge', help: 'Highest log index that this replica knows as committed.' },
  connections_dropped: {
    kind: 'counter',
    help: 'Connections closed because the peer no longer met the rules, or broke the protocol.',
  },
  epoch: { kind: 'gauge', help: 'Epoch of the cluster; more than 1 after a full recovery.' },
  foreign_clusters_refused: {
    kind: 'counter',
    help: 'Attested replicas that spoke for another cluster.',
  },
  foreign_epochs_refused: {
    kind: 'counter',
    help: 'Attested replicas that spoke for another epoch of this cluster.',
  },
  foreign_slots_refused: {
    kind: 'counter',
    help: "Newcomers whose slot the cluster has not, or whose name was not their channel's.",
  },
  generation: { kind: 'gauge', help: 'Generation of the manifest applied by this replica.' },
  handshakes_refused: {
    kind: 'counter',
    help: 'Handshakes that ended before evidence was accepted, for whatever reason.',
  },
  journal_bytes: { kind: 'counter', help: 'Bytes written to the journal.' },
  journal_syncs: { kind: 'counter', help: 'Times the journal was flushed to disk.' },
  leader: { kind: 'gauge', help: '1 while this replica leads, otherwise 0.' },
  manifests_set: { kind: 'counter', help: 'Manifests set through this replica.' },
  members: { kind: 'gauge', help: 'Voters of the current configuration.' },
  old_versions_refused: {
    kind: 'counter',
    help: 'Newcomers whose build could not apply what the cluster uses.',
  },
  recovery_shares: {
    kind: 'counter',
    help: 'Recovery shares that owners handed in at this replica and that were accepted.',
  },
  reused_index: {
    kind: 'gauge',
    help: 'Log index up to which this replica reused the sealed log on its disk; 0 for none.',
  },
  rotation_steps: { kind: 'counter', help: 'Steps of rotations taken through this replica.' },
  approvals_recorded: {
    kind: 'counter',
    help: 'Approvals taken by this replica for changes that wait.',
  },
  approvals_withdrawn: { kind: 'counter', help: 'Approvals withdrawn through this replica.' },
  slots_changed: { kind: 'counter', help: 'Changes of the slots made through this replica.' },
  snapshot_bytes_received: { kind: 'counter', help: 'Bytes of snapshots that came from a leader.' },
  term: { kind: 'gauge', help: 'Raft term of this replica.' },
  workloads_refused: {
    kind: 'counter',
    help: 'Requests of workloads whose evidence no policy of the manifest accepts.',
  },
  zombies_refused: {
    kind: 'counter',
    help: 'Replaced incarnations that spoke, or asked to be let in.',
  },
} as const;

type NamesOfKind<Kind extends MetricRow['kind']> = {
  [Name in keyof typeof METRICS]: (typeof METRICS)[Name]['kind'] extends Kind ? Name : never;
}[keyof typeof METRICS];

/** Name of any metric. */
export type MetricName = keyof typeof METRICS;
/** Name of a metric that is counted. */
export type CounterName = NamesOfKind<'counter'>;
/** Name of a metric that is set. */
export type GaugeName = NamesOfKind<'gauge'>;
