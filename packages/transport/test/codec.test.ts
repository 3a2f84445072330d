/** Frames, HELLO, verdicts and report data as bytes. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { concatBytes, toHex } from '@witan/core';
import { FrameParser, encodeFrame, type Frame } from '../src/frames.ts';
import { decodeHello, encodeHello, type Hello } from '../src/hello.ts';
import { TransportError, channelReportData, standaloneReportData } from '../src/index.ts';
import { decodeVerdict, encodeVerdict, verdictOf, type Verdict } from '../src/verdict.ts';

const LIMITS = { helloBytesMax: 200, evidenceBytesMax: 300 };

const frame: fc.Arbitrary<Frame> = fc.oneof(
  fc.record({ type: fc.constant('hello' as const), payload: fc.uint8Array({ maxLength: 200 }) }),
  fc.record({ type: fc.constant('evidence' as const), payload: fc.uint8Array({ maxLength: 300 }) }),
  fc.record({ type: fc.constant('verdict' as const), payload: fc.uint8Array({ maxLength: 1 }) }),
);

function feed(parser: FrameParser, bytes: Uint8Array, cuts: readonly number[]): Frame[] {
  const frames: Frame[] = [];
  let from = 0;
  for (const cut of [...cuts.map((one) => one % (bytes.byteLength + 1)), bytes.byteLength].sort(
    (a, b) => a - b,
  )) {
    parser.push(bytes.subarray(from, cut));
    from = cut;
    for (let next = parser.next(); next !== undefined; next = parser.next()) frames.push(next);
  }
  return frames;
}

describe('the frame parser', () => {
  it('finds the same frames however the bytes are cut', () => {
    fc.assert(
      fc.property(
        fc.array(frame, { maxLength: 6 }),
        fc.array(fc.nat(), { maxLength: 30 }),
        fc.uint8Array({ maxLength: 4 }),
        (frames, cuts, rest) => {
          const tail = rest.map((byte) => (byte % 3) + 1);
          const parser = new FrameParser(LIMITS);
          const bytes = concatBytes(...frames.map(encodeFrame), tail);
          expect(feed(parser, bytes, cuts)).toEqual(frames);
          expect(parser.pendingBytes).toBe(tail.byteLength);
          expect(parser.takeRest()).toEqual(tail);
        },
      ),
    );
  });

  it('answers garbage with frames or a typed error, and never with more bytes than it got', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 2_000 }), (bytes) => {
        const parser = new FrameParser(LIMITS);
        try {
          const frames = feed(parser, bytes, [3, 7, 500]);
          const used = frames.reduce((sum, { payload }) => sum + 5 + payload.byteLength, 0);
          expect(used + parser.pendingBytes).toBe(bytes.byteLength);
        } catch (error) {
          expect(error).toBeInstanceOf(TransportError);
          expect(['FRAME_TYPE_UNKNOWN', 'FRAME_TOO_LARGE']).toContain(
            (error as TransportError).code,
          );
        }
      }),
    );
  });

  it('refuses each type one byte above its limit and takes it at its limit', () => {
    for (const [type, max] of [
      ['hello', 200],
      ['evidence', 300],
      ['verdict', 1],
    ] as const) {
      const parser = new FrameParser(LIMITS);
      parser.push(encodeFrame({ type, payload: new Uint8Array(max) }));
      expect(parser.next()?.payload.byteLength).toBe(max);
      parser.push(encodeFrame({ type, payload: new Uint8Array(max + 1) }).subarray(0, 5));
      expect(() => parser.next()).toThrowError(
        expect.objectContaining({ code: 'FRAME_TOO_LARGE' }) as Error,
      );
    }
  });

  it('takes a megabyte in single bytes without copying it for each', () => {
    const parser = new FrameParser({ helloBytesMax: 1, evidenceBytesMax: 1 << 20 });
    const bytes = encodeFrame({ type: 'evidence', payload: new Uint8Array(1 << 20) });
    let early = 0;
    const startedAtMs = performance.now();
    for (let i = 0; i < bytes.byteLength; i += 1) {
      parser.push(bytes.subarray(i, i + 1));
      if (i < bytes.byteLength - 1 && parser.next() !== undefined) early += 1;
    }
    expect(parser.next()?.payload.byteLength).toBe(1 << 20);
    expect(early).toBe(0);
    // With a copy for each byte it would be half a terabyte.
    expect(performance.now() - startedAtMs).toBeLessThan(10_000);
  });
});

const hello: fc.Arbitrary<Hello> = fc.record({
  role: fc.constantFrom('replica', 'initializer', 'client'),
  nonce: fc.uint8Array({ minLength: 32, maxLength: 32 }),
  clusterId: fc.option(fc.uint8Array({ minLength: 32, maxLength: 32 }), { nil: undefined }),
  evidenceTypes: fc
    .uniqueArray(fc.stringMatching(/^[a-z0-9-]{1,32}$/), { maxLength: 8 })
    .map((names) => names.toSorted()),
});

describe('HELLO', () => {
  it('survives its encoding', () => {
    fc.assert(
      fc.property(hello, (one) => {
        expect(decodeHello(encodeHello(one))).toEqual(one);
      }),
    );
  });

  it('has one encoding: whatever decodes encodes to the same bytes', () => {
    fc.assert(
      fc.property(hello, fc.nat(), fc.nat(255), (one, at, value) => {
        const bytes = encodeHello(one);
        bytes[at % bytes.byteLength] = value;
        try {
          expect(encodeHello(decodeHello(bytes))).toEqual(bytes);
        } catch (error) {
          expect(['HELLO_MALFORMED', 'HELLO_VERSION_UNSUPPORTED']).toContain(
            (error as TransportError).code,
          );
        }
      }),
      { numRuns: 1_000 },
    );
  });

  it('is refused with a typed error when it is cut, stretched or garbage', () => {
    fc.assert(
      fc.property(hello, fc.nat(), fc.uint8Array({ maxLength: 300 }), (one, cut, garbage) => {
        const bytes = encodeHello(one);
        for (const bad of [
          bytes.subarray(0, cut % bytes.byteLength),
          concatBytes(bytes, Uint8Array.of(0)),
          concatBytes(Uint8Array.of(0, 1), garbage),
        ]) {
          try {
            expect(encodeHello(decodeHello(bad))).toEqual(Uint8Array.from(bad));
          } catch (error) {
            expect((error as TransportError).code).toBe('HELLO_MALFORMED');
          }
        }
      }),
    );
  });
});

describe('a verdict', () => {
  it('survives its encoding', () => {
    const all: Verdict[] = [
      'accepted',
      'evidence-refused',
      'role-refused',
      'version-unsupported',
      'protocol-violated',
      'evidence-type-unaccepted',
      'unavailable',
    ];
    expect(all.map((one) => decodeVerdict(encodeVerdict(one)))).toEqual(all);
    expect(encodeVerdict('accepted')).toEqual(Uint8Array.of(0));
    expect(() => decodeVerdict(new Uint8Array(0))).toThrow(TransportError);
  });

  it('is never acceptance for a failure', () => {
    expect(verdictOf('EVIDENCE_REFUSED')).toBe('evidence-refused');
    expect(verdictOf('PEER_CLOSED')).toBeUndefined();
  });
});

describe('report data', () => {
  const part = (byte: number): Uint8Array => new Uint8Array(32).fill(byte);
  const parts = {
    proverRole: 'replica',
    direction: 'server-proves',
    exporter: part(1),
    proverSpkiSha256: part(2),
    verifierSpkiSha256: part(3),
    verifierNonce: part(4),
  } as const;

  it('of a channel has a known value', () => {
    // SHA-512("witan/v1/attested-channel report data" 00 | 01 | 02 | 01*32 | 02*32 | 03*32 | 04*32)
    expect(toHex(channelReportData(parts))).toBe(
      '14c175f434df13cc7d16095f4e21086139bdc7643fb15ed5a97194074a92cd34' +
        '2a68c02af7d77faeacbc257c61b5bde49e912feb8ac1588ae11187f38cbd5d54',
    );
  });

  it('of other evidence has a known value', () => {
    // SHA-512("witan/v1/standalone evidence report data" 00 | SHA-256("status") | SHA-256(04*32))
    expect(toHex(standaloneReportData('status', part(4)))).toBe(
      '03f3d1857d65b31adf038950bdd3751301b05441c3c8d1badddc72e1f4c43321' +
        'ea669815e04fe9b32d7b3dccb9c282d2665ad0ad76f50c48db9bfdd2418d857f',
    );
  });

  it('changes with every part', () => {
    const variants = [
      parts,
      { ...parts, proverRole: 'initializer' as const },
      { ...parts, direction: 'client-proves' as const },
      { ...parts, exporter: part(9) },
      { ...parts, proverSpkiSha256: part(9) },
      { ...parts, verifierSpkiSha256: part(9) },
      { ...parts, verifierNonce: part(9) },
      { ...parts, proverSpkiSha256: part(3), verifierSpkiSha256: part(2) },
    ].map((variant) => toHex(channelReportData(variant)));
    expect(new Set(variants).size).toBe(variants.length);
  });

  it('refuses a part of another length', () => {
    expect(() => channelReportData({ ...parts, exporter: new Uint8Array(31) })).toThrow(
      'parts of report data have 32 bytes',
    );
    expect(() => standaloneReportData('', part(1))).toThrow(
      'label of report data has 1 to 64 characters',
    );
  });

  it('of other evidence never equals that of a channel, whatever the caller chooses', () => {
    fc.assert(
      fc.property(fc.string({ minLength: 1, maxLength: 64 }), fc.uint8Array(), (label, nonce) => {
        expect(standaloneReportData(label, nonce)).not.toEqual(channelReportData(parts));
      }),
    );
  });
});
