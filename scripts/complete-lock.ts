/**
 * Adds the packages for other platforms that package-lock.json leaves out.
 *
 * npm drops an optional dependency from the lock file when the registry in use does not serve it,
 * and `npm ci` then refuses the lock file as incomplete. Version comes from the package that wants
 * it, platform from its name. Such an entry has no integrity value, because nobody here has seen
 * the package; on this platform npm never fetches it. Run after every change of dependencies.
 * Only says what is missing, unless it is called with `--write`.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { missingOptionals, type LockPackage, type MissingOptional } from './gates/lock-file.ts';

const cpuOfWord: Readonly<Record<string, string>> = { aarch64: 'arm64', armv7: 'arm' };

function lockEntry(missing: MissingOptional, parent: LockPackage): LockPackage {
  const platform = (missing.name.split('/')[1] ?? '').replace(/^(binding|buf)-/, '');
  const [os = '', cpu = '', abi = ''] = platform.split('-');
  return {
    version: missing.version,
    cpu: [cpuOfWord[cpu] ?? cpu],
    ...(parent.dev === undefined ? {} : { dev: parent.dev }),
    ...(/^(gnu|musl)/.test(abi) ? { libc: [abi.startsWith('gnu') ? 'glibc' : 'musl'] } : {}),
    ...(parent.license === undefined ? {} : { license: parent.license }),
    optional: true,
    os: [os],
    ...(parent.engines === undefined ? {} : { engines: parent.engines }),
  };
}

function complete(packages: Record<string, LockPackage>, missing: readonly MissingOptional[]) {
  for (const one of missing) {
    packages[`node_modules/${one.name}`] = lockEntry(one, packages[one.wantedBy] ?? {});
  }
  const sorted = Object.entries(packages).sort(([a], [b]) => a.localeCompare(b, 'en'));
  return Object.fromEntries(sorted);
}

function main(argv: readonly string[]): number {
  if (argv.some((argument) => argument !== '--write')) {
    console.error('usage: node scripts/complete-lock.ts [--write]');
    return 2;
  }
  const path = join(import.meta.dirname, '..', 'package-lock.json');
  const lock = JSON.parse(readFileSync(path, 'utf8')) as {
    packages: Record<string, LockPackage>;
  };
  const missing = missingOptionals(lock.packages);
  for (const { name, version } of missing) console.log(`missing: ${name}@${version}`);
  if (missing.length === 0 || !argv.includes('--write')) return missing.length === 0 ? 0 : 1;
  lock.packages = complete(lock.packages, missing);
  writeFileSync(path, `${JSON.stringify(lock, null, 2)}\n`);
  console.log(`added ${missing.length} entries to package-lock.json`);
  return 0;
}

process.exitCode = main(process.argv.slice(2));
