/** What ends a verification at or after the collateral documents: one cause each. */
import { concatBytes, fromHex } from '@witan/core';
import { pemOf, signP256, TDX_NOW_MS } from '../../testing/index.ts';
import { stranger, other48, svn, at, tcbInfo, qeIdentity, level, rated } from './tdx-changes.ts';
import { TDX_KEYS, type TdxChanges } from './tdx-scene.ts';

/** Intel's documents, the module, the quoting enclave, the quote and the rating. */
export const COLLATERAL_REFUSALS: readonly (readonly [
  code: string,
  why: string,
  changes: TdxChanges,
])[] = [
  [
    'TDX_CRL_ISSUER',
    'the PCK list is that of the Processor CA',
    {
      hierarchy: { pckCrl: { issuer: 'Intel SGX PCK Processor CA' } },
    },
  ],
  [
    'TDX_CRL_ISSUER',
    'the lists are swapped',
    {
      endorsements: ({ endorsements: { rootCrl, pckCrl } }) => ({
        rootCrl: pckCrl ?? svn(),
        pckCrl: rootCrl ?? svn(),
      }),
    },
  ],
  [
    'TDX_CRL_SIGNATURE',
    'the root list is forged',
    { hierarchy: { rootCrl: { signer: stranger } } },
  ],
  ['TDX_CRL_SIGNATURE', 'the PCK list is forged', { hierarchy: { pckCrl: { signer: stranger } } }],
  [
    'TDX_CRL_VALIDITY',
    'the root list is stale',
    {
      hierarchy: { rootCrl: { nextUpdate: TDX_NOW_MS - 1000 } },
    },
  ],
  [
    'TDX_CRL_VALIDITY',
    'the PCK list is of the future',
    {
      hierarchy: { pckCrl: { thisUpdate: TDX_NOW_MS + 1000 } },
    },
  ],
  ['TDX_CA_REVOKED', 'the authority is listed', { hierarchy: { rootCrl: { revoked: [9, 2] } } }],
  ['TDX_PCK_REVOKED', 'the PCK is listed', { hierarchy: { pckCrl: { revoked: [4, 1000] } } }],
  [
    'TDX_TCB_SIGNER',
    'the TCB info is signed by a PCK',
    {
      endorsements: ({ endorsements, certificates }) => ({
        tcbInfoIssuerChain: pemOf(certificates.pck, certificates.root),
        tcbInfoSignature: signP256(endorsements.tcbInfo ?? svn(), TDX_KEYS.pck),
      }),
    },
  ],
  [
    'TDX_TCB_SIGNER',
    'the signer is of another root',
    {
      hierarchy: { certificates: { tcbSigner: { signer: stranger } } },
    },
  ],
  [
    'TDX_TCB_SIGNER',
    'the signer is under the authority of PCKs',
    {
      hierarchy: {
        certificates: {
          tcbSigner: { issuer: 'Intel SGX PCK Platform CA', signer: TDX_KEYS.authority },
        },
      },
    },
  ],
  [
    'TDX_TCB_SIGNER_VALIDITY',
    'the signer is expired',
    {
      hierarchy: { certificates: { tcbSigner: { notAfter: TDX_NOW_MS - 1000 } } },
    },
  ],
  ['TDX_TCB_SIGNER_REVOKED', 'the signer is listed', { hierarchy: { rootCrl: { revoked: [3] } } }],
  [
    'TDX_TCB_INFO_SIGNATURE',
    'the TCB info has one more space',
    {
      endorsements: ({ endorsements }) => ({
        tcbInfo: concatBytes(endorsements.tcbInfo ?? svn(), Uint8Array.of(0x20)),
      }),
    },
  ],
  ['TDX_TCB_INFO_ID', 'it is TCB info of SGX', tcbInfo({ id: 'SGX' })],
  ['TDX_TCB_INFO_ID', 'it is TCB info of version 2', tcbInfo({ version: 2 })],
  ['TDX_TCB_INFO_ID', 'it is TCB info of version 4', tcbInfo({ version: 4 })],
  [
    'TDX_TCB_INFO_VALIDITY',
    'the TCB info is expired',
    tcbInfo({
      nextUpdate: '2026-05-31T23:59:59Z',
    }),
  ],
  [
    'TDX_TCB_INFO_VALIDITY',
    'the TCB info is of the future',
    tcbInfo({
      issueDate: '2026-06-01T00:00:01Z',
    }),
  ],
  ['TDX_FMSPC_MISMATCH', 'it is of another platform family', tcbInfo({ fmspc: '90C06F000000' })],
  ['TDX_PCEID_MISMATCH', 'it is of another PCE', tcbInfo({ pceId: '0001' })],
  [
    'TDX_QE_IDENTITY_SIGNATURE',
    'the identity is signed by somebody else',
    {
      endorsements: ({ endorsements }) => ({
        qeIdentitySignature: signP256(endorsements.qeIdentity ?? svn(), stranger),
      }),
    },
  ],
  ['TDX_QE_IDENTITY_ID', 'the identity is that of SGX', qeIdentity({ id: 'QE' })],
  ['TDX_QE_IDENTITY_ID', 'the identity is that of the QVE', qeIdentity({ id: 'QVE' })],
  ['TDX_QE_IDENTITY_ID', 'the identity is of version 3', qeIdentity({ version: 3 })],
  [
    'TDX_QE_IDENTITY_VALIDITY',
    'the identity is expired',
    qeIdentity({
      nextUpdate: '2026-05-31T23:59:59Z',
    }),
  ],
  [
    'TDX_QE_IDENTITY_VALIDITY',
    'the identity is of the future',
    qeIdentity({
      issueDate: '2026-06-01T00:00:01Z',
    }),
  ],
  [
    'TDX_MODULE_IDENTITY',
    'the module has no identity',
    {
      report: { teeTcbSvn: svn(6, 2, 3), teeTcbSvn2: svn(6, 2, 3) },
    },
  ],
  ['TDX_MODULE_SIGNER', 'the module is signed by somebody', { report: { mrSignerSeam: other48 } }],
  [
    'TDX_MODULE_SIGNER',
    'the module of version 0 is signed by somebody',
    {
      report: { teeTcbSvn: svn(6, 0, 3), mrSignerSeam: other48 },
    },
  ],
  ['TDX_MODULE_ATTRIBUTES', 'the module has attributes', { report: { seamAttributes: 1n } }],
  [
    'TDX_QE_REPORT_SIGNATURE',
    'the QE report is not signed by the PCK',
    {
      quote: () => ({ pckKey: stranger }),
    },
  ],
  [
    'TDX_QE_REPORT_DATA',
    'the QE vouches for another key',
    {
      enclave: { reportData: new Uint8Array(64).fill(1) },
    },
  ],
  ['TDX_QE_MISMATCH', 'MRSIGNER is another', { enclave: { mrSigner: new Uint8Array(32) } }],
  ['TDX_QE_MISMATCH', 'ISVPRODID is another', { enclave: { isvProdId: 1 } }],
  ['TDX_QE_MISMATCH', 'MISCSELECT is another', { enclave: { miscSelect: 1 } }],
  [
    'TDX_QE_MISMATCH',
    'the QE is a debug enclave',
    {
      enclave: { attributes: fromHex('13000000000000000000000000000000') },
    },
  ],
  ['TDX_QUOTE_SIGNATURE', 'the report data changed', { bytes: at(54 + 520, 0) }],
  ['TDX_QUOTE_SIGNATURE', 'user data of the header changed', { bytes: at(28, 1) }],
  ['TDX_TCB_REVOKED', 'the platform is revoked', rated('Revoked')],
  [
    'TDX_TCB_REVOKED',
    'the QE is revoked',
    qeIdentity({
      tcbLevels: [{ tcb: { isvsvn: 0 }, tcbDate: '2024-03-13T00:00:00Z', tcbStatus: 'Revoked' }],
    }),
  ],
  ['TDX_TCB_NOT_SUPPORTED', 'no level fits', tcbInfo({ tcbLevels: [] })],
  ['TDX_TCB_NOT_SUPPORTED', 'no level of the QE fits', { enclave: { isvSvn: 3 } }],
  [
    'TDX_TCB_NOT_SUPPORTED',
    'no level of the module fits',
    {
      report: { teeTcbSvn: svn(1, 1, 3) },
    },
  ],
  [
    'TDX_TCB_NOT_SUPPORTED',
    'the loader is below every level',
    tcbInfo({
      tcbLevels: [level('UpToDate', {}, [0, 0, 4])],
    }),
  ],
];
