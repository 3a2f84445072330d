/**
 * The measured entry of the initializer in simulated guests: the application, simulated evidence.
 */
import { run } from '@witan/initializer';
import { simulatedEvidenceProvider } from '../guest/provider.ts';

process.exitCode = await run({
  argv: process.argv.slice(2),
  env: process.env,
  evidenceProvider: simulatedEvidenceProvider(),
  profile: 'development',
});
