/**
 * Names of the fields that log lines may carry. One word has one meaning in every line, so that one
 * query finds a slot, an error or an incarnation wherever it is spoken of. `level`, `time`, `name`
 * and `msg` belong to the logger itself.
 */

/** Every field, with what it holds. docs/telemetry.md lists the same rows. */
export const FIELDS = {
  accepted: 'whether the other side took what was handed over',
  address: 'host and port that this process connects to',
  answer: 'how a request was answered',
  bytes: 'a size in bytes',
  closed: 'number of connections that were closed',
  clusterId: 'id of the cluster, 64 hex digits',
  code: 'a stable code (docs/errors.md), or an exit code',
  durationMs: 'how long something took, in milliseconds',
  endorsement: 'which endorsement of a vendor, such as amd-crl/Milan/VCEK',
  epoch: 'number of the cluster epoch',
  error: 'an error with its fields and the chain of its causes, on one line',
  from: 'Raft node id of a sender',
  generation: 'number of a manifest in the history',
  incarnation: 'SHA-256 of an incarnation key, 64 hex digits',
  index: 'index in the Raft log',
  leader: 'slot that leads, as far as this replica knows',
  learners: 'number of learners',
  members: 'number of voters',
  method: 'name of a remote procedure',
  nodeId: 'Raft node id',
  outgoing: 'number of voters of the outgoing half of a joint configuration',
  peer: 'slot of another replica',
  port: 'TCP port that this process listens on',
  provider: 'name of a sealing provider',
  reason: 'a constant word that says why',
  remoteAddress: 'host and port of whoever connected',
  sealedStateFound: 'whether an earlier incarnation left sealed state on disk',
  slot: 'name of a slot',
  slots: 'names of slots, separated by commas',
  term: 'Raft term',
  voters: 'number of voters of the configuration in force',
  workload: 'name of a workload',
} as const;

/** Name of a log field. */
export type FieldName = keyof typeof FIELDS;
