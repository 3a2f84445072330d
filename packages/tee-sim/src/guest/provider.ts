/**
 * Evidence inside a simulated guest: attester's own provider, unchanged, over a file system whose
 * files the simulated hardware serves.
 */
import { fromBase64, toBase64 } from '@witan/core';
import { createTsmProvider } from '@witan/attester';
import type { EvidenceProvider, TsmFileSystem, TsmProviderOptions } from '@witan/attester';
import { TeeSimError } from '../errors.ts';
import { errnoError, withinLimit } from '../wire/errno.ts';
import type { LinkAnswer } from '../wire/guest-link.ts';
import { hardwareLink, type HardwareLink } from './hardware-link.ts';

/**
 * The guest's /sys/kernel/config/tsm/report, as `createTsmProvider` expects it.
 *
 * @param env environment of this process
 * @throws TeeSimError TEESIM_NO_HARDWARE unless the simulated hardware launched this process
 */
export function simulatedTsmFileSystem(env: NodeJS.ProcessEnv = process.env): TsmFileSystem {
  const link = hardwareLink(env);
  return {
    mkdir: async (path) => {
      demandDone(await link.request({ op: 'mkdir', path }), path);
    },
    rmdir: async (path) => {
      demandDone(await link.request({ op: 'rmdir', path }), path);
    },
    writeFile: async (path, data) => {
      demandDone(await link.request({ op: 'write', path, data: toBase64(data) }), path);
    },
    readFile: async (path, bytesMax) => {
      const answer = await link.request({ op: 'read', path });
      if (answer.kind !== 'data') throw failure(answer, path);
      return withinLimit(path, fromBase64(answer.data), bytesMax);
    },
  };
}

/**
 * An evidence provider for simulated guests. Evidence travels with the root certificate and the
 * revocation list, for there is no key distribution service to ask for them.
 *
 * @throws TeeSimError TEESIM_NO_HARDWARE unless the simulated hardware launched this process
 */
export function simulatedEvidenceProvider(
  env: NodeJS.ProcessEnv = process.env,
  options: Omit<TsmProviderOptions, 'fs'> = {},
): EvidenceProvider {
  const link = hardwareLink(env);
  const provider = createTsmProvider({ ...options, fs: simulatedTsmFileSystem(env) });
  return {
    kind: provider.kind,
    collect: async (reportData, collectOptions) => {
      const evidence = await provider.collect(reportData, collectOptions);
      const more = await fetchEndorsements(link);
      return { ...evidence, endorsements: { ...evidence.endorsements, ...more } };
    },
  };
}

async function fetchEndorsements(
  link: HardwareLink,
): Promise<{ readonly root: Uint8Array; readonly crl: Uint8Array }> {
  const answer = await link.request({ op: 'endorsements' });
  if (answer.kind !== 'endorsements') throw unexpected();
  return { root: fromBase64(answer.root), crl: fromBase64(answer.crl) };
}

function demandDone(answer: LinkAnswer, path: string): void {
  if (answer.kind !== 'done') throw failure(answer, path);
}

function failure(answer: LinkAnswer, path: string): Error {
  return answer.kind === 'errno' ? errnoError(path, answer.errno) : unexpected();
}

function unexpected(): TeeSimError {
  return new TeeSimError('TEESIM_ANSWER_MALFORMED', 'the hardware gave an unreadable answer');
}
