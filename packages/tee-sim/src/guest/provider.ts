/**
 * Evidence inside a simulated guest: attester's own provider, unchanged, over a file system whose
 * files the simulated hardware serves.
 */
import { fromBase64, toBase64 } from '@witan/core';
import { createTsmProvider } from '@witan/attester';
import type { EvidenceProvider, TsmFileSystem, TsmKind, TsmProviderOptions } from '@witan/attester';
import { TeeSimError } from '../errors.ts';
import { errnoError, withinLimit } from '../wire/errno.ts';
import type { LinkAnswer } from '../wire/guest-link.ts';
import { hardwareLink, type HardwareLink } from './hardware-link.ts';
import { withEndorsements, type NamedEndorsements } from './endorsed.ts';

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
 * An evidence provider for simulated guests of either TEE. Evidence travels with certificates,
 * revocation lists and collateral, for there is no vendor's service to ask for them.
 *
 * @throws TeeSimError TEESIM_NO_HARDWARE unless the simulated hardware launched this process
 */
export function simulatedEvidenceProvider(
  env: NodeJS.ProcessEnv = process.env,
  options: Omit<TsmProviderOptions<TsmKind>, 'fs' | 'accept'> = {},
): EvidenceProvider<TsmKind> {
  const link = hardwareLink(env);
  const fs = simulatedTsmFileSystem(env);
  const provider = createTsmProvider({ ...options, fs, accept: ['snp', 'tdx'] });
  return withEndorsements(provider, async () => await fetchEndorsements(link));
}

async function fetchEndorsements(link: HardwareLink): Promise<NamedEndorsements> {
  const answer = await link.request({ op: 'endorsements' });
  if (answer.kind !== 'endorsements') throw unexpected();
  const parts = Object.entries(answer.parts).map(([name, text]) => [name, fromBase64(text)]);
  return Object.fromEntries(parts) as NamedEndorsements;
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
