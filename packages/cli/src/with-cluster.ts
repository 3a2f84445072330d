/** Options of commands that talk to a cluster, apart from the program, so that groups have them. */
import type { Command } from 'commander';

/** Collects an option that may be given several times. */
export function list(value: string, before: readonly string[] | undefined): readonly string[] {
  return [...(before ?? []), value];
}

/** Adds what every command takes with which owners approve slots or a step of a rotation. */
export function withOwners(command: Command): Command {
  return command
    .option('--owner-key <file>', 'private key of an owner; several', list)
    .option('--propose', 'other owners approve later, by the same command or witan approve')
    .option('--owner <name>', 'the owner who signs elsewhere, with --prepare')
    .option('--prepare <file>', 'write the exact bytes to sign, and what they mean (.txt)')
    .option('--attach <file>', 'a signature over the prepared bytes: DER, r || s, base64')
    .option('--expires-in <time>', 'how long the approval counts: 90m, 12h, 7d');
}

/** Adds what every command with a cluster takes. */
export function withCluster(command: Command): Command {
  return command
    .option(
      '--endpoint <host:port>',
      'Coordinator; several, or comma separated (WITAN_ENDPOINTS)',
      list,
    )
    .option('--config-dir <dir>', 'where verified clusters are kept (WITAN_CONFIG_HOME)')
    .option('--endorsements <dir>', 'cache of vendors’ endorsements (WITAN_ENDORSEMENTS…)')
    .option('--cluster <id>', 'cluster to hold to, where several are kept; "new" for none of them')
    .option('--timeout <seconds>', 'give up after this long', '30');
}
