/** The measured entry of the initializer in simulated guests: the application with simulated evidence. */
import * as application from '@witan/initializer';
import { simulatedEvidenceProvider } from '../guest/provider.ts';
import type { GuestApplication } from './seam.ts';

const { run } = application as unknown as GuestApplication;

process.exitCode = await run({
  argv: process.argv.slice(2),
  env: process.env,
  evidenceProvider: simulatedEvidenceProvider(),
  profile: 'development',
});
