/**
 * The files of a fixed workload, in the format that this code writes. Each version's files stay in
 * `test/fixtures` forever, so that a later version is shown to read them.
 */
import { utf8 } from '@witan/core';
import { openJournal } from '../src/open.ts';
import { CrashFs } from './crash-fs.ts';

const DIRECTORY = '/fixture';

/** What reading the files must give. */
export const FIXTURE_OWNER: Uint8Array = utf8('owner of the fixture');
export const FIXTURE_SNAPSHOT: { readonly index: number; readonly term: number } = {
  index: 4,
  term: 2,
};
export const FIXTURE_RECORDS: readonly Uint8Array[] = Array.from({ length: 24 }, (_, at) =>
  utf8(`record ${at + 5} ${'r'.repeat((at * 61) % 500)}`),
);

/** Runs the workload. @returns contents by file name, without directories */
export async function makeFixture(): Promise<ReadonlyMap<string, Uint8Array>> {
  const fs = new CrashFs();
  const { journal } = await openJournal({ directory: DIRECTORY, fs, segmentBytesMax: 4096 });
  await journal.startSegment(FIXTURE_OWNER);
  const [first = new Uint8Array(0), ...rest] = FIXTURE_RECORDS;
  await journal.append([utf8('replaced by the snapshot'), first]);
  await journal.saveSnapshot({ ...FIXTURE_SNAPSHOT, data: utf8('the state'), tail: [first] });
  for (let at = 0; at < rest.length; at += 3) await journal.append(rest.slice(at, at + 3));
  const image = fs.image();
  return new Map([...image].map(([path, bytes]) => [path.slice(DIRECTORY.length + 1), bytes]));
}
