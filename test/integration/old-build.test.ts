/**
 * A host turns a replica back to a disk that holds an older manifest, and shows it a build that
 * only that manifest accepts (A8). The manifest in force judges who may be a replica, and what
 * disks say judges nobody (I2, I4).
 */
import { cp, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { allServe, statusesOf, waitForStatuses } from '@witan/devcluster';
import { PROGRAMS, type ProgramSpec } from '@witan/tee-sim';
import { useDeployment } from '../support/deployment.ts';

const test = useDeployment();
const START_MS = 20_000;
const KNOCKS_MS = 2_500;
/** What a replica logs of a peer whose build no entry of the manifest lists. */
const REFUSAL = 'verifierCode=SNP_MEASUREMENT';
/** The same files under another name: another measurement, as an older build has. */
const OLD_BUILD: ProgramSpec = { ...coordinator(), name: 'coordinator-of-before' };

function coordinator(): ProgramSpec {
  const found = PROGRAMS.find(({ name }) => name === 'coordinator');
  if (found === undefined) throw new Error('the Coordinator is a program');
  return found;
}

async function until(condition: () => Promise<boolean>): Promise<void> {
  const deadline = performance.now() + START_MS;
  while (performance.now() < deadline && !(await condition())) {
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

async function whole(): Promise<readonly string[]> {
  const { cluster } = test.current;
  const all = await waitForStatuses(cluster, 'all slots vote', (statuses) =>
    allServe(cluster, statuses),
  );
  return all.filter(({ role }) => role !== 'leader').map(({ slot }) => slot);
}

/** Sets the example's manifest with these measurements beside the Coordinator's own. */
async function setWith(name: string, ...measurements: readonly string[]): Promise<void> {
  const { manifestFile, ownerKeyFile, witan, options } = test.current;
  const manifest = JSON.parse(await readFile(manifestFile, 'utf8')) as {
    readonly coordinators: readonly { readonly measurement: string[] }[];
  };
  for (const entry of manifest.coordinators) entry.measurement.push(...measurements);
  const file = join(test.directory, name);
  // Other spacing makes another manifest.
  await writeFile(file, JSON.stringify(manifest));
  await witan(['set', '--manifest', file, '--owner-key', ownerKeyFile, ...options]);
}

/**
 * Kills a slot's replica and lets the old build knock in its place for a while.
 *
 * @returns how often the replicas refused its build meanwhile
 */
async function knocks(slot: string): Promise<number> {
  const { cluster } = test.current;
  const refusals = async (): Promise<number> => {
    const logs = cluster.slots.map((item) => readFile(cluster.layout.log(item.slot), 'utf8'));
    return (await Promise.all(logs)).join('').split(REFUSAL).length - 1;
  };
  await cluster.killSlot(slot);
  const before = await refusals();
  const log = join(test.directory, `old-build-${before}.log`);
  await rm(log, { force: true });
  const { guestId } = await cluster.tee.launch({
    program: OLD_BUILD,
    initdata: new Uint8Array(await readFile(cluster.layout.initdata)),
    chip: `chip-${slot}`,
    env: {
      WITAN_SLOT: slot,
      WITAN_LISTEN: cluster.slot(slot).listen,
      WITAN_PEERS: cluster.slots.map((item) => `${item.slot}=${item.address}`).join(','),
      WITAN_DATA: join(test.directory, 'old-build'),
    },
    stdoutPath: log,
  });
  await until(async () => (await readFile(log, 'utf8').catch(() => '')).includes('listening'));
  await new Promise((resolve) => setTimeout(resolve, KNOCKS_MS));
  const refused = (await refusals()) - before;
  const members = (await statusesOf(cluster)).map((status) => status.members.length);
  await cluster.tee.signal(guestId, 'SIGKILL');
  await cluster.startSlot(slot);
  await whole();
  expect(members).toEqual([3, 3]);
  return refused;
}

it('is refused by a replica that was rolled back to the manifest that listed it', async () => {
  const { cluster } = test.current;
  const [turned = '', filled = ''] = await whole();
  await setWith('both.json', await cluster.tee.measure(OLD_BUILD));
  // Listed, it is not refused for its build: the count below would notice.
  expect(await knocks(filled)).toBe(0);
  const copy = join(test.directory, 'copy');
  await cp(cluster.layout.data(turned), copy, { recursive: true });
  await setWith('new-only.json');
  await cluster.killSlot(turned);
  await rm(cluster.layout.data(turned), { recursive: true });
  await cp(copy, cluster.layout.data(turned), { recursive: true });
  await cluster.startSlot(turned);
  await whole();
  expect(await knocks(filled)).toBeGreaterThan(0);
});
