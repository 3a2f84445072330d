/** Tokens of accepted verdicts, verified with `jose` as a stranger would. */
import { existsSync } from 'node:fs';
import { generateKeyPairSync, type KeyObject } from 'node:crypto';
import { createLocalJWKSet, decodeProtectedHeader, jwtVerify, type JSONWebKeySet } from 'jose';
import { toHex } from '@witan/core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { earStatus, EAR_PROFILE } from '../src/evidence/ear.ts';
import { EvidenceScene, REPORT_DATA } from './support/evidence-scene.ts';

let scene: EvidenceScene;
let root: string;

beforeAll(async () => {
  scene = await EvidenceScene.open();
  root = await scene.rootFile();
}, 60_000);

afterAll(async () => {
  await scene.close();
});

const KEYS: readonly (readonly [string, () => KeyObject])[] = [
  ['ES256', () => generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey],
  ['ES384', () => generateKeyPairSync('ec', { namedCurve: 'P-384' }).privateKey],
  ['EdDSA', () => generateKeyPairSync('ed25519').privateKey],
];

const pemOf = (key: KeyObject): string => key.export({ format: 'pem', type: 'pkcs8' }).toString();

describe('a token', () => {
  it.each(KEYS)('of algorithm %s is verified with the JWKS beside it', async (algorithm, make) => {
    const evidence = await scene.encoded(`${algorithm}.bin`);
    const key = await scene.put(`${algorithm}.pem`, pemOf(make()));
    const values = await scene.values(`${algorithm}.json`);
    const [token, jwks] = [`${algorithm}.jwt`, `${algorithm}.jwks`];
    const { code, value } = await scene.json(
      'verify',
      evidence,
      '--trust-root',
      root,
      '--reference-values',
      values,
      '--report-data',
      toHex(REPORT_DATA),
      '--signing-key',
      key,
      '--token',
      scene.desk.path(token),
      '--jwks',
      scene.desk.path(jwks),
    );
    expect(code).toBe(0);
    const set = JSON.parse(await scene.desk.read(jwks)) as JSONWebKeySet;
    expect(JSON.stringify(set)).not.toContain('"d"');
    const jwt = (await scene.desk.read(token)).trim();
    const options = { issuer: 'witan evidence verify', algorithms: [algorithm] };
    const { payload } = await jwtVerify(jwt, createLocalJWKSet(set), options);
    expect(decodeProtectedHeader(jwt).kid).toBe(set.keys[0]?.kid);
    expect(payload).toMatchObject({
      eat_profile: EAR_PROFILE,
      eat_nonce: Buffer.from(REPORT_DATA).toString('base64url'),
      'ear.verifier-id': { developer: 'witan' },
      submods: {
        snp: {
          // Simulated hardware is never affirmed (I11).
          'ear.status': 'contraindicated',
          'ear.trustworthiness-vector': { executables: 3, configuration: 2, 'runtime-opaque': 2 },
          'ear.appraisal-policy-id': expect.stringMatching(/sha256:[0-9a-f]{64}$/) as string,
          dbgstat: 'disabled-since-boot',
          'witan.appraisal': 'reference-values',
          'witan.simulated': true,
        },
      },
    });
    expect(payload.exp).toBe(Date.parse(String(value['validUntil'])) / 1000);
    const other = createLocalJWKSet({
      keys: [{ ...generateKeyPairSync('ed25519').publicKey.export({ format: 'jwk' }), kty: 'OKP' }],
    });
    await expect(jwtVerify(jwt, other)).rejects.toThrow(Error);
  });

  it('of evidence that nobody compared affirms neither executables nor freshness', async () => {
    const evidence = await scene.encoded('bare.bin');
    const key = await scene.desk.write('bare.jwk.json', {
      ...generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey.export({ format: 'jwk' }),
    });
    const argv = ['verify', evidence, '--trust-root', root, '--signing-key', key, '--token'];
    expect((await scene.witan(...argv, scene.desk.path('bare.jwt'))).code).toBe(0);
    const [, body = ''] = (await scene.desk.read('bare.jwt')).split('.');
    const payload = JSON.parse(Buffer.from(body, 'base64url').toString()) as {
      readonly [name: string]: unknown;
    };
    expect(payload['eat_nonce']).toBeUndefined();
    expect(payload['submods']).toMatchObject({
      snp: { 'ear.trustworthiness-vector': { executables: 33, configuration: 32 } },
    });
  });

  it('is not written for refused evidence', async () => {
    const evidence = await scene.encoded('refused.bin');
    const key = await scene.put('refused.pem', pemOf(generateKeyPairSync('ed25519').privateKey));
    const token = scene.desk.path('refused.jwt');
    const said = await scene.witan('verify', evidence, '--token', token, '--signing-key', key);
    expect(said.code).toBe(3);
    expect(existsSync(token)).toBe(false);
  });

  it.each([
    ['RSA', () => pemOf(generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey)],
    ['no key', () => 'a secret that no message may repeat'],
    ['a public key', () => '{"kty":"OKP","crv":"Ed25519","x":"AA"}'],
  ])('is refused with %s in the place of its key (exit 2)', async (name, make) => {
    const evidence = await scene.encoded('key.bin');
    const key = await scene.put(`${name}.pem`, make());
    const token = scene.desk.path('never.jwt');
    const said = await scene.witan('verify', evidence, '--token', token, '--signing-key', key);
    expect(said.code).toBe(2);
    expect(said.stderr).toContain('P-256, P-384 or Ed25519');
    expect(said.stderr).not.toContain('secret');
  });

  it('has the status of the worst of its claims', () => {
    expect(earStatus({})).toBe('none');
    expect(earStatus({ hardware: 2, executables: 3 })).toBe('affirming');
    expect(earStatus({ hardware: 32, executables: 3 })).toBe('warning');
    expect(earStatus({ hardware: 2, 'runtime-opaque': 96 })).toBe('contraindicated');
  });
});
