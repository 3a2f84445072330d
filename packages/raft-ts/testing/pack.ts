/**
 * Makes the publishable form of this package. Sources run as they are inside the repository, but
 * Node strips no types below node_modules, so that what is published is compiled.
 */
import { spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';

const PACKAGE = join(import.meta.dirname, '..');
const REPOSITORY = join(PACKAGE, '../..');
const TSC = join(REPOSITORY, 'node_modules/typescript/bin/tsc');

/** Compiled for the oldest Node that is said to work. */
const NODE_RANGE = '>=20';
const TARGET = 'es2022';

type Manifest = Readonly<Record<string, unknown>> & {
  readonly name: string;
  readonly version: string;
};

/** @returns the path of the tarball, in `folder` */
export function pack(folder: string): string {
  const work = mkdtempSync(join(tmpdir(), 'raft-ts-pack-'));
  try {
    compile(join(work, 'lib'));
    const source = JSON.parse(readFileSync(join(PACKAGE, 'package.json'), 'utf8')) as Manifest;
    writeFileSync(
      join(work, 'package.json'),
      `${JSON.stringify(published(source), undefined, 2)}\n`,
    );
    cpSync(join(PACKAGE, 'README.md'), join(work, 'README.md'));
    cpSync(join(REPOSITORY, 'LICENSE'), join(work, 'LICENSE'));
    const out = resolve(folder);
    mkdirSync(out, { recursive: true });
    run('npm', ['pack', '--silent', '--pack-destination', out], work);
    return join(out, `${source.name}-${source.version}.tgz`);
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}

function published(source: Manifest): Readonly<Record<string, unknown>> {
  const { name, version, description, license, type } = source;
  return {
    name,
    version,
    description,
    license,
    type,
    sideEffects: false,
    engines: { node: NODE_RANGE },
    exports: { '.': { types: './lib/index.d.ts', default: './lib/index.js' } },
    types: './lib/index.d.ts',
    files: ['lib'],
  };
}

function compile(out: string): void {
  const options = {
    project: PACKAGE,
    outDir: out,
    rootDir: join(PACKAGE, 'src'),
    target: TARGET,
    rewriteRelativeImportExtensions: 'true',
    emitDeclarationOnly: 'false',
    composite: 'false',
    incremental: 'false',
    tsBuildInfoFile: 'null',
    declaration: 'true',
  };
  const args = Object.entries(options).flatMap(([name, value]) => [`--${name}`, value]);
  run(process.execPath, [TSC, ...args], REPOSITORY);
}

function run(command: string, args: readonly string[], cwd: string): void {
  const { error, status, stdout, stderr } = spawnSync(command, [...args], {
    cwd,
    encoding: 'utf8',
  });
  if (error !== undefined) throw error;
  if (status !== 0) throw new Error(`${command} failed: ${stdout}${stderr}`);
}
