/** What reference values refuse of a genuine quote: one cause each. */
import { other48, svn, rated } from './tdx-changes.ts';
import { type TdxChanges } from './tdx-scene.ts';

/** Reference values. */
export const POLICY_REFUSALS: readonly (readonly [
  code: string,
  why: string,
  changes: TdxChanges,
])[] = [
  [
    'TDX_DEVELOPMENT_ROOT',
    'the reference values do not list the root (I11)',
    {
      reference: { developmentRoots: undefined },
    },
  ],
  [
    'TDX_ADVISORIES',
    'an advisory is not tolerated',
    {
      ...rated('SWHardeningNeeded', { advisoryIDs: ['INTEL-SA-1', 'INTEL-SA-2'] }),
      reference: { tcbStatuses: ['SWHardeningNeeded'], advisoriesTolerated: ['INTEL-SA-1'] },
    },
  ],
  ...[
    'SWHardeningNeeded',
    'ConfigurationNeeded',
    'ConfigurationAndSWHardeningNeeded',
    'OutOfDate',
    'OutOfDateConfigurationNeeded',
  ].map((status): readonly [string, string, TdxChanges] => [
    'TDX_TCB_STATUS',
    `the rating is ${status}`,
    rated(status),
  ]),
  [
    'TDX_TCB_STATUS',
    'the grace period is over',
    {
      ...rated('OutOfDate'),
      reference: { tcbStatuses: ['OutOfDate'], outOfDateGraceDays: 474 },
    },
  ],
  [
    'TDX_TCB_STATUS',
    'the grace period of an old module is over',
    {
      report: { teeTcbSvn: svn(3, 1, 3), teeTcbSvn2: svn(3, 1, 3) },
      reference: {
        tcbStatuses: ['OutOfDate'],
        advisoriesTolerated: ['INTEL-SA-01036'],
        outOfDateGraceDays: 365,
      },
    },
  ],
  [
    'TDX_TCB_EVALUATION_NUMBER',
    'the collateral is of an old TCB recovery',
    {
      reference: { minimumTcbEvaluationDataNumber: 19 },
    },
  ],
  ...[0, 1, 4, 5, 6, 7].map((bit): readonly [string, string, TdxChanges] => [
    'TDX_DEBUG',
    `bit ${bit} of TDATTRIBUTES is set`,
    { report: { tdAttributes: 0x1000_0000n | (1n << BigInt(bit)) } },
  ]),
  ...[8, 15, 17, 26, 32, 61].map((bit): readonly [string, string, TdxChanges] => [
    'TDX_ATTRIBUTES_RESERVED',
    `bit ${bit} of TDATTRIBUTES is set`,
    { report: { tdAttributes: 0x1000_0000n | (1n << BigInt(bit)) } },
  ]),
  ['TDX_ATTRIBUTES', 'SEPT_VE_DISABLE is clear', { report: { tdAttributes: 0n } }],
  ['TDX_ATTRIBUTES', 'the TD may be migrated', { report: { tdAttributes: 0x3000_0000n } }],
  ['TDX_ATTRIBUTES', 'PERFMON is set', { report: { tdAttributes: 0x8000_0000_1000_0000n } }],
  ['TDX_XFAM', 'a feature is not allowed', { report: { xfam: 0x602e7n | (1n << 20n) } }],
  ['TDX_XFAM', 'SSE is missing', { report: { xfam: 0x602e5n } }],
  ['TDX_PLATFORM_FLAGS', 'SMT is unwanted', { reference: { smt: false } }],
  ['TDX_PLATFORM_FLAGS', 'the platform may change', { reference: { dynamicPlatform: false } }],
  [
    'TDX_PLATFORM_FLAGS',
    'keys are cached',
    {
      hierarchy: { platform: { cachedKeys: true } },
      reference: { cachedKeys: false },
    },
  ],
  [
    'TDX_PLATFORM_NOT_ALLOWED',
    'the platform is not listed',
    {
      reference: { platformInstanceIds: ['77'.repeat(16)] },
    },
  ],
  ['TDX_MRTD', 'MRTD is another', { reference: { mrTd: ['77'.repeat(48)] } }],
  ...['rtmr0', 'rtmr1', 'rtmr2', 'rtmr3'].map((name): readonly [string, string, TdxChanges] => [
    'TDX_RTMR',
    `${name} is another`,
    { reference: { [name]: ['77'.repeat(48)] } },
  ]),
  ['TDX_MRSEAM', 'the module is another', { reference: { mrSeam: ['77'.repeat(48)] } }],
  ['TDX_CONFIG_ID', 'MRCONFIGID is another', { reference: { mrConfigId: '77'.repeat(48) } }],
  [
    'TDX_OWNER',
    'MROWNER is set',
    { report: { mrOwner: other48 }, reference: { mrOwner: undefined } },
  ],
  [
    'TDX_OWNER',
    'MROWNERCONFIG is set',
    {
      report: { mrOwnerConfig: other48 },
      reference: { mrOwnerConfig: undefined },
    },
  ],
  ['TDX_SERVICE_TD', 'a service TD is bound', { report: { mrServiceTd: other48 } }],
  [
    'TDX_REPORT_DATA',
    'the last byte of the report data differs',
    {
      options: { expectedReportData: new Uint8Array(64).fill(0xda).with(63, 0) },
    },
  ],
];
