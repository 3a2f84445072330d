/**
 * Adds the packages for other platforms that package-lock.json leaves out.
 *
 * npm drops an optional dependency from the lock file when the registry in use does not serve it,
 * and `npm ci` then refuses the lock file as incomplete. Version comes from the package that wants
 * it, platform from its name. Such an entry has no integrity value, because nobody here has seen
 * the package; on this platform npm never fetches it. Run after every change of dependencies.
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

function main(): void {
  const path = join(import.meta.dirname, '..', 'package-lock.json');
  const lock = JSON.parse(readFileSync(path, 'utf8')) as {
    packages: Record<string, LockPackage>;
  };
  const missing = missingOptionals(lock.packages);
  for (const one of missing) {
    const parent = lock.packages[one.wantedBy] ?? {};
    lock.packages[`node_modules/${one.name}`] = lockEntry(one, parent);
  }
  const sorted = Object.entries(lock.packages).sort(([a], [b]) => a.localeCompare(b, 'en'));
  lock.packages = Object.fromEntries(sorted);
  writeFileSync(path, `${JSON.stringify(lock, null, 2)}\n`);
  console.log(`added ${missing.length} entries to package-lock.json`);
}

main();
