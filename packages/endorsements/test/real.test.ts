/** What the vendors really issue, verified down from their own roots. */
import { existsSync, readFileSync, readdirSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { parseCertificate, parsePemCertificates, readVekExtensions } from '@witan/attestation';
import { testCrypto } from '@witan/attestation/testing';
import { fromHex, toHex, utf8 } from '@witan/core';
import { createEndorsementStore } from '../src/index.ts';
import { jsonMembers } from '../src/json-member.ts';
import type { EndorsementRequest } from '../src/request.ts';
import { joinSignedDocument } from '../src/verify/intel.ts';
import { verifyItem } from '../src/verify/item.ts';
import { VENDOR_ROOTS, type Trust, type VerifiedItem } from '../src/verify/trust.ts';

const folder = fileURLToPath(new URL('../../../../shared/vectors/attestation/', import.meta.url));
const trust: Trust = { crypto: testCrypto, ...VENDOR_ROOTS };
const none: Uint8Array = new Uint8Array();
const bytesOf = (path: string): Uint8Array => new Uint8Array(readFileSync(folder + path));

function verified(request: EndorsementRequest, body: Uint8Array, chain = none): VerifiedItem {
  return verifyItem(request, { body, issuerChain: chain }, trust);
}

describe.skipIf(!existsSync(folder))('endorsements of the vendors', () => {
  const chains = [
    ['Milan', 'VCEK', 'go-sev-guest/trust/ask_ark_milan.pem'],
    ['Milan', 'VLEK', 'go-sev-guest/trust/ask_ark_milan_vlek.pem'],
    ['Genoa', 'VCEK', 'go-sev-guest/trust/ask_ark_genoa.pem'],
    ['Genoa', 'VLEK', 'go-sev-guest/trust/ask_ark_genoa_vlek.pem'],
    ['Turin', 'VCEK', 'go-sev-guest/trust/ask_ark_turin_vcek.pem'],
    ['Turin', 'VLEK', 'go-sev-guest/trust/ask_ark_turin_vlek.pem'],
  ] as const;

  it.each(chains)('AMD’s chain for %s and %s', (product, signer, path) => {
    const item = verified({ kind: 'amd-chain', product, signer }, bytesOf(path));
    expect(item.parts.kind).toBe('chain');
    const wrong = product === 'Milan' ? 'Genoa' : 'Milan';
    expect(() => verified({ kind: 'amd-chain', product: wrong, signer }, bytesOf(path))).toThrow(
      expect.objectContaining({ code: 'ENDORSEMENTS_UNVERIFIED' }),
    );
  });

  it.each([
    ['Milan', 'virtee-sev/certs_data/vcek_milan.der', chains[0][2]],
    ['Turin', 'virtee-sev/certs_data/vcek_turin.der', chains[4][2]],
  ] as const)('a VCEK of %s, for its own chip alone', (product, path, chain) => {
    const { hardwareId, tcb } = readVekExtensions(parseCertificate(bytesOf(path)));
    const chipId = toHex(hardwareId ?? none);
    const request = { kind: 'amd-vcek', product, chipId, tcb } as const;
    expect(verified(request, bytesOf(path), bytesOf(chain)).parts.kind).toBe('certificate');
    for (const changed of [
      { ...request, chipId: chipId.replace(/^../, '00') },
      { ...request, tcb: { ...tcb, snp: tcb.snp + 1 } },
    ]) {
      expect(() => verified(changed, bytesOf(path), bytesOf(chain))).toThrow(
        expect.objectContaining({ code: 'ENDORSEMENTS_UNVERIFIED' }),
      );
    }
  });

  it('of a real host lack only the revocation list, without a request', async () => {
    const report = fromHex(
      new TextDecoder()
        .decode(bytesOf('virtee-sev/certs_data/report_milan.hex'))
        .trim()
        .toLowerCase(),
    );
    const intermediate =
      parsePemCertificates(new TextDecoder().decode(bytesOf(chains[0][2])))[0] ?? none;
    const vek = bytesOf('virtee-sev/certs_data/vcek_milan.der');
    const store = createEndorsementStore({
      maximumAgeMs: 1,
      clock: { now: () => Date.UTC(2024, 5, 1) as never },
      offline: true,
    });
    const evidence = { kind: 'snp', report, endorsements: { vek, intermediate } } as const;
    const { parts } = await store.endorsementsFor(evidence);
    expect(parts.map(({ key, source }) => [key.split('/')[0], source])).toEqual([
      ['amd-chain', 'evidence'],
      ['amd-vcek', 'evidence'],
      ['amd-crl', 'missing'],
    ]);
  });

  const bundles = existsSync(folder)
    ? readdirSync(`${folder}collateral-bundles`).filter((name) => /^2\d+-.*\.json$/.test(name))
    : [];

  it.each(bundles)('Intel’s collateral %s, as the service would send it', (name) => {
    const bundle = JSON.parse(
      new TextDecoder().decode(bytesOf(`collateral-bundles/${name}`)),
    ) as Record<string, string>;
    const text = (field: string): Uint8Array => utf8(bundle[field] ?? '');
    const signed = (field: string, inner: 'tcbInfo' | 'enclaveIdentity'): Uint8Array =>
      joinSignedDocument(
        { document: text(field), signature: fromHex(bundle[`${field}_signature`] ?? '') },
        inner,
      );
    const body = signed('tcb_info', 'tcbInfo');
    const fmspc = /"fmspc":"([0-9A-Fa-f]{12})"/.exec(bundle['tcb_info'] ?? '')?.[1] ?? '';
    const chain = text('tcb_info_issuer_chain');
    const request = { kind: 'intel-tcb-info', fmspc: fmspc.toLowerCase() } as const;
    const tcbInfo = verified(request, body, chain);
    expect(tcbInfo.version.tcbEvaluationDataNumber).toBeGreaterThan(10);
    expect(jsonMembers(body).get('tcbInfo')).toEqual(text('tcb_info'));
    const identity = signed('qe_identity', 'enclaveIdentity');
    verified({ kind: 'intel-qe-identity' }, identity, text('qe_identity_issuer_chain'));
    verified({ kind: 'intel-root-crl' }, fromHex(bundle['root_ca_crl'] ?? ''), chain);
    const pckChain = text('pck_crl_issuer_chain');
    const subjects = parsePemCertificates(bundle['pck_crl_issuer_chain'] ?? '').map(
      (der) => parseCertificate(der).subject.commonName ?? '',
    );
    const authority = subjects.some((subject) => subject.includes('Platform'))
      ? 'platform'
      : 'processor';
    verified({ kind: 'intel-pck-crl', authority }, fromHex(bundle['pck_crl'] ?? ''), pckChain);
    const altered = Uint8Array.from(body);
    altered[60] = (altered[60] ?? 0) ^ 1;
    expect(() => verified(request, altered, chain)).toThrow(
      expect.objectContaining({
        code: expect.stringMatching(/UNVERIFIED|ANSWER_UNUSABLE/) as string,
      }),
    );
  });
});
