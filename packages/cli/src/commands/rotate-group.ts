/** The commands `witan rotate …` and `witan revocations`, for commander. */
import type { Command } from 'commander';
import { finish, type RunCommand } from '../finish.ts';
import { withCluster, withOwners } from '../with-cluster.ts';
import {
  revocations,
  rotate,
  rotations,
  type RevocationsOptions,
  type RotateOptions,
} from './rotate.ts';
import type { TrustOptions } from './trust.ts';

interface Json {
  readonly json?: boolean;
}

const MANIFEST = ['--manifest <file>', 'the manifest that is expected to be in force'] as const;
const ONE_BY_ONE = `
  With --propose, or signatures from elsewhere (--prepare, then --attach), the step waits in the
  cluster until enough owners approve: by the same command, or by witan approve --proposal ID.`;
const FORCE = ['--force', 'do not wait for workloads that have not renewed'] as const;

/** Adds the group `rotate` and the command `revocations`. */
export function addRotate(program: Command, run: RunCommand): void {
  const group = program
    .command('rotate')
    .description('let secrets, sealing keys and CAs grow old, with the owners’ approval');
  const secret = approved(
    group
      .command('secret <name>')
      .description('the next version of a secret, for every workload that lists it'),
  );
  finish(secret, 'witan rotate secret db --owner-key alice.key.pem --endpoint witan-0:7070').action(
    (name: string, options: RotateOptions & Json) =>
      run(options, (context) => rotate(context, `secret ${name}`, options)),
  );
  const sealing = approved(
    group.command('sealing').description('a new generation of the keys under which replicas seal'),
  );
  finish(sealing, 'witan rotate sealing --owner-key alice.key.pem --endpoint witan-0:7070').action(
    (options: RotateOptions & Json) =>
      run(options, (context) => rotate(context, 'sealing', options)),
  );
  for (const target of ['root', 'mesh-ca'] as const) addCa(group, run, target);
  const seed = approved(
    group
      .command('seed <step>')
      .description('prepare, then activate, then retire: everything derived moves to the next seed')
      .option('--commitment <hex>', 'with activate: refuse any other next seed than this'),
  );
  finish(seed, 'witan rotate seed prepare --owner-key alice.pem --endpoint witan-0:7070').action(
    (step: string, options: RotateOptions & Json) =>
      run(options, (context) => rotate(context, `seed ${step}`, options)),
  );
  const status = withCluster(
    group
      .command('status')
      .description('every step, who approved it, and what the next one waits for')
      .option(...MANIFEST),
  );
  finish(status, 'witan rotate status --endpoint witan-0:7070 --json').action(
    (options: TrustOptions & Json) => run(options, (context) => rotations(context, options)),
  );
  addRevocations(program, run);
}

/** Owners sign together, one by one, or elsewhere. */
function approved(command: Command): Command {
  return withCluster(withOwners(command.option(...MANIFEST))).addHelpText('after', ONE_BY_ONE);
}

function addCa(group: Command, run: RunCommand, target: 'root' | 'mesh-ca'): void {
  const command = approved(
    group
      .command(`${target} <step>`)
      .description('prepare, then activate, then retire: both count in between')
      .option(...FORCE),
  );
  const example = `witan rotate ${target} prepare --owner-key alice.pem --endpoint witan-0:7070`;
  finish(command, example).action((step: string, options: RotateOptions & Json) =>
    run(options, (context) => rotate(context, `${target} ${step}`, options)),
  );
}

function addRevocations(program: Command, run: RunCommand): void {
  const command = withCluster(
    program
      .command('revocations')
      .description('certificates that count no longer, and the lists that say so')
      .option(...MANIFEST)
      .option('--out <file>', 'write the lists there, PEM'),
  );
  finish(command, 'witan revocations --out crl.pem --endpoint witan-0:7070').action(
    (options: RevocationsOptions & Json) =>
      run(options, (context) => revocations(context, options)),
  );
}
