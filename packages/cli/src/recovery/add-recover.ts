/** The command `witan recover` and its options, for commander. */
import type { Command } from 'commander';
import { finish, type RunCommand } from '../finish.ts';
import { list, withCluster } from '../with-cluster.ts';
import { recover, type RecoverOptions } from './recover.ts';

/** Adds the command. */
export function addRecover(program: Command, run: RunCommand): void {
  const command = withCluster(
    program
      .command('recover')
      .description('open a cluster again whose majority is gone: hand in shares, at any replica')
      .option('--share <file>', 'an owner’s share, opened or as JWE with --key; several', list)
      .option('--key <file>', 'private key that opens an encrypted share; several', list)
      .option('--manifest <file>', 'manifest whose Coordinators may have the share')
      .option('--no-floor', 'go without the highest state that this machine has seen')
      .option('--accept-missing <slot...>', 'give up the state of these slots for good')
      .option('--wait <seconds>', 'wait so long for the cluster to open')
      .option('--status', 'only show how far the recovery is'),
  );
  const example = 'witan recover --share alice.share --endpoint witan-0:7070,witan-1:7070';
  finish(command, example).action((options: RecoverOptions & { readonly json?: boolean }) =>
    run(options, (context) => recover(context, options)),
  );
}
