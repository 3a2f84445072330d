/**
 * Vectors that name a folder (`sampleData/tdx/*`): its quote, with whatever collateral lies beside
 * it, which a verifier that pins Intel's root must refuse.
 */
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { INTEL_ROOTS, parseTdxReferenceValues, verifyTdx } from '../src/index.ts';
import { unixMillis } from '@witan/core';
import { runIntelSample } from './intel-sample-vectors.ts';
import { stringOf, type Json } from './json.ts';
import { testCrypto } from './node-crypto.ts';
import { referenceJsonFor } from './tdx-vectors.ts';

/** Within the validity of every certificate of the samples. */
const AT = '2024-01-01T00:00:00Z';

/** Whether a vector has this shape. */
export function isFolderVector(vector: Json): boolean {
  return (
    stringOf(vector['files'])?.endsWith('/*') === true &&
    stringOf(vector['expected'])?.startsWith('reject') === true
  );
}

/** Runs such a vector. */
export function runFolderVector(folder: string, vector: Json): readonly string[] {
  const own = join(folder, dirname(stringOf(vector['files']) ?? ''));
  const read = (name: string): Uint8Array | undefined =>
    existsSync(join(own, name)) ? new Uint8Array(readFileSync(join(own, name))) : undefined;
  const quote = read('quote.dat');
  if (quote === undefined) return ['the folder has no quote.dat'];
  const chain = read('tcbSignChain.pem');
  const rootCrl = read('rootCaCrl.der');
  const pckCrl = read('intermediateCaCrl.der');
  const verdict = verifyTdx({
    quote,
    endorsements: {
      ...(rootCrl === undefined ? {} : { rootCrl }),
      ...(pckCrl === undefined ? {} : { pckCrl }),
      ...(chain === undefined ? {} : { tcbInfoIssuerChain: chain, qeIdentityIssuerChain: chain }),
    },
    options: {
      now: unixMillis(Date.parse(AT)),
      crypto: testCrypto,
      roots: { production: INTEL_ROOTS, development: [] },
      expectedReportData: new Uint8Array(64),
      referenceValues: parseTdxReferenceValues(referenceJsonFor(quote), 'vector'),
    },
  });
  if (verdict.ok) return ['accepted'];
  const isSgx = (stringOf(vector['expected']) ?? '').includes('SGX');
  const codes = isSgx
    ? ['TDX_TEE_TYPE']
    : ['TDX_PCK_CHAIN', 'TDX_ROOT_UNTRUSTED', 'TDX_CERTIFICATION_DATA', 'PEM_MALFORMED'];
  const problems = codes.includes(verdict.code)
    ? []
    : [`expected ${codes.join(' or ')}, ${verdict.code}`];
  // Only the sample that states its signatures is refused for nothing but what the index names.
  return vector['signatures_verified'] === undefined
    ? problems
    : [...problems, ...runIntelSample(folder, vector)];
}
