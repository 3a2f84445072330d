/**
 * The measured entry of the Coordinator in simulated guests: the application, simulated evidence.
 */
import { run } from '@witan/coordinator';
import { simulatedEvidenceProvider } from '../guest/provider.ts';

process.exitCode = await run({
  argv: process.argv.slice(2),
  env: process.env,
  evidenceProvider: simulatedEvidenceProvider(),
  profile: 'development',
});
