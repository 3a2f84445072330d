/**
 * The launch digest of a program: SHA-384 over its name, entry, number of processors, the version
 * of Node.js and the sorted (path, SHA-256) pairs of everything it is made of.
 *
 * It stands for the launch digest of a VM image. Files are read when the guest is launched; a file
 * that changes between that and its being loaded is not noticed.
 */
import { createHash } from 'node:crypto';
import { lstat, readdir, readFile } from 'node:fs/promises';
import { isAbsolute, join, normalize, relative, resolve } from 'node:path';
import { CanonicalWriter } from '@witan/core';
import { TeeSimError } from '../errors.ts';
import { REPOSITORY_ROOT, type ProgramSpec } from '../programs.ts';

/** Limits of one program. */
const FILES_MAX = 10_000;
const FILE_BYTES_MAX = 16 * 1024 * 1024;
const DEPTH_MAX = 32;

/** A program whose files were read. */
export interface MeasuredProgram {
  readonly name: string;
  /** Absolute path of the entry module. */
  readonly entryPath: string;
  /** Absolute path of the directory that paths are relative to. */
  readonly rootPath: string;
  /** Launch digest, 48 bytes. */
  readonly digest: Uint8Array;
}

interface FileDigest {
  /** Relative to the root, with `/`. */
  readonly path: string;
  readonly sha256: Uint8Array;
}

/**
 * @param vcpus number of virtual processors, which a real launch digest covers too
 * @throws TeeSimError TEESIM_PROGRAM_INVALID or TEESIM_PROGRAM_UNREADABLE
 */
export async function measureProgram(spec: ProgramSpec, vcpus: number): Promise<MeasuredProgram> {
  const rootPath = resolve(spec.root ?? REPOSITORY_ROOT);
  const paths = new Set<string>();
  for (const pattern of spec.files) {
    for (const path of await expand(rootPath, inside(spec.name, rootPath, pattern))) {
      await collectFiles(spec.name, rootPath, path, paths, 0);
    }
  }
  const entry = inside(spec.name, rootPath, spec.entry);
  if (!paths.has(entry)) {
    throw invalid(spec.name, 'entry', 'a file that the measured files cover', entry);
  }
  const files: FileDigest[] = [];
  for (const path of [...paths].toSorted(byBytes)) {
    files.push({ path, sha256: await digestOf(spec.name, join(rootPath, path)) });
  }
  const encoded = new CanonicalWriter()
    .text('witan-tee-sim launch digest v1')
    .text(spec.name)
    .text(entry)
    .u32(vcpus)
    .text(process.version)
    .list(files, (writer, file) => writer.text(file.path).fixed(file.sha256))
    .finish();
  const digest = new Uint8Array(createHash('sha384').update(encoded).digest());
  return { name: spec.name, entryPath: join(rootPath, entry), rootPath, digest };
}

function byBytes(left: string, right: string): number {
  return Buffer.compare(Buffer.from(left), Buffer.from(right));
}

/** @returns the path relative to the root */
function inside(program: string, rootPath: string, path: string): string {
  const relativePath = normalize(isAbsolute(path) ? relative(rootPath, path) : path);
  const clean = relativePath.replace(/\/+$/, '');
  if (clean === '' || clean === '.' || clean === '..' || clean.startsWith('../')) {
    throw invalid(program, 'path', 'a path below the root', path);
  }
  return clean;
}

/** Replaces each `*` segment by the names that are there. */
async function expand(rootPath: string, pattern: string): Promise<readonly string[]> {
  let found: readonly string[] = [''];
  for (const segment of pattern.split('/')) {
    const next: string[] = [];
    for (const prefix of found) {
      const names = segment === '*' ? await namesIn(join(rootPath, prefix)) : [segment];
      next.push(...names.map((name) => (prefix === '' ? name : `${prefix}/${name}`)));
      if (next.length > FILES_MAX) throw tooMany(pattern);
    }
    found = next;
  }
  return found;
}

async function namesIn(directory: string): Promise<readonly string[]> {
  return await readdir(directory).catch(() => []);
}

async function collectFiles(
  program: string,
  rootPath: string,
  path: string,
  into: Set<string>,
  depth: number,
): Promise<void> {
  if (depth > DEPTH_MAX || into.size >= FILES_MAX) throw tooMany(path);
  const stat = await lstat(join(rootPath, path)).catch((error: unknown) => {
    throw unreadable(program, path, error);
  });
  if (stat.isFile()) {
    into.add(path);
    return;
  }
  // A symbolic link would be measured as what it points to and could point elsewhere later.
  if (!stat.isDirectory()) throw invalid(program, 'file', 'a plain file or directory', path);
  for (const name of await readdir(join(rootPath, path))) {
    await collectFiles(program, rootPath, `${path}/${name}`, into, depth + 1);
  }
}

async function digestOf(program: string, path: string): Promise<Uint8Array> {
  try {
    const { size } = await lstat(path);
    if (size > FILE_BYTES_MAX) throw tooMany(path);
    return createHash('sha256')
      .update(await readFile(path))
      .digest();
  } catch (error) {
    if (error instanceof TeeSimError) throw error;
    throw unreadable(program, path, error);
  }
}

function invalid(program: string, what: string, expected: string, found: string): TeeSimError {
  return new TeeSimError('TEESIM_PROGRAM_INVALID', 'the program is not described properly', {
    fields: { program, what, expected, found },
  });
}

function unreadable(program: string, path: string, cause: unknown): TeeSimError {
  return new TeeSimError('TEESIM_PROGRAM_UNREADABLE', 'a file of the program cannot be read', {
    fields: { program, path },
    cause,
  });
}

function tooMany(path: string): TeeSimError {
  return new TeeSimError('TEESIM_LIMIT', 'the program is too large', {
    fields: { path, files: FILES_MAX, fileBytes: FILE_BYTES_MAX, depth: DEPTH_MAX },
  });
}
