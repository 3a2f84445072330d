/** Peers whose endorsements are missing, held back or at their end: what the rules make of them. */
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import {
  AMD_ROOTS,
  encodeEvidence,
  parseSnpReferenceValues,
  type SnpEvidence,
} from '@witan/attestation';
import { plainReport, tcbOf } from '@witan/attestation/testing';
import { endorsedProvider, type EndorsementSource, type EvidenceProvider } from '@witan/attester';
import { parseConfig } from '@witan/coordinator';
import { toHex, type UnixMillis } from '@witan/core';
import {
  createEndorsementStore,
  endorsementSource,
  type EndorsementStore,
} from '@witan/endorsements';
import {
  createAmdVendor,
  startMirror,
  type AmdVendor,
  type Mirror,
} from '@witan/endorsements/testing';
import { createIncarnationIdentity, nodeCrypto } from '@witan/keys';
import {
  connectAttested,
  createAttestedServer,
  type AttestedServer,
  type ChannelIdentity,
  type ChannelProver,
  type TransportEvent,
} from '@witan/transport';
import { Rules, type PeerClaims, type RulesOptions } from '../src/evidence/rules.ts';

const HOUR_MS = 3_600_000;

let amd: AmdVendor;
let mirror: Mirror;
let offsetMs = 0;
const stores: EndorsementStore[] = [];
const servers: AttestedServer<PeerClaims>[] = [];
const clock = { now: () => (Date.now() + offsetMs) as UnixMillis };

beforeAll(async () => {
  amd = createAmdVendor('Milan');
  mirror = await startMirror(amd.answers);
}, 60_000);
afterEach(async () => {
  for (const server of servers.splice(0)) await server.close(0);
  offsetMs = 0;
  mirror.heal();
});
afterAll(async () => {
  for (const store of stores) store.close();
  await mirror.close();
});

/** The vendor's list of today, as long as it holds. */
function serveList(validMs: number): Uint8Array {
  const body = amd.crl({ thisUpdate: clock.now() - HOUR_MS, nextUpdate: clock.now() + validMs });
  mirror.heal();
  mirror.fail('/crl', { kind: 'answer', body });
  return body;
}

function source(offline = false): EndorsementSource {
  const development = [amd.authorities.fingerprint];
  const store = createEndorsementStore({
    maximumAgeMs: 30 * 24 * HOUR_MS,
    clock,
    offline,
    proxy: 'none',
    pace: { burst: 100 },
    failureDelayMs: 0,
    baseUrls: { amdKds: mirror.url },
    roots: { snp: { production: AMD_ROOTS, development } },
  });
  stores.push(store);
  return endorsementSource(store, { patienceMs: 20_000 });
}

function rulesWith(endorsements: EndorsementSource | undefined): Rules {
  const { measurement, hostData } = plainReport('Milan');
  const similar = parseSnpReferenceValues(
    {
      tee: 'snp',
      measurement: [toHex(measurement)],
      hostData: toHex(hostData),
      products: ['Milan'],
      minimumTcb: tcbOf('Milan'),
      developmentRoots: [amd.authorities.fingerprint],
    },
    'self',
  );
  const options = {
    self: { selfSimilar: [similar] },
    listed: [],
    manifest: () => undefined,
    generation: () => 0,
    profile: 'development',
    crypto: nodeCrypto,
    clock,
    ...(endorsements === undefined ? {} : { endorsements }),
  };
  // Of its own evidence the rules need only what it makes of peers.
  return new Rules(options as unknown as RulesOptions);
}

async function verdictOn(rules: Rules, evidence: SnpEvidence): Promise<string> {
  const verdict = await rules.replicaVerifier().verify({
    evidence: encodeEvidence(evidence),
    expectedReportData: plainReport('Milan').reportData,
    role: 'replica',
    spkiDer: new Uint8Array(),
  });
  return verdict.ok ? 'accepted' : verdict.detail;
}

describe('the rules for peers', () => {
  it('fetch what a peer did not bring, and refuse without it', async () => {
    serveList(HOUR_MS);
    const bare = amd.evidence();
    expect(await verdictOn(rulesWith(undefined), bare)).toContain('SNP_ENDORSEMENT_MISSING');
    expect(await verdictOn(rulesWith(source(true)), bare)).toContain('SNP_ENDORSEMENT_MISSING');
    expect(await verdictOn(rulesWith(source()), bare)).toBe('accepted');
  });

  it('take what a peer brought, and need no network then', async () => {
    serveList(HOUR_MS);
    const complete = await source().complete(amd.evidence());
    mirror.requests.length = 0;
    expect(await verdictOn(rulesWith(undefined), complete)).toBe('accepted');
    expect(await verdictOn(rulesWith(source(true)), complete)).toBe('accepted');
    expect(mirror.requests).toEqual([]);
  });

  it('refuse a peer whose revocation list is held back', async () => {
    serveList(HOUR_MS);
    const { crl: _held, ...rest } = (await source().complete(amd.evidence())).endorsements;
    const withheld = { ...amd.evidence(), endorsements: rest };
    mirror.fail('/crl', { kind: 'reset' });
    expect(await verdictOn(rulesWith(undefined), withheld)).toContain('SNP_CRL_MISSING');
    expect(await verdictOn(rulesWith(source(true)), withheld)).toContain('SNP_CRL_MISSING');
  });

  it('go on with a newer list when the one that a peer brought has ended', async () => {
    serveList(HOUR_MS);
    const complete = await source().complete(amd.evidence());
    const own = rulesWith(source());
    expect(await verdictOn(own, complete)).toBe('accepted');
    offsetMs = 2 * HOUR_MS;
    expect(await verdictOn(rulesWith(undefined), complete)).toContain('SNP_CRL_VALIDITY');
    mirror.heal();
    mirror.fail('/crl', { kind: 'answer', status: 404, body: new Uint8Array() });
    expect(await verdictOn(own, complete)).toContain('SNP_CRL_VALIDITY');
    serveList(HOUR_MS);
    expect(await verdictOn(own, complete)).toBe('accepted');
  });
});

describe('a connection', () => {
  it.each([
    ['stays when the service has newer collateral', true],
    ['is closed when collateral has ended and there is none', false],
  ])('%s', async (_what, renewed) => {
    serveList(HOUR_MS);
    const events: TransportEvent[] = [];
    const rules = rulesWith(source());
    const server = createAttestedServer<PeerClaims>({
      identity: await identity(),
      prover: prover(),
      verifiers: { replica: rules.replicaVerifier(), initializer: rules.workloadVerifier() },
      helloClusterId: () => undefined,
      services: () => [],
      clock,
      onEvent: (event) => events.push(event),
    });
    servers.push(server);
    const { port } = await server.listen({ host: '127.0.0.1', port: 0 });
    const connection = await connectAttested<PeerClaims>({
      address: `127.0.0.1:${port}`,
      role: 'replica',
      identity: await identity(),
      prover: prover(),
      verifier: rulesWith(source()).replicaVerifier(),
      clock,
      timeoutMs: 60_000,
    });
    offsetMs = 2 * HOUR_MS;
    mirror.heal();
    if (renewed) serveList(HOUR_MS);
    else mirror.answers = () => undefined;
    await server.reverifyConnections();
    mirror.answers = amd.answers;
    if (renewed) {
      expect(events.map(({ kind }) => kind)).not.toContain('connection-dropped');
      connection.close('test is over');
    } else {
      await connection.closed;
      expect(events.map(({ kind }) => kind)).toContain('connection-closed');
    }
  });
});

describe('settings of a Coordinator', () => {
  const argv = ['--slot', 'witan-0', '--listen', 'h:1', '--peer', 'witan-0=h:1'];
  const all = [...argv, '--data', '/d', '--initdata', '/i'];

  it('say where endorsements come from', () => {
    const more = ['--endorsements', '/cache', '--endorsements-mirror', 'kds=http://mirror'];
    expect(parseConfig([...all, ...more], {})?.endorsements).toMatchObject({
      given: true,
      directory: '/cache',
      baseUrls: { amdKds: 'http://mirror' },
    });
    expect(parseConfig(all, {})?.endorsements.given).toBe(false);
  });

  it('are refused with the option that is wrong', () => {
    expect(() => parseConfig([...all, '--endorsements-max-age', 'never'], {})).toThrow(
      expect.objectContaining({ code: 'COORDINATOR_USAGE' }),
    );
  });
});

async function identity(): Promise<ChannelIdentity> {
  const made = createIncarnationIdentity();
  return {
    privateKeyPem: made.tlsKeyPem,
    certificatePem: made.tlsCertificatePem,
    spkiDer: made.spkiDer,
  };
}

/** Evidence of a healthy guest, completed as a Coordinator does it. */
function prover(): ChannelProver {
  const provider: EvidenceProvider = {
    kind: 'snp',
    collect: (reportData) => Promise.resolve(amd.evidence({ reportData })),
  };
  const endorsed = endorsedProvider(provider, source());
  return {
    evidenceTypes: ['snp'],
    prove: async (reportData) => encodeEvidence(await endorsed.collect(reportData)),
  };
}
