/**
 * The hardware's end of a guest's link. Serves the file tree to the process that holds the other
 * end of the socket pair, and to no other. A guest that breaks the protocol loses its link.
 */
import type { Duplex } from 'node:stream';
import { toBase64 } from '@witan/core';
import { TeeSimError } from '../errors.ts';
import type { TsmResult, TsmTree } from '../hardware/tsm-tree.ts';
import { FieldReader } from '../wire/fields.ts';
import { LINK_LINE_BYTES_MAX, LINK_REQUESTS_MAX, type LinkAnswer } from '../wire/guest-link.ts';
import { LineSplitter, parseObject, toLine } from '../wire/lines.ts';

const PATH_CHARACTERS_MAX = 1024;
const WRITE_BYTES_MAX = 64 * 1024;
/** Bytes of answers that may wait for a guest that does not read. */
const BUFFERED_BYTES_MAX: number = LINK_REQUESTS_MAX * LINK_LINE_BYTES_MAX;

/** What a link gives access to: the tree, and public certificates that it does not carry. */
export interface LinkedHardware {
  readonly tree: TsmTree;
  readonly endorsements: () => Readonly<Record<string, Uint8Array>>;
}

/** Serves until either end closes. */
export function serveGuestLink(link: Duplex, hardware: LinkedHardware): void {
  const lines = new LineSplitter(LINK_LINE_BYTES_MAX);
  link.on('data', (chunk: Buffer) => {
    const complete = lines.push(chunk);
    if (complete === undefined) {
      link.destroy();
      return;
    }
    for (const line of complete) {
      const answer = answerTo(line, hardware);
      if (answer === undefined || link.writableLength > BUFFERED_BYTES_MAX) {
        link.destroy();
        return;
      }
      link.write(toLine(answer));
    }
  });
  // The guest went away; its exit is reported elsewhere.
  link.on('error', () => link.destroy());
  link.on('end', () => link.destroy());
}

/** @returns undefined for a request that is none */
function answerTo(line: string, { tree, endorsements }: LinkedHardware): LinkAnswer | undefined {
  const object = parseObject(line);
  if (object === undefined) return undefined;
  try {
    const reader = new FieldReader(object);
    const op = reader.text('op', 16);
    if (op === 'endorsements') {
      reader.end();
      const parts = Object.entries(endorsements()).map(([name, bytes]) => [name, toBase64(bytes)]);
      return { kind: 'endorsements', parts: Object.fromEntries(parts) as Record<string, string> };
    }
    const path = reader.text('path', PATH_CHARACTERS_MAX);
    const data = op === 'write' ? reader.bytes('data', WRITE_BYTES_MAX) : undefined;
    reader.end();
    if (data !== undefined) return wireForm(tree.write(path, data));
    if (op === 'mkdir') return wireForm(tree.mkdir(path));
    if (op === 'rmdir') return wireForm(tree.rmdir(path));
    if (op === 'read') return wireForm(tree.read(path));
    return undefined;
  } catch (error) {
    if (error instanceof TeeSimError) return undefined;
    throw error;
  }
}

function wireForm(result: TsmResult): LinkAnswer {
  return result.kind === 'data' ? { kind: 'data', data: toBase64(result.data) } : result;
}
