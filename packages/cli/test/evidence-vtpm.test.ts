/**
 * From a real TPM to a verdict: `evidence collect` drives a software TPM as it would drive Azure's,
 * a paravisor is played on top of simulated hardware, and `evidence verify` judges what came out.
 */
import { createHash } from 'node:crypto';
import { parseCertificateTable, toPem, type SnpCertificateTable } from '@witan/attestation';
import {
  documentReportData,
  runtimeDocument,
  serializeHclReport,
} from '@witan/attestation/testing';
import { createAzureProvider, type TpmDevice } from '@witan/attester';
import { toHex } from '@witan/core';
import { systemClock } from '@witan/keys';
import { inProcessEvidenceProvider } from '@witan/tee-sim';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Said } from './support/desk.ts';
import { EvidenceScene, HOST_DATA, MEASUREMENT, withEvidence } from './support/evidence-scene.ts';
import { hasSwtpm, SoftwareTpm } from './support/software-tpm.ts';

const REPORT_INDEX = 0x01400001;
const USER_DATA_INDEX = '01400002';
const NV_WRITE = '00000137';
/** What a TPM of this kind holds in one index; Azure's holds 2600 bytes. */
const INDEX_BYTES = 2048;
const INIT_DATA = new Uint8Array(createHash('sha256').update('init data').digest());

if (!hasSwtpm) console.warn('skipped: no swtpm on this machine (apt-get install swtpm)');

describe.skipIf(!hasSwtpm)('a vTPM (needs swtpm)', () => {
  let scene: EvidenceScene;
  let tpm: SoftwareTpm;
  let azure: TpmDevice;
  let table: SnpCertificateTable = {};

  beforeAll(async () => {
    scene = await EvidenceScene.open();
    tpm = await SoftwareTpm.start();
    const publicKey = await tpm.makeAttestationKey();
    await tpm.extend(8, INIT_DATA);
    await tpm.defineIndex(REPORT_INDEX, INDEX_BYTES);
    const guest = { measurement: MEASUREMENT, hostData: HOST_DATA };
    const hardware = inProcessEvidenceProvider(scene.hierarchy, guest);
    /** What the paravisor does when the guest writes its user data. */
    const renew = async (userData: Uint8Array): Promise<void> => {
      const keys = { publicKey, privateKey: publicKey };
      // One key alone, so that the report fits into the index.
      const jwk = { kid: 'HCLAkPub', ...publicKey.export({ format: 'jwk' }) };
      const changes = { keys: [jwk], 'user-data': toHex(userData).toUpperCase() };
      const document = runtimeDocument(keys, changes);
      const { report, endorsements } = await hardware.collect(documentReportData(document));
      table = parseCertificateTable(endorsements.certificateTable ?? new Uint8Array());
      const hcl = serializeHclReport('snp', report, document);
      await tpm.writeIndex(REPORT_INDEX, hcl.subarray(0, INDEX_BYTES));
    };
    azure = {
      transceive: async (command) => {
        const answer = await tpm.transceive(command);
        const hex = toHex(command);
        const isWrite = hex.slice(12, 20) === NV_WRITE && hex.slice(28, 36) === USER_DATA_INDEX;
        // Header, two handles, the session and a size stand before the data.
        if (isWrite) await renew(command.subarray(33, 33 + 64));
        return answer;
      },
    };
  }, 120_000);

  afterAll(async () => {
    await tpm.stop();
    await scene.close();
  });

  async function collect(...argv: readonly string[]): Promise<Said> {
    const pem = (der: Uint8Array): string => toPem('CERTIFICATE', der);
    const answer = (): string =>
      JSON.stringify({
        vcekCert: pem(table.vcek ?? new Uint8Array()),
        certificateChain:
          pem(table.intermediate ?? new Uint8Array()) + pem(scene.hierarchy.rootCertificate),
      });
    const imds = {
      exchange: async () => await Promise.resolve({ status: 200, body: Buffer.from(answer()) }),
    };
    const accept = ['az-snp', 'az-tdx'] as const;
    const retry = { attemptsMax: 3, delayMs: 0 };
    const provider = (): ReturnType<typeof createAzureProvider> =>
      createAzureProvider({ tpm: azure, imds, accept, renewalPollMs: 1, retry });
    const ports = { clock: systemClock, provider };
    return await scene.desk.witan(['evidence', 'collect', ...argv], withEvidence(ports));
  }

  async function verified(file: string, ...more: readonly string[]) {
    const argv = ['--trust-root', await scene.rootFile()];
    return await scene.json('verify', file, ...argv, ...more);
  }

  it('gives evidence that is accepted with its nonce and with no other', async () => {
    const out = scene.desk.path('vtpm.json');
    const said = await collect('--nonce', 'today 17', '--out', out);
    expect(said.stderr).toBe('');
    expect(said.code).toBe(0);
    const { code, value } = await verified(out, '--nonce', 'today 17');
    expect(value).toMatchObject({ code: null, freshnessCompared: true, simulated: true });
    expect(code).toBe(0);
    expect((await verified(out, '--nonce', 'today 18')).value['code']).toBe('AZURE_NONCE');
  });

  it('proves the init data in register 8 to reference values', async () => {
    const out = scene.desk.path('init-data.json');
    expect((await collect('--nonce', 'again', '--out', out)).code).toBe(0);
    const hardware = JSON.parse(await scene.desk.read(await hardwareValues())) as unknown;
    const values = { tee: 'az-snp', hardware, pcrs: 'any', initData: toHex(INIT_DATA) };
    const fitting = await scene.desk.write('az.json', values);
    const argv = ['--nonce', 'again', '--reference-values'];
    expect((await verified(out, ...argv, fitting)).value['code']).toBe(null);
    const initData = '00'.repeat(32);
    const other = await scene.desk.write('az-other.json', { ...values, initData });
    expect((await verified(out, ...argv, other)).value['code']).toBe('AZURE_INIT_DATA');
  });

  async function hardwareValues(): Promise<string> {
    const developmentRoots = [scene.hierarchy.rootFingerprint];
    await scene.values('hardware.json', { developmentRoots });
    return 'hardware.json';
  }
});
