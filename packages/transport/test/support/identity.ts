/** Keys with self-signed certificates, written byte by byte so that tests can make odd ones too. */
import { generateKeyPairSync, randomBytes, sign } from 'node:crypto';
import { Secret, concatBytes, utf8 } from '@witan/core';
import type { ChannelIdentity } from '../../src/index.ts';

function der(tag: number, ...parts: Uint8Array[]): Uint8Array {
  const body = concatBytes(...parts);
  const n = body.byteLength;
  const length = n < 128 ? [n] : n < 256 ? [0x81, n] : [0x82, n >> 8, n & 0xff];
  return concatBytes(Uint8Array.of(tag, ...length), body);
}

const ECDSA_SHA256 = der(0x30, der(6, Uint8Array.of(0x2a, 0x86, 0x48, 0xce, 0x3d, 4, 3, 2)));

/** CN=`name`, RFC 5280 section 4.1.2.4. */
function nameOf(name: string): Uint8Array {
  return der(0x30, der(0x31, der(0x30, der(6, Uint8Array.of(0x55, 4, 3)), der(12, utf8(name)))));
}

export type TestIdentity = ChannelIdentity & { readonly privateKeyPem: Secret };

/** @param nameChars makes the certificate as large as wanted */
export function makeIdentity(curve: 'P-256' | 'P-384' = 'P-256', nameChars = 5): TestIdentity {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: curve });
  const spkiDer = new Uint8Array(publicKey.export({ type: 'spki', format: 'der' }));
  const time = (text: string): Uint8Array => der(0x18, utf8(text));
  const name = nameOf('w'.repeat(nameChars));
  const serial = Uint8Array.from(randomBytes(8));
  serial[0] = 1;
  const validity = der(0x30, time('20200101000000Z'), time('21000101000000Z'));
  const tbs = der(
    0x30,
    der(0xa0, der(2, Uint8Array.of(2))),
    der(2, serial),
    ECDSA_SHA256,
    name,
    validity,
    name,
    spkiDer,
  );
  const signature = new Uint8Array(sign('sha256', tbs, privateKey));
  const certificate = der(0x30, tbs, ECDSA_SHA256, der(3, Uint8Array.of(0), signature));
  const base64 = Buffer.from(certificate).toString('base64');
  return {
    privateKeyPem: new Secret(utf8(String(privateKey.export({ type: 'pkcs8', format: 'pem' })))),
    certificatePem: `-----BEGIN CERTIFICATE-----\n${base64}\n-----END CERTIFICATE-----\n`,
    spkiDer,
  };
}
