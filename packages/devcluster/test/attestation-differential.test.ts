/** The comparison with another verifier notices what it should. */
import { expect, it } from 'vitest';
import { createTdxHierarchy, healthyTdReport, TDX_NOW_MS } from '@witan/attestation/testing';
import { compare, EXPLANATIONS, type Comparison } from '../src/attestation-differential.ts';

const hex = (bytes = new Uint8Array()): string => Buffer.from(bytes).toString('hex');
const text = (bytes = new Uint8Array()): string => Buffer.from(bytes).toString('utf8');

function comparison(options: Parameters<typeof createTdxHierarchy>[0] = {}): Comparison {
  const { quote, endorsements, certificates } = createTdxHierarchy(options);
  return {
    name: 'made here',
    quote: quote(healthyTdReport()),
    collateral: {
      root_ca_crl: hex(endorsements.rootCrl as Uint8Array<ArrayBuffer>),
      pck_crl: hex(endorsements.pckCrl as Uint8Array<ArrayBuffer>),
      tcb_info_issuer_chain: text(endorsements.tcbInfoIssuerChain as Uint8Array<ArrayBuffer>),
      tcb_info: text(endorsements.tcbInfo as Uint8Array<ArrayBuffer>),
      tcb_info_signature: hex(endorsements.tcbInfoSignature as Uint8Array<ArrayBuffer>),
      qe_identity_issuer_chain: text(endorsements.qeIdentityIssuerChain as Uint8Array<ArrayBuffer>),
      qe_identity: text(endorsements.qeIdentity as Uint8Array<ArrayBuffer>),
      qe_identity_signature: hex(endorsements.qeIdentitySignature as Uint8Array<ArrayBuffer>),
    },
    root: certificates.root,
    atMs: TDX_NOW_MS,
  };
}

it('both accept a healthy quote', () => {
  expect(compare(comparison())).toBeUndefined();
});

it('a known difference is explained, and is a failure for who does not know it', () => {
  const stale = comparison({ pckCrl: { nextUpdate: TDX_NOW_MS - 1000 } });
  expect(compare(stale)).toMatchObject({ explanations: [expect.stringContaining('time')] });
  expect(compare(stale, [])).toMatchObject({ explanations: [] });
});

it('a difference for another reason is not explained by the rules', () => {
  // A verifier that took every quote for one of another time would differ here.
  const wrongRoot = { ...comparison(), root: createTdxHierarchy().certificates.root };
  expect(compare(wrongRoot)).toBeUndefined();
  const expired = comparison({ tcbInfo: { tcbType: 1 } });
  expect(compare(expired, EXPLANATIONS)).toMatchObject({ explanations: [] });
});
