/**
 * Files as the vectors' index files name them: a path and, behind a blank, how to read it. Where an
 * index says nothing, the form is told by the content.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parsePemCertificates } from '../src/index.ts';
import { objectOf, stringOf } from './json.ts';

/** Bytes of a file, decoded as its name says: `(hex text)`, `(base64 text)`, `bytes 32..1216`. */
export function readNamed(folder: string, name: string): Uint8Array {
  const [path = '', ...hints] = name.split(' ');
  const hint = hints.join(' ');
  const bytes = new Uint8Array(readFileSync(join(folder, path)));
  const range = /bytes (\d+)\.\.(\d+)/.exec(hint);
  if (range !== null) {
    const source = path.endsWith('.json') ? hclReportOf(bytes) : bytes;
    return source.slice(Number(range[1]), Number(range[2]));
  }
  const text = Buffer.from(bytes).toString('latin1').trim();
  if (hint.includes('hex') || /^(0x)?([0-9a-fA-F]{2}\s*){32,}$/.test(text)) {
    return decoded(text.replace(/^0x/, '').replaceAll(/\s/g, ''), 'hex');
  }
  const isBase64 = hint.includes('base64') || /^[A-Za-z0-9+/_=\s-]{64,}$/.test(text);
  return isBase64 && !text.startsWith('-----') ? decoded(text, 'base64') : bytes;
}

/** The certificates of a DER or PEM file. Words behind the name are ignored. */
export function certificatesIn(folder: string, name: string): readonly Uint8Array[] {
  const bytes = new Uint8Array(readFileSync(join(folder, name.split(' ')[0] ?? '')));
  const text = Buffer.from(bytes).toString('latin1');
  return text.includes('-----BEGIN') ? parsePemCertificates(text) : [bytes];
}

/** The HCL report inside evidence that Azure's tools write as JSON. */
function hclReportOf(bytes: Uint8Array): Uint8Array {
  const evidence = objectOf(JSON.parse(Buffer.from(bytes).toString()));
  return Array.isArray(evidence['report'])
    ? Uint8Array.from(evidence['report'] as readonly number[])
    : decoded(stringOf(evidence['hcl_report']) ?? '', 'base64url');
}

function decoded(text: string, encoding: 'hex' | 'base64' | 'base64url'): Uint8Array {
  return new Uint8Array(Buffer.from(text, encoding));
}
