/**
 * Bundles of Intel's collateral that an index describes without a quote: who signed what, for which
 * platform, and between which times.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import {
  certificateFingerprint,
  INTEL_ROOTS,
  isSignedBy,
  parseCertificate,
  parseCrl,
  parsePemCertificates,
  parseQeIdentity,
  parseTcbInfo,
  type Certificate,
} from '../src/index.ts';
import { testCrypto } from './node-crypto.ts';
import { differences, objectOf, stringOf, type Json } from './json.ts';
import { collateralOf } from './tdx-collateral-file.ts';
import { isoSeconds } from './tdx-signatures.ts';

/** Runs one bundle. */
export function runBundleVector(folder: string, expected: Json): readonly string[] {
  const path = join(folder, stringOf(expected['file']) ?? '');
  const json = objectOf(JSON.parse(readFileSync(path, 'utf8')));
  const found = describeBundle(json);
  const compared = Object.keys(found).filter((name) => expected[name] !== undefined);
  return differences(
    Object.fromEntries(compared.map((name) => [name, expected[name]])),
    found,
    'bundle',
  );
}

function describeBundle(json: Json): Json {
  const parts = collateralOf(json);
  const required = (bytes: Uint8Array | undefined): Uint8Array => bytes ?? new Uint8Array();
  const tcbInfo = parseTcbInfo(required(parts.tcbInfo));
  const qeIdentity = parseQeIdentity(required(parts.qeIdentity));
  const rootCrl = parseCrl(required(parts.rootCrl));
  const pckCrl = parseCrl(required(parts.pckCrl));
  const certificates = ['tcb_info_issuer_chain', 'qe_identity_issuer_chain', 'pck_crl_issuer_chain']
    .flatMap((name) => parsePemCertificates(stringOf(json[name]) ?? ''))
    .map(parseCertificate);
  const signer = certificates.find(({ subject }) => subject.commonName === 'Intel SGX TCB Signing');
  const periods = {
    tcb_info: [tcbInfo.issueDate, tcbInfo.nextUpdate],
    qe_identity: [qeIdentity.issueDate, qeIdentity.nextUpdate],
    root_crl: [rootCrl.thisUpdate, rootCrl.nextUpdate],
    pck_crl: [pckCrl.thisUpdate, pckCrl.nextUpdate],
    tcb_signing_certificate: [signer?.notBefore ?? 0, signer?.notAfter ?? 0],
  };
  const starts = Object.values(periods).map(([start = 0]) => start);
  const ends = Object.values(periods).map(([, end = 0]) => end);
  return {
    fmspc: tcbInfo.fmspc,
    tcb_evaluation_data_number: tcbInfo.tcbEvaluationDataNumber,
    signatures_ok:
      documentsAreSigned(json, signer) &&
      [rootCrl, pckCrl, ...certificates].every((object) =>
        certificates.some((issuer) => isSignedBy(object, issuer, testCrypto)),
      ) &&
      certificates.some(({ der }) => INTEL_ROOTS.includes(certificateFingerprint(testCrypto, der))),
    ...Object.fromEntries(
      Object.entries(periods).map(([name, period]) => [name, period.map(isoSeconds)]),
    ),
    pck_crl_revoked_count: pckCrl.revokedSerials.size,
    all_valid_between: [Math.max(...starts), Math.min(...ends)].map(isoSeconds),
  };
}

function documentsAreSigned(json: Json, signer: Certificate | undefined): boolean {
  const parts = collateralOf(json);
  return (['tcbInfo', 'qeIdentity'] as const).every((name) =>
    testCrypto.verify({
      algorithm: 'ecdsa-p256-sha256',
      publicKey: signer?.spki ?? new Uint8Array(),
      data: parts[name] ?? new Uint8Array(),
      signature: parts[`${name}Signature`] ?? new Uint8Array(),
    }),
  );
}
