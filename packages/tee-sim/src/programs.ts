/**
 * The measured programs by name: what a guest image would contain. Whatever is measured here is
 * what a manifest pins; a file that a program loads and that is not listed would escape it.
 */
import { fileURLToPath } from 'node:url';

/** A program and what its launch digest covers. */
export interface ProgramSpec {
  /** Part of the digest. */
  readonly name: string;
  /** Entry module; must be covered by `files`. Relative to `root`. */
  readonly entry: string;
  /** Files and whole directories, relative to `root`. `*` stands for one path segment. */
  readonly files: readonly string[];
  /** Absolute directory; default the repository. Its own path is not part of the digest. */
  readonly root?: string;
}

/** The repository that this package is part of. */
export const REPOSITORY_ROOT: string = fileURLToPath(new URL('../../..', import.meta.url)).replace(
  /\/$/,
  '',
);

const COORDINATOR_PACKAGES = [
  'core',
  'raft-ts',
  'manifest',
  'attestation',
  'state-machine',
  'replica',
  'protocol',
  'keys',
  'journal',
  'attester',
  'endorsements',
  'transport',
  'telemetry',
  'coordinator',
  'tee-sim',
] as const;

const INITIALIZER_PACKAGES = [
  'core',
  'manifest',
  'attestation',
  'protocol',
  'keys',
  'attester',
  'endorsements',
  'transport',
  'telemetry',
  'client',
  'initializer',
  'tee-sim',
] as const;

function builtFrom(packages: readonly string[]): readonly string[] {
  const own = packages.flatMap((name) => [`packages/${name}/src`, `packages/${name}/package.json`]);
  // Stands for node_modules: the lock file names every dependency by digest.
  return [...own, 'package-lock.json'];
}

/** All named programs. */
export const PROGRAMS: readonly ProgramSpec[] = [
  {
    name: 'coordinator',
    entry: 'packages/tee-sim/src/guests/coordinator.ts',
    files: builtFrom(COORDINATOR_PACKAGES),
  },
  {
    name: 'initializer',
    entry: 'packages/tee-sim/src/guests/initializer.ts',
    files: builtFrom(INITIALIZER_PACKAGES),
  },
];
