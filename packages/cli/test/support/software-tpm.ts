/**
 * A real TPM 2.0 in software (`swtpm` of Debian) behind a Unix socket, and the few commands that
 * prepare it as Azure's paravisor prepares its own: attestation key, NV index, registers.
 */
import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { createPublicKey, type KeyObject } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { connect, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { TpmDevice } from '@witan/attester';

const OWNER = 0x40000001;
const ATTESTATION_KEY = 0x81000003;
const NV_CHUNK_BYTES = 512;
const START_MS_MAX = 30_000;

/** Whether the program is there. */
export const hasSwtpm: boolean = spawnSync('swtpm', ['--version']).status === 0;

const u16 = (value: number): Buffer => Buffer.from([value >> 8, value & 255]);
const u32 = (value: number): Buffer => Buffer.concat([u16(value >>> 16), u16(value & 0xffff)]);
const sized = (bytes: Uint8Array): Buffer => Buffer.concat([u16(bytes.byteLength), bytes]);

/** One TPM and its process. */
export class SoftwareTpm implements TpmDevice {
  readonly #process: ChildProcess;
  readonly #socket: Socket;
  readonly #folder: string;

  private constructor(process: ChildProcess, socket: Socket, folder: string) {
    this.#process = process;
    this.#socket = socket;
    this.#folder = folder;
  }

  static async start(): Promise<SoftwareTpm> {
    const folder = await mkdtemp(join(tmpdir(), 'witan-tpm-'));
    const path = join(folder, 'tpm.socket');
    const server = ['--server', `type=unixio,path=${path}`];
    const flags = ['--flags', 'not-need-init,startup-clear'];
    const argv = ['socket', '--tpm2', '--tpmstate', `dir=${folder}`, ...server, ...flags];
    const child = spawn('swtpm', argv, { stdio: 'ignore' });
    for (let waited = 0; !existsSync(path); waited += 20) {
      if (waited > START_MS_MAX || child.exitCode !== null) throw new Error('swtpm does not start');
      await sleep(20);
    }
    const socket = connect(path);
    await new Promise<void>((resolve, reject) => {
      socket.once('connect', resolve);
      socket.once('error', reject);
    });
    return new SoftwareTpm(child, socket, folder);
  }

  async stop(): Promise<void> {
    this.#socket.destroy();
    const ended = new Promise((resolve) => this.#process.once('exit', resolve));
    this.#process.kill();
    await ended;
    await rm(this.#folder, { recursive: true });
  }

  async transceive(command: Uint8Array): Promise<Uint8Array> {
    return await new Promise<Uint8Array>((resolve, reject) => {
      const chunks: Buffer[] = [];
      const done = (settle: () => void): void => {
        this.#socket.off('data', onData);
        this.#socket.off('error', onError);
        settle();
      };
      const onError = (error: Error): void => {
        done(() => {
          reject(error);
        });
      };
      const onData = (chunk: Buffer): void => {
        chunks.push(chunk);
        const answer = Buffer.concat(chunks);
        if (answer.byteLength < 6 || answer.byteLength < answer.readUInt32BE(2)) return;
        done(() => {
          resolve(new Uint8Array(answer));
        });
      };
      this.#socket.on('data', onData);
      this.#socket.on('error', onError);
      this.#socket.write(command);
    });
  }

  /** Makes a restricted RSA key with RSASSA and SHA-256, where Azure keeps its own. */
  async makeAttestationKey(): Promise<KeyObject> {
    const publicArea = Buffer.concat([
      u16(1),
      u16(0x000b),
      // fixedTPM, fixedParent, sensitiveDataOrigin, userWithAuth, restricted, sign.
      u32(0x00050072),
      sized(Buffer.alloc(0)),
      u16(0x0010),
      u16(0x0014),
      u16(0x000b),
      u16(2048),
      u32(0),
      sized(Buffer.alloc(0)),
    ]);
    const sensitive = sized(Buffer.alloc(4));
    const none = Buffer.concat([sized(Buffer.alloc(0)), u32(0)]);
    const made = await this.#run(0x131, [OWNER], sensitive, sized(publicArea), none);
    const handle = made.readUInt32BE(0);
    await this.#run(0x120, [OWNER, handle], u32(ATTESTATION_KEY));
    // Behind handle, size of the parameters, size of the area and its fixed part: the modulus.
    const at = 4 + 4 + 2 + 2 + 2 + 4 + 2 + 2 + 2 + 2 + 2 + 4;
    const modulus = made.subarray(at + 2, at + 2 + made.readUInt16BE(at));
    const jwk = { kty: 'RSA', e: 'AQAB', n: modulus.toString('base64url') };
    return createPublicKey({ key: jwk, format: 'jwk' });
  }

  async extend(pcr: number, digest: Uint8Array): Promise<void> {
    await this.#run(0x182, [pcr], u32(1), u16(0x000b), Buffer.from(digest));
  }

  async defineIndex(index: number, byteLength: number): Promise<void> {
    const none = sized(Buffer.alloc(0));
    const area = [u32(index), u16(0x000b), u32(0x00060006), none, u16(byteLength)];
    await this.#run(0x12a, [OWNER], none, sized(Buffer.concat(area)));
  }

  async writeIndex(index: number, bytes: Uint8Array): Promise<void> {
    for (let at = 0; at < bytes.byteLength; at += NV_CHUNK_BYTES) {
      const chunk = bytes.subarray(at, at + NV_CHUNK_BYTES);
      await this.#run(0x137, [OWNER, index], sized(chunk), u16(at));
    }
  }

  /** A command under the empty password; what follows the header of its answer. */
  async #run(
    code: number,
    handles: readonly number[],
    ...parameters: readonly Buffer[]
  ): Promise<Buffer> {
    const session = Buffer.from('40000009' + '0000' + '00' + '0000', 'hex');
    const auth = [u32(session.byteLength), session];
    const body = Buffer.concat([...handles.map(u32), ...auth, ...parameters]);
    const header = Buffer.concat([u16(0x8002), u32(10 + body.byteLength), u32(code)]);
    const answer = Buffer.from(await this.transceive(Buffer.concat([header, body])));
    const result = answer.readUInt32BE(6);
    if (result !== 0) throw new Error(`TPM command ${code.toString(16)}: ${result.toString(16)}`);
    return answer.subarray(10);
  }
}
