/** Which files hold what. */
import type { KeyObject } from 'node:crypto';
import type { Credentials, Trust } from '@witan/client';
import { certificatePem } from '@witan/keys';
import type { OutputFile } from './files.ts';

const PEM_COLUMNS = 64;

/** All files, in the order in which they shall appear. */
export function outputFiles(
  credentials: Credentials,
  privateKey: KeyObject,
): readonly OutputFile[] {
  const { certificate, meshCaCertificate, trust } = credentials;
  const chain = [certificate, meshCaCertificate, ...trust.chain].map(certificatePem);
  const key = privateKey.export({ type: 'pkcs8', format: 'pem' }).toString();
  return [
    ...trustFiles(trust),
    ...secretFiles(credentials),
    { name: 'key.pem', content: key, mode: 0o400 },
    { name: 'cert.pem', content: chain.join(''), mode: 0o444 },
  ];
}

/** What to accept of others: bundles of one or two, and what is revoked. */
export function trustFiles({ roots, meshCas, revocationLists }: Trust): readonly OutputFile[] {
  const lists = revocationLists.map(revocationListPem).join('');
  return [
    { name: 'ca.pem', content: roots.map(certificatePem).join(''), mode: 0o444 },
    { name: 'mesh-ca.pem', content: meshCas.map(certificatePem).join(''), mode: 0o444 },
    ...(lists === '' ? [] : [{ name: 'crl.pem', content: lists, mode: 0o444 } as const]),
  ];
}

/** The current version under the name, older ones with their number behind it. */
export function secretFiles({ secretVersions }: Credentials): readonly OutputFile[] {
  return [...secretVersions].flatMap(([name, versions]) =>
    versions.map(({ version, secret }, at): OutputFile => ({
      name: `secrets/${name}${at === 0 ? '' : `.v${version}`}`,
      content: secret.expose(),
      mode: 0o400,
    })),
  );
}

function revocationListPem(der: Uint8Array): string {
  const text = Buffer.from(der).toString('base64');
  const lines = text.match(new RegExp(`.{1,${PEM_COLUMNS}}`, 'g')) ?? [];
  return `-----BEGIN X509 CRL-----\n${lines.join('\n')}\n-----END X509 CRL-----\n`;
}
