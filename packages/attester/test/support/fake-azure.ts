/**
 * A vTPM with Azure's paravisor behind it, and the metadata service, in memory. Commands are read
 * byte by byte as TCG TPM 2.0 Library part 3 lays them out; whatever is not exactly so is refused
 * with TPM_RC_SIZE, as a TPM does.
 */
import { createHash, generateKeyPairSync, sign, type KeyObject } from 'node:crypto';
import type { Imds, TpmDevice } from '../../src/index.ts';

export interface AzureKnobs {
  readonly tee?: 'snp' | 'tdx';
  /** Whether the user data index exists from the start. Default false. */
  readonly defined?: boolean;
  /** How many looks at the report it takes until the paravisor has renewed it. Default 2. */
  readonly renewalReads?: number;
  /** Response codes to give, by command code, before the right answer. */
  readonly refusals?: ReadonlyMap<number, readonly number[]>;
  /** What an answer is changed to, by command code. */
  readonly tamper?: ReadonlyMap<number, (answer: Buffer) => Buffer>;
  /** errno names to fail with, one per command, from the first one on. */
  readonly errnos?: readonly string[];
  /** Registers change between reading and quoting, so many times. */
  readonly registerChanges?: number;
  /** Changes the paravisor's report. */
  readonly alterReport?: (report: Buffer) => Buffer;
  readonly imds?: (path: string) => { readonly status: number; readonly body: string } | undefined;
}

export interface FakeAzure {
  readonly tpm: TpmDevice;
  readonly imds: Imds;
  /** Commands as hex, in the order of their coming. */
  readonly commands: readonly string[];
  readonly requests: readonly { readonly path: string; readonly body: string }[];
  readonly attestationKey: KeyObject;
}

const RC_SIZE = 0x095;
const RC_HANDLE_1 = 0x18b;
const RC_NV_RANGE = 0x146;
const REPORT_BYTES = 2600;
const SESSION = Buffer.from('4000000900000000' + '00', 'hex');
const keys = generateKeyPairSync('rsa', { modulusLength: 2048 });
const sha256 = (...parts: readonly Uint8Array[]): Buffer => {
  const hash = createHash('sha256');
  for (const part of parts) hash.update(part);
  return hash.digest();
};
const u16 = (value: number): Buffer => Buffer.from([value >> 8, value & 255]);
const u32 = (value: number): Buffer => Buffer.concat([u16(value >>> 16), u16(value & 0xffff)]);
const sized = (bytes: Uint8Array): Buffer => Buffer.concat([u16(bytes.byteLength), bytes]);

/** The report as the paravisor writes it, with zeros behind it. */
export function hclReport(tee: 'snp' | 'tdx', userData: Uint8Array): Buffer {
  const text = JSON.stringify({
    keys: [{ kid: 'HCLAkPub', kty: 'RSA' }],
    'user-data': Buffer.from(userData).toString('hex').toUpperCase(),
  });
  const document = Buffer.from(text);
  const report = Buffer.alloc(REPORT_BYTES);
  report.write('HCLA', 0, 'latin1');
  report.writeUInt32LE(2, 12);
  sha256(document).copy(report, 32 + (tee === 'snp' ? 0x50 : 128));
  report.writeUInt32LE(20 + document.byteLength, 1216);
  report.writeUInt32LE(1, 1220);
  report.writeUInt32LE(tee === 'snp' ? 2 : 4, 1224);
  report.writeUInt32LE(1, 1228);
  report.writeUInt32LE(document.byteLength, 1232);
  document.copy(report, 1236);
  return report;
}

/** A vTPM; each method gets what follows the header and gives parameters or a response code. */
class Vtpm {
  readonly #knobs: AzureKnobs;
  readonly #pcrs = Array.from({ length: 24 }, (_, pcr) => sha256(Buffer.from([pcr])));
  readonly #refusals: ReadonlyMap<number, number[]>;
  #changesLeft: number;
  #userData: Buffer | undefined;
  #reported: Buffer = Buffer.alloc(64);
  #readsLeft = 0;

  constructor(knobs: AzureKnobs) {
    this.#knobs = knobs;
    this.#refusals = new Map([...(knobs.refusals ?? [])].map(([code, list]) => [code, [...list]]));
    this.#changesLeft = knobs.registerChanges ?? 0;
    this.#userData = knobs.defined === true ? Buffer.alloc(64) : undefined;
  }

  answer(command: Buffer): Buffer {
    const code = command.readUInt32BE(6);
    const tag = SESSIONLESS.has(code) ? 0x8001 : 0x8002;
    if (command.readUInt32BE(2) !== command.byteLength) return failure(RC_SIZE);
    const refusal = this.#refusals.get(code)?.shift();
    if (refusal !== undefined) return failure(refusal);
    if (command.readUInt16BE(0) !== tag) return failure(RC_SIZE);
    const body = this.#run(code, command.subarray(10));
    if (typeof body === 'number') return failure(body);
    // A password session answers with an empty nonce, attributes and an empty HMAC.
    const session = [u32(body.byteLength), body, Buffer.from('0000010000', 'hex')];
    const rest = SESSIONLESS.has(code) ? body : Buffer.concat(session);
    return Buffer.concat([u16(tag), u32(10 + rest.byteLength), u32(0), rest]);
  }

  #run(code: number, rest: Buffer): Buffer | number {
    if (code === 0x169) return this.#nvReadPublic(rest);
    if (code === 0x12a) return this.#nvDefineSpace(rest);
    if (code === 0x137) return this.#nvWrite(rest);
    if (code === 0x14e) return this.#nvRead(rest);
    if (code === 0x17e) return this.#pcrRead(rest);
    return code === 0x158 ? this.#quote(rest) : RC_SIZE;
  }

  #nvReadPublic(rest: Buffer): Buffer | number {
    if (rest.byteLength !== 4) return RC_SIZE;
    const index = rest.readUInt32BE(0);
    if (index === 0x01400002 && this.#userData === undefined) return RC_HANDLE_1;
    if (index !== 0x01400001 && index !== 0x01400002) return RC_HANDLE_1;
    const byteLength = index === 0x01400001 ? REPORT_BYTES : 64;
    const attributes = u32(0x42072001);
    const none = sized(new Uint8Array());
    const area = Buffer.concat([u32(index), u16(0xb), attributes, none, u16(byteLength)]);
    return Buffer.concat([sized(area), sized(Buffer.concat([u16(0xb), sha256(area)]))]);
  }

  #nvRead(rest: Buffer): Buffer | number {
    if (rest.readUInt32BE(0) !== 0x40000001 || rest.readUInt32BE(4) !== 0x01400001) return RC_SIZE;
    if (rest.readUInt32BE(8) !== 9 || !rest.subarray(12, 21).equals(SESSION)) return RC_SIZE;
    const byteLength = rest.readUInt16BE(21);
    const offset = rest.readUInt16BE(23);
    if (rest.byteLength !== 25 || byteLength > 512) return RC_SIZE;
    if (offset + byteLength > REPORT_BYTES) return RC_NV_RANGE;
    if (offset === 0 && this.#readsLeft > 0) {
      this.#readsLeft -= 1;
      if (this.#readsLeft === 0) this.#reported = this.#userData ?? this.#reported;
    }
    const { tee = 'snp', alterReport = (same: Buffer): Buffer => same } = this.#knobs;
    const report = alterReport(hclReport(tee, this.#reported));
    return sized(report.subarray(offset, offset + byteLength));
  }

  #nvWrite(rest: Buffer): Buffer | number {
    if (rest.readUInt32BE(0) !== 0x40000001 || rest.readUInt32BE(4) !== 0x01400002) return RC_SIZE;
    if (rest.readUInt32BE(8) !== 9 || !rest.subarray(12, 21).equals(SESSION)) return RC_SIZE;
    if (rest.readUInt16BE(21) !== 64 || rest.byteLength !== 23 + 64 + 2) return RC_SIZE;
    if (rest.readUInt16BE(87) !== 0 || this.#userData === undefined) return RC_NV_RANGE;
    this.#userData = Buffer.from(rest.subarray(23, 87));
    this.#readsLeft = this.#knobs.renewalReads ?? 2;
    return Buffer.alloc(0);
  }

  #nvDefineSpace(rest: Buffer): Buffer | number {
    const area = '01400002' + '000b' + '00060006' + '0000' + '0040';
    const expected = `40000001${'00000009'}${SESSION.toString('hex')}0000000e${area}`;
    if (rest.toString('hex') !== expected) return RC_SIZE;
    this.#userData = Buffer.alloc(64);
    return Buffer.alloc(0);
  }

  #pcrRead(rest: Buffer): Buffer | number {
    const wanted = selectedBy(rest);
    if (wanted.length === 0 || wanted.length > 8) return RC_SIZE;
    const digests = this.#pcrs.filter((_, pcr) => wanted.includes(pcr)).map(sized);
    return Buffer.concat([u32(7), rest, u32(wanted.length), ...digests]);
  }

  #quote(rest: Buffer): Buffer | number {
    if (rest.readUInt32BE(0) !== 0x81000003 || rest.readUInt32BE(4) !== 9) return RC_SIZE;
    if (!rest.subarray(8, 17).equals(SESSION)) return RC_SIZE;
    const length = rest.readUInt16BE(17);
    // A vTPM whose largest digest is SHA-384 takes 50 bytes.
    if (length > 50 || rest.readUInt16BE(19 + length) !== 0x0010) return RC_SIZE;
    const selection = rest.subarray(21 + length);
    if (selectedBy(selection).length !== 24) return RC_SIZE;
    if (this.#changesLeft > 0) {
      this.#changesLeft -= 1;
      this.#pcrs[23] = sha256(Buffer.from([255, this.#changesLeft]));
    }
    const message = Buffer.concat([
      Buffer.from('ff5443478018', 'hex'),
      sized(Buffer.concat([u16(0xb), sha256(Buffer.from('name'))])),
      sized(rest.subarray(19, 19 + length)),
      Buffer.alloc(17),
      Buffer.alloc(8, 1),
      selection,
      sized(sha256(...this.#pcrs)),
    ]);
    const signature = sign('sha256', message, keys.privateKey);
    return Buffer.concat([sized(message), u16(0x14), u16(0xb), sized(signature)]);
  }
}

const SESSIONLESS: ReadonlySet<number> = new Set([0x169, 0x17e]);

function failure(code: number): Buffer {
  return Buffer.concat([u16(0x8001), u32(10), u32(code)]);
}

/** Registers of a TPML_PCR_SELECTION with the SHA-256 bank alone; none for anything else. */
function selectedBy(selection: Buffer): readonly number[] {
  const head = selection.subarray(0, 7).toString('hex');
  if (head !== '00000001000b03' || selection.byteLength !== 10) return [];
  const bits = selection.readUIntLE(7, 3);
  return Array.from({ length: 24 }, (_, pcr) => pcr).filter((pcr) => (bits >> pcr) & 1);
}

/** @param certificate what the metadata service gives as VCEK and chain, PEM */
export function fakeAzure(knobs: AzureKnobs, certificate = ''): FakeAzure {
  const vtpm = new Vtpm(knobs);
  const commands: string[] = [];
  const requests: { path: string; body: string }[] = [];
  const errnos = [...(knobs.errnos ?? [])];
  return {
    tpm: {
      transceive: async (bytes) => {
        const errno = errnos.shift();
        if (errno !== undefined) throw Object.assign(new Error(errno), { code: errno });
        const command = Buffer.from(bytes);
        commands.push(command.toString('hex'));
        const right = vtpm.answer(command);
        const changed = knobs.tamper?.get(command.readUInt32BE(6))?.(right) ?? right;
        return await Promise.resolve(new Uint8Array(changed));
      },
    },
    imds: {
      exchange: async ({ path, body = new Uint8Array() }) => {
        const text = Buffer.from(body).toString('utf8');
        requests.push({ path, body: text });
        const { status, body: answer } = knobs.imds?.(path) ?? {
          status: 200,
          body: imdsAnswer(path, text, certificate),
        };
        return await Promise.resolve({ status, body: Buffer.from(answer) });
      },
    },
    commands,
    requests,
    attestationKey: keys.publicKey,
  };
}

function imdsAnswer(path: string, body: string, certificate: string): string {
  if (path === '/metadata/THIM/amd/certification') {
    return JSON.stringify({ vcekCert: certificate, certificateChain: certificate + certificate });
  }
  const { report } = JSON.parse(body) as { readonly report: string };
  const tdReport = Buffer.from(report, 'base64url');
  const quote = Buffer.alloc(5000);
  quote[0] = 4;
  tdReport.copy(quote, 48 + 520, 128, 192);
  return JSON.stringify({ quote: quote.toString('base64url') });
}
