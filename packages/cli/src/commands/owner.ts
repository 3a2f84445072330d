/** `witan owner create`: a key pair for somebody who may approve manifests. */
import { join } from 'node:path';
import { slotName } from '@witan/core';
import { generateOwnerKeyPair } from '@witan/keys';
import type { CommandContext } from '../context.ts';
import { refuseExisting, writeOutput } from '../files.ts';

export interface OwnerCreateOptions {
  readonly name: string;
  readonly out: string;
}

/** @throws IdError, CliError CLI_FILE_EXISTS, CLI_FILE_NOT_WRITTEN */
export async function ownerCreate(
  context: CommandContext,
  options: OwnerCreateOptions,
): Promise<void> {
  // Owner names follow the rule of slot names: DNS labels.
  const name = slotName(options.name);
  const keyFile = join(options.out, `${name}.key.pem`);
  const publicFile = join(options.out, `${name}.pub.pem`);
  await refuseExisting([keyFile, publicFile]);
  const pair = generateOwnerKeyPair();
  const content = pair.privateKeyPem.expose();
  await writeOutput({ path: keyFile, content, mode: 0o600 });
  await writeOutput({ path: publicFile, content: pair.publicKeyPem });
  context.printer.result(
    { ok: true, name, fingerprint: pair.fingerprint, privateKey: keyFile, publicKey: publicFile },
    `Owner ${name}, key ${pair.fingerprint}\n` +
      `  private key  ${keyFile}  (keep it: it approves manifests)\n` +
      `  public key   ${publicFile}  (goes into the manifest)\n`,
  );
}
