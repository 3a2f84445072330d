/** One event log with the quote whose registers it must give. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import {
  CCEL_SIGNATURE,
  checkEventLog,
  parseCcelTable,
  parseEventLog,
  parseTdxQuote,
} from '../src/index.ts';
import { toHex } from '@witan/core';
import { differences, objectOf, stringOf, stringsOf, type Json } from './json.ts';
import { testCrypto } from './node-crypto.ts';

/** Replays the log of a TDX vector against its quote. */
export function runEventLogVector(folder: string, vector: Json): readonly string[] {
  const expected = objectOf(vector['event_log']);
  const contents = stringsOf(expected['files']).map(
    (file) => new Uint8Array(readFileSync(join(folder, file))),
  );
  const isTable = (bytes: Uint8Array): boolean =>
    Buffer.from(bytes.subarray(0, 4)).toString('latin1') === CCEL_SIGNATURE;
  const table = contents.find(isTable);
  const bytes = contents.find((each) => !isTable(each));
  if (bytes === undefined) return ['no log among the files'];
  const log = parseEventLog(bytes);
  const quote = new Uint8Array(readFileSync(join(folder, stringOf(vector['file']) ?? '')));
  const { rtmrs } = parseTdxQuote(quote).body;
  const measurements = rtmrs.map((rtmr, index) => ({ name: `rtmr${index}`, value: toHex(rtmr) }));
  const replayed = checkEventLog(log, { measurements }, testCrypto);
  // A text that says otherwise is the index's way to say that the log does not fit.
  const fits = !/\b(not|differ|mismatch|wrong)\b/i.test(stringOf(expected['replay']) ?? '');
  const matches = replayed.every(({ passed }) => passed);
  return [
    ...differences(expected['events'], log.events.length, 'events'),
    ...(matches === fits ? [] : replayed.map(({ found }) => `replay: ${fits} wanted, ${found}`)),
    ...(table === undefined ? [] : tableProblems(table, bytes)),
  ];
}

function tableProblems(table: Uint8Array, log: Uint8Array): readonly string[] {
  const { logBytes } = parseCcelTable(table);
  return logBytes === BigInt(log.byteLength) ? [] : [`the table says ${logBytes} bytes of log`];
}
