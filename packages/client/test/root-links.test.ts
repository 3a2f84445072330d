/** Following a rotated root from a pinned one, by links that each root has signed for the next. */
import { beforeAll, describe, expect, it } from 'vitest';
import { clusterId, toHex, unixMillis } from '@witan/core';
import {
  createCrossCertificate,
  createRootCertificate,
  createSeed,
  deriveRootCaKey,
  loadCertificateAuthority,
  randomSerial,
  type CertificateAuthority,
} from '@witan/keys';
import { leadsTo, type RootLink } from '../src/root-links.ts';
import { Stage, code } from './support/stage.ts';

const times = {
  notBefore: unixMillis(Date.now() - 60_000),
  notAfter: unixMillis(Date.now() + 86_400_000),
  simulated: true,
};
const seed = createSeed();
const CLUSTER = clusterId('c1'.repeat(32));

async function rootOf(rotation: number, of = seed): Promise<CertificateAuthority> {
  const rootKey = deriveRootCaKey(of, CLUSTER, rotation);
  const request = { rootKey, clusterId: CLUSTER, rotation, serial: randomSerial(), ...times };
  return loadCertificateAuthority(rootKey, createRootCertificate(request));
}

async function link(from: CertificateAuthority, to: CertificateAuthority): Promise<RootLink> {
  const request = { ...times, serial: randomSerial() };
  const cross = createCrossCertificate(from, to.certificateDer, request);
  return { certificate: to.certificateDer, cross };
}

describe('links between roots', () => {
  let roots: readonly CertificateAuthority[];
  let links: readonly RootLink[];
  const leads = (from: number, to: number, by: readonly RootLink[] = links): boolean => {
    const [pinned, found] = [roots[from], roots[to]];
    if (pinned === undefined || found === undefined) return expect.fail();
    return leadsTo(pinned.certificateDer, found.certificateDer, by);
  };

  beforeAll(async () => {
    roots = await Promise.all([0, 1, 2].map((rotation) => rootOf(rotation)));
    const [a, b, c] = roots;
    if (a === undefined || b === undefined || c === undefined) return;
    links = [await link(a, b), await link(b, c)];
  });

  it('lead from any root of the past to the one in use', () => {
    expect([leads(0, 1), leads(0, 2), leads(1, 2), leads(2, 2)]).toEqual([true, true, true, true]);
  });

  it('do not lead back, nor over a gap', () => {
    expect([leads(2, 0), leads(1, 0), leads(0, 2, links.slice(1))]).toEqual([false, false, false]);
    expect(leads(0, 2, links.toReversed())).toBe(false);
  });

  it('lead nowhere when somebody else has signed them', async () => {
    const [a, b] = roots;
    if (a === undefined || b === undefined) return expect.fail();
    const stranger = await rootOf(0, createSeed());
    expect(leads(0, 1, [await link(stranger, b)])).toBe(false);
    // The genuine link, with another root of the same name beside it.
    const other = await rootOf(1, createSeed());
    const mixed = { certificate: other.certificateDer, cross: links[0]?.cross ?? new Uint8Array() };
    expect(leadsTo(a.certificateDer, other.certificateDer, [mixed])).toBe(false);
  });

  it('that are no certificates are refused (I10)', () => {
    const bytes = { certificate: Uint8Array.of(0x30, 1), cross: Uint8Array.of(1) };
    expect(() => leads(0, 1, [bytes])).toThrow(code('CLIENT_CERTIFICATE_INVALID'));
  });
});

describe('a client that pinned the former root', () => {
  const stage = new Stage();

  it('follows a signed link, keeps the later root, and follows none without it', async () => {
    const client = await stage.settled(1);
    await client.getDeployment();
    const { cluster, replicas } = stage.scene;
    const before = cluster.root;
    if (before === undefined) return expect.fail();
    const rootKey = deriveRootCaKey(cluster.seed, cluster.clusterId, 1);
    const request = { rootKey, clusterId: cluster.clusterId, rotation: 1, serial: randomSerial() };
    const later = loadCertificateAuthority(
      rootKey,
      createRootCertificate({ ...request, ...times }),
    );
    const { certificate, cross } = await link(before, later);
    const meshCaCertificate = await cluster.meshCaUnder(later);
    const rootLinks = [{ certificate, crossCertificate: cross }];
    for (const { faults } of replicas) {
      faults.deployment = (answer) => ({
        ...answer,
        rootCertificate: certificate,
        meshCaCertificate,
      });
    }
    await expect(client.getDeployment()).rejects.toThrow(code('CLIENT_PIN_MISMATCH'));
    for (const { faults } of replicas) {
      const without = faults.deployment;
      faults.deployment = (answer) => ({ ...(without?.(answer) ?? answer), rootLinks });
    }
    await client.getDeployment();
    expect(toHex(client.known.rootCertificate ?? Uint8Array.of())).toBe(toHex(certificate));
  });
});
