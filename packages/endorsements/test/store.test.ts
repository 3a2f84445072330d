import { readFile, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import type { TdxEvidence } from '@witan/attestation';
import {
  NOW_MS,
  healthyTdReport,
  plainReport,
  tcbOf,
  testCrypto,
} from '@witan/attestation/testing';
import { toHex } from '@witan/core';
import { createIntelVendor } from '../testing/index.ts';
import { createBench, DAY_MS, problemsOf, type Bench } from './support/bench.ts';
import { verdictOn } from './support/judge.ts';

let bench: Bench;
afterEach(async () => {
  await bench.close();
});

const quoteOf = (): TdxEvidence => ({
  kind: 'tdx',
  quote: bench.intel.hierarchy.quote(healthyTdReport()),
  endorsements: {},
});

describe('gathering from the services', () => {
  it.each(['Milan', 'Genoa', 'Turin'] as const)(
    'asks AMD in its own words and verifies with what it got (%s)',
    async (product) => {
      bench = await createBench(product);
      const evidence = bench.amd.evidence();
      const { endorsements, parts, complete } = await bench.store().endorsementsFor(evidence);
      expect(problemsOf(parts)).toEqual({});
      expect(complete).toBe(true);
      const chip = toHex(plainReport(product).chipId.subarray(0, product === 'Turin' ? 8 : 64));
      const query =
        product === 'Turin'
          ? 'fmcSPL=01&blSPL=01&teeSPL=01&snpSPL=04&ucodeSPL=81'
          : 'blSPL=04&teeSPL=00&snpSPL=24&ucodeSPL=219';
      expect(bench.mirror.requests.toSorted()).toEqual(
        [
          `/vcek/v1/${product}/${chip}?${query}`,
          `/vcek/v1/${product}/cert_chain`,
          `/vcek/v1/${product}/crl`,
        ].toSorted(),
      );
      expect(verdictOn(bench, evidence, endorsements)).toBe('genuine');
    },
  );

  it('asks Intel with version 4 and takes the chains from the headers', async () => {
    bench = await createBench();
    const evidence = quoteOf();
    const { endorsements, complete } = await bench.store().endorsementsFor(evidence);
    expect(complete).toBe(true);
    expect(bench.mirror.requests.toSorted()).toEqual([
      '/IntelSGXRootCA.der',
      '/sgx/certification/v4/pckcrl?ca=platform&encoding=der',
      '/tdx/certification/v4/qe/identity',
      '/tdx/certification/v4/tcb?fmspc=00806f050000',
    ]);
    expect(endorsements).toEqual(bench.intel.hierarchy.endorsements);
    expect(verdictOn(bench, evidence, endorsements)).toBe('genuine');
  });

  it('says that a VLEK certificate must come with the evidence', async () => {
    bench = await createBench();
    const evidence = bench.amd.evidence({ signingKey: 1 });
    const { parts, complete } = await bench.store().endorsementsFor(evidence);
    expect(complete).toBe(false);
    expect(problemsOf(parts)).toEqual({ 'amd-vlek': 'ENDORSEMENTS_NOT_PUBLISHED' });
    expect(bench.mirror.requests.toSorted()).toEqual([
      '/vlek/v1/Milan/cert_chain',
      '/vlek/v1/Milan/crl',
    ]);
  });

  it('fetches nothing for evidence that leads nowhere', async () => {
    bench = await createBench();
    const store = bench.store();
    const short = { kind: 'snp', report: new Uint8Array(10), endorsements: {} } as const;
    const root = bench.amd.authorities.ask;
    const elsewhere = { ...bench.amd.evidence(), endorsements: { root } };
    const garbage = { kind: 'tdx', quote: new Uint8Array(2000), endorsements: {} } as const;
    for (const evidence of [short, elsewhere, garbage]) {
      const { parts, complete, endorsements } = await store.endorsementsFor(evidence);
      expect(complete).toBe(false);
      expect(problemsOf(parts)).toEqual({ evidence: 'ENDORSEMENTS_EVIDENCE_UNUSABLE' });
      expect(endorsements).toBe(evidence.endorsements);
    }
    const masked = bench.amd.evidence({ chipId: new Uint8Array(64) });
    const { parts } = await store.endorsementsFor(masked);
    expect(problemsOf(parts)['amd-vcek/Milan']).toBe('ENDORSEMENTS_EVIDENCE_UNUSABLE');
    expect(bench.mirror.requests.some((path) => path.includes('SPL'))).toBe(false);
  });

  it('needs no network when everything came with the evidence', async () => {
    bench = await createBench();
    const { endorsements } = await bench.store().endorsementsFor(bench.amd.evidence());
    const tdx = await bench.store().endorsementsFor(quoteOf());
    bench.mirror.requests.length = 0;
    const cold = bench.store({ directory: join(bench.directory, 'other'), offline: true });
    const again = await cold.endorsementsFor({ ...bench.amd.evidence(), endorsements });
    expect(again.parts.map(({ source }) => source)).toEqual(['evidence', 'evidence', 'evidence']);
    const quote = await cold.endorsementsFor({ ...quoteOf(), endorsements: tdx.endorsements });
    expect(quote.parts.every(({ source }) => source === 'evidence')).toBe(true);
    expect(quote.endorsements).toEqual(tdx.endorsements);
    expect(bench.mirror.requests).toEqual([]);
  });

  it('asks once for all who ask at the same time', async () => {
    bench = await createBench();
    const store = bench.store();
    const evidence = bench.amd.evidence();
    const all = await Promise.all(
      Array.from({ length: 20 }, () => store.endorsementsFor(evidence)),
    );
    expect(all.every(({ complete }) => complete)).toBe(true);
    expect(bench.mirror.requests).toHaveLength(3);
  });
});

describe('the cache', () => {
  it('serves another process, and holds what was verified under its hash', async () => {
    bench = await createBench();
    await bench.store().endorsementsFor(bench.amd.evidence());
    bench.mirror.requests.length = 0;
    const { parts } = await bench.store().endorsementsFor(bench.amd.evidence());
    expect(parts.map(({ source }) => source)).toEqual(['cache', 'cache', 'cache']);
    expect(bench.mirror.requests).toEqual([]);
    const contents = join(bench.directory, 'cache', 'content');
    for (const name of await readdir(contents)) {
      const bytes = new Uint8Array(await readFile(join(contents, name)));
      expect(toHex(testCrypto.hash('sha256', bytes))).toBe(name);
    }
    expect(await readdir(contents)).toHaveLength(3);
  });

  it('works without a directory, in memory', async () => {
    bench = await createBench();
    const store = bench.store({ directory: undefined as never });
    await store.endorsementsFor(bench.amd.evidence());
    const { parts } = await store.endorsementsFor(bench.amd.evidence());
    expect(parts.every(({ source }) => source === 'cache')).toBe(true);
    expect(await store.list()).toEqual([]);
    expect(await readdir(bench.directory)).toEqual([]);
  });

  it('refreshes lists in the background when a day old, and in time before their end', async () => {
    bench = await createBench();
    const store = bench.store();
    await store.endorsementsFor(bench.amd.evidence());
    bench.mirror.requests.length = 0;
    bench.nowMs += 2 * DAY_MS;
    const { parts } = await store.endorsementsFor(bench.amd.evidence());
    expect(parts.every(({ source }) => source === 'cache')).toBe(true);
    await store.idle();
    expect(bench.mirror.requests).toEqual(['/vcek/v1/Milan/crl']);
    // The service has no newer one, so it is asked once an hour and not with each use.
    bench.nowMs = NOW_MS + 28 * DAY_MS;
    await store.endorsementsFor(bench.amd.evidence());
    await store.idle();
    bench.mirror.requests.length = 0;
    await store.endorsementsFor(bench.amd.evidence());
    await store.idle();
    expect(bench.mirror.requests).toEqual([]);
    bench.nowMs += 2 * 3600 * 1000;
    await store.endorsementsFor(bench.amd.evidence());
    await store.idle();
    expect(bench.mirror.requests).toEqual(['/vcek/v1/Milan/crl']);
  });

  it('has a stated maximum age offline, and says what it was', async () => {
    bench = await createBench();
    await bench.store().endorsementsFor(bench.amd.evidence());
    bench.mirror.requests.length = 0;
    const store = bench.store({ offline: true, maximumAgeMs: 3 * DAY_MS });
    bench.nowMs += 2 * DAY_MS;
    expect((await store.endorsementsFor(bench.amd.evidence())).complete).toBe(true);
    bench.nowMs += 2 * DAY_MS;
    const old = await store.endorsementsFor(bench.amd.evidence());
    expect(problemsOf(old.parts)).toEqual({ 'amd-crl/Milan/VCEK': 'ENDORSEMENTS_TOO_OLD' });
    expect(old.endorsements.crl).toBeUndefined();
    const unknown = await store.endorsementsFor(quoteOf());
    expect(new Set(Object.values(problemsOf(unknown.parts)))).toEqual(
      new Set(['ENDORSEMENTS_OFFLINE']),
    );
    expect(bench.mirror.requests).toEqual([]);
  });

  it('hands out what has ended, with its problem, when nothing newer is to be had', async () => {
    bench = await createBench();
    const store = bench.store({ maximumAgeMs: 100 * DAY_MS });
    await store.endorsementsFor(bench.amd.evidence());
    bench.nowMs += 40 * DAY_MS;
    const { parts, endorsements } = await store.endorsementsFor(bench.amd.evidence());
    expect(problemsOf(parts)).toEqual({ 'amd-crl/Milan/VCEK': 'ENDORSEMENTS_EXPIRED' });
    expect(verdictOn(bench, bench.amd.evidence(), endorsements)).toBe('SNP_CRL_VALIDITY');
  });
});

describe('a peer that holds back or replays', () => {
  it('does not get by with an older list than the one that is known', async () => {
    bench = await createBench();
    const store = bench.store();
    const { endorsements } = await store.endorsementsFor(bench.amd.evidence());
    const old = bench.amd.crl({ thisUpdate: NOW_MS - 20 * DAY_MS });
    const replayed = { ...bench.amd.evidence(), endorsements: { ...endorsements, crl: old } };
    const { parts, endorsements: used } = await store.endorsementsFor(replayed);
    expect(parts.at(-1)?.source).toBe('cache');
    expect(used.crl).toEqual(endorsements.crl);
  });

  it('teaches the newer list that another peer brought', async () => {
    bench = await createBench();
    const store = bench.store({ offline: true });
    const { root, intermediate } = chainParts();
    const vek = bench.amd.vcek(plainReport('Milan').chipId, tcbOf('Milan'));
    const crl = bench.amd.crl();
    const brought = { vek, root, intermediate, crl };
    await store.endorsementsFor({ ...bench.amd.evidence(), endorsements: brought });
    const old = bench.amd.crl({ thisUpdate: NOW_MS - 20 * DAY_MS });
    const replayed = { ...brought, crl: old };
    const second = await store.endorsementsFor({
      ...bench.amd.evidence(),
      endorsements: replayed,
    });
    expect(second.endorsements.crl).toEqual(crl);
    // Also when what is known has grown too old: the older one must not come back through a hole.
    bench.nowMs += 29 * DAY_MS;
    const strict = bench.store({ offline: true, maximumAgeMs: DAY_MS });
    const third = await strict.endorsementsFor({
      ...bench.amd.evidence(),
      endorsements: { ...replayed, crl: bench.amd.crl({ thisUpdate: NOW_MS - 20 * DAY_MS }) },
    });
    expect(third.endorsements.crl).toBeUndefined();
    expect(problemsOf(third.parts)['amd-crl/Milan/VCEK']).toBe('ENDORSEMENTS_TOO_OLD');
  });

  it('is not believed for a list of another root, a cut one or one of tomorrow', async () => {
    bench = await createBench();
    const { root, intermediate } = chainParts();
    const { askKey } = bench.amd.authorities;
    for (const crl of [
      bench.amd.crl({ signer: askKey }),
      bench.amd.crl().subarray(0, 300),
      bench.amd.crl({ thisUpdate: NOW_MS + DAY_MS }),
    ]) {
      bench.events.length = 0;
      const { endorsements } = await bench
        .store()
        .endorsementsFor({ ...bench.amd.evidence(), endorsements: { root, intermediate, crl } });
      expect(bench.kinds()).toContain('hint-ignored');
      expect(verdictOn(bench, bench.amd.evidence(), endorsements)).toBe('genuine');
    }
  });

  it('does not get by with older TCB info either', async () => {
    bench = await createBench();
    const store = bench.store({ offline: true });
    const { endorsements } = bench.intel.hierarchy;
    await store.endorsementsFor({ ...quoteOf(), endorsements });
    const { keys } = bench.intel.hierarchy;
    const older = createIntelVendor({
      keys,
      tcbInfo: { tcbEvaluationDataNumber: 1, issueDate: '2026-05-20T00:00:00Z' },
    }).hierarchy.endorsements;
    const { tcbInfo, tcbInfoSignature } = older;
    expect(tcbInfo).not.toEqual(endorsements.tcbInfo);
    const mixed = { ...endorsements, tcbInfo, tcbInfoSignature } as typeof endorsements;
    const { endorsements: used } = await store.endorsementsFor({
      ...quoteOf(),
      endorsements: mixed,
    });
    expect(used.tcbInfo).toEqual(endorsements.tcbInfo);
  });
});

function chainParts() {
  const { ark: root, ask: intermediate } = bench.amd.authorities;
  return { root, intermediate };
}
