/** The commands `witan endorsements …` and their options, for commander. */
import type { Command } from 'commander';
import type { Clock } from '@witan/core';
import { systemClock } from '@witan/keys';
import { finish, type RunCommand } from '../finish.ts';
import {
  endorsementsExport,
  endorsementsImport,
  endorsementsList,
  type CacheOptions,
  type ExportOptions,
} from './endorsements.ts';

interface Json {
  readonly json?: boolean;
}

/** Adds the group `endorsements`. */
export function addEndorsements(
  program: Command,
  run: RunCommand,
  clock: Clock = systemClock,
): void {
  const group = program
    .command('endorsements')
    .description('vendors’ certificates, lists and collateral: cache, and bundles for air gaps');
  addExport(group, run, clock);
  const importing = withCache(
    group.command('import <file>').description('verify a bundle and take it into the cache'),
  );
  finish(importing, 'witan endorsements import bundle.json').action(
    (file: string, options: CacheOptions & Json) =>
      run(options, (context) => endorsementsImport(context, file, options, clock)),
  );
  const listing = withCache(
    group.command('list').description('what the cache holds, and until when it is good'),
  );
  finish(listing, 'witan endorsements list --json').action((options: CacheOptions & Json) =>
    run(options, (context) => endorsementsList(context, options, clock)),
  );
}

function addExport(group: Command, run: RunCommand, clock: Clock): void {
  const command = withCache(
    group
      .command('export')
      .description('write a bundle: of the whole cache, or of what is named, fetched if need be')
      .requiredOption('--out <file>', 'the bundle')
      .option('--for <evidence...>', 'what this evidence needs')
      .option('--product <name...>', 'chains and lists of Milan, Genoa or Turin')
      .option('--chip-id <hex>', 'VCEK of this chip; with one --product and --tcb')
      .option('--tcb <parts>', 'BL.TEE.SNP.UCODE, such as 4.0.24.219; Turin: FMC first')
      .option('--fmspc <hex...>', 'collateral of TDX platforms of this family'),
  );
  const example = 'witan endorsements export --for evidence.bin --out bundle.json';
  finish(command, example).action((options: ExportOptions & Json) =>
    run(options, (context) => endorsementsExport(context, options, clock)),
  );
}

function withCache(command: Command): Command {
  return command
    .option('--endorsements <dir>', 'cache directory (WITAN_ENDORSEMENTS)')
    .option('--mirror <name=url...>', 'instead of the vendor: kds, pcs or certificates')
    .option('--proxy <url>', 'proxy, or none; default HTTPS_PROXY')
    .option('--offline', 'use no network')
    .option('--max-age <days>', 'since fetching, for lists and collateral; default 30')
    .option('--trust-root <file...>', 'trust this root too, beside AMD’s and Intel’s (dangerous)');
}
