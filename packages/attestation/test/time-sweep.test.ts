/** Every bound of every validity, one second to either side of it and exactly on it. */
import { describe, expect, it } from 'vitest';
import { unixMillis } from '@witan/core';
import { verifySnp, verifyTdx } from '../src/index.ts';
import { intelTime, TDX_NOW_MS } from '../testing/index.ts';
import { makeAuthorities, makeCertificate, NOW_MS } from './support/hierarchy.ts';
import { goodCrl, outcome, scene, vekCertificate } from './support/scene.ts';
import { tdxOutcome, tdxScene, type TdxChanges } from './support/tdx-scene.ts';

const START = -3_600_000;
const END = 3_600_000;
/** When, relative to the middle of the validity, and whether that is inside. */
const TIMES: readonly (readonly [atMs: number, inside: boolean])[] = [
  [START - 1000, false],
  [START - 1, false],
  [START, true],
  [0, true],
  [END, true],
  [END + 1, false],
  [END + 1000, false],
];

describe('SEV-SNP', () => {
  const milan = makeAuthorities('Milan');
  const period = { notBefore: NOW_MS + START, notAfter: NOW_MS + END };
  const root = makeCertificate({ ...milan.arkPlan, ...period });
  const parts: readonly (readonly [string, string, Parameters<typeof scene>[1]])[] = [
    ['root', 'SNP_CA_VALIDITY', { endorsements: { root } }],
    [
      'intermediate',
      'SNP_CA_VALIDITY',
      { endorsements: { intermediate: makeCertificate({ ...milan.askPlan, ...period }) } },
    ],
    [
      'endorsement key',
      'SNP_VEK_VALIDITY',
      { endorsements: { vek: vekCertificate(milan, false, {}, period) } },
    ],
    [
      'revocation list',
      'SNP_CRL_VALIDITY',
      {
        endorsements: {
          crl: goodCrl(milan, { thisUpdate: NOW_MS + START, nextUpdate: NOW_MS + END }),
        },
      },
    ],
  ];

  it.each(parts)('%s: %s outside, accepted inside', (name, code, changes) => {
    const made = scene(milan, { crl: { thisUpdate: NOW_MS + 2 * START }, ...changes });
    const development = [
      Buffer.from(made.options.crypto.hash('sha256', made.endorsements.root ?? root)).toString(
        'hex',
      ),
    ];
    const referenceValues = { ...made.options.referenceValues, developmentRoots: development };
    const roots = { production: [], development };
    for (const [atMs, inside] of TIMES) {
      const now = unixMillis(NOW_MS + atMs);
      const options = { ...made.options, now, roots, referenceValues };
      const verdict = verifySnp({ ...made, options });
      expect([atMs, outcome(verdict)], name).toEqual([atMs, inside ? 'accepted' : code]);
      if (verdict.ok) expect(verdict.validUntil).toBe(NOW_MS + END);
    }
  });
});

describe('TDX', () => {
  const certificate = { notBefore: TDX_NOW_MS + START, notAfter: TDX_NOW_MS + END };
  const list = { thisUpdate: TDX_NOW_MS + START, nextUpdate: TDX_NOW_MS + END };
  const document = {
    issueDate: intelTime(TDX_NOW_MS + START),
    nextUpdate: intelTime(TDX_NOW_MS + END),
  };
  const parts: readonly (readonly [string, string, NonNullable<TdxChanges['hierarchy']>])[] = [
    ['root', 'TDX_CA_VALIDITY', { certificates: { root: certificate } }],
    ['authority', 'TDX_CA_VALIDITY', { certificates: { authority: certificate } }],
    ['PCK', 'TDX_PCK_VALIDITY', { certificates: { pck: certificate } }],
    ['TCB signer', 'TDX_TCB_SIGNER_VALIDITY', { certificates: { tcbSigner: certificate } }],
    ['root list', 'TDX_CRL_VALIDITY', { rootCrl: list }],
    ['PCK list', 'TDX_CRL_VALIDITY', { pckCrl: list }],
    ['TCB info', 'TDX_TCB_INFO_VALIDITY', { tcbInfo: document }],
    ['QE identity', 'TDX_QE_IDENTITY_VALIDITY', { qeIdentity: document }],
  ];

  it.each(parts)('%s: %s outside, accepted inside', (name, code, hierarchy) => {
    const made = tdxScene({ hierarchy });
    for (const [atMs, inside] of TIMES) {
      const options = { ...made.options, now: unixMillis(TDX_NOW_MS + atMs) };
      const verdict = verifyTdx({ ...made, options });
      expect([atMs, tdxOutcome(verdict)], name).toEqual([atMs, inside ? 'accepted' : code]);
      if (verdict.ok) expect(verdict.validUntil).toBe(TDX_NOW_MS + END);
    }
  });
});
