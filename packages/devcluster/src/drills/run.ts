/** Runs one drill from its scene to its report. */
import { join } from 'node:path';
import { run as runCli } from '@witan/cli';
import { clientOf } from '../harness.ts';
import { clone } from './clone.ts';
import { doubleGenesis } from './double-genesis.ts';
import { pause } from './pause.ts';
import type { DrillName, DrillReport } from './report.ts';
import { rollback } from './rollback.ts';
import { describe, DrillScene, initialize, type DrillOptions } from './scene.ts';
import { COMMON_NEEDLES, filesBelow, foundIn } from './search.ts';
import { totalLoss } from './total-loss.ts';
import { zombie } from './zombie.ts';

const DRILLS: Readonly<Record<DrillName, (scene: DrillScene) => Promise<void>>> = {
  rollback,
  clone,
  zombie,
  pause,
  'total-loss': totalLoss,
  'double-genesis': doubleGenesis,
};

/** @throws DevClusterError where the scene could not be set up; what follows is in the report */
export async function runDrill(drill: DrillName, options: DrillOptions): Promise<DrillReport> {
  const startMs = performance.now();
  const scene = await DrillScene.open(options);
  try {
    await attack(scene, drill);
    const lost = await countLost(scene);
    await verify(scene);
    const certificatesAccepted = await claimCertificates(scene);
    const { mesh, watch, failures, secondHistory } = scene;
    scene.claim('the connection between the workloads survives', mesh.survived);
    const searched = [
      ...(await filesBelow(join(scene.cluster.layout.directory, 'slots'))),
      ...(await filesBelow(join(options.directory, 'copies'))),
      ...(await filesBelow(join(options.directory, 'extra'))),
    ];
    const leaks = await foundIn(searched, [...COMMON_NEEDLES, ...scene.needles]);
    scene.claim('no disk and no log holds plaintext', leaks.length === 0 && searched.length > 0);
    scene.claim('there is one history', !secondHistory);
    return {
      drill,
      ok: failures.length === 0,
      simulated: true,
      durationMs: Math.round(performance.now() - startMs),
      steps: scene.steps,
      acknowledged: await scene.acknowledged(),
      lost,
      leaks,
      secondHistory,
      workloads: {
        connectionSurvived: mesh.survived,
        messages: mesh.messages,
        certificatesAccepted,
      },
      detected: await watch.detected(),
      failures,
    };
  } finally {
    await scene.close();
  }
}

/** A step that did not happen is a claim that does not hold; the rest is looked at all the same. */
async function attack(scene: DrillScene, drill: DrillName): Promise<void> {
  try {
    await DRILLS[drill](scene);
  } catch (error) {
    if (scene.options.signal.aborted) throw error;
    scene.claim(`every step happens: ${describe(error)}`, false);
  }
}

async function countLost(scene: DrillScene): Promise<number | null> {
  let lost: number | null = null;
  await scene.step('count', 'Ask for every certificate that was acknowledged', async () => {
    const acknowledged = await scene.load.stop();
    const client = await clientOf(scene.cluster);
    try {
      const serials = acknowledged.map(({ serial }) => serial);
      const known = new Set((await client.getIdentities(serials)).map(({ serial }) => serial));
      lost = serials.filter((serial) => !known.has(serial)).length;
    } catch (error) {
      scene.claim(`the cluster says what it has issued: ${describe(error)}`, false);
    } finally {
      client.close();
    }
    return { acknowledged: acknowledged.length, lost: lost ?? 'unknown' };
  });
  if (lost !== null) scene.claim(`nothing acknowledged is lost, found ${String(lost)}`, lost === 0);
  return lost;
}

/** The owner's own command, with the floor from before the attack (I6). */
async function verify(scene: DrillScene): Promise<void> {
  await scene.step('verify', 'Verify as the owner, with the floor from before', async () => {
    const argv = ['verify', '--manifest', scene.manifestFile, ...scene.deployment.options];
    let stdout = '';
    const code = await runCli({
      argv: [...argv, '--json'],
      env: process.env,
      stdout: (text) => {
        stdout += text;
      },
      stderr: () => undefined,
    });
    const report = JSON.parse(stdout) as {
      readonly checks?: readonly { readonly name: string; readonly kind: string }[];
    };
    const checks = report.checks ?? [];
    const failed = checks.filter(({ kind }) => kind === 'failed').map(({ name }) => name);
    scene.claim(`the owner verifies the deployment, exit code ${code}`, code === 0);
    if (failed.some((name) => ['history', 'floor', 'agreement'].includes(name))) {
      scene.secondHistory = true;
    }
    return { 'exit code': code, failed: failed.join(', ') || 'no check' };
  });
}

/** Old credentials among themselves, and new ones with old ones (I8). */
async function claimCertificates(scene: DrillScene): Promise<boolean> {
  const pods = join(scene.options.directory, 'pods');
  let accepted = false;
  await scene.step('certificates', 'Try certificates from before and from now', async () => {
    const before = await scene.mesh.accepts(join(pods, 'storefront'));
    const output = join(pods, 'storefront-afterwards');
    const issued = await initialize(scene.deployment, output, { workload: 'storefront' }).then(
      () => true,
      () => false,
    );
    const after = issued && (await scene.mesh.accepts(output));
    scene.claim('certificates from before the attack are accepted', before);
    scene.claim('a certificate from after it is accepted by a workload from before', after);
    accepted = before && after;
    return { 'from before': before, 'from now': after };
  });
  return accepted;
}
