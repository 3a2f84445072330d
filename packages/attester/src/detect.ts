/** Says which TEE this process runs in, for start-up messages and pre-flight checks. */
import { randomBytes } from 'node:crypto';
import { toHex } from '@witan/core';
import type { AttesterError } from './errors.ts';
import { nodeTsmFileSystem, type TsmFileSystem } from './file-system.ts';
import { tsmError } from './tsm-errors.ts';
import { TSM_BASE_PATH } from './tsm-provider.ts';

/** What the kernel says about itself. A hint for people: only verified evidence proves a TEE. */
export type TeeDetection =
  | { readonly kind: 'snp' }
  | { readonly kind: 'tdx' }
  | { readonly kind: 'unknown'; readonly provider: string }
  | { readonly kind: 'none'; readonly error: AttesterError };

/** Where to look for a TEE. */
export interface DetectTeeOptions {
  /** Default `nodeTsmFileSystem`. */
  readonly fs?: TsmFileSystem;
  /** Default `TSM_BASE_PATH`. */
  readonly basePath?: string;
}

const PROVIDER_BYTES_MAX = 4096;

/** Makes a report item, reads its provider and removes it. Never throws; the reason is a value. */
export async function detectTee(options: DetectTeeOptions = {}): Promise<TeeDetection> {
  const { fs = nodeTsmFileSystem, basePath = TSM_BASE_PATH } = options;
  const path = `${basePath}/witan-${toHex(randomBytes(16))}`;
  try {
    await fs.mkdir(path);
  } catch (error) {
    return { kind: 'none', error: tsmError('mkdir', path, error) };
  }
  try {
    const bytes = await fs.readFile(`${path}/provider`, PROVIDER_BYTES_MAX);
    const provider = String.fromCharCode(...bytes).trim();
    if (provider === 'sev_guest') return { kind: 'snp' };
    if (provider === 'tdx_guest') return { kind: 'tdx' };
    return { kind: 'unknown', provider: provider.slice(0, 64) };
  } catch (error) {
    return { kind: 'none', error: tsmError('provider', path, error) };
  } finally {
    await fs.rmdir(path).catch(() => undefined);
  }
}
