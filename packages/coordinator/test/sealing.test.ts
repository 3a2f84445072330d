/** Seeds wrapped by a transit service, against its published interface (I1, I9, I10). */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { clusterId } from '@witan/core';
import { createSeed } from '@witan/keys';
import { startTransitServer, type TransitServer } from '@witan/coordinator/testing';
import { envelopeProvider, WRAPPED_BYTES_MAX } from '../src/sealing/envelope.ts';
import type { SealingProvider } from '../src/sealing/provider.ts';
import { parseTransitSettings, type TransitSettings } from '../src/sealing/settings.ts';
import { vaultTransit } from '../src/sealing/vault-transit.ts';

const scratch = mkdtempSync(join(tmpdir(), 'witan-sealing-'));
const tokenFile = join(scratch, 'token');
const binding = { clusterId: clusterId('c'.repeat(64)), label: 'seed' };
const seed = createSeed();
let server: TransitServer;

beforeAll(async () => {
  server = await startTransitServer();
});

afterEach(() => {
  server.fault = undefined;
  server.sealed = false;
  server.namespace = '';
});

afterAll(async () => {
  await server.close();
  rmSync(scratch, { recursive: true });
});

function settings(change: object = {}): TransitSettings {
  server.createKey('witan');
  writeFileSync(tokenFile, `${server.token}\n`);
  const { address, certificateAuthorities } = server;
  const parsed = parseTransitSettings({
    provider: 'vault-transit',
    key: 'witan',
    address,
    certificateAuthorities,
    tokenFile,
    ...change,
  });
  if ('field' in parsed) throw new Error(`${parsed.field}: ${parsed.expected}`);
  return parsed;
}

function provider(change: object = {}, timeoutMs = 2_000): SealingProvider {
  return envelopeProvider(vaultTransit(settings(change), timeoutMs));
}

function failsWith(code: string, fields: object = {}) {
  return expect.objectContaining({
    code,
    fields: expect.objectContaining(fields) as unknown,
  }) as Error;
}

describe('a wrapped seed', () => {
  it('opens again, whatever was rotated and renewed, until the key is gone', async () => {
    const sealing = provider();
    const wrapped = await sealing.wrap(seed, binding);
    expect(wrapped.byteLength).toBeLessThan(WRAPPED_BYTES_MAX);
    server.rotate('witan');
    expect((await sealing.unwrap(wrapped, binding)).equals(seed)).toBe(true);
    writeFileSync(tokenFile, 'hvs.old');
    await expect(sealing.unwrap(wrapped, binding)).rejects.toThrow(
      failsWith('COORDINATOR_SEALING_FORBIDDEN'),
    );
    writeFileSync(tokenFile, server.token);
    expect((await sealing.unwrap(wrapped, binding)).equals(seed)).toBe(true);
    server.createKey('witan');
    await expect(sealing.unwrap(wrapped, binding)).rejects.toThrow(
      failsWith('COORDINATOR_SEALING_CIPHERTEXT_REFUSED'),
    );
  });

  it('never crosses the network: the service sees a random key (I1)', async () => {
    server.plaintexts.length = 0;
    const sealing = provider();
    const wrapped = [await sealing.wrap(seed, binding), await sealing.wrap(seed, binding)];
    await sealing.unwrap(wrapped[0] ?? new Uint8Array(0), binding);
    expect(server.plaintexts).toHaveLength(3);
    expect(server.plaintexts[0]?.equals(server.plaintexts[1] ?? Buffer.alloc(0))).toBe(false);
    for (const plaintext of server.plaintexts) {
      expect(plaintext.byteLength).toBe(32);
      expect(plaintext.includes(seed.expose())).toBe(false);
    }
    for (const bytes of wrapped) expect(Buffer.from(bytes).includes(seed.expose())).toBe(false);
  });

  it('opens for its cluster and label alone, and only unaltered (I9, I10)', async () => {
    const sealing = provider();
    const wrapped = await sealing.wrap(seed, binding);
    const other = { ...binding, clusterId: clusterId('d'.repeat(64)) };
    await expect(sealing.unwrap(wrapped, other)).rejects.toThrow(
      failsWith('COORDINATOR_SEALING_CIPHERTEXT_REFUSED'),
    );
    const label = { ...binding, label: 'share' };
    await expect(sealing.unwrap(wrapped, label)).rejects.toThrow(
      failsWith('COORDINATOR_SEALING_CIPHERTEXT_REFUSED'),
    );
    for (let at = 0; at < wrapped.byteLength; at += 5) {
      const altered = Uint8Array.from(wrapped);
      altered[at] = (altered[at] ?? 0) ^ 1;
      await expect(sealing.unwrap(altered, binding), `byte ${at}`).rejects.toMatchObject({
        code: expect.stringMatching(/SEALING_(WRAPPED_MALFORMED|CIPHERTEXT_REFUSED)$/) as unknown,
      });
    }
    for (const length of [0, 1, wrapped.byteLength - 1]) {
      const cut = wrapped.subarray(0, length);
      await expect(sealing.unwrap(cut, binding)).rejects.toThrow(
        failsWith('COORDINATOR_SEALING_WRAPPED_MALFORMED'),
      );
    }
    const long = Buffer.concat([wrapped, Buffer.alloc(1)]);
    await expect(sealing.unwrap(long, binding)).rejects.toThrow(
      failsWith('COORDINATOR_SEALING_WRAPPED_MALFORMED'),
    );
    const another = envelopeProvider({ ...vaultTransit(settings()), name: 'another' });
    await expect(another.unwrap(wrapped, binding)).rejects.toThrow(
      failsWith('COORDINATOR_SEALING_WRAPPED_MALFORMED', { check: 'provider' }),
    );
  });

  it('says what its provider does not protect against', () => {
    expect(provider().freshness).toContain('newest');
    expect(provider().name).toBe('vault-transit');
  });
});

describe('a transit service', () => {
  it('that refuses is understood by status and key, not by its words', async () => {
    const sealing = provider();
    const wrapped = await sealing.wrap(seed, binding);
    server.rotate('witan');
    server.archiveBelow('witan', 2);
    await expect(sealing.unwrap(wrapped, binding)).rejects.toThrow(
      failsWith('COORDINATOR_SEALING_KEY_VERSION_ARCHIVED', { expected: 'at least 2', found: 1 }),
    );
    server.deleteKey('witan');
    await expect(sealing.unwrap(wrapped, binding)).rejects.toThrow(
      failsWith('COORDINATOR_SEALING_KEY_MISSING'),
    );
    await expect(sealing.wrap(seed, binding)).rejects.toThrow(
      failsWith('COORDINATOR_SEALING_KEY_MISSING'),
    );
    server.sealed = true;
    await expect(sealing.unwrap(wrapped, binding)).rejects.toThrow(
      failsWith('COORDINATOR_SEALING_SERVICE_SEALED'),
    );
    await expect(sealing.wrap(seed, binding)).rejects.toThrow(
      failsWith('COORDINATOR_SEALING_SERVICE_SEALED'),
    );
    server.sealed = false;
    const elsewhere = provider({ mount: 'elsewhere' });
    await expect(elsewhere.wrap(seed, binding)).rejects.toThrow(
      failsWith('COORDINATOR_SEALING_KEY_MISSING'),
    );
    server.createKey('plain', { derived: false });
    const plain = provider({ key: 'plain' });
    await expect(plain.wrap(seed, binding)).rejects.toThrow(
      failsWith('COORDINATOR_SEALING_KEY_UNSUITABLE'),
    );
  });

  it('is never asked to encrypt under a key that does not exist', async () => {
    server.requests.length = 0;
    const sealing = provider({ key: 'nobody' });
    await expect(sealing.wrap(seed, binding)).rejects.toThrow(
      failsWith('COORDINATOR_SEALING_KEY_MISSING'),
    );
    expect(server.requests).toEqual(['GET /v1/transit/keys/nobody']);
  });

  it('is given its namespace', async () => {
    server.namespace = 'tenants/shop';
    await expect(provider().wrap(seed, binding)).rejects.toThrow(
      failsWith('COORDINATOR_SEALING_FORBIDDEN'),
    );
    const sealing = provider({ namespace: 'tenants/shop' });
    expect((await sealing.unwrap(await sealing.wrap(seed, binding), binding)).equals(seed)).toBe(
      true,
    );
  });

  it('that misbehaves costs a bounded time and size (I10)', async () => {
    const sealing = provider({}, 300);
    const attempt = (): Promise<Uint8Array> => sealing.wrap(seed, binding);
    server.fault = { kind: 'silent' };
    await expect(attempt()).rejects.toThrow(
      failsWith('COORDINATOR_SEALING_TIMEOUT', { timeoutMs: 300 }),
    );
    server.fault = { kind: 'endless' };
    await expect(attempt()).rejects.toThrow(failsWith('COORDINATOR_SEALING_TOO_LARGE'));
    server.fault = { kind: 'broken' };
    await expect(attempt()).rejects.toThrow(failsWith('COORDINATOR_SEALING_UNREACHABLE'));
    const answers: readonly (readonly [number, string, string])[] = [
      [200, 'no JSON at all', 'COORDINATOR_SEALING_ANSWER_UNUSABLE'],
      [200, '{"data":{"derived":"yes"}}', 'COORDINATOR_SEALING_KEY_UNSUITABLE'],
      [
        200,
        '{"data":{"derived":true,"ciphertext":"plain"}}',
        'COORDINATOR_SEALING_ANSWER_UNUSABLE',
      ],
      [200, '[]', 'COORDINATOR_SEALING_KEY_UNSUITABLE'],
      [307, '', 'COORDINATOR_SEALING_HTTP_STATUS'],
      [429, '{"errors":[]}', 'COORDINATOR_SEALING_HTTP_STATUS'],
      [500, '{"errors":["x"]}', 'COORDINATOR_SEALING_HTTP_STATUS'],
      [502, '<html>', 'COORDINATOR_SEALING_HTTP_STATUS'],
    ];
    for (const [status, body, code] of answers) {
      server.fault = { kind: 'answer', status, body };
      await expect(attempt(), body).rejects.toThrow(failsWith(code));
    }
    server.fault = undefined;
    const wrapped = await attempt();
    const short = Buffer.alloc(16).toString('base64');
    server.fault = { kind: 'answer', status: 200, body: `{"data":{"plaintext":"${short}"}}` };
    await expect(sealing.unwrap(wrapped, binding)).rejects.toThrow(
      failsWith('COORDINATOR_SEALING_ANSWER_UNUSABLE'),
    );
  });

  it('of another authority is not spoken to, whatever the environment says (I10)', async () => {
    const other = await startTransitServer();
    const before = process.env['NODE_TLS_REJECT_UNAUTHORIZED'];
    process.env['NODE_TLS_REJECT_UNAUTHORIZED'] = '0';
    try {
      const sealing = provider({ certificateAuthorities: other.certificateAuthorities });
      server.requests.length = 0;
      await expect(sealing.wrap(seed, binding)).rejects.toThrow(
        failsWith('COORDINATOR_SEALING_UNREACHABLE'),
      );
      expect(server.requests).toEqual([]);
      const named = provider({ address: server.address.replace('localhost', '127.0.0.1') });
      await expect(named.wrap(seed, binding)).rejects.toThrow(
        failsWith('COORDINATOR_SEALING_UNREACHABLE'),
      );
      expect(server.requests).toEqual([]);
    } finally {
      if (before === undefined) delete process.env['NODE_TLS_REJECT_UNAUTHORIZED'];
      else process.env['NODE_TLS_REJECT_UNAUTHORIZED'] = before;
      await other.close();
    }
  });

  it('is not asked without a token that can stand in a header', async () => {
    const sealing = provider();
    for (const [content, reason] of [
      ['', 'form'],
      ['two words', 'form'],
      ['a\nx-evil: 1', 'form'],
      ['x'.repeat(5_000), 'too large'],
    ] as const) {
      writeFileSync(tokenFile, content);
      const failed = sealing.wrap(seed, binding);
      await expect(failed).rejects.toThrow(
        failsWith('COORDINATOR_SEALING_TOKEN_UNREADABLE', { reason }),
      );
    }
    rmSync(tokenFile);
    const failed = sealing.wrap(seed, binding);
    await expect(failed).rejects.toThrow(
      failsWith('COORDINATOR_SEALING_TOKEN_UNREADABLE', { reason: 'file' }),
    );
  });

  it('leaves neither token nor key in an error', async () => {
    const sealing = provider();
    const seen: string[] = [];
    for (const status of [400, 403, 404, 500, 503]) {
      const echo = JSON.stringify({ errors: [server.token], data: { plaintext: 'c2VjcmV0' } });
      server.fault = { kind: 'answer', status, body: echo };
      const error: unknown = await sealing.wrap(seed, binding).catch((cause: unknown) => cause);
      const { inspect } = await import('node:util');
      seen.push(inspect(error, { depth: 10, showHidden: true }));
    }
    expect(seen).toHaveLength(5);
    for (const text of seen) {
      expect(text).not.toContain(server.token);
      expect(text).not.toContain('c2VjcmV0');
    }
  });
});

describe('settings of a transit service', () => {
  it('are refused where they make no sense, with the field', () => {
    const good = settings();
    expect(parseTransitSettings(good)).toEqual(good);
    const bad: readonly (readonly [string, unknown])[] = [
      ['provider', 'other'],
      ['address', 'http://localhost:1'],
      ['address', 'https://user:pass@localhost'],
      ['address', 'https://localhost/v1'],
      ['address', 'https://localhost?x'],
      ['certificateAuthorities', ''],
      ['certificateAuthorities', '-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----'],
      ['mount', '../sys'],
      ['mount', 'a//b'],
      ['key', 'a/b'],
      ['key', '..'],
      ['key', ''],
      ['namespace', '/x'],
      ['namespace', 7],
      ['tokenFile', 'relative'],
      ['tokenFile', undefined],
      ['surplus', true],
    ];
    for (const [field, value] of bad) {
      expect(parseTransitSettings({ ...good, [field]: value })).toMatchObject({ field });
    }
    for (const value of [null, [], 'x', 7]) {
      expect(parseTransitSettings(value)).toMatchObject({ field: '' });
    }
  });
});
