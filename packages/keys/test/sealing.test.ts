import { describe, expect, it } from 'vitest';
import fc from 'fast-check';
import { inspect } from 'node:util';
import {
  clusterId,
  describeError,
  epoch,
  fromUtf8,
  incarnationId,
  toHex,
  utf8,
  type IncarnationId,
} from '@witan/core';
import {
  KeysError,
  SEAL_OVERHEAD_BYTES,
  createSealer,
  createSeed,
  createUnsealer,
  parseSealHeader,
  type KeysErrorCode,
  type SealUse,
  type Sealer,
  type Unsealer,
} from '@witan/keys';
import { NonceCounter } from '../src/sealing.ts';

const CLUSTER = clusterId('c1'.repeat(32));
const OTHER_CLUSTER = clusterId('c2'.repeat(32));
const AAD = utf8('index 7, term 2');
const PLAINTEXT = utf8('correct horse battery staple');
const SEED = createSeed();

let counter = 0;
function freshIncarnation(): IncarnationId {
  counter += 1;
  return incarnationId(counter.toString(16).padStart(64, '0'));
}

function sealerFor(use: SealUse, incarnation = freshIncarnation(), epochNumber = 1): Sealer {
  return createSealer({
    seed: SEED,
    clusterId: CLUSTER,
    epoch: epoch(epochNumber),
    incarnation,
    use,
  });
}

function unsealerFor(use: SealUse, cluster = CLUSTER, subkeysMax = 64): Unsealer {
  return createUnsealer({ seed: SEED, clusterId: cluster, use, subkeysMax });
}

function failureOf(work: () => unknown): KeysError {
  try {
    work();
  } catch (error) {
    if (error instanceof KeysError) return error;
    throw error;
  }
  throw new Error('nothing was thrown');
}

function codeOf(work: () => unknown): KeysErrorCode {
  return failureOf(work).code;
}

describe('sealed bytes', () => {
  it('open to what was sealed, for every holder of the seed (I4)', () => {
    const sealer = sealerFor('log-command');
    const unsealer = unsealerFor('log-command');
    fc.assert(
      fc.property(
        fc.uint8Array({ maxLength: 500 }),
        fc.uint8Array({ maxLength: 50 }),
        (data, aad) => {
          const sealed = sealer.seal(data, aad);
          expect(sealed.byteLength).toBe(data.byteLength + SEAL_OVERHEAD_BYTES);
          expect(unsealer.open(sealed, aad)).toEqual(data);
        },
      ),
    );
  });

  it('do not show the plaintext', () => {
    const sealed = sealerFor('snapshot').seal(PLAINTEXT, AAD);
    expect(Buffer.from(sealed).includes('horse')).toBe(false);
  });

  it('name their use, epoch and writer', () => {
    const incarnation = freshIncarnation();
    const sealed = sealerFor('snapshot', incarnation, 9).seal(PLAINTEXT, AAD);
    expect(parseSealHeader(sealed)).toMatchObject({ use: 'snapshot', epoch: 9, incarnation });
  });

  it('do not open with any byte changed', () => {
    const sealed = sealerFor('log-command').seal(PLAINTEXT, AAD);
    const unsealer = unsealerFor('log-command');
    for (let at = 0; at < sealed.byteLength; at += 1) {
      const changed = Uint8Array.from(sealed);
      changed[at] = (changed[at] ?? 0) ^ 1;
      expect([
        'KEYS_SEAL_NOT_AUTHENTIC',
        'KEYS_SEAL_VERSION_UNKNOWN',
        'KEYS_SEAL_USE_MISMATCH',
        'KEYS_SEAL_GENERATION_UNKNOWN',
        'KEYS_SEAL_MALFORMED',
      ]).toContain(codeOf(() => unsealer.open(changed, AAD)));
    }
  });

  it('do not open cut off, lengthened, or with other associated data', () => {
    const sealed = sealerFor('log-command').seal(PLAINTEXT, AAD);
    const unsealer = unsealerFor('log-command');
    for (let length = 0; length < sealed.byteLength; length += 1) {
      const code = codeOf(() => unsealer.open(sealed.subarray(0, length), AAD));
      expect(['KEYS_SEAL_MALFORMED', 'KEYS_SEAL_NOT_AUTHENTIC']).toContain(code);
    }
    const longer = Uint8Array.from([...sealed, 0]);
    expect(codeOf(() => unsealer.open(longer, AAD))).toBe('KEYS_SEAL_NOT_AUTHENTIC');
    const other = utf8('index 8, term 2');
    expect(codeOf(() => unsealer.open(sealed, other))).toBe('KEYS_SEAL_NOT_AUTHENTIC');
  });

  it('do not open for another use, even with the use in the header rewritten (I9)', () => {
    const sealed = sealerFor('journal-record').seal(PLAINTEXT, AAD);
    const unsealer = unsealerFor('snapshot');
    expect(codeOf(() => unsealer.open(sealed, AAD))).toBe('KEYS_SEAL_USE_MISMATCH');
    const rewritten = Uint8Array.from(sealed);
    rewritten[1] = 3;
    expect(codeOf(() => unsealer.open(rewritten, AAD))).toBe('KEYS_SEAL_NOT_AUTHENTIC');
  });

  it('do not open for another cluster or another seed (I9)', () => {
    const sealed = sealerFor('log-command').seal(PLAINTEXT, AAD);
    const foreign = [
      unsealerFor('log-command', OTHER_CLUSTER),
      createUnsealer({ seed: createSeed(), clusterId: CLUSTER, use: 'log-command' }),
    ];
    for (const unsealer of foreign) {
      expect(codeOf(() => unsealer.open(sealed, AAD))).toBe('KEYS_SEAL_NOT_AUTHENTIC');
    }
  });

  it('leak nothing through errors', () => {
    const sealed = sealerFor('log-command').seal(PLAINTEXT, AAD);
    const broken = Uint8Array.from(sealed);
    broken[sealed.byteLength - 1] = (broken[sealed.byteLength - 1] ?? 0) ^ 1;
    const error = failureOf(() => unsealerFor('log-command').open(broken, AAD));
    expect(describeError(error) + inspect(error, { depth: 9, showHidden: true })).not.toMatch(
      /horse|686f727365/,
    );
  });

  it('open from many writers although only a few subkeys are kept (I10)', () => {
    const unsealer = unsealerFor('log-command', CLUSTER, 2);
    const all = [1, 2, 3, 4, 5].map((writer) =>
      sealerFor('log-command').seal(utf8(`writer ${writer}`), AAD),
    );
    for (let round = 0; round < 2; round += 1) {
      const texts = all.map((sealed) => fromUtf8(unsealer.open(sealed, AAD)));
      expect(texts).toEqual([1, 2, 3, 4, 5].map((writer) => `writer ${writer}`));
    }
  });
});

describe('nonces', () => {
  it('count from 0 and differ (I9)', () => {
    const sealer = sealerFor('log-command');
    const nonces = [1, 2, 3].map(() => toHex(parseSealHeader(sealer.seal(PLAINTEXT, AAD)).nonce));
    expect(nonces).toEqual(['0'.repeat(24), `${'0'.repeat(23)}1`, `${'0'.repeat(23)}2`]);
  });

  it('do not repeat when a second sealer is made for the same subkey (I9)', () => {
    const incarnation = freshIncarnation();
    const sealed = [1, 2, 3].map(() => sealerFor('log-command', incarnation).seal(PLAINTEXT, AAD));
    const nonces = sealed.map((bytes) => toHex(parseSealHeader(bytes).nonce));
    expect(new Set(nonces).size).toBe(3);
  });

  it('start again only under another subkey: epoch, writer or use differs (I9)', () => {
    const incarnation = freshIncarnation();
    const sealers = [
      sealerFor('log-command', incarnation, 1),
      sealerFor('log-command', incarnation, 2),
      sealerFor('snapshot', incarnation, 1),
      sealerFor('log-command', freshIncarnation(), 1),
    ];
    const bodies = sealers.map((sealer) => toHex(sealer.seal(PLAINTEXT, AAD).subarray(54)));
    expect(new Set(bodies).size).toBe(sealers.length);
  });

  it('end at their limit for good (I9)', () => {
    const nonces = new NonceCounter(2);
    expect([nonces.next(), nonces.next()]).toEqual([0, 1]);
    for (let attempt = 0; attempt < 3; attempt += 1) {
      expect(codeOf(() => nonces.next())).toBe('KEYS_SEAL_EXHAUSTED');
    }
  });
});

describe('limits (I10)', () => {
  it('bound the associated data', () => {
    const sealer = sealerFor('log-command');
    expect(codeOf(() => sealer.seal(PLAINTEXT, new Uint8Array(4097)))).toBe('KEYS_SEAL_TOO_LARGE');
  });

  it('refuse arbitrary bytes with a typed error', () => {
    const unsealer = unsealerFor('log-command');
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
        expect(() => unsealer.open(bytes, AAD)).toThrow(KeysError);
      }),
    );
  });
});
