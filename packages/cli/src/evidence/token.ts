/**
 * A token of an accepted verdict: a JWT (RFC 7519) signed with a P-256 key of the user, for those
 * who trust that key instead of judging the evidence again. A refused verdict gives none.
 */
import type { KeyObject } from 'node:crypto';
import { Secret, toHex, type Clock } from '@witan/core';
import { loadOwnerPrivateKey, nodeCrypto, spkiFingerprint, spkiOf } from '@witan/keys';
import { CliError } from '../errors.ts';
import { refuseExisting, writeOutput } from '../files.ts';
import { readBounded } from './input.ts';
import type { Verification } from './verify.ts';
import { verificationToJson } from './verdict-json.ts';

/** A token that can be written once there is a verdict. */
export interface TokenTarget {
  readonly path: string;
  readonly key: KeyObject;
}

const KEY_BYTES_MAX = 16 * 1024;
const ISSUER = 'witan evidence verify';

/**
 * Checks file and key before anything is judged.
 *
 * @returns undefined when no token is wanted
 * @throws CliError CLI_USAGE, CLI_FILE_UNREADABLE, CLI_FILE_EXISTS; KeysError
 */
export async function prepareToken(options: {
  readonly token?: string;
  readonly tokenKey?: string;
}): Promise<TokenTarget | undefined> {
  const { token: path, tokenKey } = options;
  if (path === undefined && tokenKey === undefined) return undefined;
  if (path === undefined || tokenKey === undefined) {
    const found = path === undefined ? '--token-key alone' : '--token alone';
    const fields = { expected: '--token and --token-key', found };
    throw new CliError('CLI_USAGE', 'an option is missing; see --help', { fields });
  }
  const pem = await readBounded({ path: tokenKey, what: 'token key' }, KEY_BYTES_MAX);
  const key = loadOwnerPrivateKey(new Secret(pem));
  await refuseExisting([path]);
  return { path, key };
}

/** Signs and writes. @throws CliError CLI_FILE_NOT_WRITTEN */
export async function writeToken(
  { path, key }: TokenTarget,
  verification: Verification,
  clock: Clock,
): Promise<void> {
  // Loaded when it is needed: the other commands start without it.
  const { SignJWT } = await import('jose');
  const { evidence } = verification.file;
  const signedBytes = evidence.kind === 'snp' ? evidence.report : evidence.quote;
  const { validUntil } = verification.judgement;
  const { verdict, appraisal, simulated, judgedAt, reportDataCompared, ...more } =
    verificationToJson(verification);
  const { findings, claims, addedRoots } = more;
  const jwt = new SignJWT({
    verdict,
    appraisal,
    simulated,
    judgedAt,
    tee: evidence.kind,
    reportDataCompared,
    evidenceSha256: toHex(nodeCrypto.hash('sha256', signedBytes)),
    addedRoots,
    findings,
    claims,
  })
    .setProtectedHeader({ alg: 'ES256', typ: 'JWT', kid: spkiFingerprint(spkiOf(key)) })
    .setIssuer(ISSUER)
    .setIssuedAt(Math.floor(clock.now() / 1000));
  // Nothing that the verdict rests on may have ended before the token does.
  if (validUntil !== undefined) jwt.setExpirationTime(Math.floor(validUntil / 1000));
  await writeOutput({ path, content: `${await jwt.sign(key)}\n` });
}
