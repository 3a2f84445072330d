/**
 * Drill `double-genesis`: the host shows fresh pods an empty store, so that they found a cluster of
 * their own, while the old one lives and once it is out of sight (I2, I6). They are genuine. What
 * they must not get is the trust of the old one: its owner's, or that of its pods.
 */
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { run as runCli } from '@witan/cli';
import { clientOf, runInitializer } from '../harness.ts';
import { EXAMPLE } from '../deployment.ts';
import { freePorts, sleepMs } from '../processes.ts';
import { emptyDisk, portOf } from './clone.ts';
import type { DrillScene } from './scene.ts';

const FOUND_MS = 30_000;
const WATCH_MS = 4_000;
const REFUSED = 3;
const MANIFEST = 'manifest.json';

/** Fresh pods, one for each slot. */
interface Pods {
  readonly endpoints: readonly string[];
  readonly guests: readonly string[];
}

export async function doubleGenesis(scene: DrillScene): Promise<void> {
  const clusterId = (await scene.whole())[0]?.clusterId ?? '';
  const pinned = join(scene.options.directory, 'pinned');
  await scene.step('pin', 'The owner pins the cluster in the pods’ configuration', async () => {
    await generate(scene, pinned, 'deployment/owner/alice.pub.pem', ['--pin-cluster', clusterId]);
    await scene.set(await withBoth(scene, pinned));
    return { cluster: clusterId.slice(0, 16), 'manifest generation': 2 };
  });
  const seen = join(scene.options.directory, 'floor');
  await scene.step('floor', 'A pod that pins nothing keeps a floor', async () => {
    const argv = ['--once', '--floor', seen];
    const code = await initializer(scene, 'floor-before', scene.cluster.endpoints, argv, 'plain');
    scene.claim('a pod is served by its own cluster', code === 0);
    return { 'exit code': code };
  });
  await alive(scene, seen);
  await outOfSight(scene);
  await withOneOldDisk(scene);
}

/** The second cluster beside the first, on addresses of its own, with a manifest of the host's. */
async function alive(scene: DrillScene, seen: string): Promise<void> {
  const { directory } = scene.options;
  let pods: Pods = { endpoints: [], guests: [] };
  await scene.step('found beside', 'Fresh pods found a cluster beside the old one', async () => {
    pods = await startPods(scene, 'beside', 'own');
    const other = await foundedId(scene, pods.endpoints);
    scene.claim('fresh pods found a cluster with another id', other !== '');
    const keys = join(directory, 'mallory');
    const { witan } = scene.deployment;
    await witan(['owner', 'create', '--name', 'mallory', '--out', keys]);
    await generate(scene, keys, 'mallory/mallory.pub.pem', []);
    await witan([
      'set',
      `--manifest=${await withOwnersOf(scene, keys)}`,
      `--owner-key=${join(keys, 'mallory.key.pem')}`,
      `--config-dir=${join(keys, 'config')}`,
      `--endpoint=${pods.endpoints.join(',')}`,
    ]);
    return {
      cluster: other.slice(0, 16),
      manifest: 'set by the host: the owner’s, with another owner',
    };
  });
  await scene.step('tempt', 'Owner and pods are shown the second cluster', async () => {
    const owner = await ownerRefuses(scene, pods.endpoints, 'beside the old one');
    const once = ['--once', '--timeout', '10'];
    const pin = await initializer(scene, 'pinned', pods.endpoints, once, 'pinned');
    scene.claim(`a pod with the root pinned refuses, exit code ${pin}`, pin === REFUSED);
    const argv = ['--once', '--floor', seen];
    const floor = await initializer(scene, 'floor-after', pods.endpoints, argv, 'plain');
    scene.claim(`a pod with a floor refuses, exit code ${floor}`, floor === REFUSED);
    if (owner === 0 || pin === 0 || floor === 0) scene.secondHistory = true;
    return { owner, 'pod with pinned root': pin, 'pod with floor': floor };
  });
  await stopPods(scene, pods);
}

/** The second cluster under the addresses of the first, which is not heard any more. */
async function outOfSight(scene: DrillScene): Promise<void> {
  const { cluster } = scene;
  await scene.step('found instead', 'The old cluster stops; fresh pods get its names', async () => {
    for (const { slot } of cluster.slots) await cluster.signalSlot(slot, 'SIGSTOP');
    const before = await scene.acknowledged();
    const pods = await startPods(scene, 'instead', 'names');
    const other = await foundedId(scene, cluster.endpoints);
    scene.claim('the pods found a cluster of another id', other !== '');
    const owner = await ownerRefuses(scene, cluster.endpoints, 'under the old names');
    if (owner === 0) scene.secondHistory = true;
    const written = (await scene.acknowledged()) - before;
    await stopPods(scene, pods);
    for (const { slot, listen } of cluster.slots) {
      cluster.relays.get(slot)?.point(portOf(listen));
      await cluster.signalSlot(slot, 'SIGCONT');
    }
    await scene.whole();
    await scene.more(10);
    return { owner, 'acknowledged meanwhile': written };
  });
}

/** A pod that has seen sealed state says so, and then nobody founds anything. */
async function withOneOldDisk(scene: DrillScene): Promise<void> {
  await scene.step('one old disk', 'Fresh pods, one of them with an old disk', async () => {
    const [slot = ''] = scene.cluster.slots.map((item) => item.slot);
    const image = await scene.image(slot);
    const pods = await startPods(scene, 'mixed', 'own', new Map([[slot, image]]));
    await sleepMs(WATCH_MS);
    const found = await statedId(scene, pods.endpoints);
    scene.claim(`pods of which one has an old disk found nothing, found ${found}`, found === '');
    await stopPods(scene, pods);
    return { founded: found === '' ? 'nothing' : found.slice(0, 16) };
  });
}

async function startPods(
  scene: DrillScene,
  name: string,
  addresses: 'own' | 'names',
  disks: ReadonlyMap<string, string> = new Map(),
): Promise<Pods> {
  const { cluster } = scene;
  const ports = await freePorts(cluster.slots.length);
  const endpoints = ports.map((port) => `127.0.0.1:${port}`);
  const peers = cluster.slots.map(({ slot }, at) => `${slot}=${endpoints[at] ?? ''}`).join(',');
  const guests: string[] = [];
  for (const [at, { slot }] of cluster.slots.entries()) {
    if (addresses === 'names') cluster.relays.get(slot)?.point(ports[at] ?? 0);
    guests.push(
      await scene.launch(`${name}-${slot}`, {
        slot,
        listen: endpoints[at] ?? '',
        data: disks.get(slot) ?? emptyDisk(scene, `${name}-${slot}`),
        ...(addresses === 'own' ? { peers } : {}),
      }),
    );
  }
  return { endpoints, guests };
}

async function stopPods(scene: DrillScene, { guests }: Pods): Promise<void> {
  for (const guestId of guests) {
    await scene.cluster.tee.signal(guestId, 'SIGKILL').catch(() => undefined);
    await scene.cluster.tee.wait(guestId);
  }
}

/** The id of the cluster that the replicas of these endpoints are in; empty for none. */
async function statedId(scene: DrillScene, endpoints: readonly string[]): Promise<string> {
  const client = await clientOf(scene.cluster, endpoints, 2_000);
  try {
    const answers = await client.getStatus();
    const ids = answers.map((answer) => (answer.kind === 'ok' ? answer.status.clusterId : ''));
    return ids.find((id) => id !== '') ?? '';
  } finally {
    client.close();
  }
}

async function foundedId(scene: DrillScene, endpoints: readonly string[]): Promise<string> {
  const untilMs = performance.now() + FOUND_MS;
  while (performance.now() < untilMs) {
    const found = await statedId(scene, endpoints);
    if (found !== '' && (await scene.read(endpoints, 3_000)) !== undefined) return found;
    await sleepMs(200);
  }
  return '';
}

/** Lets the owner verify and update at these endpoints. @returns the exit code of `verify` */
async function ownerRefuses(
  scene: DrillScene,
  endpoints: readonly string[],
  where: string,
): Promise<number> {
  const { options, ownerKeyFile } = scene.deployment;
  const config = options.slice(options.indexOf('--config-dir'));
  const common = ['--manifest', scene.manifestFile, '--endpoint', endpoints.join(','), ...config];
  const codes: number[] = [];
  for (const argv of [
    ['verify', ...common],
    ['set', ...common, '--owner-key', ownerKeyFile, '--timeout', '10'],
  ]) {
    let said = '';
    const hear = (text: string): void => {
      said += text;
    };
    const code = await runCli({ argv, env: process.env, stdout: hear, stderr: hear });
    const line = said.split('\n').find((text) => text.includes('CLIENT_')) ?? '';
    scene.watch.said(`witan ${argv[0] ?? ''} ${where}: exit code ${code}`, line.trim());
    scene.claim(`witan ${argv[0] ?? ''} refuses what is ${where}`, code === REFUSED);
    codes.push(code);
  }
  return codes[0] ?? 0;
}

/** Runs an initializer once. @returns its exit code */
async function initializer(
  scene: DrillScene,
  name: string,
  endpoints: readonly string[],
  args: readonly string[],
  configuration: 'plain' | 'pinned',
): Promise<number> {
  const { directory } = scene.options;
  const initdata = await scene.deployment.initdata(
    'orders',
    configuration === 'plain' ? undefined : join(directory, 'pinned'),
  );
  const output = join(directory, 'pods', name);
  const run = await runInitializer(scene.cluster, { name, initdata, endpoints, output, args });
  const line = run.log.split('\n').find((text) => text.includes('CLIENT_'));
  if (line !== undefined) {
    scene.watch.said(`initializer ${name}: exit code ${String(run.exit.exitCode)}`, line);
  }
  return run.exit.exitCode ?? -1;
}

interface ManifestDraft {
  readonly workloads: Readonly<Record<string, { referenceValues: readonly unknown[] }>>;
  owners: unknown;
}

async function draftOf(file: string): Promise<ManifestDraft> {
  return JSON.parse(await readFile(file, 'utf8')) as ManifestDraft;
}

/** A manifest that accepts pods with either configuration. */
async function withBoth(scene: DrillScene, pinned: string): Promise<string> {
  const [draft, other] = [await draftOf(scene.manifestFile), await draftOf(join(pinned, MANIFEST))];
  for (const [name, workload] of Object.entries(draft.workloads)) {
    const more = other.workloads[name]?.referenceValues ?? [];
    workload.referenceValues = [...workload.referenceValues, ...more];
  }
  return await writeDraft(join(scene.options.directory, 'both.json'), draft);
}

/** The owner's manifest word for word, with the host as its owner. */
async function withOwnersOf(scene: DrillScene, keys: string): Promise<string> {
  const draft = await draftOf(scene.manifestFile);
  draft.owners = (await draftOf(join(keys, MANIFEST))).owners;
  return await writeDraft(join(keys, 'taken-over.json'), draft);
}

async function writeDraft(file: string, draft: ManifestDraft): Promise<string> {
  await writeFile(file, JSON.stringify(draft));
  return file;
}

async function generate(
  scene: DrillScene,
  out: string,
  owner: string,
  more: readonly string[],
): Promise<void> {
  const { directory } = scene.options;
  await scene.deployment.witan([
    'generate',
    `--file=${EXAMPLE}`,
    `--out=${out}`,
    `--owner=${join(directory, owner)}`,
    `--reference-values=${scene.cluster.layout.referenceValues}`,
    `--config-dir=${join(directory, 'config')}`,
    ...more,
  ]);
}
