/** The commands `witan evidence …` and their options, for commander. */
import type { Command } from 'commander';
import { createTsmProvider, nodeTsmFileSystem, type EvidenceProvider } from '@witan/attester';
import type { Clock } from '@witan/core';
import { systemClock } from '@witan/keys';
import { finish, type RunCommand } from '../finish.ts';
import { collectEvidence, type CollectEvidenceOptions } from './collect.ts';
import { showEvidence } from './show.ts';
import { verifyEvidence, type VerifyEvidenceOptions } from './verify.ts';

/** What the commands reach outside for. */
export interface EvidencePorts {
  readonly clock: Clock;
  /** Called once per `collect`. */
  readonly provider: () => EvidenceProvider;
}

const REAL_PORTS: EvidencePorts = {
  clock: systemClock,
  provider: () => createTsmProvider({ fs: nodeTsmFileSystem }),
};

interface Json {
  readonly json?: boolean;
}

/** Adds the group `evidence`. */
export function addEvidence(
  program: Command,
  run: RunCommand,
  ports: EvidencePorts = REAL_PORTS,
): void {
  const group = program
    .command('evidence')
    .description('look at, judge and collect evidence of hardware, without a cluster');
  addShow(group, run);
  addVerify(group, run, ports);
  addCollect(group, run, ports);
}

function addShow(group: Command, run: RunCommand): void {
  const command = group
    .command('show <file>')
    .description('print evidence field by field; verifies nothing');
  finish(command, 'witan evidence show report.bin').action((file: string, options: Json) =>
    run(options, (context) => showEvidence(context, file)),
  );
}

function addVerify(group: Command, run: RunCommand, { clock }: EvidencePorts): void {
  const command = group
    .command('verify <file>')
    .description('judge evidence offline; prints every check (0 accepted, 3 refused)')
    .option('--endorsements <path...>', 'certificates, lists and collateral: files, directories')
    .option('--collateral <file>', 'Intel’s collateral as one JSON object')
    .option('--reference-values <file>', 'what to expect: values or a manifest; else genuine only')
    .option('--at <time>', 'judge as of this time, such as 2026-06-01T00:00:00Z; default now')
    .option('--trust-root <file...>', 'trust this root too, beside AMD’s and Intel’s (dangerous)')
    .option('--report-data <hex>', 'the 64 bytes that the evidence must carry')
    .option('--nonce <text>', 'the nonce that collect was given, instead of --report-data')
    .option('--token <file>', 'write a signed token of an accepted verdict')
    .option('--token-key <file>', 'P-256 private key (PEM) that signs the token');
  const example = 'witan evidence verify report.bin --endorsements vcek.der ask_ark.pem crl.der';
  finish(command, example).action((file: string, options: VerifyEvidenceOptions & Json) =>
    run(options, (context) => verifyEvidence(context, file, options, clock)),
  );
}

function addCollect(group: Command, run: RunCommand, { provider }: EvidencePorts): void {
  const command = group
    .command('collect')
    .description('obtain fresh evidence of this machine through configfs-tsm')
    .option('--report-data <hex>', 'the 64 bytes to carry, as they are')
    .option('--nonce <text>', 'a text of the verifier; hashed under a label. Default random')
    .option('--out <file>', 'write Witan’s encoding here; default base64 on standard output');
  const example = 'witan evidence collect --nonce today-17 --out evidence.bin';
  finish(command, example).action((options: CollectEvidenceOptions & Json) =>
    run(options, (context) => collectEvidence(context, options, provider())),
  );
}
