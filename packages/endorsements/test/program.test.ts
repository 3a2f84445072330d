/** Endorsements as programs open them, in both profiles, over a mirror that goes away. */
import { join } from 'node:path';
import { afterEach, expect, it } from 'vitest';
import type { UnixMillis } from '@witan/core';
import { endorsementSettings, openEndorsements, type ProgramOptions } from '../src/index.ts';
import { createBench, type Bench } from './support/bench.ts';
import { verdictOn } from './support/judge.ts';

let bench: Bench;
afterEach(async () => {
  await bench.close();
});

type Change = Partial<Omit<ProgramOptions, 'settings'>>;

/** What a program completes bare evidence to, with these settings, as a verdict. */
async function completed(env: Readonly<Record<string, string>>, change: Change): Promise<string> {
  const program = openEndorsements({
    settings: endorsementSettings({ endorsements: join(bench.directory, 'program') }, env),
    profile: 'production',
    developmentRoots: [],
    clock: { now: () => bench.nowMs as UnixMillis },
    onEvent: (event) => bench.events.push(event),
    ...change,
  });
  try {
    const bare = bench.amd.evidence();
    const provider = program.startProvider({
      kind: 'snp',
      collect: async () => await Promise.resolve(bare),
    });
    const { endorsements } = await provider.collect(new Uint8Array(64));
    return verdictOn(bench, bare, endorsements);
  } finally {
    program.close();
  }
}

it('a root that is listed counts in development, from mirror and cache', async () => {
  bench = await createBench();
  const listed = { developmentRoots: [bench.amd.authorities.fingerprint] };
  const mirror = { WITAN_ENDORSEMENTS_MIRROR: `kds=${bench.mirror.url}` };
  const offline = { WITAN_ENDORSEMENTS_OFFLINE: 'true' };
  // Not in production, and not where it is not listed: nothing is kept either.
  expect(await completed(mirror, listed)).not.toBe('genuine');
  expect(await completed(mirror, { profile: 'development' })).not.toBe('genuine');
  expect(bench.kinds()).not.toContain('fetched');
  expect(await completed(offline, { ...listed, profile: 'development' })).not.toBe('genuine');
  expect(await completed(mirror, { ...listed, profile: 'development' })).toBe('genuine');
  // The drill: the mirror goes away, and a new process has the directory alone.
  await bench.mirror.close();
  const asked = bench.mirror.requests.length;
  expect(await completed(offline, { ...listed, profile: 'development' })).toBe('genuine');
  expect(bench.mirror.requests).toHaveLength(asked);
  // What a development program kept is nothing in production.
  expect(await completed(offline, listed)).not.toBe('genuine');
}, 60_000);
