/** What stops a Coordinator from starting: one line, with the next step, and no stack. */
import { createHash } from 'node:crypto';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createTsmProvider, nodeTsmFileSystem, type EvidenceProvider } from '@witan/attester';
import { utf8 } from '@witan/core';
import { parseConfig, parseInitdata, run } from '@witan/coordinator';
import { inProcessEvidenceProvider, loadOrCreateHierarchy, type Hierarchy } from '@witan/tee-sim';

let directory = '';
let hierarchy: Hierarchy;

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'witan-start-'));
  await mkdir(join(directory, 'tee'), { mode: 0o700 });
  hierarchy = loadOrCreateHierarchy(join(directory, 'tee'), 'Genoa');
}, 60_000);

afterAll(async () => {
  await rm(directory, { recursive: true, force: true });
});

function initdataText(fields: Readonly<Record<string, unknown>> = {}): string {
  return JSON.stringify({
    apiVersion: 'witan.dev/v1',
    kind: 'Coordinator',
    slots: ['witan-0'],
    developmentRoots: [hierarchy.rootFingerprint],
    ...fields,
  });
}

function providerFor(initdata: string): EvidenceProvider {
  const hostData = new Uint8Array(createHash('sha256').update(initdata).digest());
  return inProcessEvidenceProvider(hierarchy, { measurement: new Uint8Array(48), hostData });
}

interface Attempt {
  readonly initdata?: string;
  readonly measured?: string;
  readonly provider?: EvidenceProvider;
  readonly profile?: 'production' | 'development';
  readonly listen?: string;
  readonly data?: string;
  readonly peers?: string;
}

async function start(attempt: Attempt): Promise<{ readonly code: number; readonly text: string }> {
  const initdata = attempt.initdata ?? initdataText();
  const file = join(directory, 'initdata.json');
  await writeFile(file, initdata);
  let text = '';
  const code = await run({
    argv: [
      '--slot',
      'witan-0',
      '--listen',
      attempt.listen ?? '127.0.0.1:1',
      '--peer',
      attempt.peers ?? 'witan-0=127.0.0.1:1',
      '--data',
      attempt.data ?? join(directory, 'data'),
      '--initdata',
      file,
    ],
    env: {},
    evidenceProvider: attempt.provider ?? providerFor(attempt.measured ?? initdata),
    profile: attempt.profile ?? 'development',
    stderr: (line) => {
      text += line;
    },
    stdout: () => undefined,
  });
  return { code, text };
}

function expectOneLine(text: string, code: string): void {
  expect(text).toMatch(/^witan-coordinator: [^\n]+\n$/);
  expect(text).toContain(code);
}

describe('a Coordinator does not start', () => {
  it('on a port in use', async () => {
    const server = createServer().listen(0, '127.0.0.1');
    await new Promise((resolve) => server.once('listening', resolve));
    const address = server.address();
    const port = typeof address === 'object' ? (address?.port ?? 0) : 0;
    const { code, text } = await start({ listen: `127.0.0.1:${port}` });
    server.close();
    expect(code).toBe(1);
    expectOneLine(text, 'LISTEN_FAILED');
  });

  it('without a TEE', async () => {
    const provider = createTsmProvider({
      fs: nodeTsmFileSystem,
      basePath: join(directory, 'none'),
    });
    const { code, text } = await start({ provider });
    expect(code).toBe(1);
    expectOneLine(text, 'ATTESTER_');
  });

  it('on a data directory that is a file', async () => {
    const data = join(directory, 'file');
    await writeFile(data, '');
    const { code, text } = await start({ data });
    expect(code).toBe(1);
    expectOneLine(text, 'COORDINATOR_DATA_DIRECTORY_UNUSABLE');
  });

  it('on a data directory that another process uses', async () => {
    const data = join(directory, 'locked');
    await mkdir(data);
    const { nodeJournalFs } = await import('@witan/journal');
    const lock = await nodeJournalFs.lock(data);
    const { text } = await start({ data });
    await lock?.release();
    expectOneLine(text, 'another process uses the data directory');
  });

  it('with initdata that was not measured: the host has exchanged it', async () => {
    const { code, text } = await start({ measured: initdataText({ slots: ['witan-9'] }) });
    expect(code).toBe(2);
    expectOneLine(text, 'COORDINATOR_INITDATA_NOT_MEASURED');
  });

  it('on simulated hardware that its initdata does not list (I11)', async () => {
    const { text } = await start({ initdata: initdataText({ developmentRoots: [] }) });
    expectOneLine(text, 'COORDINATOR_EVIDENCE_UNUSABLE');
  });

  it('on simulated hardware in a production build, whatever initdata lists (I11)', async () => {
    const { text } = await start({ profile: 'production' });
    expectOneLine(text, 'COORDINATOR_EVIDENCE_UNUSABLE');
  });

  it('with addresses of other slots than the measured ones', async () => {
    const { code, text } = await start({
      initdata: initdataText({ slots: ['witan-0', 'witan-1', 'witan-2'] }),
    });
    expect(code).toBe(2);
    expectOneLine(text, 'COORDINATOR_USAGE');
  });
});

describe('settings', () => {
  const good = {
    WITAN_SLOT: 'witan-0',
    WITAN_LISTEN: '[::1]:7070',
    WITAN_PEERS: 'witan-0=host:1',
    WITAN_DATA: '/data',
    WITAN_INITDATA: '/initdata',
  };

  it('come from the environment', () => {
    expect(parseConfig([], good)).toMatchObject({ slot: 'witan-0', listen: { host: '::1' } });
    expect(parseConfig(['--help'], {})).toBeUndefined();
  });

  it.each([
    [{ WITAN_SLOT: 'Witan 0' }, '--slot'],
    [{ WITAN_LISTEN: 'nowhere' }, '--listen'],
    [{ WITAN_LISTEN: 'host:99999' }, '--listen'],
    [{ WITAN_PEERS: 'witan-1=host:1' }, '--peer'],
    [{ WITAN_PEERS: 'witan-0=host:1,witan-0=host:2' }, '--peer'],
    [{ WITAN_LOG_LEVEL: 'loud' }, '--log-level'],
    [{ WITAN_DATA: '' }, '--data'],
  ])('are refused: %j', (change, option) => {
    expect(() => parseConfig([], { ...good, ...change })).toThrow(
      expect.objectContaining({
        code: 'COORDINATOR_USAGE',
        fields: expect.objectContaining({ option }) as object,
      }) as Error,
    );
  });
});

describe('initdata', () => {
  it.each([
    ['no JSON', '{'],
    ['an unknown field', initdataLike({ extra: 1 })],
    ['another kind', initdataLike({ kind: 'Workload' })],
    ['two slots', initdataLike({ slots: ['a', 'b'] })],
    ['the same slot twice', initdataLike({ slots: ['a', 'a', 'b'] })],
    ['a bad slot name', initdataLike({ slots: ['A'] })],
    ['a bad fingerprint', initdataLike({ developmentRoots: ['12'] })],
  ])('is refused with %s', (_, text) => {
    expect(() => parseInitdata(utf8(text))).toThrow(
      expect.objectContaining({ code: 'COORDINATOR_INITDATA_INVALID' }) as Error,
    );
  });

  it('that cannot be read is named', async () => {
    const argv = ['--slot', 'a', '--listen', 'h:1', '--peer', 'a=h:1', '--data', '/d'];
    let text = '';
    const code = await run({
      argv: [...argv, '--initdata', join(directory, 'nowhere')],
      env: {},
      evidenceProvider: providerFor(''),
      profile: 'development',
      stderr: (line) => {
        text += line;
      },
    });
    expect(code).toBe(2);
    expectOneLine(text, 'COORDINATOR_INITDATA_UNREADABLE');
  });
});

function initdataLike(fields: Readonly<Record<string, unknown>>): string {
  const base = { apiVersion: 'witan.dev/v1', kind: 'Coordinator', slots: ['a'] };
  return JSON.stringify({ ...base, ...fields });
}
