/** `witan owner create`: a key pair for somebody who approves manifests or holds a share. */
import { join } from 'node:path';
import { slotName } from '@witan/core';
import { generateOwnerKeyPair, type OwnerKeyType } from '@witan/keys';
import type { CommandContext } from '../context.ts';
import { CliError } from '../errors.ts';
import { refuseExisting, writeOutput } from '../files.ts';

export interface OwnerCreateOptions {
  readonly name: string;
  readonly out: string;
  readonly type: string;
}

const TYPES: readonly OwnerKeyType[] = ['p256', 'p384', 'rsa3072', 'rsa4096', 'ed25519'];

/** @throws IdError, CliError CLI_USAGE, CLI_FILE_EXISTS, CLI_FILE_NOT_WRITTEN */
export async function ownerCreate(
  context: CommandContext,
  options: OwnerCreateOptions,
): Promise<void> {
  // Owner names follow the rule of slot names: DNS labels.
  const name = slotName(options.name);
  const type = TYPES.find((known) => known === options.type);
  if (type === undefined) {
    const fields = { option: '--type', expected: TYPES.join(', '), found: options.type };
    throw new CliError('CLI_USAGE', 'an option is wrong; see --help', { fields });
  }
  const keyFile = join(options.out, `${name}.key.pem`);
  const publicFile = join(options.out, `${name}.pub.pem`);
  await refuseExisting([keyFile, publicFile]);
  const pair = generateOwnerKeyPair(type);
  const content = pair.privateKeyPem.expose();
  await writeOutput({ path: keyFile, content, mode: 0o600 });
  await writeOutput({ path: publicFile, content: pair.publicKeyPem });
  const use = type === 'ed25519' ? 'approves changes' : 'approves changes and opens a share';
  context.printer.result(
    {
      ok: true,
      name,
      type,
      fingerprint: pair.fingerprint,
      privateKey: keyFile,
      publicKey: publicFile,
    },
    `Owner ${name}, key ${pair.fingerprint}\n` +
      `  private key  ${keyFile}  (keep it: it ${use})\n` +
      `  public key   ${publicFile}  (goes into the manifest)\n`,
  );
}
