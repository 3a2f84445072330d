/**
 * Runs attestation vectors: reads any `index.json` of the known shapes and judges each vector.
 */
import { existsSync, globSync, readFileSync, statSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { objectOf, objectsOf, stringOf, type Json } from './json.ts';
import { runAzureVector } from './azure-vectors.ts';
import { runBundleVector } from './bundle-vectors.ts';
import { runCertificateVector, runChainVector } from './certificate-vectors.ts';
import { runEventLogVector } from './event-log-vectors.ts';
import { isFolderVector, runFolderVector } from './folder-vectors.ts';
import { runLaunchVector } from './launch-vectors.ts';
import { runSnpVector } from './snp-vectors.ts';
import { runSgxVector, runSyntheticTdxVector, runTdxVector } from './tdx-vectors.ts';

/** One vector, ready to run. */
export interface VectorCase {
  readonly name: string;
  /** Gives what is wrong; an empty list means that the vector passed. */
  readonly run: () => readonly string[];
}

/** All index files that the arguments name: files themselves, or folders to search. */
export function indexFilesIn(paths: readonly string[]): readonly string[] {
  return paths.flatMap((path) => {
    if (!existsSync(path)) throw new Error(`no such file or folder: ${path}`);
    if (statSync(path).isFile()) return [path];
    return globSync('**/index.json', { cwd: path })
      .toSorted()
      .map((found) => join(path, found));
  });
}

/** The vectors of one index file. */
export function vectorsIn(indexFile: string): readonly VectorCase[] {
  const folder = dirname(indexFile);
  const index = objectOf(JSON.parse(readFileSync(indexFile, 'utf8')));
  const group = basename(folder);
  const pins = objectOf(index['pinned_roots']);
  const pinned = (prefix: string): readonly string[] =>
    Object.entries(pins)
      .filter(([name]) => name.startsWith(prefix))
      .map(([, sha256]) => stringOf(sha256) ?? '');
  const developmentRoots = pinned('snp_');
  const tdxDevelopmentRoots = pinned('tdx_');
  const snp = (vector: Json, name: string): VectorCase => ({
    name: `${group} snp ${name}`,
    run: () => runSnpVector(folder, vector, developmentRoots),
  });
  return [
    ...objectsOf(index['vectors']).map((vector, at) =>
      isSnp(vector)
        ? snp(vector, nameOf(vector, at))
        : isLaunch(vector)
          ? {
              name: `${group} launch ${nameOf(vector, at)}`,
              run: () => runLaunchVector(folder, vector, objectOf(index['common'])),
            }
          : isFolderVector(vector)
            ? {
                name: `${group} folder ${nameOf(vector, at)}`,
                run: () => runFolderVector(folder, vector),
              }
            : unknownShape(`${group} ${nameOf(vector, at)}`),
    ),
    ...objectsOf(index['snp']).map((vector, at) => snp(vector, nameOf(vector, at))),
    ...objectsOf(index['azure']).flatMap((vector, at) =>
      azureCases(vector, at, group, folder, snp),
    ),
    ...objectsOf(index['certificates']).map((vector, at) => ({
      name: `${group} certificate ${nameOf(vector, at)}`,
      run: () => runCertificateVector(folder, vector),
    })),
    ...chainCases(folder, group, objectOf(index['trust'])),
    ...eventLogCases(folder, group, index),
    ...bundleCases(folder, group, objectOf(index['bundles'])),
    ...unknownSections(group, index),
    ...objectsOf(index['tdx']).map((vector, at) => ({
      name: `${group} tdx ${nameOf(vector, at)}`,
      run: () =>
        vector['file'] === undefined
          ? runSyntheticTdxVector(folder, vector, tdxDevelopmentRoots)
          : runTdxVector(folder, vector),
    })),
    ...objectsOf(index['sgx']).map((vector, at) => ({
      name: `${group} sgx ${nameOf(vector, at)}`,
      run: () => runSgxVector(folder, vector),
    })),
  ];
}

function azureCases(
  vector: Json,
  at: number,
  group: string,
  folder: string,
  snp: (vector: Json, name: string) => VectorCase,
): readonly VectorCase[] {
  const name = `${group} azure bindings ${nameOf(vector, at)}`;
  const bindings = { name, run: () => runAzureVector(folder, vector) };
  const report = objectOf(vector['snp']);
  return isSnp(report) ? [snp(report, `azure ${nameOf(vector, at)}`), bindings] : [bindings];
}

/** Event logs that belong to quotes. */
function eventLogCases(folder: string, group: string, index: Json): readonly VectorCase[] {
  return ['tdx', 'vectors'].flatMap((section) =>
    objectsOf(index[section]).flatMap((vector, at) =>
      vector['event_log'] === undefined
        ? []
        : [
            {
              name: `${group} event log ${nameOf(vector, at)}`,
              run: () => runEventLogVector(folder, vector),
            },
          ],
    ),
  );
}

function bundleCases(folder: string, group: string, bundles: Json): readonly VectorCase[] {
  return Object.entries(bundles).map(([name, vector]) => ({
    name: `${group} bundle ${name}`,
    run: () => runBundleVector(folder, objectOf(vector)),
  }));
}

/** Sections with vectors, and those that only describe. What is neither must not pass unseen. */
const SECTIONS = ['vectors', 'snp', 'azure', 'certificates', 'tdx', 'sgx', 'trust', 'bundles'];
const DESCRIPTIONS = (
  'source commit license licence licences verdicts what shape names meaning common ovmf_hash ' +
  'pinned_roots other collateral note'
).split(' ');

function unknownSections(group: string, index: Json): readonly VectorCase[] {
  const names = Object.keys(index);
  const unknown = names.filter((name) => ![...SECTIONS, ...DESCRIPTIONS].includes(name));
  const cases = unknown.map((name) => unknownShape(`${group} section ${name}`));
  return names.some((name) => SECTIONS.includes(name))
    ? cases
    : [...cases, unknownShape(`${group} has no section with vectors`)];
}

/** Files of root and intermediate certificates with their hashes. */
function chainCases(folder: string, group: string, trust: Json): readonly VectorCase[] {
  return Object.entries(trust)
    .filter(([, certificates]) => Array.isArray(certificates))
    .map(([file, certificates]) => ({
      name: `${group} chain ${file}`,
      run: () => runChainVector(folder, file, objectsOf(certificates)),
    }));
}

function isSnp(vector: Json): boolean {
  return stringOf(objectOf(vector['files'])['report']) !== undefined;
}

function isLaunch(vector: Json): boolean {
  return stringOf(vector['expected_launch_digest']) !== undefined;
}

function nameOf(vector: Json, at: number): string {
  const files = objectOf(vector['files']);
  const name = vector['id'] ?? vector['name'] ?? vector['file'] ?? files['report'];
  const time = stringOf(vector['verdict_at'] ?? vector['at']);
  const place = `${at}: ${stringOf(name) ?? stringOf(vector['files']) ?? 'unnamed'}`;
  return time === undefined ? place : `${place} at ${time}`;
}

/** A vector of a shape that nobody here knows is a failure: silence would look like success. */
function unknownShape(name: string): VectorCase {
  return { name, run: () => ['of no known shape'] };
}
