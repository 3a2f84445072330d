/**
 * Keeps credentials fresh, beside the workload for as long as it runs. Asks now and then what to
 * trust, and for new credentials when a third of their life is left or the cluster has changed
 * something: a rotation goes on once everybody has come. The key stays the same.
 */
import { randomInt } from 'node:crypto';
import { ClientError, pause, type Credentials, type Trust } from '@witan/client';
import { bytesEqual, describeError } from '@witan/core';

/** What renewing needs of the program. */
export interface RenewalOptions {
  /** Between two questions, in milliseconds. */
  readonly checkMs: number;
  readonly signal: AbortSignal;
  readonly stderr: (text: string) => void;
  /** Gets and writes new credentials. */
  readonly renew: () => Promise<Credentials>;
  readonly trust: () => Promise<Trust>;
  readonly writeTrust: (trust: Trust) => Promise<void>;
}

/** Up to this much sooner, so that pods that started together do not come together. */
const JITTER = 0.2;

/** Ends with the signal; what the cluster refuses is asked for again. */
export async function keepRenewed(first: Credentials, options: RenewalOptions): Promise<void> {
  const { signal, stderr } = options;
  let held = { credentials: first, trust: first.trust, dueMs: dueOf(first) };
  for (;;) {
    const early = options.checkMs * (1 - (JITTER * randomInt(1000)) / 1000);
    const waitMs = Math.max(MIN_WAIT_MS, Math.min(early, held.dueMs - performance.now()));
    await pause(waitMs, signal).catch(() => undefined);
    if (signal.aborted) return;
    try {
      const trust = await options.trust();
      const isDue = performance.now() >= held.dueMs || trust.version !== held.trust.version;
      if (isDue) {
        const credentials = await options.renew();
        held = { credentials, trust: credentials.trust, dueMs: dueOf(credentials) };
      } else if (!isSame(trust.revocationLists, held.trust.revocationLists)) {
        await options.writeTrust(trust);
        held = { ...held, trust };
      }
    } catch (error) {
      if (!(error instanceof ClientError)) throw error;
      if (signal.aborted) return;
      const until = new Date(held.credentials.notAfter).toISOString();
      stderr(`witan-initializer: not renewed, valid until ${until}: ${describeError(error)}\n`);
    }
  }
}

const MIN_WAIT_MS = 500;

/** When a third of the certificate's life is left, on the monotonic clock. */
function dueOf({ notAfter }: Credentials): number {
  return performance.now() + ((notAfter - Date.now()) * 2) / 3;
}

function isSame(one: readonly Uint8Array[], other: readonly Uint8Array[]): boolean {
  const pairs = one.map((bytes, at) => [bytes, other[at]] as const);
  return (
    one.length === other.length &&
    pairs.every(([left, right]) => right !== undefined && bytesEqual(left, right))
  );
}
