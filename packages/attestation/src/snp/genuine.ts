/**
 * Whether a report is genuine: rows 1 to 12 of the order of checks. Nothing that a manifest says
 * plays a part here, except which development roots may be considered at all.
 */
import { bytesEqual, isAllZero, toHex, type UnixMillis } from '@witan/core';
import { AttestationError } from '../errors.ts';
import type { CheckList } from '../check-list.ts';
import { isSignedBy, type Certificate, type IsSignedBy } from '../x509/certificate.ts';
import type { CertificateRevocationList, CrlHead } from '../x509/crl.ts';
import type { SnpClaims, SnpSigner } from './claims.ts';
import {
  checkAuthorities,
  checkRevocation,
  checkRoot,
  checkVek,
  demandEndorsement,
  parseCrlEndorsement,
  parseEndorsement,
  type AcceptedRoot,
  type SnpChain,
} from './chain.ts';
import { amdRootCertificate } from './ark-certificates.ts';
import { parseCertificateTable, type SnpCertificateTable } from './certificate-table.ts';
import { snpChainKey, type SnpChainBytes } from './chain-cache.ts';
import { hex64 } from '../hex64.ts';
import { guestPolicyHas } from './flags.ts';
import type { SnpEndorsements, SnpGenuineOptions } from './options.ts';
import { productOfCpuid, productOfName, type SnpProduct } from './product.ts';
import { SIGNING_KEY_VCEK, parseSnpReport, signedRangeOf, type SnpReport } from './report.ts';
import { tcbBytes, tcbParts, tcbText } from './tcb.ts';
import type { VekExtensions } from './vek.ts';

/** A report whose signature leads to an accepted root. */
export interface GenuineSnp {
  readonly report: SnpReport;
  readonly claims: SnpClaims;
  readonly validUntil: UnixMillis;
}

/** The first 8 bytes of CHIP_ID are the id on Turin; the rest is zero. */
const CHIP_ID_BYTES: Readonly<Record<SnpProduct, number>> = { Milan: 64, Genoa: 64, Turin: 8 };

/**
 * Verifies a report down from a root.
 *
 * @param checks receives every check; also complete when this throws
 * @throws AttestationError with the code of the first check that fails
 */
export function verifySnpGenuine(
  reportBytes: Uint8Array,
  endorsements: SnpEndorsements,
  options: SnpGenuineOptions,
  checks: CheckList,
): GenuineSnp {
  const report = parseSnpReport(reportBytes);
  checks.judge('SNP_REPORT_VERSION', true, '2 to 5', report.version);
  const signer: SnpSigner = report.signingKey === SIGNING_KEY_VCEK ? 'VCEK' : 'VLEK';
  checks.judge('SNP_SIGNING_KEY', true, 'VCEK or VLEK', signer);
  const bytes = gatherChain(endorsements, signer, report, options);
  const opened = openChain(bytes, options);
  const { chain } = opened;
  const product = productOf(report, chain.vek);
  checks.judge('SNP_PRODUCT_UNKNOWN', true, 'a supported product', product);
  const root = checkRoot(chain.root, product, options, checks);
  checkAuthorities(chain, opened.isSignedBy, options, checks);
  const extensions = checkVek(chain, signer, opened.isSignedBy, options, checks);
  const crl = checkRevocation(chain, opened.crl, opened.isSignedBy, options, checks);
  if (opened.cacheKey !== undefined) options.chainCache?.set(opened.cacheKey, { chain, crl });
  checkChipId(report, product, signer, extensions, checks);
  checkTcb(report, product, extensions, checks);
  checkProduct(product, chain, signer, extensions, checks);
  const signed = options.crypto.verify({
    algorithm: 'ecdsa-p384-sha384',
    publicKey: chain.vek.spki,
    data: signedRangeOf(reportBytes),
    signature: report.signature,
  });
  checks.demand('SNP_REPORT_SIGNATURE', signed);
  if (root.simulated) checks.note('simulated', 'the chain ends in a development root');
  return {
    report,
    claims: claimsOf(report, product, signer, root, extensions),
    validUntil: validUntilOf(chain, crl),
  };
}

/**
 * Takes the certificates from where they were suggested; the root never from the host's table. A
 * root that did not come with the evidence is AMD's.
 */
function gatherChain(
  endorsements: SnpEndorsements,
  signer: SnpSigner,
  report: SnpReport,
  { roots }: SnpGenuineOptions,
): SnpChainBytes {
  const table: SnpCertificateTable =
    endorsements.certificateTable === undefined
      ? {}
      : parseCertificateTable(endorsements.certificateTable);
  const tableVek = signer === 'VCEK' ? table.vcek : table.vlek;
  const vek = demandEndorsement('vek', endorsements.vek ?? tableVek);
  const intermediate = endorsements.intermediate ?? table.intermediate;
  const ownRoot = (): Uint8Array | undefined => {
    const product = productOf(report, parseEndorsement('vek', vek));
    const pinned = roots.production.some((pin) => pin.product === product);
    return pinned ? amdRootCertificate(product) : undefined;
  };
  return {
    vek,
    intermediate: demandEndorsement('intermediate', intermediate),
    root: demandEndorsement('root', endorsements.root ?? ownRoot()),
    crl: endorsements.crl,
  };
}

/** A chain that was parsed, and how to find out whether its parts are signed by the part above. */
interface OpenedChain {
  readonly chain: SnpChain;
  readonly crl: CrlHead | CertificateRevocationList | undefined;
  readonly isSignedBy: IsSignedBy;
  /** Under which key the chain is to be remembered once all its signatures were good. */
  readonly cacheKey: string | undefined;
}

function openChain(bytes: SnpChainBytes, options: SnpGenuineOptions): OpenedChain {
  const { chainCache, crypto } = options;
  const key = chainCache === undefined ? undefined : snpChainKey(bytes, crypto);
  const known = key === undefined ? undefined : chainCache?.get(key);
  if (known !== undefined) return { ...known, isSignedBy: () => true, cacheKey: undefined };
  // What is remembered must not keep alive, or change with, the message that it came in.
  const own = (part: Uint8Array): Uint8Array => (key === undefined ? part : Uint8Array.from(part));
  return {
    chain: {
      vek: parseEndorsement('vek', own(bytes.vek)),
      intermediate: parseEndorsement('intermediate', own(bytes.intermediate)),
      root: parseEndorsement('root', own(bytes.root)),
    },
    crl: parseCrlEndorsement(bytes.crl === undefined ? undefined : own(bytes.crl)),
    isSignedBy: (object, issuer) => isSignedBy(object, issuer, crypto),
    cacheKey: key,
  };
}

/**
 * Row 4. Reports of version 2 have no CPUID: the issuer's name in the certificate suggests the
 * product, and the chain under that product's root must then confirm it.
 */
function productOf(report: SnpReport, vek: Certificate): SnpProduct {
  const { cpuid } = report;
  const product =
    cpuid === undefined
      ? productOfName((vek.issuer.commonName ?? '').replace(/^SEV-(VLEK-)?/, ''))
      : productOfCpuid(cpuid);
  if (product !== undefined) return product;
  const found =
    cpuid === undefined
      ? (vek.issuer.commonName ?? 'none')
      : `family ${cpuid.family}, model ${cpuid.model}`;
  throw new AttestationError('SNP_PRODUCT_UNKNOWN', {
    expected: 'Milan, Genoa or Turin',
    found,
  });
}

/** Row 9. */
function checkChipId(
  report: SnpReport,
  product: SnpProduct,
  signer: SnpSigner,
  { hardwareId }: VekExtensions,
  checks: CheckList,
): void {
  const masked = isAllZero(report.chipId);
  if (signer === 'VLEK') {
    if (masked) checks.note('chip-id-masked', 'the provider hides which chip signed');
    return;
  }
  const length = CHIP_ID_BYTES[product];
  const padded = isAllZero(report.chipId.subarray(length));
  const chipId = report.chipId.subarray(0, length);
  const equal = hardwareId !== undefined && bytesEqual(chipId, hardwareId);
  const expected = hardwareId === undefined ? '' : toHex(hardwareId);
  checks.demand('SNP_CHIP_ID', !masked && padded && equal, expected, toHex(report.chipId));
}

/** Row 10: every part, and the reserved bytes zero, in the layout of the product. */
function checkTcb(
  report: SnpReport,
  product: SnpProduct,
  { tcb }: VekExtensions,
  checks: CheckList,
): void {
  const hasFmc = tcb.fmc !== undefined;
  const equal = bytesEqual(tcbBytes(product, tcb), report.reportedTcb);
  checks.demand(
    'SNP_TCB_MISMATCH',
    equal && hasFmc === (product === 'Turin'),
    tcbText(tcb),
    tcbText(tcbParts(product, report.reportedTcb)),
  );
}

/** Row 11. A VCEK may name a stepping behind the product, such as `Milan-B0`. */
function checkProduct(
  product: SnpProduct,
  { root, intermediate }: SnpChain,
  signer: SnpSigner,
  { productName, structVersion }: VekExtensions,
  checks: CheckList,
): void {
  const intermediateName = signer === 'VCEK' ? `SEV-${product}` : `SEV-VLEK-${product}`;
  const agree =
    root.subject.commonName === `ARK-${product}` &&
    intermediate.subject.commonName === intermediateName &&
    productName.split('-')[0] === product &&
    structVersion === (product === 'Turin' ? 1 : 0);
  const found = `${productName} under ${intermediate.subject.commonName ?? ''}`;
  checks.demand('SNP_PRODUCT_MISMATCH', agree, product, found);
}

function validUntilOf(chain: SnpChain, crl: CertificateRevocationList | undefined): UnixMillis {
  const ends = [chain.root.notAfter, chain.intermediate.notAfter, chain.vek.notAfter];
  if (crl !== undefined) ends.push(crl.nextUpdate);
  return Math.min(...ends) as UnixMillis;
}

function claimsOf(
  report: SnpReport,
  product: SnpProduct,
  signer: SnpSigner,
  root: AcceptedRoot,
  { cspId }: VekExtensions,
): SnpClaims {
  const { currentFirmware: current, committedFirmware: committed } = report;
  const reportedTcb = tcbParts(product, report.reportedTcb);
  return {
    tee: 'snp',
    measurements: [{ name: 'launchDigest', value: toHex(report.measurement) }],
    configDigest: toHex(report.hostData),
    reportData: toHex(report.reportData),
    debug: guestPolicyHas(report.policy, 'debugAllowed'),
    tcb: { ...reportedTcb },
    tcbStatus: 'NotRated',
    advisories: [],
    hardwareId: isAllZero(report.chipId) ? undefined : toHex(report.chipId),
    simulated: root.simulated,
    rootFingerprint: root.fingerprint,
    product,
    signer,
    reportVersion: report.version,
    vmpl: report.vmpl,
    guestSvn: report.guestSvn,
    guestPolicy: hex64(report.policy),
    platformInfo: hex64(report.platformInfo),
    familyId: toHex(report.familyId),
    imageId: toHex(report.imageId),
    idKeyDigest: toHex(report.idKeyDigest),
    authorKeyDigest: toHex(report.authorKeyDigest),
    reportId: toHex(report.reportId),
    reportIdMigrationAgent: toHex(report.reportIdMigrationAgent),
    reportedTcb,
    currentTcb: tcbParts(product, report.currentTcb),
    committedTcb: tcbParts(product, report.committedTcb),
    launchTcb: tcbParts(product, report.launchTcb),
    currentFirmware: `${current.major}.${current.minor}.${current.build}`,
    committedFirmware: `${committed.major}.${committed.minor}.${committed.build}`,
    launchMitigations: hex64(report.launchMitigations),
    currentMitigations: hex64(report.currentMitigations),
    cspId,
  };
}
