/** One bundle of Intel's collateral: signatures, times and contents against its index. */
import { join } from 'node:path';
import {
  isSignedBy,
  parseCertificate,
  parseCrl,
  parsePemCertificates,
  parseQeIdentity,
  parseTcbInfo,
} from '../src/index.ts';
import { differences, stringOf, type Json } from './json.ts';
import { testCrypto } from './node-crypto.ts';
import { readCollateral } from './tdx-vectors.ts';

const NONE = new Uint8Array();

/** Runs the entry of an index. */
export function runBundleVector(folder: string, vector: Json): readonly string[] {
  const bundle = readCollateral(join(folder, stringOf(vector['file']) ?? ''));
  const chain = parsePemCertificates(Buffer.from(bundle.tcbInfoIssuerChain ?? NONE).toString());
  const [signer, root] = chain.map(parseCertificate);
  if (signer === undefined || root === undefined) return ['the chain has no two certificates'];
  const tcbInfo = parseTcbInfo(bundle.tcbInfo ?? NONE);
  const qeIdentity = parseQeIdentity(bundle.qeIdentity ?? NONE);
  const [rootCrl, pckCrl] = [bundle.rootCrl, bundle.pckCrl].map((der) => parseCrl(der ?? NONE));
  if (rootCrl === undefined || pckCrl === undefined) return ['a revocation list is missing'];
  const signs = (document?: Uint8Array, signature?: Uint8Array): boolean =>
    testCrypto.verify({
      algorithm: 'ecdsa-p256-sha256',
      publicKey: signer.spki,
      data: document ?? NONE,
      signature: signature ?? NONE,
    });
  const found = {
    fmspc: tcbInfo.fmspc,
    tcb_evaluation_data_number: tcbInfo.tcbEvaluationDataNumber,
    signatures_ok:
      isSignedBy(signer, root, testCrypto) &&
      isSignedBy(rootCrl, root, testCrypto) &&
      signs(bundle.tcbInfo, bundle.tcbInfoSignature) &&
      signs(bundle.qeIdentity, bundle.qeIdentitySignature),
    tcb_info: times(tcbInfo.issueDate, tcbInfo.nextUpdate),
    qe_identity: times(qeIdentity.issueDate, qeIdentity.nextUpdate),
    root_crl: times(rootCrl.thisUpdate, rootCrl.nextUpdate),
    pck_crl: times(pckCrl.thisUpdate, pckCrl.nextUpdate),
    pck_crl_revoked_count: pckCrl.revokedSerials.size,
    tcb_signing_certificate: times(signer.notBefore, signer.notAfter),
  };
  const names = Object.keys(found).filter((name) => vector[name] !== undefined);
  const expected = Object.fromEntries(names.map((name) => [name, vector[name]]));
  return differences(expected, found, 'bundle');
}

function times(from: number, to: number): readonly string[] {
  return [from, to].map((millis) => new Date(millis).toISOString().replace('.000Z', 'Z'));
}
