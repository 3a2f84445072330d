/**
 * A signature from a hardware module: SoftHSM behind pkcs11-tool (Debian: softhsm2, opensc). The
 * key never leaves the token; what `witan approve --prepare` wrote is signed there. Where the tools
 * are not installed the test is skipped, and says so.
 */
import { execFileSync } from 'node:child_process';
import { createPublicKey } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { nodeCrypto, readForeignSignature, spkiFingerprint, spkiOf } from '@witan/keys';
import { isJwsValid, jwsAlgorithmOf, signingInput, type OwnerKeyKind } from '@witan/manifest';

const MODULES = [
  '/usr/lib/softhsm/libsofthsm2.so',
  '/usr/lib/x86_64-linux-gnu/softhsm/libsofthsm2.so',
  '/usr/lib/aarch64-linux-gnu/softhsm/libsofthsm2.so',
];
const MODULE = MODULES.find((path) => existsSync(path));
const TOOLS = ['/usr/bin/softhsm2-util', '/usr/bin/pkcs11-tool'];
const isInstalled = MODULE !== undefined && TOOLS.every((path) => existsSync(path));
const why = isInstalled ? '' : ' (skipped: softhsm2 and opensc are not installed)';

let directory = '';
let env: NodeJS.ProcessEnv = {};

function tool(...args: readonly string[]): void {
  const login = ['--module', MODULE ?? '', '--token-label', 'owner', '--login', '--pin', '1234'];
  execFileSync('pkcs11-tool', [...login, ...args], { env, stdio: 'pipe' });
}

describe.skipIf(!isInstalled)(`a hardware module${why}`, () => {
  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), 'witan-hsm-'));
    await mkdir(join(directory, 'tokens'));
    const config = join(directory, 'softhsm2.conf');
    await writeFile(config, `directories.tokendir = ${join(directory, 'tokens')}\n`);
    env = { ...process.env, SOFTHSM2_CONF: config };
    const init = [
      '--init-token',
      '--free',
      '--label',
      'owner',
      '--pin',
      '1234',
      '--so-pin',
      '5678',
    ];
    execFileSync('softhsm2-util', init, { env, stdio: 'pipe' });
  });

  afterAll(async () => {
    await rm(directory, { recursive: true, force: true });
  });

  const openssl = ['--signature-format', 'openssl'];
  const cases: readonly (readonly [string, OwnerKeyKind, string, readonly string[]])[] = [
    ['P-256, as r || s', 'p256', 'EC:prime256v1', ['--mechanism', 'ECDSA']],
    ['P-256, in DER', 'p256', 'EC:prime256v1', ['--mechanism', 'ECDSA', ...openssl]],
    ['RSA', 'rsa', 'rsa:3072', ['--mechanism', 'SHA256-RSA-PKCS-PSS']],
  ];
  it.each(cases)('signs an approval with a key of %s', async (name, kind, type, how) => {
    const id = `0${cases.findIndex(([one]) => one === name) + 1}`;
    tool('--keypairgen', '--key-type', type, '--id', id, '--label', `key-${id}`);
    const publicFile = join(directory, `${id}.der`);
    tool('--read-object', '--type', 'pubkey', '--id', id, '--output-file', publicFile);
    const der = await readFile(publicFile);
    const publicKey = spkiOf(createPublicKey({ key: der, format: 'der', type: 'spki' }));
    const header = {
      algorithm: jwsAlgorithmOf(kind),
      expiresSeconds: 1_900_000_000,
      owner: spkiFingerprint(publicKey),
      use: 'witan-approval+jws',
    } as const;
    const content = new TextEncoder().encode('what is approved');
    const [input, output] = [join(directory, 'to-sign'), join(directory, `${id}.sig`)];
    const bytes = signingInput(header, content);
    // ECDSA of the token signs a digest, so that is what it is given.
    await writeFile(input, kind === 'p256' ? nodeCrypto.hash('sha256', bytes) : bytes);
    tool('--sign', '--id', id, ...how, '--input-file', input, '--output-file', output);
    const signature = readForeignSignature(kind, await readFile(output));
    const owner = { keyKind: kind, publicKey };
    expect(isJwsValid({ header, signature }, owner, content, nodeCrypto)).toBe(true);
    const other = new TextEncoder().encode('something else');
    expect(isJwsValid({ header, signature }, owner, other, nodeCrypto)).toBe(false);
  });
});
