/**
 * `witan dev evidence collect`: evidence of a simulated guest, made by the real command inside it.
 * The guest runs on the hardware of a development cluster, with the Coordinators' configuration.
 */
import { randomUUID } from 'node:crypto';
import { readFile, rm, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { REPOSITORY_ROOT, type ProgramSpec } from '@witan/tee-sim';
import { attachCluster } from './cluster.ts';
import { DevClusterError } from './errors.ts';
import type { Tee } from './reference-values.ts';

const PACKAGES = [
  'core',
  'manifest',
  'attestation',
  'protocol',
  'keys',
  'kubernetes',
  'attester',
  'endorsements',
  'transport',
  'client',
  'cli',
  'tee-sim',
];

/** The command as a measured program. */
const COLLECT_PROGRAM: ProgramSpec = {
  name: 'collect',
  entry: 'packages/devcluster/src/guests/collect.ts',
  files: [
    ...PACKAGES.flatMap((name) => [`packages/${name}/src`, `packages/${name}/package.json`]),
    'packages/devcluster/src/guests/collect.ts',
    // Builders of evidence, which the simulated hardware's library loads.
    'packages/attestation/testing',
    'package-lock.json',
  ],
  root: REPOSITORY_ROOT,
};

/** What the command is asked; `reportData` and `nonce` are as for `witan evidence collect`. */
export interface CollectRequest {
  readonly directory: string;
  readonly tee: Tee;
  readonly reportData?: string;
  readonly nonce?: string;
  readonly out: string;
}

/** Where the evidence is, what it carries, and the root under which it verifies. */
export interface Collected {
  readonly out: string;
  /** Hex. */
  readonly reportData: string;
  /** File with the development root of this kind, DER, for `--trust-root`. */
  readonly trustRoot: string;
}

/**
 * @throws DevClusterError DEVCLUSTER_NOT_RUNNING; DEVCLUSTER_STEP_FAILED with what the guest said
 */
export async function collectInGuest(request: CollectRequest): Promise<Collected> {
  const { tee, reportData, nonce } = request;
  const out = resolve(request.out);
  const cluster = await attachCluster(request.directory);
  const base = join(cluster.layout.directory, `collect-${randomUUID()}`);
  const [stdoutPath, stderrPath] = [`${base}.out`, `${base}.err`];
  try {
    const guest = await cluster.tee.launch({
      tee,
      program: COLLECT_PROGRAM,
      initdata: new Uint8Array(await readFile(cluster.layout.initdata)),
      args: [
        '--json',
        '--out',
        out,
        ...(reportData === undefined ? [] : ['--report-data', reportData]),
        ...(nonce === undefined ? [] : ['--nonce', nonce]),
      ],
      stdoutPath,
      stderrPath,
    });
    const { exitCode } = await cluster.tee.wait(guest.guestId);
    if (exitCode !== 0) throw failed(await readFile(stderrPath, 'utf8'));
    const { root, tdxRoot } = await cluster.tee.info();
    const trustRoot = join(cluster.layout.directory, `${tee}-root.der`);
    await writeFile(trustRoot, tee === 'snp' ? root : tdxRoot);
    const said = JSON.parse(await readFile(stdoutPath, 'utf8')) as { readonly reportData: string };
    return { out, reportData: said.reportData, trustRoot };
  } finally {
    cluster.tee.close();
    await Promise.all([stdoutPath, stderrPath].map((path) => rm(path, { force: true })));
  }
}

function failed(stderr: string): DevClusterError {
  const fields = { expected: 'evidence of the guest', found: stderr.trim().slice(0, 1_000) };
  return new DevClusterError('DEVCLUSTER_STEP_FAILED', 'the guest gave no evidence', { fields });
}
