/** Shares that an owner hands in: opened ones as they are, JWE with the owner's key. */
import type { KeyObject } from 'node:crypto';
import { Secret, fromUtf8, type ClusterId } from '@witan/core';
import {
  KeysError,
  decodeShareFile,
  loadShareOwnerPrivateKey,
  openShare,
  type RecoveryShare,
} from '@witan/keys';
import { CliError } from '../errors.ts';
import { readInput } from '../files.ts';

/** A compact JWE (RFC 7516) has five parts. */
const JWE = /^[\w-]+(?:\.[\w-]+){4}\s*$/;

/** The shares of one cluster; their values are to be wiped. */
export interface GivenShares {
  readonly clusterId: ClusterId;
  readonly shares: readonly RecoveryShare[];
}

/**
 * Reads shares of one cluster. What was decrypted stays in memory.
 *
 * @param keyPaths private keys, tried for each JWE
 * @throws CliError CLI_USAGE, CLI_FILE_UNREADABLE; KeysError KEYS_SHARE_*, KEYS_PEM_*
 */
export async function readShares(
  paths: readonly string[],
  keyPaths: readonly string[],
): Promise<GivenShares> {
  const keys = await Promise.all(
    keyPaths.map(async (path) => {
      const pem = await secretInput(path, 'owner key');
      return loadShareOwnerPrivateKey(pem);
    }),
  );
  const shares: RecoveryShare[] = [];
  for (const path of paths) shares.push(await readShare(path, keys));
  const [first] = shares;
  if (first === undefined) throw usage('--share', 'at least one file', 'none');
  const other = shares.find(({ clusterId }) => clusterId !== first.clusterId);
  if (other !== undefined) throw usage('--share', first.clusterId, other.clusterId);
  return { clusterId: first.clusterId, shares };
}

async function readShare(path: string, keys: readonly KeyObject[]): Promise<RecoveryShare> {
  const file = await secretInput(path, 'recovery share');
  try {
    const text = jweOf(file);
    return text === undefined ? decodeShareFile(file) : await openWithAny(text, keys, path);
  } finally {
    file.wipe();
  }
}

/** @returns undefined for anything that is no JWE, and so may be an opened share */
function jweOf(file: Secret): string | undefined {
  try {
    const text = fromUtf8(file.expose());
    return JWE.test(text) ? text.trim() : undefined;
  } catch {
    return undefined;
  }
}

async function openWithAny(
  jwe: string,
  keys: readonly KeyObject[],
  path: string,
): Promise<RecoveryShare> {
  let last: KeysError | undefined;
  for (const key of keys) {
    try {
      return await openShare(jwe, key);
    } catch (error) {
      if (!(error instanceof KeysError) || error.code !== 'KEYS_SHARE_NOT_FOR_KEY') throw error;
      last = error;
    }
  }
  throw last ?? usage('--key', 'the private key that opens an encrypted share', `none for ${path}`);
}

async function secretInput(path: string, what: string): Promise<Secret> {
  const bytes = await readInput(path, what);
  const secret = new Secret(bytes);
  bytes.fill(0);
  return secret;
}

function usage(option: string, expected: string, found: string): CliError {
  const fields = { option, expected, found };
  return new CliError('CLI_USAGE', 'an option is wrong; see --help', { fields });
}
