/** What ends a verification before the collateral documents: one cause each. */
import { authority, endEntity, TDX_NOW_MS } from '../../testing/index.ts';
import {
  stranger,
  p384,
  zeros,
  critical,
  svn,
  at,
  P,
  resized,
  tcbInfo,
  qeIdentity,
  sixteen,
  level,
  rated,
  sgxExtension,
  chainOf,
} from './tdx-changes.ts';
import { type TdxChanges } from './tdx-scene.ts';

/** Structure, chain and revocation lists. */
export const CHAIN_REFUSALS: readonly (readonly [
  code: string,
  why: string,
  changes: TdxChanges,
])[] = [
  ['TDX_QUOTE_LENGTH', 'it is above 16 KiB', { bytes: () => new Uint8Array(16 * 1024 + 1) }],
  ['TDX_TEE_TYPE', 'it is of SGX', { quote: () => ({ teeType: 0 }) }],
  ['TDX_QUOTE_VERSION', 'the version is 3', { bytes: at(0, 3) }],
  ['TDX_QUOTE_VERSION', 'the version is 6', { quote: () => ({ version: 6 }), report: zeros }],
  ['TDX_KEY_TYPE', 'the key type is P-384', { quote: () => ({ keyType: 3 }) }],
  ['TDX_VENDOR_ID', 'the vendor is another', { quote: () => ({ vendorId: svn(1) }) }],
  ['TDX_BODY_TYPE', 'the body is an SGX report', { quote: () => ({ bodyType: 1 }) }],
  ['TDX_BODY_TYPE', 'the body is of TDX 1.5 extended', { quote: () => ({ bodyType: 4 }) }],
  ['TDX_BODY_TYPE', 'type and size of the body differ', { quote: () => ({ bodyType: 2 }) }],
  ['TDX_CERTIFICATION_DATA', 'there is no report of a QE', { quote: () => ({ outerType: 5 }) }],
  ...[1, 2, 3, 4, 6, 7].map((innerType): readonly [string, string, TdxChanges] => [
    'TDX_CERTIFICATION_DATA',
    `the certification data are of type ${innerType}`,
    { quote: () => ({ innerType }) },
  ]),
  ['TDX_QUOTE_MALFORMED', 'the signature data are longer', { bytes: resized(P, 1) }],
  ['TDX_QUOTE_MALFORMED', 'the signature data are shorter', { bytes: resized(P, -1) }],
  ['TDX_QUOTE_MALFORMED', 'the outer size is larger', { bytes: resized(P + 134, 1) }],
  ['TDX_QUOTE_MALFORMED', 'the outer size is smaller', { bytes: resized(P + 134, -1) }],
  ['TDX_QUOTE_MALFORMED', 'the inner size is larger', { bytes: resized(P + 590 + 32, 1) }],
  ['TDX_QUOTE_MALFORMED', 'the inner size is smaller', { bytes: resized(P + 590 + 32, -1) }],
  ['TDX_PCK_CHAIN', 'the authority is missing', chainOf('pck', 'root')],
  ['TDX_PCK_CHAIN', 'a certificate is too many', chainOf('pck', 'authority', 'root', 'tcbSigner')],
  ['TDX_PCK_CHAIN', 'the chain is noise', { quote: () => ({ pckChain: svn(0x80, 0xff) }) }],
  [
    'TDX_ROOT_UNTRUSTED',
    'nobody accepts the root (I11)',
    {
      options: { roots: { production: [], development: [] } },
    },
  ],
  [
    'TDX_CHAIN_NAMES',
    'the PCK has another name',
    {
      hierarchy: { certificates: { pck: { subject: 'Intel SGX TCB Signing' } } },
    },
  ],
  [
    'TDX_CHAIN_NAMES',
    'the authority has another name',
    {
      hierarchy: {
        certificates: { authority: { subject: 'Some CA' }, pck: { issuer: 'Some CA' } },
        pckCrl: { issuer: 'Some CA' },
      },
    },
  ],
  [
    'TDX_CHAIN_SIGNATURE',
    'the PCK is forged',
    {
      hierarchy: { certificates: { pck: { signer: stranger } } },
    },
  ],
  [
    'TDX_CHAIN_SIGNATURE',
    'the authority is forged',
    {
      hierarchy: { certificates: { authority: { signer: stranger } } },
    },
  ],
  [
    'TDX_CHAIN_SIGNATURE',
    'the PCK names the other authority',
    {
      hierarchy: { certificates: { pck: { issuer: 'Intel SGX PCK Processor CA' } } },
    },
  ],
  [
    'TDX_CA_CONSTRAINTS',
    'the authority may not issue',
    {
      hierarchy: { certificates: { authority: { extensions: endEntity() } } },
    },
  ],
  [
    'TDX_CA_CONSTRAINTS',
    'the root allows no authority',
    {
      hierarchy: { certificates: { root: { extensions: authority(0) } } },
    },
  ],
  [
    'TDX_CA_CONSTRAINTS',
    'the PCK is an authority itself',
    {
      hierarchy: { certificates: { pck: { extensions: authority(0) } } },
    },
  ],
  [
    'TDX_CHAIN_KEY',
    'the PCK is on P-384',
    {
      hierarchy: { certificates: { pck: { key: p384 } } },
    },
  ],
  [
    'TDX_CERTIFICATE_EXTENSION',
    'the authority has an unknown critical extension',
    {
      hierarchy: { certificates: { authority: { extensions: [...authority(0), critical] } } },
    },
  ],
  [
    'TDX_CA_VALIDITY',
    'the authority is expired',
    {
      hierarchy: { certificates: { authority: { notAfter: TDX_NOW_MS - 1000 } } },
    },
  ],
  [
    'TDX_CA_VALIDITY',
    'the root is not yet valid',
    {
      hierarchy: { certificates: { root: { notBefore: TDX_NOW_MS + 1000 } } },
    },
  ],
  [
    'TDX_PCK_VALIDITY',
    'the PCK is expired',
    {
      hierarchy: { certificates: { pck: { notAfter: TDX_NOW_MS - 1000 } } },
    },
  ],
  [
    'TDX_PCK_VALIDITY',
    'the PCK is not yet valid, as with old collateral',
    {
      hierarchy: { certificates: { pck: { notBefore: TDX_NOW_MS + 1000 } } },
    },
  ],
  [
    'TDX_PCK_EXTENSIONS',
    'the PCK has no SGX extension',
    {
      hierarchy: { certificates: { pck: { extensions: endEntity() } } },
    },
  ],
  [
    'TDX_PCK_EXTENSIONS',
    'an SVN is above 255',
    {
      hierarchy: {
        certificates: sgxExtension({ components: [256, ...Array.from({ length: 15 }, () => 0)] }),
      },
    },
  ],
  [
    'TDX_PCK_EXTENSIONS',
    'a component is missing',
    {
      hierarchy: { certificates: sgxExtension({ components: [9] }) },
    },
  ],
  [
    'TDX_PCK_EXTENSIONS',
    'the FMSPC is short',
    {
      hierarchy: { certificates: sgxExtension({ fmspc: '00806f' }) },
    },
  ],
  ...(['rootCrl', 'pckCrl', 'tcbInfo', 'tcbInfoIssuerChain', 'tcbInfoSignature'] as const).map(
    (name): readonly [string, string, TdxChanges] => [
      'TDX_COLLATERAL_MISSING',
      `${name} is missing`,
      { endorsements: () => ({ [name]: undefined }) },
    ],
  ),
  [
    'TDX_COLLATERAL_MALFORMED',
    'a list is an HTML page',
    {
      endorsements: () => ({ rootCrl: new Uint8Array(Buffer.from('<html>not found</html>')) }),
    },
  ],
  [
    'TDX_COLLATERAL_MALFORMED',
    'a component has 16 bits',
    tcbInfo({
      tcbLevels: [
        level('UpToDate', {
          tcb: { sgxtcbcomponents: sixteen(256), pcesvn: 0, tdxtcbcomponents: sixteen() },
        }),
      ],
    }),
  ],
  [
    'TDX_COLLATERAL_MALFORMED',
    'a level has 15 components',
    tcbInfo({
      tcbLevels: [
        level('UpToDate', {
          tcb: { sgxtcbcomponents: sixteen().slice(1), pcesvn: 0, tdxtcbcomponents: sixteen() },
        }),
      ],
    }),
  ],
  ['TDX_COLLATERAL_MALFORMED', 'a status is not known', rated('Excellent')],
  ['TDX_COLLATERAL_MALFORMED', 'a field is not known', tcbInfo({ tdxModuleFamilies: [] })],
  ['TDX_COLLATERAL_MALFORMED', 'a level has an unknown field', rated('UpToDate', { until: 1 })],
  ['TDX_COLLATERAL_MALFORMED', 'SVNs are compared in another way', tcbInfo({ tcbType: 1 })],
  ['TDX_COLLATERAL_MALFORMED', 'the identity has an unknown field', qeIdentity({ config: 1 })],
  [
    'TDX_COLLATERAL_MALFORMED',
    'the identity is too large',
    {
      endorsements: () => ({ qeIdentity: new Uint8Array(1024 * 1024 + 1) }),
    },
  ],
];
