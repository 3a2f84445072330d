/**
 * One SEV-SNP vector: its files, its expected verdict and its decoded fields.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import {
  AMD_ROOTS,
  parseCertificate,
  parsePemCertificates,
  parseSnpReferenceValues,
  parseSnpReport,
  readVekExtensions,
  verifySnp,
  type AttestationErrorCode,
  type SnpEndorsements,
  type SnpReferenceValues,
  type SnpVerdict,
} from '../src/index.ts';
import { unixMillis } from '@witan/core';
import { testCrypto } from './node-crypto.ts';
import { certificatesIn } from './certificate-vectors.ts';
import { decodedCertificate, decodedReport } from './snp-decoded.ts';
import { differences, objectOf, stringOf, stringsOf, type Json } from './json.ts';

/** Which codes an index's words allow. */
const CODES: Readonly<Record<string, readonly AttestationErrorCode[]>> = {
  'certificate chain': ['SNP_VEK_ISSUER', 'SNP_VEK_SIGNATURE', 'SNP_INTERMEDIATE_SIGNATURE'],
  validity: ['SNP_VEK_VALIDITY', 'SNP_CA_VALIDITY'],
  'report signature': ['SNP_REPORT_SIGNATURE'],
  'certificate TCB != reported TCB': ['SNP_TCB_MISMATCH'],
  'certificate HWID != chip id': ['SNP_CHIP_ID'],
  'guest policy allows DEBUG': ['SNP_POLICY_DEBUG'],
  migrate: ['SNP_POLICY_MIGRATION'],
  minTcb: ['SNP_TCB_BELOW_MINIMUM'],
  policyBit17: ['SNP_POLICY_RESERVED'],
  hwid: ['SNP_CHIP_ID'],
  icaRevoked: ['SNP_CA_REVOKED'],
  crlSig: ['SNP_CRL_SIGNATURE'],
  icaNotCA: ['SNP_CA_CONSTRAINTS'],
  vekSig: ['SNP_VEK_SIGNATURE'],
  signingKey: ['SNP_SIGNING_KEY'],
  version: ['SNP_REPORT_VERSION'],
  sigAlgo: ['SNP_SIGNATURE_ALGORITHM'],
  mbz: ['SNP_RESERVED_NOT_ZERO'],
  tcbMatch: ['SNP_TCB_MISMATCH'],
};

/** Findings that an accepting verdict needs a permission for. */
const PERMISSIONS: readonly (readonly [prefix: string, permission: Json])[] = [
  ['committed TCB != current TCB', { provisionalFirmware: true }],
  ['VMPL 1', { vmpl: 1 }],
];

/** Runs a vector and says what is wrong; no problems means that it passed. */
export function runSnpVector(
  folder: string,
  vector: Json,
  developmentRoots: readonly string[],
): readonly string[] {
  const files = objectOf(vector['files']);
  const report = readReport(folder, stringOf(files['report']) ?? '');
  const endorsements = readEndorsements(folder, files);
  const verdict = judgeVector(vector, report, endorsements, developmentRoots);
  const problems = [...verdictProblems(vector, verdict), ...fieldProblems(vector, report)];
  const certificate = objectOf(vector['certificate']);
  if (endorsements.vek !== undefined && Object.keys(certificate).length > 0) {
    const parsed = parseCertificate(endorsements.vek);
    const decoded = decodedCertificate(parsed, readVekExtensions(parsed));
    problems.push(...differences(certificate, decoded, 'certificate'));
  }
  if (developmentRoots.length > 0) {
    const strict = judgeVector(vector, report, endorsements, []);
    if (strict.ok) problems.push('accepted although its root is not a production one (I11)');
  }
  return problems;
}

function judgeVector(
  vector: Json,
  report: Uint8Array,
  endorsements: SnpEndorsements,
  developmentRoots: readonly string[],
): SnpVerdict {
  const at = stringOf(vector['verdict_at']) ?? stringOf(vector['at']) ?? '';
  const expectedReportData = report.slice(0x50, 0x90);
  return verifySnp({
    report,
    endorsements,
    options: {
      now: unixMillis(Date.parse(at)),
      crypto: testCrypto,
      roots: { production: AMD_ROOTS, development: developmentRoots },
      revocation: endorsements.crl === undefined ? 'if-present' : 'required',
      expectedReportData,
      referenceValues: referenceValuesFor(vector, report, developmentRoots),
    },
  });
}

function referenceValuesFor(
  vector: Json,
  report: Uint8Array,
  developmentRoots: readonly string[],
): SnpReferenceValues {
  const findings = stringsOf(vector['policy_findings']);
  const permissions = PERMISSIONS.filter(([prefix]) =>
    findings.some((finding) => finding.startsWith(prefix)),
  ).map(([, permission]) => permission);
  const minimum = objectOf(objectOf(vector['policy'])['minTcb']);
  const hex = (from: number, to: number): string =>
    Buffer.from(report.subarray(from, to)).toString('hex');
  return parseSnpReferenceValues(
    {
      tee: 'snp',
      measurement: [hex(0x90, 0xc0)],
      hostData: hex(0xc0, 0xe0),
      products: ['Milan', 'Genoa', 'Turin'],
      minimumTcb: { bootloader: 0, tee: 0, snp: minimum['snp'] ?? 0, microcode: 0 },
      ...(developmentRoots.length === 0 ? {} : { developmentRoots }),
      ...Object.assign({}, ...permissions),
    },
    'vector',
  );
}

function verdictProblems(vector: Json, verdict: SnpVerdict): readonly string[] {
  const expected = stringOf(vector['expected']) ?? stringOf(vector['expect']) ?? '';
  const found = verdict.ok ? 'accept' : verdict.claims === undefined ? 'reject' : 'reject-policy';
  if (found !== expected) {
    return [`expected ${expected}, found ${found} ${verdict.ok ? '' : verdict.code}`];
  }
  if (verdict.ok) return [];
  const failed =
    expected === 'reject-policy' && vector['policy_findings'] !== undefined
      ? stringsOf(vector['policy_findings'])
      : stringsOf(vector['failed_checks'] ?? objectOf(vector['checked'])['failed']);
  const allowed = failed.flatMap((words) => codesFor(words));
  // Words that are not in the table allow any code: the verdict itself was compared above.
  return allowed.length === 0 || allowed.includes(verdict.code)
    ? []
    : [`expected a code for ${failed.join(', ')}, found ${verdict.code}`];
}

function codesFor(words: string): readonly AttestationErrorCode[] {
  const exact = CODES[words];
  return exact ?? CODES[words.split(' ')[0] ?? ''] ?? [];
}

function fieldProblems(vector: Json, report: Uint8Array): readonly string[] {
  const fields = objectOf(vector['fields']);
  if (Object.keys(fields).length === 0) return [];
  const decoded = decodedReport(parseSnpReport(report), stringOf(vector['product']) ?? '');
  const problems = differences(fields, decoded, 'fields');
  const version = vector['report_version'];
  if (version === undefined) return problems;
  return [...problems, ...differences(version, decoded['version'], 'report_version')];
}

function readReport(folder: string, name: string): Uint8Array {
  const [path = '', ...hints] = name.split(' ');
  const hint = hints.join(' ');
  const bytes = new Uint8Array(readFileSync(join(folder, path)));
  if (hint === '(hex text)') return fromText(bytes, 'hex');
  if (hint !== 'bytes 32..1216') return bytes;
  if (!path.endsWith('.json')) return bytes.slice(32, 1216);
  const evidence = objectOf(JSON.parse(Buffer.from(bytes).toString()));
  const hcl = Array.isArray(evidence['report'])
    ? Uint8Array.from(evidence['report'] as readonly number[])
    : new Uint8Array(Buffer.from(stringOf(evidence['hcl_report']) ?? '', 'base64url'));
  return hcl.slice(32, 1216);
}

function readEndorsements(folder: string, files: Json): SnpEndorsements {
  const chain = certificatesIn(folder, stringOf(files['chain']) ?? '');
  const [intermediate, root] = chain.length === 3 ? chain.slice(1) : chain;
  const vek = readVek(folder, files);
  const crl = stringOf(files['crl']);
  return {
    ...(vek === undefined ? {} : { vek }),
    ...(intermediate === undefined ? {} : { intermediate }),
    ...(root === undefined ? {} : { root }),
    ...(crl === undefined ? {} : { crl: new Uint8Array(readFileSync(join(folder, crl))) }),
  };
}

function readVek(folder: string, files: Json): Uint8Array | undefined {
  const name = stringOf(files['endorsement_key_certificate']) ?? stringOf(files['vek']) ?? '';
  if (name !== 'inside the JSON') return certificatesIn(folder, name)[0];
  const path = (stringOf(files['report']) ?? '').split(' ')[0] ?? '';
  const evidence = objectOf(JSON.parse(readFileSync(join(folder, path), 'utf8')));
  const text = stringOf(evidence['vcek']) ?? '';
  if (text.startsWith('-----')) return parsePemCertificates(text)[0];
  return new Uint8Array(Buffer.from(text, 'base64url'));
}

function fromText(bytes: Uint8Array, encoding: 'hex'): Uint8Array {
  return new Uint8Array(Buffer.from(Buffer.from(bytes).toString('latin1').trim(), encoding));
}
