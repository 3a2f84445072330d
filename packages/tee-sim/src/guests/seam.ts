/** What an application is started with inside a simulated guest. */
import type { EvidenceProvider } from '@witan/attester';

export interface GuestRunOptions {
  readonly argv: readonly string[];
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly evidenceProvider: EvidenceProvider;
  /** `development` lets measured initdata or a manifest name simulated roots (I11). */
  readonly profile: 'development';
}

/** An application's composition root; gives the exit code. */
export interface GuestApplication {
  readonly run: (options: GuestRunOptions) => Promise<number>;
}
