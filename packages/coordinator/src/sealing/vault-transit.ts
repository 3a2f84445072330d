/**
 * Keys encrypted by a transit engine of Vault or OpenBao, after their published HTTP API (Vault API
 * documentation, "Transit secrets engine": encrypt, decrypt and read key). The key there must have
 * `derived=true`, so that the service derives a key of its own for each context.
 *
 * Errors of the service are told apart by status, and where one status means several things, by
 * what the key says about itself; never by their text.
 */
import { CoordinatorError, type CoordinatorErrorCode } from '../errors.ts';
import type { KeyWrapper } from './provider.ts';
import type { TransitSettings } from './settings.ts';
import { askTransit, type TransitAnswer, type TransitRequest } from './transit-http.ts';

const KEY_BYTES = 32;
const TIMEOUT_MS = 5_000;
const CIPHERTEXT = /^vault:v([1-9]\d{0,8}):[A-Za-z0-9+/=]{16,2048}$/;

const FRESHNESS =
  'The service says who may open the seed, not whether the state on the disks is the newest: ' +
  'a host that puts the disks of all slots back to one earlier moment has that state opened, ' +
  'in a new epoch, and only those notice who keep a floor. Whoever holds the token and a disk ' +
  'can open the seed, so the token must reach the guest by a way that the host cannot read.';

/** @param timeoutMs for each request; an encryption or a failure makes two */
export function vaultTransit(
  settings: TransitSettings,
  timeoutMs: number = TIMEOUT_MS,
): KeyWrapper {
  return new VaultTransit(settings, timeoutMs);
}

class VaultTransit implements KeyWrapper {
  readonly name = 'vault-transit';
  readonly freshness = FRESHNESS;
  readonly #settings: TransitSettings;
  readonly #timeoutMs: number;

  constructor(settings: TransitSettings, timeoutMs: number) {
    this.#settings = settings;
    this.#timeoutMs = timeoutMs;
  }

  async encrypt(key: Uint8Array, context: Uint8Array, signal?: AbortSignal): Promise<string> {
    // First, because encrypting under a name that does not exist may make a key of that name.
    await this.#readKey(signal);
    const { key: name } = this.#settings;
    const body = { plaintext: base64(key), context: base64(context) };
    const answer = await this.#ask({ method: 'POST', path: `encrypt/${name}`, body, signal });
    if (answer.status !== 200) throw this.#failure(answer.status);
    const { ciphertext } = answer.data;
    if (typeof ciphertext !== 'string' || !CIPHERTEXT.test(ciphertext))
      throw unusable('ciphertext');
    return ciphertext;
  }

  async decrypt(
    ciphertext: string,
    context: Uint8Array,
    signal?: AbortSignal,
  ): Promise<Uint8Array> {
    const version = Number(CIPHERTEXT.exec(ciphertext)?.[1]);
    if (!Number.isSafeInteger(version)) throw wrongCiphertext({ reason: 'form' });
    const { key: name } = this.#settings;
    const body = { ciphertext, context: base64(context) };
    const answer = await this.#ask({ method: 'POST', path: `decrypt/${name}`, body, signal });
    if (answer.status === 400) throw await this.#whyRefused(version, signal);
    if (answer.status !== 200) throw this.#failure(answer.status);
    const { plaintext } = answer.data;
    const key = typeof plaintext === 'string' ? Buffer.from(plaintext, 'base64') : Buffer.alloc(0);
    if (key.byteLength !== KEY_BYTES) throw unusable('plaintext');
    return new Uint8Array(key);
  }

  /** What the key says about itself. @throws CoordinatorError also when it is not derived */
  async #readKey(signal: AbortSignal | undefined): Promise<{ readonly minimum: number }> {
    const path = `keys/${this.#settings.key}`;
    const { status, data } = await this.#ask({ method: 'GET', path, signal });
    if (status !== 200) throw this.#failure(status);
    if (data['derived'] !== true) {
      const message = 'the key of the sealing service was not made with derived=true';
      throw new CoordinatorError('COORDINATOR_SEALING_KEY_UNSUITABLE', message, {
        fields: { key: this.#settings.key },
      });
    }
    const least = [data['min_decryption_version'], data['min_available_version']];
    const numbers = least.filter((value) => typeof value === 'number');
    return { minimum: Math.max(0, ...numbers) };
  }

  async #whyRefused(version: number, signal: AbortSignal | undefined): Promise<CoordinatorError> {
    try {
      const { minimum } = await this.#readKey(signal);
      if (version >= minimum) return wrongCiphertext({ reason: 'not of this key and context' });
      const message = 'the key version that wrapped the seed was archived';
      return new CoordinatorError('COORDINATOR_SEALING_KEY_VERSION_ARCHIVED', message, {
        fields: { expected: `at least ${minimum}`, found: version },
      });
    } catch (error) {
      if (error instanceof CoordinatorError) return error;
      throw error;
    }
  }

  #ask(request: Omit<TransitRequest, 'timeoutMs'>): Promise<TransitAnswer> {
    return askTransit(this.#settings, { ...request, timeoutMs: this.#timeoutMs });
  }

  #failure(status: number): CoordinatorError {
    const { address, mount, key } = this.#settings;
    const fields = { host: new URL(address).host, mount, key, status };
    const [code, message] = FAILURES.get(status) ?? OTHER_FAILURE;
    return new CoordinatorError(code, message, { fields });
  }
}

const OTHER_FAILURE: readonly [CoordinatorErrorCode, string] = [
  'COORDINATOR_SEALING_HTTP_STATUS',
  'the sealing service answered with an unexpected status',
];

const FAILURES: ReadonlyMap<number, readonly [CoordinatorErrorCode, string]> = new Map([
  [403, ['COORDINATOR_SEALING_FORBIDDEN', 'the sealing service does not accept the token']],
  [404, ['COORDINATOR_SEALING_KEY_MISSING', 'the sealing service has no such key or mount']],
  [503, ['COORDINATOR_SEALING_SERVICE_SEALED', 'the sealing service is sealed or down']],
] as const);

function base64(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('base64');
}

function unusable(part: string): CoordinatorError {
  const message = 'the sealing service did not answer as its published interface says';
  const fields = { part };
  return new CoordinatorError('COORDINATOR_SEALING_ANSWER_UNUSABLE', message, { fields });
}

function wrongCiphertext(fields: { readonly reason: string }): CoordinatorError {
  const message = 'the sealing service does not open what lies on the disk';
  return new CoordinatorError('COORDINATOR_SEALING_CIPHERTEXT_REFUSED', message, { fields });
}
