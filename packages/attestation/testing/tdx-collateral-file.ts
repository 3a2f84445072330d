/** Collateral documents of the vectors' common shape: the field names of QuoteCollateralV3. */
import { readFileSync } from 'node:fs';
import type { TdxEndorsements } from '../src/index.ts';
import { objectOf, stringOf, type Json } from './json.ts';

/** Reads a document; parts that it does not have are left out. */
export function readCollateral(path: string): TdxEndorsements {
  return collateralOf(objectOf(JSON.parse(readFileSync(path, 'utf8'))));
}

/** As `readCollateral`, from parsed JSON. */
export function collateralOf(json: Json): TdxEndorsements {
  const parts: readonly (readonly [keyof TdxEndorsements, Uint8Array | undefined])[] = [
    ['rootCrl', bytesOf(json['root_ca_crl'])],
    ['pckCrl', bytesOf(json['pck_crl'])],
    ['tcbInfoIssuerChain', textOf(json['tcb_info_issuer_chain'])],
    ['tcbInfo', textOf(json['tcb_info'])],
    ['tcbInfoSignature', bytesOf(json['tcb_info_signature'])],
    ['qeIdentityIssuerChain', textOf(json['qe_identity_issuer_chain'])],
    ['qeIdentity', textOf(json['qe_identity'])],
    ['qeIdentitySignature', bytesOf(json['qe_identity_signature'])],
  ];
  return Object.fromEntries(parts.filter(([, bytes]) => bytes !== undefined));
}

/** Hex, base64 or a list of numbers; all three are written by tools in use. */
function bytesOf(value: unknown): Uint8Array | undefined {
  if (Array.isArray(value)) return Uint8Array.from(value as readonly number[]);
  const text = stringOf(value);
  if (text === undefined || text === '') return undefined;
  const encoding = /^[0-9a-fA-F]*$/.test(text) ? 'hex' : 'base64';
  return new Uint8Array(Buffer.from(text, encoding));
}

function textOf(value: unknown): Uint8Array | undefined {
  const text = stringOf(value);
  return text === undefined || text === '' ? undefined : new Uint8Array(Buffer.from(text, 'utf8'));
}
