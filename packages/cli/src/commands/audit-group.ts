/** The commands `witan receipt …` and `witan audit …` and their options, for commander. */
import type { Command } from 'commander';
import { finish, type RunCommand } from '../finish.ts';
import { withCluster } from '../with-cluster.ts';
import {
  auditApprovals,
  auditMeasurements,
  auditRecoveries,
  auditSecret,
  type AuditApprovalsOptions,
  type AuditOptions,
} from './audit.ts';
import {
  receiptGet,
  receiptVerify,
  type ReceiptGetOptions,
  type ReceiptVerifyOptions,
} from './receipt.ts';

interface Json {
  readonly json?: boolean;
}

const TO = ['--to <leaf>', 'look at leaves before this number'] as const;
const MANIFEST = ['--manifest <file>', 'the manifest that is expected to be in force'] as const;

/** Options that name a part of the log. */
function withRange(command: Command): Command {
  return command
    .option('--from <leaf>', 'look at leaves from this number on')
    .option('--since-verified', 'look at leaves since the head that `witan verify` saw last')
    .option('--limit <n>', 'look at no more leaves than this, the newest');
}

/** Adds the groups `receipt` and `audit`. */
export function addAudit(program: Command, run: RunCommand): void {
  addReceipt(program, run);
  const group = program
    .command('audit')
    .description('what the cluster did, from its append-only log, under a signed head');
  const approvals = withCluster(
    withRange(
      group
        .command('approvals')
        .description('which owners approved a generation, or everything')
        .option('--generation <n>', 'of this generation alone'),
    )
      .option(...TO)
      .option(...MANIFEST),
  );
  finish(approvals, 'witan audit approvals --generation 7 --endpoint witan-0:7070').action(
    (options: AuditApprovalsOptions & Json) =>
      run(options, (context) => auditApprovals(context, options)),
  );
  const measurements = withCluster(
    // What was revoked is said later than what was issued: no end can be given.
    withRange(
      group
        .command('measurements')
        .description('which workloads and measurements hold certificates that are valid now'),
    ).option(...MANIFEST),
  );
  finish(measurements, 'witan audit measurements --since-verified --endpoint witan-0:7070').action(
    (options: AuditOptions & Json) =>
      run(options, (context) => auditMeasurements(context, options)),
  );
  const secret = withCluster(
    withRange(group.command('secret <name>').description('every release of a secret'))
      .option(...TO)
      .option(...MANIFEST),
  );
  finish(secret, 'witan audit secret db-password --endpoint witan-0:7070 --json').action(
    (name: string, options: AuditOptions & Json) =>
      run(options, (context) => auditSecret(context, name, options)),
  );
  const recoveries = withCluster(
    withRange(
      group
        .command('recoveries')
        .description('every full recovery, who authorised it and which replicas took part'),
    )
      .option(...TO)
      .option(...MANIFEST),
  );
  finish(recoveries, 'witan audit recoveries --endpoint witan-0:7070').action(
    (options: AuditOptions & Json) => run(options, (context) => auditRecoveries(context, options)),
  );
}

function addReceipt(program: Command, run: RunCommand): void {
  const group = program
    .command('receipt')
    .description('proofs that something is in the append-only log of a cluster');
  const get = withCluster(
    group
      .command('get [serial]')
      .description('fetch the receipt of a certificate, or of what an option names')
      .option('--generation <n>', 'of the update that set this generation')
      .option('--recovery <epoch>', 'of the recovery that began this epoch')
      .option('--index <n>', 'of the leaf with this number, from 0')
      .option('--out <file>', 'where to write it; without: standard output')
      .option(...MANIFEST),
  );
  finish(get, 'witan receipt get --generation 7 --out receipt.json --endpoint witan-0:7070').action(
    (serial: string | undefined, options: ReceiptGetOptions & Json) =>
      run(options, (context) => receiptGet(context, serial, options)),
  );
  const verify = group
    .command('verify <file>')
    .description('check a receipt offline, by the history key of a cluster verified before')
    .option('--trust <file>', 'a kept cluster, clusters/ID.json of a configuration directory')
    .option('--config-dir <dir>', 'where verified clusters are kept (WITAN_CONFIG_HOME)');
  finish(verify, 'witan receipt verify receipt.json').action(
    (file: string, options: ReceiptVerifyOptions & Json) =>
      run(options, (context) => receiptVerify(context, file, options)),
  );
}
