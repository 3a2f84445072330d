/** The commands and their options, for commander. */
import { Command, CommanderError, Option } from 'commander';
import type { ClusterOptions } from './context.ts';
import { generate, type GenerateOptions } from './commands/generate.ts';
import { history } from './commands/history.ts';
import { ownerCreate, type OwnerCreateOptions } from './commands/owner.ts';
import { set, type SetOptions } from './commands/set.ts';
import { status, type StatusOptions } from './commands/status.ts';
import { verify, type VerifyOptions } from './commands/verify.ts';
import { EXIT_CODES_HELP } from './exit-codes.ts';
import { finish, type RunCommand } from './finish.ts';
import { VERSION } from './version.ts';
import { list, withCluster } from './with-cluster.ts';

export { CommanderError };

/** Adds commands that only development has; see `RunOptions.extraCommands`. */
export type ExtraCommands = (program: Command, run: RunCommand) => void;

const INITIALIZER_IMAGE = `ghcr.io/witan/initializer@sha256:${'0'.repeat(64)}`;

/** The whole command line. */
export function createProgram(run: RunCommand): Command {
  const program = new Command('witan');
  program
    .description('Set, verify and watch a Witan cluster of Coordinators.')
    .addHelpText('after', EXIT_CODES_HELP)
    .showHelpAfterError('(see --help)');
  addOwner(program, run);
  addGenerate(program, run);
  addSet(program, run);
  addReaders(program, run);
  finish(program.command('version').description('print the version'), 'witan version').action(
    (options: { readonly json?: boolean }) =>
      run(options, (context) => {
        context.printer.result({ ok: true, version: VERSION }, `witan ${VERSION}\n`);
        return Promise.resolve();
      }),
  );
  return program;
}

function addOwner(program: Command, run: RunCommand): void {
  const owner = program
    .command('owner')
    .description('keys of those who approve manifests, or hold recovery shares');
  const create = owner
    .command('create')
    .description('make a key pair; refuses to overwrite one')
    .requiredOption('--name <name>', 'the owner’s name in manifests')
    .option('--type <type>', 'p256, p384, rsa3072, rsa4096, ed25519 (signs alone)', 'p256')
    .option('--out <dir>', 'directory for the two files', '.');
  finish(create, 'witan owner create --name alice --out keys').action(
    (options: OwnerCreateOptions & { readonly json?: boolean }) =>
      run(options, (context) => ownerCreate(context, options)),
  );
}

function addGenerate(program: Command, run: RunCommand): void {
  const command = program
    .command('generate')
    .description('make a manifest, initdata and a changed deployment from Kubernetes documents')
    .requiredOption('-f, --file <file>', 'YAML of the deployment')
    .requiredOption('--reference-values <file>', 'what to expect of Coordinators and workloads')
    .requiredOption('--owner <file>', 'public key of an owner; several', list)
    .option('--out <dir>', 'where to write', '.')
    .option('--threshold <n>', 'owners that must approve an update', '1')
    .option('--recovery-owner <file>', 'of one who only holds a recovery share; several', list)
    .option('--recovery-threshold <n>', 'shares that recover the cluster; default: most of them')
    .option('--no-shares', 'those of --owner approve, and hold no share')
    .option('--namespace <name>', 'of objects that name none', 'default')
    .option('--coordinator-endpoint <host:port>', 'for the initializers; several', list)
    .option('--pin-cluster <id>', 'let the pods accept this cluster alone; one that was verified')
    .option('--config-dir <dir>', 'where verified clusters are kept (WITAN_CONFIG_HOME)')
    .addOption(
      new Option('--initializer-image <image>', 'image, pinned by digest').default(
        INITIALIZER_IMAGE,
        'a placeholder digest',
      ),
    );
  const example =
    'witan generate -f shop.yaml --reference-values values.json --owner alice.pub.pem --out made';
  finish(command, example).action((options: GenerateOptions & { readonly json?: boolean }) =>
    run(options, (context) => generate(context, options)),
  );
}

function addSet(program: Command, run: RunCommand): void {
  const command = withCluster(
    program
      .command('set')
      .description('set the first manifest, or update it; attests the Coordinator first')
      .requiredOption('--manifest <file>', 'the manifest')
      .option('--owner-key <file>', 'private key of an owner; several', list)
      .option('--approval <file>', 'approval signed apart (witan approve --out); several', list)
      .option('--previous <hash>', 'refuse unless this is the newest transition')
      .option('--allow-no-updates', 'set even a manifest that nothing can follow')
      .option('--shares <dir>', 'for the owners’ shares, where new ones are dealt'),
  );
  const example =
    'witan set --manifest manifest.json --owner-key alice.key.pem --endpoint witan-0:7070';
  finish(command, example).action((options: SetOptions & { readonly json?: boolean }) =>
    run(options, (context) => set(context, options)),
  );
}

function addReaders(program: Command, run: RunCommand): void {
  const manifest = ['--manifest <file>', 'the manifest that is expected to be in force'] as const;
  const verifyCommand = withCluster(
    program
      .command('verify')
      .description(
        'attest every given replica and check manifest, history, floor, log and agreement',
      )
      .option(...manifest)
      .option('--verbose', 'list what the log recorded since it was last seen'),
  );
  finish(verifyCommand, 'witan verify --manifest manifest.json --endpoint witan-0:7070').action(
    (options: VerifyOptions & { readonly json?: boolean }) =>
      run(options, (context) => verify(context, options)),
  );
  const statusCommand = withCluster(
    program
      .command('status')
      .description('what each replica says of itself')
      .option(...manifest)
      .option('--reference-values <file>', 'Coordinators to trust, before there is a manifest'),
  );
  finish(statusCommand, 'witan status --endpoint witan-0:7070,witan-1:7070').action(
    (options: StatusOptions & { readonly json?: boolean }) =>
      run(options, (context) => status(context, options)),
  );
  const historyCommand = withCluster(
    program
      .command('history')
      .description('every generation, its approvals and links, verified')
      .option(...manifest),
  );
  finish(historyCommand, 'witan history --endpoint witan-0:7070 --json').action(
    (options: ClusterOptions & { readonly json?: boolean }) =>
      run(options, (context) => history(context, options)),
  );
}
