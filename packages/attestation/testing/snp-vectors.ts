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
  splitExtendedReport,
  verifySnp,
  type RevocationMode,
  type SnpEndorsements,
  type SnpVerdict,
  type SnpVerifyRequest,
} from '../src/index.ts';
import { bytesEqual, toHex, unixMillis } from '@witan/core';
import { testCrypto } from './node-crypto.ts';
import { decodedCertificate, decodedReport } from './snp-decoded.ts';
import { demandsFor, permissionsFor, snpCodesFor, SNP_NOT_WAIVABLE } from './snp-words.ts';
import { certificatesIn, readNamed } from './vector-files.ts';
import { codeProblems } from './outcome.ts';
import { differences, objectOf, stringOf, stringsOf, type Json } from './json.ts';

/** One vector with everything that was read for it. */
interface SnpCase {
  readonly vector: Json;
  readonly report: Uint8Array;
  readonly endorsements: SnpEndorsements;
}

/** Runs a vector and says what is wrong; no problems means that it passed. */
export function runSnpVector(
  folder: string,
  vector: Json,
  developmentRoots: readonly string[],
): readonly string[] {
  const it = readCase(folder, vector);
  const verdict = judgeCase(it, developmentRoots, revocationFor(it, developmentRoots));
  const problems = [
    ...verdictProblems(vector, verdict),
    ...missingListProblems(it, developmentRoots),
    ...fieldProblems(it),
    ...claimProblems(vector, verdict),
  ];
  const certificate = objectOf(vector['certificate']);
  if (it.endorsements.vek !== undefined && Object.keys(certificate).length > 0) {
    const parsed = parseCertificate(it.endorsements.vek);
    const decoded = decodedCertificate(parsed, readVekExtensions(parsed));
    problems.push(...differences(certificate, decoded, 'certificate'));
  }
  if (developmentRoots.length > 0) {
    const strict = judgeCase(it, [], 'if-present');
    if (strict.ok || strict.claims !== undefined) {
      problems.push('genuine although its root is not a production one (I11)');
    }
  }
  return problems;
}

/** Real evidence comes without revocation lists; what is made for a test comes complete. */
function revocationFor({ vector }: SnpCase, developmentRoots: readonly string[]): RevocationMode {
  const accepted = expectedOf(vector) === 'accept';
  const hasList = objectOf(vector['files'])['crl'] !== undefined;
  return hasList || (developmentRoots.length > 0 && !accepted) ? 'required' : 'if-present';
}

/** Without a list both answers are right, each under its option: a refusal and a finding. */
function missingListProblems(it: SnpCase, developmentRoots: readonly string[]): readonly string[] {
  if (it.endorsements.crl !== undefined) return [];
  if (developmentRoots.length === 0 || expectedOf(it.vector) === 'reject') return [];
  const strict = judgeCase(it, developmentRoots, 'required');
  return !strict.ok && strict.code === 'SNP_CRL_MISSING'
    ? []
    : ['is not refused for want of a revocation list that is demanded'];
}

/** A vector as a request, for other uses of the same evidence. */
export function snpRequestOf(
  folder: string,
  vector: Json,
  developmentRoots: readonly string[],
): SnpVerifyRequest {
  const it = readCase(folder, vector);
  return requestFor(it, developmentRoots, revocationFor(it, developmentRoots));
}

function judgeCase(
  it: SnpCase,
  developmentRoots: readonly string[],
  revocation: RevocationMode,
): SnpVerdict {
  return verifySnp(requestFor(it, developmentRoots, revocation));
}

function requestFor(
  { vector, report, endorsements }: SnpCase,
  developmentRoots: readonly string[],
  revocation: RevocationMode,
): SnpVerifyRequest {
  const at = stringOf(vector['verdict_at']) ?? stringOf(vector['at']) ?? '';
  const policy = objectOf(vector['policy']);
  const wanted = stringOf(policy['reportData']);
  const { reportData: _, ...demands } = policy;
  const findings = stringsOf(vector['policy_findings']);
  const permissions = expectedOf(vector) === 'accept' ? permissionsFor(findings) : {};
  return {
    report,
    endorsements,
    options: {
      now: unixMillis(Date.parse(at)),
      crypto: testCrypto,
      roots: { production: AMD_ROOTS, development: developmentRoots },
      revocation,
      expectedReportData:
        wanted === undefined
          ? report.slice(0x50, 0x90)
          : new Uint8Array(Buffer.from(wanted, 'hex')),
      referenceValues: parseSnpReferenceValues(
        {
          tee: 'snp',
          measurement: [toHex(report.slice(0x90, 0xc0)).padEnd(96, '0')],
          hostData: toHex(report.slice(0xc0, 0xe0)).padEnd(64, '0'),
          products: ['Milan', 'Genoa', 'Turin'],
          minimumTcb: { bootloader: 0, tee: 0, snp: 0, microcode: 0 },
          ...(developmentRoots.length === 0 ? {} : { developmentRoots }),
          ...permissions,
          ...demandsFor(demands),
        },
        'vector',
      ),
    },
  };
}

function expectedOf(vector: Json): string {
  return stringOf(vector['expected']) ?? stringOf(vector['expect']) ?? '';
}

function verdictProblems(vector: Json, verdict: SnpVerdict): readonly string[] {
  const expected = expectedOf(vector);
  const found = verdict.ok ? 'accept' : verdict.claims === undefined ? 'reject' : 'reject-policy';
  const code = verdict.ok ? '' : verdict.code;
  const unwaivable = !verdict.ok && SNP_NOT_WAIVABLE.includes(verdict.code);
  if (found !== expected && !(unwaivable && expected.startsWith('reject'))) {
    return [`expected ${expected}, found ${found} ${code}`];
  }
  if (verdict.ok) return [];
  const failed =
    expected === 'reject-policy' && vector['policy_findings'] !== undefined
      ? stringsOf(vector['policy_findings'])
      : stringsOf(vector['failed_checks'] ?? objectOf(vector['checked'])['failed']);
  return codeProblems(failed.map(snpCodesFor), verdict.checks, failed.join(', '));
}

function fieldProblems({ vector, report }: SnpCase): readonly string[] {
  const fields = objectOf(vector['fields']);
  if (Object.keys(fields).length === 0) return [];
  const decoded = decodedReport(parseSnpReport(report), stringOf(vector['product']) ?? '');
  const problems = differences(fields, decoded, 'fields');
  const version = vector['report_version'];
  if (version === undefined) return problems;
  return [...problems, ...differences(version, decoded['version'], 'report_version')];
}

/** Product and signer as the verifier found them, where the index names them. */
function claimProblems(vector: Json, { claims }: SnpVerdict): readonly string[] {
  if (claims === undefined) return [];
  return (['product', 'signer'] as const)
    .filter((name) => vector[name] !== undefined)
    .flatMap((name) => differences(vector[name], claims[name], name));
}

function readCase(folder: string, vector: Json): SnpCase {
  const files = objectOf(vector['files']);
  const bytes = readNamed(folder, stringOf(files['report']) ?? '');
  const vekName = stringOf(files['endorsement_key_certificate']) ?? stringOf(files['vek']);
  const tableName = stringOf(files['certificate_table']) ?? stringOf(files['auxblob']);
  // A report that comes with its certificate is a report and nothing else.
  const split = vekName === undefined ? splitExtendedReport(bytes) : { report: bytes };
  const table = tableName === undefined ? split.certificateTable : readNamed(folder, tableName);
  const vek = vekName === undefined ? undefined : readVek(folder, files, vekName);
  const chainName = stringOf(files['chain']);
  const chain = chainName === undefined ? [] : certificatesIn(folder, chainName);
  const crl = stringOf(files['crl']);
  return {
    vector,
    report: split.report,
    endorsements: {
      ...(vek === undefined ? {} : { vek }),
      ...authoritiesOf(chain, vek),
      ...(table === undefined ? {} : { certificateTable: table }),
      ...(crl === undefined ? {} : { crl: new Uint8Array(readFileSync(join(folder, crl))) }),
    },
  };
}

/** The root issued itself; the intermediate is what is neither the root nor the leaf. */
function authoritiesOf(
  chain: readonly Uint8Array[],
  vek: Uint8Array | undefined,
): Pick<SnpEndorsements, 'intermediate' | 'root'> {
  const others = chain.filter((der) => vek === undefined || !bytesEqual(der, vek));
  const root = others.find(isSelfIssued) ?? others.at(1);
  const intermediate = others.find((der) => der !== root);
  return {
    ...(intermediate === undefined ? {} : { intermediate }),
    ...(root === undefined ? {} : { root }),
  };
}

function isSelfIssued(der: Uint8Array): boolean {
  try {
    const { issuer, subject } = parseCertificate(der);
    return bytesEqual(issuer.der, subject.der);
  } catch {
    return false;
  }
}

function readVek(folder: string, files: Json, name: string): Uint8Array | undefined {
  if (name !== 'inside the JSON') return certificatesIn(folder, name)[0];
  const path = (stringOf(files['report']) ?? '').split(' ')[0] ?? '';
  const evidence = objectOf(JSON.parse(readFileSync(join(folder, path), 'utf8')));
  const text = stringOf(evidence['vcek']) ?? '';
  if (text.startsWith('-----')) return parsePemCertificates(text)[0];
  return new Uint8Array(Buffer.from(text, 'base64url'));
}
