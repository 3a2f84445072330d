/**
 * A transit engine to test against, written after the published HTTP API of Vault ("Transit secrets
 * engine": create, read, configure, rotate, encrypt, decrypt) and its page on HTTP status codes. It
 * really encrypts, with a key derived for each context. On loopback, with TLS of its own authority.
 */
import { createCipheriv, createDecipheriv, hkdfSync, randomBytes } from 'node:crypto';
import { createServer } from 'node:https';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import {
  authority,
  endEntity,
  makeP256Certificate,
  p256Key,
  pemOf,
} from '@witan/attestation/testing';

const DAY_MS = 86_400_000;

interface TransitKey {
  readonly derived: boolean;
  /** Version n at n-1. */
  readonly versions: Buffer[];
  minDecryptionVersion: number;
}

/** What happens instead of an answer. */
export type TransitFault =
  | { readonly kind: 'answer'; readonly status: number; readonly body: string }
  | { readonly kind: 'silent' }
  | { readonly kind: 'endless' }
  | { readonly kind: 'broken' };

/** A running service. */
export interface TransitServer {
  readonly address: string;
  /** PEM of the authority that issued its certificate. */
  readonly certificateAuthorities: string;
  readonly token: string;
  /** Method and path of each request. */
  readonly requests: string[];
  /** Every plaintext that it was given or gave. */
  readonly plaintexts: Buffer[];
  namespace: string;
  sealed: boolean;
  fault: TransitFault | undefined;
  createKey(name: string, options?: { readonly derived?: boolean }): void;
  rotate(name: string): void;
  archiveBelow(name: string, version: number): void;
  deleteKey(name: string): void;
  close(): Promise<void>;
}

/** Starts it, with the engine mounted at `transit`. */
export async function startTransitServer(): Promise<TransitServer> {
  const { tls, ca } = makeTls();
  const keys = new Map<string, TransitKey>();
  const token = `hvs.${randomBytes(24).toString('base64url')}`;
  const server = createServer(tls, (request, response) => {
    void answer(service, keys, request, response);
  });
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve);
  });
  const keyOf = (name: string): TransitKey => {
    const key = keys.get(name);
    if (key === undefined) throw new Error(`no key ${name}`);
    return key;
  };
  const service: TransitServer = {
    address: `https://localhost:${(server.address() as AddressInfo).port}`,
    certificateAuthorities: ca,
    token,
    requests: [],
    plaintexts: [],
    namespace: '',
    sealed: false,
    fault: undefined,
    createKey: (name, { derived = true } = {}) => {
      keys.set(name, { derived, versions: [randomBytes(32)], minDecryptionVersion: 1 });
    },
    rotate: (name) => keyOf(name).versions.push(randomBytes(32)),
    archiveBelow: (name, version) => {
      keyOf(name).minDecryptionVersion = version;
    },
    deleteKey: (name) => keys.delete(name),
    close: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
  return service;
}

async function answer(
  service: TransitServer,
  keys: Map<string, TransitKey>,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  service.requests.push(`${request.method ?? ''} ${request.url ?? ''}`);
  const { fault } = service;
  const send = (status: number, value: unknown): void => {
    response.writeHead(status, { 'content-type': 'application/json' });
    response.end(JSON.stringify(value));
  };
  const refuse = (status: number, ...errors: readonly string[]): void => send(status, { errors });
  if (fault !== undefined) return misbehave(response, fault);
  if (service.sealed) return refuse(503, 'Vault is sealed');
  const isKnown = request.headers['x-vault-token'] === service.token;
  const isPlace = (request.headers['x-vault-namespace'] ?? '') === service.namespace;
  if (!isKnown || !isPlace) return refuse(403, 'permission denied');
  const [, name = ''] =
    /^\/v1\/transit\/(?:keys|encrypt|decrypt)\/(.+)$/.exec(request.url ?? '') ?? [];
  if (name === '') return refuse(404, `no handler for route "${request.url ?? ''}"`);
  const body = await bodyOf(request);
  const key = keys.get(name);
  const data = (value: object): void =>
    send(200, { request_id: '', lease_id: '', renewable: false, lease_duration: 0, data: value });
  if (request.url?.includes('/keys/') === true) {
    if (request.method !== 'GET') return refuse(405, 'unsupported operation');
    return key === undefined ? refuse(404) : data(describe(name, key));
  }
  if (key === undefined) {
    if (request.url?.includes('/decrypt/') === true) return refuse(400, 'encryption key not found');
    // A token that may create keys makes one by encrypting: what a client should not rely on.
    service.createKey(name, { derived: body['context'] !== undefined });
    return refuse(500, 'a key was made by accident');
  }
  const context = Buffer.from(body['context'] ?? '', 'base64');
  if (key.derived && context.byteLength === 0) {
    return refuse(
      400,
      "missing 'context' for key derivation; the key was created using a derived key",
    );
  }
  if (request.url?.includes('/encrypt/') === true) {
    const plaintext = Buffer.from(body['plaintext'] ?? '', 'base64');
    service.plaintexts.push(plaintext);
    return data({ ciphertext: encrypt(key, context, plaintext), key_version: key.versions.length });
  }
  const [, version = '0', text = ''] = /^vault:v(\d+):(.*)$/.exec(body['ciphertext'] ?? '') ?? [];
  if (Number(version) < key.minDecryptionVersion) {
    return refuse(400, 'ciphertext or signature version is disallowed by policy (too old)');
  }
  const plaintext = decrypt(key, Number(version), context, Buffer.from(text, 'base64'));
  if (plaintext === undefined) return refuse(400, 'cipher: message authentication failed');
  service.plaintexts.push(plaintext);
  data({ plaintext: plaintext.toString('base64') });
}

function describe(name: string, key: TransitKey): object {
  const created = Object.fromEntries(key.versions.map((_, at) => [String(at + 1), 1_700_000_000]));
  return {
    name,
    type: 'aes256-gcm96',
    derived: key.derived,
    exportable: false,
    deletion_allowed: false,
    keys: created,
    latest_version: key.versions.length,
    min_available_version: 0,
    min_decryption_version: key.minDecryptionVersion,
    min_encryption_version: 0,
    supports_encryption: true,
    supports_decryption: true,
  };
}

function derive(key: TransitKey, version: number, context: Buffer): Buffer | undefined {
  const own = key.versions[version - 1];
  if (own === undefined || !key.derived) return own;
  return Buffer.from(hkdfSync('sha256', own, Buffer.alloc(0), context, 32));
}

function encrypt(key: TransitKey, context: Buffer, plaintext: Buffer): string {
  const version = key.versions.length;
  const nonce = randomBytes(12);
  const cipher = createCipheriv('aes-256-gcm', derive(key, version, context) ?? '', nonce);
  const parts = [nonce, cipher.update(plaintext), cipher.final(), cipher.getAuthTag()];
  return `vault:v${version}:${Buffer.concat(parts).toString('base64')}`;
}

function decrypt(
  key: TransitKey,
  version: number,
  context: Buffer,
  bytes: Buffer,
): Buffer | undefined {
  const own = derive(key, version, context);
  if (own === undefined || bytes.byteLength < 28) return undefined;
  const decipher = createDecipheriv('aes-256-gcm', own, bytes.subarray(0, 12), {
    authTagLength: 16,
  }).setAuthTag(bytes.subarray(-16));
  try {
    return Buffer.concat([decipher.update(bytes.subarray(12, -16)), decipher.final()]);
  } catch {
    return undefined;
  }
}

function misbehave(response: ServerResponse, fault: TransitFault): void {
  switch (fault.kind) {
    case 'answer':
      response.writeHead(fault.status, { 'content-type': 'application/json' });
      response.end(fault.body);
      return;
    case 'silent':
      return;
    case 'endless': {
      response.writeHead(200, { 'content-type': 'application/json' });
      const more = (): void => {
        while (!response.destroyed && response.write(Buffer.alloc(16_384, 32)));
      };
      response.on('drain', more);
      more();
      return;
    }
    case 'broken':
      response.destroy();
      return;
    default:
      fault satisfies never;
  }
}

async function bodyOf(request: IncomingMessage): Promise<Readonly<Record<string, string>>> {
  const chunks: Buffer[] = [];
  for await (const chunk of request as AsyncIterable<Buffer>) chunks.push(chunk);
  if (chunks.length === 0) return {};
  return JSON.parse(Buffer.concat(chunks).toString('utf8')) as Record<string, string>;
}

function makeTls(): { readonly tls: { key: string; cert: string }; readonly ca: string } {
  const [issuer, server] = [p256Key(), p256Key()];
  const validity = {
    organisation: 'Transit',
    notBefore: Date.now() - DAY_MS,
    notAfter: Date.now() + DAY_MS,
    issuer: 'Transit CA',
    signer: issuer,
  };
  const ca = makeP256Certificate({
    ...validity,
    subject: 'Transit CA',
    key: issuer,
    serial: 1,
    extensions: authority(0),
  });
  const own = makeP256Certificate({
    ...validity,
    subject: 'localhost',
    key: server,
    serial: 2,
    extensions: endEntity(),
  });
  const text = (bytes: Uint8Array): string => Buffer.from(bytes).toString('utf8');
  const key = server.privateKey.export({ type: 'pkcs8', format: 'pem' }).toString();
  return { tls: { key, cert: text(pemOf(own)) }, ca: text(pemOf(ca)) };
}
