/** The commands `witan evidence …` and their options, for commander. */
import type { Command } from 'commander';
import type { Clock } from '@witan/core';
import { finish, type RunCommand } from '../finish.ts';
import { collectEvidence, type CollectEvidenceOptions, type ProviderOf } from './collect.ts';
import { measureLaunch, type MeasureOptions } from './measure.ts';
import { showEvidence } from './show.ts';
import { verifyEvidence, type VerifyEvidenceOptions } from './verify.ts';

/** What the commands reach outside for. */
export interface EvidencePorts {
  readonly clock: Clock;
  /** Called once per `collect`, with the source that the user chose. */
  readonly provider: ProviderOf;
}

interface Json {
  readonly json?: boolean;
}

/** Adds the group `evidence`. */
export function addEvidence(program: Command, run: RunCommand, ports: EvidencePorts): void {
  const group = program
    .command('evidence')
    .description('look at, judge and collect evidence of hardware, without a cluster');
  addShow(group, run);
  addVerify(group, run, ports);
  addMeasure(group, run);
  addCollect(group, run, ports);
}

function addShow(group: Command, run: RunCommand): void {
  const command = group
    .command('show <file>')
    .description('print evidence, a log or endorsements field by field; verifies nothing');
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
    .option('--quote-nonce <hex>', 'Azure: the nonce of the vTPM’s quote as it is, instead')
    .option('--event-log <file>', 'TDX: a log (CCEL) that must give the RTMRs of the quote')
    .option('--allow-debug', 'accept a guest that its host may debug; with values, they say it')
    .option('--token <file>', 'write an accepted verdict as a signed EAR token (EAT, JWT)')
    .option('--signing-key <file>', 'signs it: P-256, P-384 or Ed25519 private key, PEM or JWK')
    .option('--jwks <file>', 'write the public key for those who verify the token');
  const example = 'witan evidence verify report.bin --endorsements vcek.der ask_ark.pem crl.der';
  finish(command, example).action((file: string, options: VerifyEvidenceOptions & Json) =>
    run(options, (context) => verifyEvidence(context, file, options, clock)),
  );
}

function addMeasure(group: Command, run: RunCommand): void {
  const command = group
    .command('measure')
    .description('compute SEV-SNP launch digests for reference values; lists give all combinations')
    .requiredOption('--firmware <file>', 'OVMF image built for SEV-SNP')
    .option('--firmware-digest <hex>', 'digest of its pages, where the file is only its end')
    .option('--kernel <file>', 'booted directly; its hash goes into the digest')
    .option('--initrd <file>', 'with --kernel')
    .option('--append <text>', 'command line, with --kernel')
    .requiredOption('--vcpus <numbers>', 'such as 4 or 1,2,4')
    .option('--vcpu-type <types>', 'EPYC-v4 (default), EPYC-Milan, family/model/stepping or 0x…')
    .option('--vmm <kinds>', 'qemu, ec2 or gce', 'qemu')
    .option('--guest-features <masks>', 'SEV_FEATURES; 0x21 with debug swap', '0x1')
    .option('--into <file>', 'reference values whose measurement is to be replaced')
    .option('--out <file>', 'write reference values here; default standard output');
  const example = 'witan evidence measure --firmware OVMF.fd --kernel vmlinuz --vcpus 1,2,4';
  finish(command, example).action((options: MeasureOptions & Json) =>
    run(options, (context) => measureLaunch(context, options)),
  );
}

function addCollect(group: Command, run: RunCommand, { provider }: EvidencePorts): void {
  const command = group
    .command('collect')
    .description('obtain fresh evidence of this machine: configfs-tsm, or the vTPM of Azure')
    .option('--report-data <hex>', 'the 64 bytes to carry, as they are')
    .option('--nonce <text>', 'a text of the verifier; hashed under a label. Default random')
    .option('--source <name>', 'configfs, azure, or auto: whichever is there', 'auto')
    .option('--out <file>', 'write it here; default base64 (Azure: JSON) on standard output');
  const example = 'witan evidence collect --nonce today-17 --out evidence.bin';
  finish(command, example).action((options: CollectEvidenceOptions & Json) =>
    run(options, (context) => collectEvidence(context, options, provider)),
  );
}
