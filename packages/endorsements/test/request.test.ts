import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { EndorsementsError, endorsementSettings, parseKey, keyOf } from '../src/index.ts';
import { jsonMembers } from '../src/json-member.ts';
import { retryAfterMs } from '../src/net/retry-after.ts';

const chip = 'c1'.repeat(64);
const keys = [
  `amd-vcek/Milan/${chip}/4.0.24.219`,
  `amd-vcek/Turin/${'c1'.repeat(8)}/1.1.1.4.81`,
  'amd-chain/Genoa/VLEK',
  'amd-crl/Milan/VCEK',
  'intel-tcb-info/00806f050000',
  'intel-qe-identity',
  'intel-pck-crl/platform',
  'intel-root-crl',
];

describe('keys of endorsements', () => {
  it.each(keys)('are written as they are read: %s', (key) => {
    const request = parseKey(key);
    expect(request === undefined ? '' : keyOf(request)).toBe(key);
  });

  it.each([
    '',
    'amd-vcek',
    `amd-vcek/Milan/${chip}/4.0.24`,
    `amd-vcek/Milan/${chip}/4.0.24.256`,
    `amd-vcek/Milan/${chip}/4.0.24.0219`,
    `amd-vcek/Milan/${chip.toUpperCase()}/4.0.24.219`,
    `amd-vcek/Turin/${chip}/1.1.1.4.81`,
    `amd-vcek/Naples/${chip}/4.0.24.219`,
    'amd-crl/Milan/VCEK/more',
    'intel-tcb-info/00806F050000',
    'intel-pck-crl/root',
    'intel-root-crl/',
    'x'.repeat(600),
  ])('have one spelling; refused: %s', (key) => {
    expect(parseKey(key)).toBeUndefined();
  });
});

describe('members of a JSON object', () => {
  it('are what JSON.parse finds, byte for byte', () => {
    const name = fc.stringMatching(/^[A-Za-z0-9_]{1,10}$/);
    const object = fc.dictionary(name, fc.jsonValue(), { minKeys: 1, maxKeys: 8 });
    fc.assert(
      fc.property(object, fc.constantFrom(undefined, 1, '\t'), (value, space) => {
        const bytes = new TextEncoder().encode(JSON.stringify(value, undefined, space));
        const plain = JSON.parse(JSON.stringify(value)) as Record<string, unknown>;
        for (const [key, raw] of jsonMembers(bytes)) {
          expect(JSON.parse(new TextDecoder().decode(raw))).toEqual(plain[key]);
        }
        expect([...jsonMembers(bytes).keys()].toSorted()).toEqual(Object.keys(plain).toSorted());
      }),
    );
  });

  it('throw nothing but the typed error, for any bytes', () => {
    const json = fc.string().map((text) => new TextEncoder().encode(`{"a":${text}}`));
    fc.assert(
      fc.property(fc.oneof(fc.uint8Array({ maxLength: 200 }), json), (bytes) => {
        try {
          jsonMembers(bytes);
        } catch (error) {
          expect(error).toBeInstanceOf(EndorsementsError);
        }
      }),
    );
  });

  it.each(['{}', '{"a":1,"a":2}', '{"a":1}x', '{"a":}', '{"a" 1}', `{"a":${'['.repeat(40)}`, '[]'])(
    'are refused: %s',
    (text) => {
      expect(() => jsonMembers(new TextEncoder().encode(text))).toThrow(
        expect.objectContaining({ code: 'ENDORSEMENTS_ANSWER_UNUSABLE' }),
      );
    },
  );
});

describe('Retry-After', () => {
  it.each([
    ['7', 7000],
    ['0', 0],
    ['999999999', 3_600_000],
    ['Mon, 01 Jun 2026 00:00:10 GMT', 10_000],
    ['Mon, 01 Jun 2020 00:00:10 GMT', 0],
    ['soon', undefined],
    ['-1', undefined],
    ['2026-06-01', undefined],
    ['Mon, nonsense', undefined],
  ])('of %s', (value, expected) => {
    expect(retryAfterMs(value, Date.UTC(2026, 5, 1) as never)).toBe(expected);
  });
});

describe('settings', () => {
  it('have defaults, and options before the environment', () => {
    const none = endorsementSettings({}, { WITAN_ENDORSEMENTS: '' });
    expect(none).toEqual({
      given: false,
      maximumAgeMs: 30 * 24 * 3600 * 1000,
      offline: false,
      baseUrls: {},
    });
    const env = {
      WITAN_ENDORSEMENTS: '/cache',
      WITAN_ENDORSEMENTS_MIRROR: 'kds=http://a, pcs=http://b',
      WITAN_ENDORSEMENTS_PROXY: 'none',
      WITAN_ENDORSEMENTS_OFFLINE: 'true',
      WITAN_ENDORSEMENTS_MAX_AGE: '1.5',
    };
    const settings = endorsementSettings({ endorsements: '/own' }, env);
    expect(settings).toEqual({
      given: true,
      directory: '/own',
      offline: true,
      proxy: 'none',
      maximumAgeMs: 1.5 * 24 * 3600 * 1000,
      baseUrls: { amdKds: 'http://a', intelPcs: 'http://b' },
    });
  });

  it.each([
    [{ 'endorsements-max-age': '0' }, {}],
    [{ 'endorsements-max-age': '' }, {}],
    [{ 'endorsements-max-age': 'week' }, {}],
    [{ 'endorsements-max-age': '9999' }, {}],
    [{ 'endorsements-mirror': ['http://a'] }, {}],
    [{ 'endorsements-mirror': ['kds=http://a', 'kds=http://b'] }, {}],
    [{ 'endorsements-mirror': ['arm=http://a'] }, {}],
    [{}, { WITAN_ENDORSEMENTS_OFFLINE: 'perhaps' }],
  ])('are refused with what was expected: %j %j', (values, env) => {
    expect(() => endorsementSettings(values, env)).toThrow(
      expect.objectContaining({ code: 'ENDORSEMENTS_OPTION_INVALID' }),
    );
  });
});
