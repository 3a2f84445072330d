/** The commands `witan cluster …` and their options, for commander. */
import type { Command } from 'commander';
import { finish, type RunCommand } from '../finish.ts';
import { withCluster, withOwners } from '../with-cluster.ts';
import {
  canStop,
  members,
  stepDown,
  type CanStopOptions,
  type StepDownOptions,
} from './cluster.ts';
import { remove, scale, type SlotOptions } from './slots.ts';
import type { TrustOptions } from './trust.ts';

const COUNT = 'slots that the cluster shall have: 1, 3, 5 or 7';

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
  addSlots(group, run);
}

function addSlots(group: Command, run: RunCommand): void {
  const scaling = withCluster(
    withOwners(
      group
        .command('scale <n>')
        .description('add slots, or remove the last ones, with the owners’ approval')
        .option(...MANIFEST),
    ).option('--wait <seconds>', 'until vacant slots are filled and removed ones empty', '0'),
  ).addHelpText('after', `\n  n: ${COUNT}`);
  finish(scaling, 'witan cluster scale 5 --owner-key alice.key.pem --endpoint witan-0:7070').action(
    (count: string, options: SlotOptions & Json) =>
      run(options, (context) => scale(context, count, options)),
  );
  const removing = withCluster(
    withOwners(
      group
        .command('remove <slot...>')
        .description('remove these slots and take their members out, with the owners’ approval')
        .option(...MANIFEST),
    ).option('--wait <seconds>', 'until the members of removed slots have left', '0'),
  ).addHelpText('after', '\n  1, 3, 5 or 7 slots must remain, so two are removed at a time');
  const example =
    'witan cluster remove witan-1 witan-3 --owner-key alice.key.pem --endpoint witan-0:7070';
  finish(removing, example).action((slots: readonly string[], options: SlotOptions & Json) =>
    run(options, (context) => remove(context, slots, options)),
  );
}
