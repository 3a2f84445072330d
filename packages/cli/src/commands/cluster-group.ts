/** The commands `witan cluster …` and their options, for commander. */
import type { Command } from 'commander';
import { finish, type RunCommand } from '../finish.ts';
import { withCluster } from '../with-cluster.ts';
import {
  canStop,
  members,
  stepDown,
  type CanStopOptions,
  type StepDownOptions,
} from './cluster.ts';
import type { TrustOptions } from './trust.ts';

interface Json {
  readonly json?: boolean;
}

const MANIFEST = ['--manifest <file>', 'the manifest that is expected to be in force'] as const;

/** Adds the group `cluster`. */
export function addCluster(program: Command, run: RunCommand): void {
  const group = program
    .command('cluster')
    .description('members of a cluster: who they are, stopping one, leadership, more or fewer');
  const listing = withCluster(
    group
      .command('members')
      .description('slots and members as the leader sees them')
      .option(...MANIFEST),
  );
  finish(listing, 'witan cluster members --endpoint witan-0:7070').action(
    (options: TrustOptions & Json) => run(options, (context) => members(context, options)),
  );
  const stopping = withCluster(
    group
      .command('can-stop <slot>')
      .description('whether the rest keeps its quorum when this slot stops; exit code 5: not now')
      .option(...MANIFEST)
      .option('--wait <seconds>', 'ask again until it is safe, for so long', '0'),
  );
  finish(stopping, 'witan cluster can-stop witan-1 --wait 60 --endpoint witan-0:7070').action(
    (slot: string, options: CanStopOptions & Json) =>
      run(options, (context) => canStop(context, slot, options)),
  );
  const leading = withCluster(
    group
      .command('step-down')
      .description('hand leadership to another voter, and wait until it leads')
      .option(...MANIFEST)
      .option('--if-leader <slot>', 'do nothing unless this slot leads'),
  );
  finish(leading, 'witan cluster step-down --endpoint witan-0:7070').action(
    (options: StepDownOptions & Json) => run(options, (context) => stepDown(context, options)),
  );
}
