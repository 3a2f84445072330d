/**
 * The next version of the Coordinator: a copy of the sources with another version number, which is
 * measured differently, and another state version, under which it takes new sealing keys. It stands
 * for the image that an upgrade brings.
 */
import { cp, mkdir, readdir, readFile, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { PROGRAMS, REPOSITORY_ROOT, type ProgramSpec } from '@witan/tee-sim';
import type { DevCluster } from './cluster.ts';
import { DevClusterError } from './errors.ts';
import { acceptedTees, configured, coordinatorValuesOf } from './reference-values.ts';

/** What an upgrade starts with. */
export interface NextVersion {
  readonly program: ProgramSpec;
  /** The state version that it announces to other members. */
  readonly stateVersion: number;
  /** File with its measured configuration, which lets it into a cluster of the version before. */
  readonly initdataFile: string;
  /** Reference values of the Coordinators before it, as they are in the manifest. */
  readonly before: readonly object[];
  /** Its own. */
  readonly after: readonly object[];
}

const VERSION_FILE = 'packages/coordinator/src/version.ts';
const FEATURES_FILE = 'packages/state-machine/src/features.ts';
/** What `status` shows of the next version. */
export const NEXT_VERSION = '0.1.1-next';

/**
 * Builds the next version below `directory`, and lists both in the reference values, so that pods
 * whose configuration is made from them trust either.
 */
export async function prepareNextVersion(
  cluster: DevCluster,
  directory: string,
): Promise<NextVersion> {
  const { layout, teeChoice } = cluster;
  const { program, stateVersion } = await copyOfCoordinator(directory);
  const tees = acceptedTees(teeChoice);
  const oldValues = await coordinatorValuesOf(cluster.tee, teeChoice, cluster.coordinator);
  const newValues = await coordinatorValuesOf(cluster.tee, teeChoice, program);
  const oldInitdata = await readFile(layout.initdata, 'utf8');
  const before = configured(oldValues, tees, oldInitdata);
  const document = JSON.parse(oldInitdata) as { readonly peers?: readonly object[] };
  const initdata = `${JSON.stringify({ ...document, peers: before }, null, 2)}\n`;
  const initdataFile = join(directory, 'coordinator-initdata.json');
  await writeFile(initdataFile, initdata, { mode: 0o600 });
  const after = configured(newValues, tees, initdata);
  const values = JSON.parse(await readFile(layout.referenceValues, 'utf8')) as object;
  const listed = JSON.stringify({ ...values, coordinators: [...before, ...after] }, null, 2);
  await writeFile(layout.referenceValues, `${listed}\n`);
  return { program, stateVersion, initdataFile, before, after };
}

/** Real directories for what is measured; everything else is found through a link. */
async function copyOfCoordinator(
  directory: string,
): Promise<Pick<NextVersion, 'program' | 'stateVersion'>> {
  const coordinator = PROGRAMS.find(({ name }) => name === 'coordinator');
  if (coordinator === undefined) {
    throw new DevClusterError('DEVCLUSTER_STEP_FAILED', 'no Coordinator is measured', {});
  }
  const root = join(directory, 'next');
  const own = join(root, 'node_modules', '@witan');
  await mkdir(own, { recursive: true });
  await cp(join(REPOSITORY_ROOT, 'packages'), join(root, 'packages'), {
    recursive: true,
    filter: (path) => !path.endsWith('/test') && !path.endsWith('/node_modules'),
  });
  for (const name of ['package.json', 'package-lock.json']) {
    await cp(join(REPOSITORY_ROOT, name), join(root, name));
  }
  const modules = join(REPOSITORY_ROOT, 'node_modules');
  for (const name of await readdir(modules)) {
    if (name !== '@witan') await symlink(join(modules, name), join(root, 'node_modules', name));
  }
  for (const name of await readdir(join(root, 'packages'))) {
    await symlink(`../../packages/${name}`, join(own, name));
  }
  await edit(join(root, VERSION_FILE), /VERSION = '[^']+'/, `VERSION = '${NEXT_VERSION}'`);
  const features = join(root, FEATURES_FILE);
  const now = /STATE_VERSION: number = (\d+)/.exec(await readFile(features, 'utf8'))?.[1];
  const stateVersion = Number(now ?? '0') + 1;
  const version = String(stateVersion);
  await edit(features, /STATE_VERSION: number = \d+/, `STATE_VERSION: number = ${version}`);
  await edit(features, /^ {2}noop: 0,$/m, `  noop: 0,\n  'rotate sealing': ${version},`);
  return { program: { ...coordinator, root }, stateVersion };
}

async function edit(file: string, what: RegExp, by: string): Promise<void> {
  const source = await readFile(file, 'utf8');
  if (!what.test(source)) {
    const fields = { file, expected: what.source };
    const message = 'the next version was not made';
    throw new DevClusterError('DEVCLUSTER_STEP_FAILED', message, { fields });
  }
  await writeFile(file, source.replace(what, by));
}
