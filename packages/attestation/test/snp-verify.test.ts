import { describe, expect, it } from 'vitest';
import { readFileSync } from 'node:fs';
import { tcbBytes, type SnpProduct } from '../src/index.ts';
import {
  authorityExtensions,
  makeAuthorities,
  makeCertificate,
  NOW_MS,
  resignBytes,
  rsaKey,
  tcbOf,
  YEAR_MS,
  type Authorities,
} from '../testing/snp-hierarchy.ts';
import { extension, ia5, octets } from '../testing/der-writer.ts';
import { judge, outcome, scene, type Changes } from './support/scene.ts';

const milan = makeAuthorities('Milan');
const genoa = makeAuthorities('Genoa', milan);
const turin = makeAuthorities('Turin', milan);
const strangerKey = rsaKey(2048);

const setByte =
  (at: number, value: number) =>
  (bytes: Uint8Array): Uint8Array => {
    const changed = Uint8Array.from(bytes);
    changed[at] = value;
    return resignBytes(changed, milan.vekKey);
  };

const rawByte =
  (at: number, value: number) =>
  (bytes: Uint8Array): Uint8Array => {
    const changed = Uint8Array.from(bytes);
    changed[at] = value;
    return changed;
  };

const tcb = (product: SnpProduct, changes: object): Uint8Array =>
  tcbBytes(product, { ...tcbOf(product), ...changes });

describe('a healthy report', () => {
  const accepted: readonly (readonly [string, Authorities, Changes])[] = [
    ['of Milan', milan, {}],
    ['of Genoa', genoa, {}],
    ['of Turin with its own TCB layout and short chip id', turin, {}],
    [
      'of version 3',
      milan,
      { report: { version: 3, launchMitigations: 0n, currentMitigations: 0n } },
    ],
    [
      'of version 4',
      milan,
      { report: { version: 4, launchMitigations: 0n, currentMitigations: 0n } },
    ],
    [
      'of version 2, whose product the certificate tells',
      milan,
      { report: { version: 2, cpuid: undefined, launchMitigations: 0n, currentMitigations: 0n } },
    ],
    ['signed by a VLEK', milan, { report: { signingKey: 1 } }],
    [
      'signed by a VLEK with masked chip id',
      milan,
      { report: { signingKey: 1, chipId: new Uint8Array(64) } },
    ],
    ['with unknown platform bits', turin, { report: { platformInfo: 0xffff_ff65n } }],
    [
      'with a reported TCB below the current one',
      milan,
      {
        report: {
          currentTcb: tcb('Milan', { microcode: 220 }),
          committedTcb: tcb('Milan', { microcode: 220 }),
        },
      },
    ],
    [
      'whose chip id stands in an OCTET STRING',
      milan,
      { vek: { hardwareId: octets(new Uint8Array(64).fill(0xc1)) } },
    ],
  ];

  it.each(accepted)('%s is accepted', (_, authorities, changes) => {
    const verdict = judge(authorities, changes);
    expect(outcome(verdict)).toBe('accepted');
    expect(verdict.checks.every(({ passed }) => passed)).toBe(true);
  });

  it('gives normalised claims that say it is simulated (I11)', () => {
    const verdict = judge(milan);
    if (!verdict.ok) throw new Error(verdict.code);
    expect(verdict.claims).toMatchObject({
      tee: 'snp',
      measurements: [{ name: 'launchDigest', value: '3e'.repeat(48) }],
      configDigest: '40'.repeat(32),
      reportData: 'da'.repeat(64),
      debug: false,
      tcb: { bootloader: 4, tee: 0, snp: 24, microcode: 219 },
      tcbStatus: 'NotRated',
      hardwareId: 'c1'.repeat(64),
      simulated: true,
      rootFingerprint: milan.fingerprint,
    });
    expect(verdict.findings.map(({ kind }) => kind)).toContain('simulated');
    expect(verdict.validUntil).toBe(NOW_MS + YEAR_MS / 12);
  });
});

describe('a report is refused with its own code when', () => {
  const ark2048 = makeCertificate({ ...milan.arkPlan, key: strangerKey, signer: strangerKey });
  const fingerprintOf = (pem: Uint8Array): string =>
    Buffer.from(scene(milan).options.crypto.hash('sha256', pem)).toString('hex');
  const withRoot = (root: Uint8Array): Changes => ({
    endorsements: { root },
    options: { roots: { production: [], development: [fingerprintOf(root)] } },
  });
  const withAsk = (plan: object): Changes => ({
    endorsements: { intermediate: makeCertificate({ ...milan.askPlan, ...plan }) },
  });
  const critical = extension('1.2.3.4', ia5('?'), true);

  const refused: [string, string, Changes, Authorities?][] = [
    ['SNP_REPORT_LENGTH', 'a byte is missing', { bytes: (bytes) => bytes.slice(1) }],
    ['SNP_REPORT_VERSION', 'the version is 6', { report: { version: 6 } }],
    ['SNP_SIGNATURE_ALGORITHM', 'the algorithm is none', { report: { signatureAlgorithm: 0 } }],
    ['SNP_RESERVED_NOT_ZERO', 'a reserved byte is set', { bytes: setByte(0x4c, 1) }],
    ['SNP_RESERVED_NOT_ZERO', 'version 4 has a mitigation vector', { report: { version: 4 } }],
    [
      'SNP_RESERVED_NOT_ZERO',
      'version 2 has CPUID',
      { report: { version: 2, launchMitigations: 0n, currentMitigations: 0n } },
    ],
    ['SNP_SIGNATURE_ENCODING', 'padding of R is set', { bytes: rawByte(0x2d0, 1) }],
    ['SNP_SIGNATURE_ENCODING', 'the tail is set', { bytes: rawByte(0x49f, 1) }],
    ['SNP_POLICY_RESERVED', 'policy bit 17 is clear', { report: { policy: 0x10000n } }],
    ['SNP_POLICY_RESERVED', 'policy bit 26 is set', { report: { policy: 0x4030000n } }],
    ['SNP_SIGNING_KEY', 'nobody signed', { report: { signingKey: 7 } }],
    ['SNP_CHIP_KEY_MASKED', 'the chip key is masked', { report: { chipKeyMasked: true } }],
    ['SNP_KEY_INFO_RESERVED', 'KEY_INFO has unknown bits', { bytes: setByte(0x49, 1) }],
    [
      'SNP_PRODUCT_UNKNOWN',
      'the processor is a Venice',
      { report: { cpuid: { family: 0x1a, model: 0x50, stepping: 0 } } },
    ],
    ['SNP_ENDORSEMENT_MISSING', 'no certificate came along', { endorsements: { vek: undefined } }],
    ['SNP_ENDORSEMENT_MISSING', 'no root came along', { endorsements: { root: undefined } }],
    [
      'SNP_ENDORSEMENT_MALFORMED',
      'the certificate is garbage',
      { endorsements: { vek: Uint8Array.of(1, 2, 3) } },
    ],
    [
      'SNP_ENDORSEMENT_MALFORMED',
      'the list is HTML',
      { endorsements: { crl: Buffer.from('<html>') } },
    ],
    [
      'SNP_CERTIFICATE_TABLE_MALFORMED',
      'the table has no end',
      { endorsements: { certificateTable: new Uint8Array(23) } },
    ],
    [
      'SNP_ROOT_UNTRUSTED',
      'the root is not listed (I11)',
      { options: { roots: { production: [], development: [] } } },
    ],
    [
      'SNP_ROOT_UNTRUSTED',
      'the root is pinned for another product',
      {
        options: {
          roots: { production: [{ product: 'Genoa', sha256: milan.fingerprint }], development: [] },
        },
      },
    ],
    [
      'SNP_ROOT_SIGNATURE',
      'the root is not signed by itself',
      withRoot(makeCertificate({ ...milan.arkPlan, signer: strangerKey })),
    ],
    [
      'SNP_INTERMEDIATE_ISSUER',
      'the intermediate names another issuer',
      withAsk({ issuer: 'ARK-Genoa' }),
    ],
    ['SNP_INTERMEDIATE_SIGNATURE', 'the intermediate is forged', withAsk({ signer: strangerKey })],
    [
      'SNP_CA_CONSTRAINTS',
      'the intermediate is no authority',
      withAsk({ extensions: authorityExtensions(false) }),
    ],
    ['SNP_CA_CONSTRAINTS', 'the intermediate has no constraints', withAsk({ extensions: [] })],
    [
      'SNP_CA_CONSTRAINTS',
      'the root allows no intermediate',
      withRoot(makeCertificate({ ...milan.arkPlan, extensions: authorityExtensions(true, 0) })),
    ],
    [
      'SNP_CA_KEY',
      'the intermediate key is short',
      { ...withAsk({ key: strangerKey }), vekCertificate: { signer: strangerKey } },
    ],
    ['SNP_CA_VALIDITY', 'the intermediate is expired', withAsk({ notAfter: NOW_MS - 1000 })],
    [
      'SNP_CERTIFICATE_EXTENSION',
      'the intermediate has an unknown critical extension',
      withAsk({ extensions: [...authorityExtensions(true, 0), critical] }),
    ],
    [
      'SNP_VEK_ISSUER',
      'the VCEK names another issuer',
      { vekCertificate: { issuer: 'SEV-Genoa' } },
    ],
    ['SNP_VEK_SIGNATURE', 'the VCEK is forged', { vekCertificate: { signer: strangerKey } }],
    ['SNP_VEK_KEY', 'the endorsement key is RSA', { vekCertificate: { key: strangerKey } }],
    ['SNP_VEK_IDENTITY', 'a VLEK poses as a VCEK', { vekCertificate: { subject: 'SEV-VLEK' } }],
    ['SNP_VEK_IDENTITY', 'a VCEK has no chip id', { vek: { hardwareId: undefined as never } }],
    [
      'SNP_VEK_IDENTITY',
      'a VLEK has a chip id',
      { report: { signingKey: 1 }, vek: { hardwareId: new Uint8Array(64).fill(0xc1) } },
    ],
    [
      'SNP_VEK_EXTENSIONS',
      'a TCB part is above 255',
      { vek: { tcb: { ...tcbOf('Milan'), snp: 280 } } },
    ],
    ['SNP_VEK_EXTENSIONS', 'AMD extensions are missing', { vekCertificate: { extensions: [] } }],
    [
      'SNP_VEK_VALIDITY',
      'the VCEK is not yet valid',
      { vekCertificate: { notBefore: NOW_MS + 1000 } },
    ],
    ['SNP_CRL_MISSING', 'the list is demanded and missing', { endorsements: { crl: undefined } }],
    ['SNP_CRL_ISSUER', 'the list is of another root', { crl: { issuer: 'ARK-Genoa' } }],
    ['SNP_CRL_SIGNATURE', 'the list is forged', { crl: { signer: strangerKey } }],
    [
      'SNP_CRL_VALIDITY',
      'the list is stale',
      { crl: { nextUpdate: NOW_MS - 1000, thisUpdate: NOW_MS - 2000 } },
    ],
    [
      'SNP_CRL_VALIDITY',
      'a present list is stale although none is demanded',
      {
        crl: { nextUpdate: NOW_MS - 1000, thisUpdate: NOW_MS - 2000 },
        options: { revocation: 'if-present' },
      },
    ],
    ['SNP_CA_REVOKED', 'the intermediate is revoked', { crl: { revoked: [1, 0x10001, 2] } }],
    [
      'SNP_CHIP_ID',
      'the VCEK is of another chip',
      { report: { chipId: new Uint8Array(64).fill(0xc2) } },
    ],
    [
      'SNP_CHIP_ID',
      'the chip id is zero',
      { report: { chipId: new Uint8Array(64) }, vek: { hardwareId: new Uint8Array(64) } },
    ],
    [
      'SNP_CHIP_ID',
      'a Turin chip id goes on behind its 8 bytes',
      { report: { chipId: new Uint8Array(64).fill(0xc1) } },
      turin,
    ],
    [
      'SNP_TCB_MISMATCH',
      'one TCB part is higher than in the certificate',
      { report: { reportedTcb: tcb('Milan', { tee: 1 }) } },
    ],
    [
      'SNP_TCB_MISMATCH',
      'a Turin TCB is in the old layout',
      { report: { reportedTcb: tcbBytes('Milan', tcbOf('Turin')) } },
      turin,
    ],
    [
      'SNP_TCB_MISMATCH',
      'a reserved TCB byte is set',
      { report: { reportedTcb: tcb('Milan', {}).with(3, 1) } },
    ],
    [
      'SNP_PRODUCT_MISMATCH',
      'the certificate names another product',
      { vek: { productName: 'Genoa' } },
    ],
    ['SNP_REPORT_SIGNATURE', 'a signed byte changed', { bytes: rawByte(0x90, 0) }],
    [
      'SNP_DEVELOPMENT_ROOT',
      'the reference values do not list the root (I11)',
      { reference: { developmentRoots: undefined } },
    ],
    [
      'SNP_PRODUCT_NOT_ALLOWED',
      'the product is not listed',
      { reference: { products: ['Turin'] } },
    ],
    ['SNP_SIGNER_NOT_ALLOWED', 'VCEKs are not listed', { reference: { signers: ['VLEK'] } }],
    [
      'SNP_TCB_ORDER',
      'reported is above current',
      {
        report: { currentTcb: tcb('Milan', { snp: 23 }), committedTcb: tcb('Milan', { snp: 23 }) },
      },
    ],
    [
      'SNP_TCB_ORDER',
      'committed is above current',
      { report: { committedTcb: tcb('Milan', { snp: 25 }) } },
    ],
    [
      'SNP_FIRMWARE_PROVISIONAL',
      'committed is below current',
      { report: { currentTcb: tcb('Milan', { snp: 25 }) } },
    ],
    [
      'SNP_FIRMWARE_PROVISIONAL',
      'committed firmware is older',
      { report: { committedFirmware: { major: 1, minor: 55, build: 28 } } },
    ],
    [
      'SNP_TCB_BELOW_MINIMUM',
      'one part is below, another above',
      { reference: { minimumTcb: { bootloader: 5, tee: 0, snp: 0, microcode: 0 } } },
    ],
    [
      'SNP_TCB_BELOW_MINIMUM',
      'the launch TCB is too low',
      {
        report: { launchTcb: tcb('Milan', { snp: 1 }) },
        reference: { minimumLaunchTcb: tcbOf('Milan') },
      },
    ],
    [
      'SNP_TCB_BELOW_MINIMUM',
      'the committed TCB is too low',
      {
        report: { committedTcb: tcb('Milan', { snp: 1 }) },
        reference: { provisionalFirmware: true, minimumCommittedTcb: tcbOf('Milan') },
      },
    ],
    ['SNP_POLICY_DEBUG', 'debugging is allowed', { report: { policy: 0xb0000n } }],
    ['SNP_POLICY_MIGRATION', 'migration is allowed', { report: { policy: 0x70000n } }],
    ['SNP_POLICY_DEMAND', 'SMT is unwanted', { reference: { policy: { smt: false } } }],
    ['SNP_POLICY_DEMAND', 'CXL is allowed', { report: { policy: 0x230000n } }],
    [
      'SNP_POLICY_DEMAND',
      'a single socket is demanded',
      { reference: { policy: { singleSocket: true } } },
    ],
    [
      'SNP_POLICY_DEMAND',
      'AES-256-XTS is demanded',
      { reference: { policy: { aes256Xts: true } } },
    ],
    [
      'SNP_POLICY_DEMAND',
      'RAPL off is demanded',
      { reference: { policy: { raplDisabled: true } } },
    ],
    [
      'SNP_POLICY_DEMAND',
      'ciphertext hiding is demanded',
      { reference: { policy: { ciphertextHiding: true } } },
    ],
    [
      'SNP_POLICY_DEMAND',
      'no page swap is demanded',
      { reference: { policy: { pageSwapDisabled: true } } },
    ],
    [
      'SNP_POLICY_DEMAND',
      'the ABI is too old',
      { report: { policy: 0x3001fn }, reference: { policy: { abiMinimum: '0.32' } } },
    ],
    [
      'SNP_PLATFORM_INFO',
      'the alias check did not run',
      { report: { platformInfo: 0x5n }, reference: { platformRequired: ['aliasCheckComplete'] } },
    ],
    ['SNP_PLATFORM_INFO', 'SMT is on', { reference: { platformForbidden: ['smt'] } }],
    ['SNP_MITIGATIONS', 'a mitigation is off', { reference: { mitigationMask: '0x1b' } }],
    [
      'SNP_MITIGATIONS',
      'a mitigation was off at launch',
      { report: { launchMitigations: 1n }, reference: { mitigationMask: '0x3' } },
    ],
    ['SNP_VMPL', 'the level is not 0', { report: { vmpl: 1 } }],
    ['SNP_VMPL', 'the host asked for the report', { report: { vmpl: 0xffffffff } }],
    [
      'SNP_MEASUREMENT',
      'the launch digest is another',
      { report: { measurement: new Uint8Array(48) } },
    ],
    ['SNP_HOST_DATA', 'host data are others', { report: { hostData: new Uint8Array(32) } }],
    ['SNP_ID_KEY', 'the id key is not listed', { reference: { idKeyDigest: ['11'.repeat(48)] } }],
    [
      'SNP_AUTHOR_KEY',
      'the author key is not listed',
      { reference: { authorKeyDigest: ['11'.repeat(48)] } },
    ],
    [
      'SNP_IMAGE_IDENTITY',
      'the family id is not listed',
      { reference: { familyId: ['11'.repeat(16)] } },
    ],
    [
      'SNP_IMAGE_IDENTITY',
      'the image id is not listed',
      { reference: { imageId: ['11'.repeat(16)] } },
    ],
    ['SNP_IMAGE_IDENTITY', 'the guest SVN is too low', { reference: { guestSvnMinimum: 4 } }],
    [
      'SNP_MIGRATION_AGENT',
      'there is a migration agent',
      { report: { reportIdMigrationAgent: new Uint8Array(32) } },
    ],
    [
      'SNP_CHIP_NOT_ALLOWED',
      'the chip is not listed',
      { reference: { chipIds: ['11'.repeat(64)] } },
    ],
    [
      'SNP_CHIP_NOT_ALLOWED',
      'the chip is masked and chips are listed',
      {
        report: { signingKey: 1, chipId: new Uint8Array(64) },
        reference: { chipIds: ['11'.repeat(64)] },
      },
    ],
    [
      'SNP_CSP_NOT_ALLOWED',
      'the provider is not listed',
      { report: { signingKey: 1 }, reference: { cspIds: ['CN=other.invalid'] } },
    ],
    [
      'SNP_REPORT_DATA',
      'the last byte of the report data differs',
      { options: { expectedReportData: new Uint8Array(64).fill(0xda).with(63, 0) } },
    ],
    [
      'SNP_REPORT_DATA',
      'the expected report data are a prefix',
      { options: { expectedReportData: new Uint8Array(32).fill(0xda) } },
    ],
  ];

  it.each(refused)('%s: %s (I10)', (code, _, changes, authorities) => {
    const verdict = judge(authorities ?? milan, changes);
    expect(outcome(verdict)).toBe(code);
    if (verdict.ok) return;
    expect(verdict.established).not.toContain(code);
    expect(verdict.checks.filter(({ passed }) => !passed)[0]?.code).toBe(code);
  });

  it('every code of the verifier stands in the table above', () => {
    const documented = Object.keys(
      JSON.parse(readFileSync(new URL('../errors.json', import.meta.url), 'utf8')) as object,
    ).filter((code) => code.startsWith('SNP_'));
    expect([...new Set(refused.map(([code]) => code))].toSorted()).toEqual(documented.toSorted());
  });

  it('SNP_CA_KEY: the root key is short', () => {
    const changes = withRoot(ark2048);
    const intermediate = makeCertificate({ ...milan.askPlan, signer: strangerKey });
    const endorsements = { ...changes.endorsements, intermediate };
    expect(outcome(judge(milan, { ...changes, endorsements }))).toBe('SNP_CA_KEY');
  });
});

describe('permissions of the reference values', () => {
  const permitted: readonly (readonly [string, Changes])[] = [
    ['debugging', { report: { policy: 0xb0000n }, reference: { debug: true } }],
    [
      'migration',
      {
        report: { policy: 0x70000n, reportIdMigrationAgent: new Uint8Array(32) },
        reference: { policy: { migrationAgent: true } },
      },
    ],
    ['CXL', { report: { policy: 0x230000n }, reference: { policy: { cxl: true } } }],
    [
      'provisional firmware',
      {
        report: { currentTcb: tcb('Milan', { snp: 25 }) },
        reference: { provisionalFirmware: true },
      },
    ],
    ['another VMPL', { report: { vmpl: 2 }, reference: { vmpl: 2 } }],
    [
      'a missing revocation list',
      { endorsements: { crl: undefined }, options: { revocation: 'if-present' } },
    ],
    [
      'every demand at once',
      {
        report: { policy: 0x3da0000n | (0x3001fn & ~0x10000n & ~0x80000n) },
        reference: {
          debug: true,
          policy: {
            smt: false,
            singleSocket: true,
            aes256Xts: true,
            raplDisabled: true,
            ciphertextHiding: true,
            pageSwapDisabled: true,
            abiMinimum: '0.31',
          },
        },
      },
    ],
    ['mitigations that are active', { reference: { mitigationMask: '0xb' } }],
    [
      'a listed chip and keys',
      {
        reference: {
          chipIds: ['c1'.repeat(64)],
          idKeyDigest: ['00'.repeat(48)],
          familyId: ['f1'.repeat(16)],
        },
      },
    ],
  ];

  it.each(permitted)('accept %s', (_, changes) => {
    const verdict = judge(milan, changes);
    expect(outcome(verdict)).toBe('accepted');
  });

  it('accepted debugging stays visible as a finding', () => {
    const verdict = judge(milan, { report: { policy: 0xb0000n }, reference: { debug: true } });
    expect(verdict.ok && verdict.claims.debug).toBe(true);
    expect(verdict.ok && verdict.findings.map(({ kind }) => kind)).toContain('debug-permitted');
  });
});

describe('a refusal', () => {
  it('lists every policy check that failed, and says that the evidence itself is genuine', () => {
    const verdict = judge(milan, {
      report: { vmpl: 3, policy: 0xb0000n },
      reference: { measurement: ['00'.repeat(48)] },
    });
    if (verdict.ok) throw new Error('accepted');
    const failed = verdict.checks.filter(({ passed }) => !passed).map(({ code }) => code);
    expect(failed).toEqual(['SNP_POLICY_DEBUG', 'SNP_VMPL', 'SNP_MEASUREMENT']);
    expect(verdict.claims?.vmpl).toBe(3);
    expect(verdict.established).toContain('SNP_REPORT_SIGNATURE');
    expect(verdict.detail).toMatchObject({ expected: 'no debugging' });
  });

  it('gives no claims before the signature is checked', () => {
    const verdict = judge(milan, { bytes: rawByte(0x90, 0) });
    expect(verdict.ok || verdict.claims).toBe(undefined);
  });
});
