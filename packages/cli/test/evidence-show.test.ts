/** `witan evidence show`, and which files are evidence. */
import { encodeEvidence } from '@witan/attestation';
import { toBase64, toHex } from '@witan/core';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { EvidenceScene, type Json } from './support/evidence-scene.ts';

let scene: EvidenceScene;
let report: Uint8Array;
let table: Uint8Array;

beforeAll(async () => {
  scene = await EvidenceScene.open();
  const evidence = await scene.collect({ policy: 0xb001fn, platformInfo: 0x65n });
  report = evidence.report;
  table = evidence.endorsements.certificateTable ?? new Uint8Array();
}, 60_000);

afterAll(async () => {
  await scene.close();
});

function meaningOf(value: Json, name: string): string {
  return value.fields?.find((field) => field.name === name)?.meaning.join('; ') ?? 'missing';
}

describe('show', () => {
  it('names every field with its offset and decodes bits and parts', async () => {
    const file = await scene.put('report.bin', report);
    const said = await scene.witan('show', file);
    expect(said.code).toBe(0);
    expect(said.stdout).toContain('SEV-SNP report, version 5 (binary, 1184 bytes)');
    expect(said.stdout).toMatch(/0x008 +8 +POLICY +0x00000000000b001f/);
    expect(said.stdout).toContain('lowest firmware ABI 0.31');
    expect(said.stdout).toContain('set    DEBUG allowed (bit 19)');
    expect(said.stdout).toMatch(/0x0c0 +32 +HOST_DATA +(22){32}/);
    expect(said.stdout).toContain('set    UNKNOWN (bit 6)');
    expect(said.stdout).toContain('Nothing was verified');
    expect(Math.max(...said.stdout.split('\n').map((line) => line.length))).toBeLessThan(160);
  });

  it('shows the same as JSON', async () => {
    const file = await scene.put('report.bin', report);
    const { value } = await scene.json('show', file);
    expect(value).toMatchObject({ ok: true, tee: 'snp', verified: false, structure: 'sound' });
    expect(meaningOf(value, 'CPUID')).toContain('Genoa');
    expect(meaningOf(value, 'REPORTED_TCB')).toMatch(/^bootloader \d+, tee \d+, snp \d+/);
    expect(meaningOf(value, 'KEY_INFO')).toBe('signing key VCEK');
  });

  it('shows the certificates that come with evidence, with their dates', async () => {
    const file = await scene.encoded('evidence.bin');
    const said = await scene.witan('show', file);
    expect(said.stdout).toContain('certificate table: VCEK: SEV-VCEK, issued by SEV-Genoa');
    expect(said.stdout).toMatch(/valid {4}\d{4}-\d\d-\d\dT.+ to \d{4}-\d\d-\d\d/);
    expect(said.stdout).toContain(scene.hierarchy.rootFingerprint);
  });

  it('shows a report that a parser refuses, and says what is wrong', async () => {
    const changed = report.slice();
    changed[0] = 1;
    const said = await scene.witan('show', await scene.put('version-1.bin', changed));
    expect(said.code).toBe(0);
    expect(said.stdout).toContain('NOT SOUND: SNP_REPORT_VERSION');
    expect(said.stdout).toContain('MEASUREMENT');
  });
});

describe('evidence is recognised', () => {
  it.each([
    ['as hex', (bytes: Uint8Array) => `${toHex(bytes)}\n`, 'hex text'],
    ['as hex with 0x', (bytes: Uint8Array) => `0x${toHex(bytes).toUpperCase()}`, 'hex text'],
    ['as base64', (bytes: Uint8Array) => toBase64(bytes), 'base64 text'],
    [
      'as base64 in lines',
      (bytes: Uint8Array) => toBase64(bytes).replaceAll(/.{64}/g, '$&\r\n'),
      'base64 text',
    ],
    [
      'as base64url without padding',
      (bytes: Uint8Array) => Buffer.from(bytes).toString('base64url'),
      'base64 text',
    ],
    [
      'in JSON as a list of numbers',
      (bytes: Uint8Array) => JSON.stringify({ report: [...bytes] }),
      'JSON',
    ],
    [
      'in JSON as base64',
      (bytes: Uint8Array) => JSON.stringify({ evidence: toBase64(bytes) }),
      'JSON',
    ],
  ])('%s', async (_, write, encoding) => {
    const file = await scene.put('written', write(report));
    const { code, value } = await scene.json('show', file);
    expect(code).toBe(0);
    expect(value).toMatchObject({ tee: 'snp', encoding });
  });

  it('with a certificate table behind the report, or zero bytes', async () => {
    const joined = new Uint8Array([...report, ...table]);
    const first = await scene.json('show', await scene.put('extended.bin', joined));
    expect(first.value['format']).toContain('with certificate table');
    expect(first.value['certificates']).not.toEqual([]);
    const padded = new Uint8Array(4000);
    padded.set(report);
    const second = await scene.json('show', await scene.put('padded.bin', padded));
    expect(second.value['notes']).toEqual(['2816 zero bytes follow']);
  });

  it('in the answer of the firmware', async () => {
    const answer = new Uint8Array(4000);
    answer.set([0, 0, 0, 0, 0xa0, 0x04]);
    answer.set(report, 32);
    const { value } = await scene.json('show', await scene.put('answer.bin', answer));
    expect(value['format']).toContain('firmware response');
  });
});

describe('other files are refused (exit 2), by what they are', () => {
  it.each([
    ['nothing', new Uint8Array(), 'found=0 bytes'],
    ['words', 'only some words, and nothing that anybody signed at all', 'unknown bytes'],
    ['PEM', '-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n', 'PEM text'],
    ['other JSON', '{"tcbInfo":{},"signature":""}', 'JSON with tcbInfo, signature'],
    ['a JSON list', '[1,2,3]', 'JSON that is no object'],
    ['noise', new Uint8Array(2000).fill(0xee), '2000 unknown bytes'],
  ])('%s', async (_, content, found) => {
    const said = await scene.witan('show', await scene.put('other', content));
    expect(said.code).toBe(2);
    expect(said.stderr).toContain('CLI_FILE_UNREADABLE');
    expect(said.stderr).toContain(found);
    expect(said.stderr).toContain('expected=');
  });

  it('a report that is cut off', async () => {
    const said = await scene.witan('show', await scene.put('cut.bin', report.subarray(0, 1000)));
    expect(said.code).toBe(2);
    expect(said.stderr).toContain('expected=1184 bytes');
  });

  it('encoded evidence that is cut off, or has bytes behind it', async () => {
    const encoded = encodeEvidence(await scene.collect());
    for (const bytes of [encoded.subarray(0, -1), new Uint8Array([...encoded, 0])]) {
      const said = await scene.witan('show', await scene.put('encoded.bin', bytes));
      expect(said.code).toBe(2);
      expect(said.stderr).toContain('EVIDENCE_MALFORMED');
    }
  });

  it('a file without an end', async () => {
    const said = await scene.witan('show', '/dev/zero');
    expect(said.code).toBe(2);
    expect(said.stderr).toContain('found=more');
  });

  it('a file that is not there, and a directory', async () => {
    for (const path of [scene.desk.path('absent'), scene.desk.directory]) {
      const said = await scene.witan('show', path);
      expect(said.code).toBe(2);
      expect(said.stderr).toContain('CLI_FILE_UNREADABLE');
    }
  });

  it('any bytes at all: an exit code, never a stack', async () => {
    await fc.assert(
      fc.asyncProperty(mutations(), async (bytes) => {
        const file = await scene.put('any.bin', bytes);
        const shown = await scene.witan('show', file);
        const judged = await scene.witan('verify', file);
        expect([0, 2]).toContain(shown.code);
        expect([2, 3]).toContain(judged.code);
        expect(`${shown.stderr}${judged.stderr}`).not.toMatch(/\n\s+at /);
      }),
      { numRuns: 60 },
    );
  });
});

/** Altered, cut and extended reports, quotes that begin like one, and noise. */
function mutations(): fc.Arbitrary<Uint8Array> {
  const quote = new Uint8Array(5000);
  quote.set([4, 0, 2, 0, 0x81, 0, 0, 0]);
  const bases = [report, new Uint8Array([...report, ...table]), quote];
  const changed = fc
    .tuple(
      fc.constantFrom(...bases),
      fc.array(fc.tuple(fc.nat(1183), fc.nat(255)), { maxLength: 8 }),
      fc.nat(6000),
    )
    .map(([base, changes, length]) => {
      const bytes = base.slice(0, Math.max(length, 48));
      for (const [at, value] of changes) if (at < bytes.byteLength) bytes[at] = value;
      return bytes;
    });
  return fc.oneof(changed, fc.uint8Array({ maxLength: 2000 }), fc.json().map(textBytes));
}

function textBytes(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}
