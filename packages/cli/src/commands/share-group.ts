/** The commands `witan share …` and their options, for commander. */
import type { Command } from 'commander';
import { finish, type RunCommand } from '../finish.ts';
import { list, withCluster } from '../with-cluster.ts';
import {
  shareGet,
  shareList,
  shareOpen,
  shareVerify,
  type ShareGetOptions,
  type ShareOpenOptions,
  type ShareVerifyOptions,
} from './share.ts';
import type { TrustOptions } from './trust.ts';

interface Json {
  readonly json?: boolean;
}

const MANIFEST = ['--manifest <file>', 'the manifest that is expected to be in force'] as const;

/** Adds the group `share`. */
export function addShare(program: Command, run: RunCommand): void {
  const group = program
    .command('share')
    .description('owners’ recovery shares: who holds one, and opening one’s own');
  const listing = withCluster(
    group
      .command('list')
      .description('who holds a share, how many are needed, and of which set')
      .option(...MANIFEST),
  );
  finish(listing, 'witan share list --endpoint witan-0:7070').action(
    (options: TrustOptions & Json) => run(options, (context) => shareList(context, options)),
  );
  const getting = withCluster(
    group
      .command('get')
      .description('fetch shares, each encrypted to its owner (JWE)')
      .option('--owner <name>', 'of this owner; several', list)
      .option('--all', 'of all owners')
      .option('--out <dir>', 'write one file per owner, and the recovery header; default: print')
      .option(...MANIFEST),
  );
  finish(getting, 'witan share get --owner alice --out shares --endpoint witan-0:7070').action(
    (options: ShareGetOptions & Json) => run(options, (context) => shareGet(context, options)),
  );
  addOffline(group, run);
}

function addOffline(group: Command, run: RunCommand): void {
  const opening = group
    .command('open')
    .description('decrypt one’s own share, on this machine alone')
    .requiredOption('--share <file>', 'the encrypted share')
    .requiredOption('--key <file>', 'private key of its owner')
    .requiredOption('--out <file>', 'the opened share, to keep secret; "-": print it');
  const example = 'witan share open --share alice.share.jwe --key alice.key.pem --out alice.share';
  finish(opening, example).action((options: ShareOpenOptions & Json) =>
    run(options, (context) => shareOpen(context, options)),
  );
  const verifying = withCluster(
    group
      .command('verify')
      .description('is an opened share the one that was dealt? Asks the cluster, or files alone')
      .requiredOption('--share <file>', 'the opened share')
      .option('--jwe <file>', 'check against this encrypted share, offline')
      .option('--header <file>', 'check against this recovery header, offline')
      .option(...MANIFEST),
  );
  finish(verifying, 'witan share verify --share alice.share --jwe alice.share.jwe').action(
    (options: ShareVerifyOptions & Json) =>
      run(options, (context) => shareVerify(context, options)),
  );
}
