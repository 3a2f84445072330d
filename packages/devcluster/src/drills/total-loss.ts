/**
 * Drill `total-loss`: the host ends all replicas at once. Owners open the cluster again with their
 * shares, at whichever replicas they like and through a kill; then the host puts every disk back to
 * where it was, and last it leaves one replica alone (I4, I6, I7, I8).
 */
import { cp, readFile, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { run as runCli } from '@witan/cli';
import { statusesOf, waitForStatuses } from '../harness.ts';
import { sleepMs } from '../processes.ts';
import type { DrillScene } from './scene.ts';

const QUIET_MS = 3_000;
const OPEN_S = '60';
/** The exit code of `witan recover` where the cluster is not open yet. */
const NOT_OPEN = 6;
const OTHERS = ['bob', 'carol'] as const;

export async function totalLoss(scene: DrillScene): Promise<void> {
  const owners = new Owners(scene);
  await scene.step(
    'owners',
    'Three owners hold shares, two of which open the cluster',
    async () => {
      await owners.deal();
      return { owners: 'alice, bob, carol', threshold: 2 };
    },
  );
  await loseAll(scene, owners);
  await putAllBack(scene, owners);
  await scene.step('survivor', 'End two of three: the third has the seed in memory', async () => {
    const [kept, ...lost] = scene.cluster.slots.map(({ slot }) => slot);
    for (const slot of lost) await scene.cluster.killSlot(slot);
    for (const slot of lost) await scene.cluster.startSlot(slot);
    await scene.whole();
    await scene.more(20);
    return { survivor: kept ?? '', epoch: await epochOf(scene), shares: 'none needed' };
  });
}

async function loseAll(scene: DrillScene, owners: Owners): Promise<void> {
  const { cluster } = scene;
  const slots = cluster.slots.map(({ slot }) => slot);
  for (const slot of slots) owners.old.set(slot, await scene.image(slot));
  await scene.step('lose', 'End all replicas at once; their disks remain', async () => {
    await scene.more(60);
    await endAll(scene);
    for (const slot of slots) await cluster.startSlot(slot);
    await waitSealed(scene);
    return { acknowledged: await scene.acknowledged() };
  });
  await scene.step('silence', 'No time that passes opens anything', async () => {
    const before = await scene.acknowledged();
    await sleepMs(QUIET_MS);
    const read = await scene.read(cluster.endpoints, QUIET_MS);
    const written = (await scene.acknowledged()) - before;
    scene.claim('a cluster without its majority answers no read', read === undefined);
    scene.claim(`and acknowledges nothing, found ${written}`, written === 0);
    return { acknowledged: written };
  });
  await scene.step('one share', 'Bob hands his share to one replica, which is killed', async () => {
    const code = await owners.recover('bob', 1, '0');
    scene.claim(`one share of two opens nothing, exit code ${code}`, code === NOT_OPEN);
    await waitForStatuses(cluster, 'all have the share', (all) =>
      all.every(({ recovery }) => recovery?.shares.received === 1),
    );
    const slot = slots[1] ?? '';
    await cluster.killSlot(slot);
    await cluster.startSlot(slot);
    await waitSealed(scene);
    return { 'exit code': code };
  });
  await scene.step('second share', 'Carol hands hers to another replica', async () => {
    const startMs = performance.now();
    const code = await owners.recover('carol', 2, OPEN_S);
    const openMs = Math.round(performance.now() - startMs);
    scene.claim(`the second share opens the cluster, exit code ${code}`, code === 0);
    await scene.whole();
    await scene.more(20);
    return { 'exit code': code, 'last share to open, ms': openMs, epoch: await epochOf(scene) };
  });
}

/** Every disk at once is back where it was before the owners saw more. */
async function putAllBack(scene: DrillScene, owners: Owners): Promise<void> {
  const { cluster } = scene;
  const slots = cluster.slots.map(({ slot }) => slot);
  const kept = new Map<string, string>();
  await scene.step('put all back', 'End all, and put every disk back', async () => {
    // What the owners have seen is the floor below which they let nothing open.
    await scene.update();
    await scene.more(20);
    await endAll(scene);
    for (const slot of slots) {
      const copy = `${owners.old.get(slot) ?? ''}-kept`;
      await cp(cluster.layout.data(slot), copy, { recursive: true });
      kept.set(slot, copy);
      await replaceDisk(scene, slot, owners.old.get(slot) ?? '');
      await cluster.startSlot(slot);
    }
    await waitSealed(scene);
    const codes = [await owners.recover('bob', 0, '0'), await owners.recover('carol', 1, '5')];
    const all = await statusesOf(cluster);
    const obstacle = all[0]?.recovery?.obstacle?.code ?? 'none';
    scene.watch.said(`witan recover: exit codes ${codes.join(', ')}`, `obstacle ${obstacle}`);
    const isShut = all.every(({ phase }) => phase === 'sealed');
    scene.claim(`old disks stay shut below the owners’ floor, found ${obstacle}`, isShut);
    if (!isShut) scene.secondHistory = true;
    return { 'exit codes': codes.join(', '), obstacle };
  });
  await scene.step('newest disks', 'The newest disks come back; owners open them', async () => {
    await endAll(scene);
    for (const slot of slots) {
      await replaceDisk(scene, slot, kept.get(slot) ?? '');
      await cluster.startSlot(slot);
    }
    await waitSealed(scene);
    await owners.recover('alice', 2, '0');
    const code = await owners.recover('bob', 1, OPEN_S);
    scene.claim(`the newest disks open above the floor, exit code ${code}`, code === 0);
    await scene.whole();
    await scene.more(20);
    return { 'exit code': code, epoch: await epochOf(scene) };
  });
}

async function endAll(scene: DrillScene): Promise<void> {
  const { cluster } = scene;
  await Promise.all(cluster.slots.map(({ slot }) => cluster.signalSlot(slot, 'SIGKILL')));
  await Promise.all(cluster.slots.map(({ guestId }) => cluster.tee.wait(guestId)));
}

async function replaceDisk(scene: DrillScene, slot: string, copy: string): Promise<void> {
  const data = scene.cluster.layout.data(slot);
  await rm(data, { recursive: true, force: true });
  await cp(copy, data, { recursive: true });
}

async function waitSealed(scene: DrillScene): Promise<void> {
  const { cluster } = scene;
  await waitForStatuses(cluster, 'all wait for owners, and know their disks', (all) => {
    const isSealed = all.every(
      ({ phase, recovery }) => phase === 'sealed' && (recovery?.shares.threshold ?? 0) > 0,
    );
    return all.length === cluster.slots.length && isSealed;
  });
}

async function epochOf(scene: DrillScene): Promise<number> {
  return (await statusesOf(scene.cluster))[0]?.epoch ?? 0;
}

/** Three owners with their keys, their shares, and what the host copied before they saw more. */
class Owners {
  /** Copies of the disks, by slot. */
  readonly old = new Map<string, string>();
  readonly #scene: DrillScene;
  readonly #keys: string;

  constructor(scene: DrillScene) {
    this.#scene = scene;
    this.#keys = dirname(scene.deployment.ownerKeyFile);
  }

  /** Makes the other owners, sets a manifest with all of them, and fetches their shares. */
  async deal(): Promise<void> {
    const { deployment, manifestFile, options } = this.#scene;
    for (const name of OTHERS) {
      await deployment.witan(['owner', 'create', '--name', name, '--out', this.#keys]);
    }
    const manifest = JSON.parse(await readFile(manifestFile, 'utf8')) as object;
    const owners = ['alice', ...OTHERS].map(async (name) => ({
      name,
      publicKey: await readFile(join(this.#keys, `${name}.pub.pem`), 'utf8'),
      roles: name === 'alice' ? ['update', 'recovery'] : ['recovery'],
    }));
    const next = { ...manifest, owners: await Promise.all(owners), recoveryThreshold: 2 };
    const file = join(options.directory, 'manifest-owners.json');
    await writeFile(file, JSON.stringify(next));
    await this.#scene.set(file);
    await deployment.witan(['share', 'get', '--all', '--out', this.#keys, ...deployment.options]);
  }

  /** An owner hands in a share at one replica. @returns the exit code */
  async recover(name: string, at: number, waitSeconds: string): Promise<number> {
    const { cluster, deployment } = this.#scene;
    const config = deployment.options.slice(deployment.options.indexOf('--config-dir'));
    return await runCli({
      argv: [
        'recover',
        `--share=${join(this.#keys, `${name}.share.jwe`)}`,
        `--key=${join(this.#keys, `${name}.key.pem`)}`,
        `--endpoint=${cluster.endpoints[at] ?? ''}`,
        `--wait=${waitSeconds}`,
        ...config,
        '--json',
      ],
      env: process.env,
      stdout: () => undefined,
      stderr: () => undefined,
    });
  }
}
