/**
 * How an owner signs: with a key file here, or elsewhere. What is to be signed elsewhere is written
 * to a file byte for byte; the signature comes back in another one, and is checked before it is
 * sent.
 */
import type { ReferenceValues } from '@witan/attestation';
import { bytesEqual, Secret } from '@witan/core';
import {
  loadApprovalKey,
  nodeCrypto,
  readForeignSignature,
  signingHint,
  signJws,
  spkiFingerprint,
  spkiOf,
} from '@witan/keys';
import {
  approvalRule,
  detachedJws,
  isJwsValid,
  jwsAlgorithmOf,
  parseSigningInput,
  signingInput,
  type Approval,
  type ApprovalHeader,
  type ApprovalUse,
  type Owner,
  type ValidatedManifest,
} from '@witan/manifest';
import { CliError } from '../errors.ts';
import { readInput, refuseExisting, writeOutput } from '../files.ts';

/** Where the signature comes from. */
export interface SigningOptions {
  /** A private key file. */
  readonly key?: string;
  /** Name of the owner who signs elsewhere. */
  readonly owner?: string;
  /** File with the bytes to sign: written, or with `attach` read again. */
  readonly prepare?: string;
  /** File with a signature that was made elsewhere. */
  readonly attach?: string;
  readonly expiresIn?: string;
}

/** What is signed. */
export interface ToSign {
  readonly content: Uint8Array;
  readonly use: ApprovalUse;
  readonly action: 'update' | 'membership';
  /** What it means, for people. */
  readonly summary: string;
  /** How long it counts where the user does not say, such as `7d`, which is usual. */
  readonly usual?: (owner: Owner) => string;
}

/** An approval, or the file that has to be signed for one. */
export type Signed =
  | { readonly kind: 'signed'; readonly approval: Approval; readonly owner: Owner }
  | { readonly kind: 'prepared'; readonly path: string; readonly owner: Owner };

type InForce = ValidatedManifest<ReferenceValues>;

const UNITS: Readonly<Record<string, number>> = { m: 60, h: 3600, d: 86_400 };
const SECONDS_MAX = 30 * 86_400;
/** Room for a clock that is behind the leader's. */
const SKEW_SECONDS = 300;

/** @throws CliError CLI_USAGE unless it is like `90m`, `12h` or `7d`, at most 30 days */
export function secondsOf(text: string): number {
  const [, digits = '', unit = ''] = /^([1-9][0-9]{0,5})([mhd])$/.exec(text) ?? [];
  const seconds = Number(digits) * (UNITS[unit] ?? 0);
  if (seconds >= 60 && seconds <= SECONDS_MAX) return Math.min(seconds, SECONDS_MAX - SKEW_SECONDS);
  const fields = { option: '--expires-in', expected: '1m to 30d, such as 12h', found: text };
  throw new CliError('CLI_USAGE', 'an option is wrong; see --help', { fields });
}

/**
 * @throws CliError CLI_USAGE, CLI_KEY_NOT_AN_OWNER, CLI_SIGNATURE_INVALID, CLI_PREPARED_STALE, and
 *   of files; KeysError
 */
export async function signAs(
  options: SigningOptions,
  inForce: InForce,
  what: ToSign,
): Promise<Signed> {
  const { key: path, owner: name, prepare, attach } = options;
  const isLocal = path !== undefined && name === undefined && prepare === undefined;
  if (isLocal && attach === undefined) return await signHere(path, options, inForce, what);
  if (path !== undefined || prepare === undefined) {
    const expected = '--key FILE, or --prepare FILE with --owner NAME or with --attach FILE';
    const found = 'another choice of them';
    throw new CliError('CLI_USAGE', 'nothing says how to sign', { fields: { expected, found } });
  }
  if (attach !== undefined) return await attachTo(prepare, attach, inForce, what);
  const owner = inForce.owners.find((one) => one.name === name);
  if (owner === undefined || !mayApprove(owner, inForce, what)) {
    throw notAnOwner(`--owner ${name ?? ''}`, inForce, what, name ?? 'no name');
  }
  return await prepareAt(prepare, owner, options, what);
}

async function signHere(
  path: string,
  options: SigningOptions,
  inForce: InForce,
  what: ToSign,
): Promise<Signed> {
  const key = loadApprovalKey(new Secret(await readInput(path, 'owner key')));
  const found = spkiFingerprint(spkiOf(key));
  const owner = inForce.owners.find(({ fingerprint }) => fingerprint === found);
  if (owner === undefined || !mayApprove(owner, inForce, what)) {
    throw notAnOwner(path, inForce, what, found);
  }
  const signature = await signJws(key, headerFor(owner, options, what), what.content);
  return { kind: 'signed', owner, approval: { ownerFingerprint: found, signature } };
}

/** A withdrawal may be of any change, so whoever approves anything may withdraw. */
function mayApprove(owner: Owner, inForce: InForce, { action, use }: ToSign): boolean {
  if (use === 'witan-revocation+jws') {
    return owner.roles.includes('update') || owner.roles.includes('membership');
  }
  return owner.roles.includes(approvalRule(inForce, action).role);
}

function notAnOwner(path: string, inForce: InForce, { action }: ToSign, found: string): CliError {
  const { role } = approvalRule(inForce, action);
  const able = inForce.owners.filter(({ roles }) => roles.includes(role));
  const expected = able.map(({ name, fingerprint }) => `${name} ${fingerprint}`).join(', ');
  const fields = { path, role, expected, found };
  return new CliError('CLI_KEY_NOT_AN_OWNER', 'key is not an owner’s', { fields });
}

function headerFor(owner: Owner, options: SigningOptions, { use, usual }: ToSign): ApprovalHeader {
  const seconds = secondsOf(options.expiresIn ?? usual?.(owner) ?? '7d');
  return {
    algorithm: jwsAlgorithmOf(owner.keyKind),
    expiresSeconds: Math.floor(Date.now() / 1000) + seconds,
    owner: owner.fingerprint,
    use,
  };
}

async function prepareAt(
  path: string,
  owner: Owner,
  options: SigningOptions,
  what: ToSign,
): Promise<Signed> {
  const header = headerFor(owner, options, what);
  const summaryPath = `${path}.txt`;
  await refuseExisting([path, summaryPath]);
  const until = new Date(header.expiresSeconds * 1000).toISOString();
  const hint = signingHint(owner.keyKind, path);
  const summary =
    `${what.summary}\nOwner ${owner.name}, key ${owner.fingerprint}, ${header.algorithm}.\n` +
    `The signature counts until ${until}.\n\nSign the bytes of ${path}, for example:\n  ${hint}\n`;
  await writeOutput({ path, content: signingInput(header, what.content) });
  await writeOutput({ path: summaryPath, content: summary });
  return { kind: 'prepared', path, owner };
}

async function attachTo(
  prepared: string,
  signatureFile: string,
  inForce: InForce,
  what: ToSign,
): Promise<Signed> {
  const parsed = parseSigningInput(await readInput(prepared, 'prepared file'));
  const isSame =
    parsed !== undefined &&
    parsed.header.use === what.use &&
    bytesEqual(parsed.content, what.content);
  if (!isSame) {
    const expected = 'the bytes that were prepared for this very change, on the newest transition';
    const fields = { path: prepared, expected, found: 'other bytes' };
    const message = 'the file was prepared for something else, or the cluster has moved on';
    throw new CliError('CLI_PREPARED_STALE', message, { fields });
  }
  const { header } = parsed;
  const owner = inForce.owners.find(({ fingerprint }) => fingerprint === header.owner);
  if (owner === undefined || !mayApprove(owner, inForce, what)) {
    throw notAnOwner(prepared, inForce, what, header.owner);
  }
  const signature = readForeignSignature(
    owner.keyKind,
    await readInput(signatureFile, 'signature'),
  );
  if (!isJwsValid({ header, signature }, owner, what.content, nodeCrypto)) {
    const expected = `a signature by ${owner.name} (${header.algorithm}) over ${prepared}`;
    const fields = { path: signatureFile, expected, found: 'another signature' };
    throw new CliError('CLI_SIGNATURE_INVALID', 'the signature does not verify', { fields });
  }
  const approval = {
    ownerFingerprint: owner.fingerprint,
    signature: detachedJws(header, signature),
  };
  return { kind: 'signed', owner, approval };
}
