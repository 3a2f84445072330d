/** Shares as files, and checking them without a cluster. */
import { describe, expect, it } from 'vitest';
import { Secret, clusterId, utf8 } from '@witan/core';
import {
  checkShare,
  checkShareAgainstJwe,
  commitmentOf,
  createSeed,
  dealShares,
  decodeShareFile,
  encodeShare,
  encodeShareFile,
  generateOwnerKeyPair,
  loadShareOwnerPrivateKey,
  loadShareOwnerPublicKey,
  openShare,
  readShareEnvelopeUnverified,
  spkiOf,
  type OwnerKeyType,
  type RecoveryHeader,
  type RecoveryShare,
} from '@witan/keys';

const CLUSTER = clusterId('c'.repeat(64));
const types: readonly OwnerKeyType[] = ['p256', 'p384', 'rsa3072'];
const pairs = types.map((type) => generateOwnerKeyPair(type));
const publicKeys = pairs.map(({ publicKeyPem }) => spkiOf(loadShareOwnerPublicKey(publicKeyPem)));

function deal(resharing = 1, cluster = CLUSTER): Promise<RecoveryHeader> {
  const seed = createSeed();
  return dealShares({ seed, clusterId: cluster, resharing, threshold: 2, owners: publicKeys });
}

const header = await deal();

async function opened(from: RecoveryHeader, at: number): Promise<RecoveryShare> {
  const key = pairs[at]?.privateKeyPem ?? expect.fail();
  return await openShare(from.shares[at]?.jwe ?? '', loadShareOwnerPrivateKey(key));
}

const jweOf = (from: RecoveryHeader, at: number): string => from.shares[at]?.jwe ?? expect.fail();
const textOf = (secret: Secret): string => Buffer.from(secret.expose()).toString('utf8');
const code = (expected: string): unknown => expect.objectContaining({ code: expected });

describe('the file of an opened share', () => {
  it('is a text in the form of PEM that reads back, for owners of every kind of key', async () => {
    for (const at of types.keys()) {
      const share = await opened(header, at);
      const file = encodeShareFile(share);
      const lines = textOf(file).split('\n');
      expect(lines[0]).toBe('-----BEGIN WITAN RECOVERY SHARE-----');
      expect(lines.every((line) => line.length <= 64)).toBe(true);
      expect(commitmentOf(decodeShareFile(file))).toBe(commitmentOf(share));
    }
  });

  it('may hold the plain bytes, other line ends and other lengths of lines', async () => {
    const share = await opened(header, 0);
    const text = textOf(encodeShareFile(share));
    const [first = '', ...rest] = text.trimEnd().split('\n');
    const joined = [first, rest.slice(0, -1).join(''), rest.at(-1)].join('\r\n');
    const forms = [encodeShare(share), new Secret(utf8(joined)), new Secret(utf8(`${text}\n\n`))];
    for (const form of forms) {
      expect(commitmentOf(decodeShareFile(form))).toBe(commitmentOf(share));
    }
  });

  it('of anything else is refused with a typed error that quotes nothing of it (I10)', async () => {
    const text = textOf(encodeShareFile(await opened(header, 0)));
    const body = text.split('\n')[1] ?? '';
    const bad: readonly string[] = [
      '',
      'x'.repeat(5000),
      text.replace(body, body.slice(1)),
      text.replace(body, `!${body.slice(1)}`),
      text.replace(body, `B${body.slice(1)}`),
      text + text,
      text.replace('-----END', '-----ENDE'),
      `secret ${text}`,
      jweOf(header, 0),
    ];
    for (const one of bad) {
      const act = () => decodeShareFile(new Secret(utf8(one)));
      expect(act).toThrow(code('KEYS_SHARE_MALFORMED'));
      try {
        act();
      } catch (error) {
        expect(JSON.stringify(error, Object.getOwnPropertyNames(error))).not.toContain(
          body.slice(8, 40),
        );
      }
    }
  });

  it('that is still encrypted is refused with a word on what to do', () => {
    try {
      decodeShareFile(new Secret(utf8(`${jweOf(header, 0)}\n`)));
    } catch (error) {
      expect(error).toMatchObject({ fields: { check: 'opened with witan share open' } });
    }
    expect.assertions(1);
  });
});

describe('an opened share', () => {
  it('is checked against the header and against its JWE', async () => {
    for (const at of types.keys()) {
      const share = await opened(header, at);
      const envelope = readShareEnvelopeUnverified(jweOf(header, at));
      expect(envelope).toEqual({
        clusterId: CLUSTER,
        resharing: 1,
        threshold: 2,
        count: 3,
        index: at + 1,
        owner: share.owner,
        commitment: commitmentOf(share),
      });
      checkShare(header, share);
      checkShareAgainstJwe(jweOf(header, at), share);
    }
    expect.assertions(3);
  });

  it.each<[string, () => Promise<RecoveryHeader>, string]>([
    ['cluster', () => deal(1, clusterId('d'.repeat(64))), 'KEYS_SHARE_WRONG_CLUSTER'],
    ['set', () => deal(2), 'KEYS_SHARE_WRONG_RESHARING'],
    ['value', () => deal(1), 'KEYS_SHARE_DAMAGED'],
  ])('of another %s is named', async (_name, other, expected) => {
    const share = await opened(header, 1);
    const foreign = await other();
    expect(() => {
      checkShare(foreign, share);
    }).toThrow(code(expected));
    expect(() => {
      checkShareAgainstJwe(jweOf(foreign, 1), share);
    }).toThrow(code(expected));
  });

  it('of another owner does not fit a JWE', async () => {
    const share = await opened(header, 1);
    expect(() => {
      checkShareAgainstJwe(jweOf(header, 0), share);
    }).toThrow(code('KEYS_SHARE_MIXED'));
  });

  it.each([
    ['nothing', ''],
    ['no JSON', `${Buffer.from('{').toString('base64url')}.a.b.c.d`],
    ['null', `${Buffer.from('null').toString('base64url')}.a.b.c.d`],
    ['another type', `${Buffer.from('{"typ":"JWT"}').toString('base64url')}.a.b.c.d`],
    ['too much', 'a'.repeat(5000)],
  ])('is not checked against a JWE of %s (I10)', (_name, jwe) => {
    expect(() => readShareEnvelopeUnverified(jwe)).toThrow(code('KEYS_SHARE_MALFORMED'));
  });

  it('is not checked against a JWE whose head names no digest', () => {
    const [head = '', ...rest] = jweOf(header, 0).split('.');
    const fields = JSON.parse(Buffer.from(head, 'base64url').toString()) as object;
    for (const change of [{ kid: 7 }, { 'witan-commitment': 'x' }, { 'witan-cluster': null }]) {
      const text = JSON.stringify({ ...fields, ...change });
      const forged = [Buffer.from(text).toString('base64url'), ...rest].join('.');
      expect(() => readShareEnvelopeUnverified(forged)).toThrow(code('KEYS_SHARE_MALFORMED'));
    }
  });
});

describe('keys of owners who hold shares', () => {
  it('that cannot are refused by name', () => {
    const small = generateOwnerKeyPair('p256').publicKeyPem;
    expect(() => loadShareOwnerPublicKey(small.replaceAll('PUBLIC', 'PRIVATE'))).toThrow(
      code('KEYS_PEM_WRONG_KIND'),
    );
    const ed25519 =
      '-----BEGIN PUBLIC KEY-----\n' +
      'MCowBQYDK2VwAyEAGb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE=\n' +
      '-----END PUBLIC KEY-----\n';
    expect(() => loadShareOwnerPublicKey(ed25519)).toThrow(
      code('KEYS_SHARE_OWNER_KEY_UNSUPPORTED'),
    );
  });
});
