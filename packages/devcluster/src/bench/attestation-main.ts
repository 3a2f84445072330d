/**
 * `npm run bench:attestation`: verifications a second on one core, by processor time, so that other
 * load on the machine disturbs little. Beside Witan's figures stand the signature checks alone that
 * no verifier can do without, and another implementation.
 */
import { generateKeyPairSync, sign } from 'node:crypto';
import { parseArgs } from 'node:util';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { QuoteVerifier } from '@phala/dcap-qvl';
import { RecentSnpChains } from '@witan/attestation';
import { nodeCrypto } from '@witan/keys';
import {
  snpWorkload,
  tdxWorkload,
  type QuoteToVerify,
  type Workload,
} from './attestation-evidence.ts';
import { describeFigures, figure, type Figure } from './measure.ts';

const USAGE = `Usage: npm run bench:attestation -- [--runs N] [--seconds N] [--memory N] [--json]

Verifications a second and core, medians of several runs, with the stated targets; exits with 1 when
one is missed. --memory N verifies N reports and N/10 quotes instead and tells how memory grows.

Example: npm run -s bench:attestation -- --runs 5 --json
`;

const TARGETS = { snp: 600, snpCached: 1500, tdx: 300 };
const CACHED_CHAINS = 64;
/** Growth that repeats as long as the process lives; a collection leaves less behind. */
const MEMORY_GROWTH_MIB_MAX = 16;

/** Calls a second of processor time. */
function rateOf({ run }: Workload, seconds: number): number {
  const started = process.cpuUsage();
  let calls = 0;
  for (;;) {
    for (let batch = 0; batch < 10; batch += 1) run();
    calls += 10;
    const { user, system } = process.cpuUsage(started);
    const spent = (user + system) / 1e6;
    if (spent >= seconds) return calls / spent;
  }
}

/** The one check of a report's own signature, without which no verdict is possible. */
function p384Alone(): Workload {
  const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-384' });
  const data = new Uint8Array(672).fill(1);
  const check = {
    algorithm: 'ecdsa-p384-sha384',
    publicKey: new Uint8Array(publicKey.export({ format: 'der', type: 'spki' })),
    data,
    signature: new Uint8Array(sign('sha384', data, { key: privateKey, dsaEncoding: 'ieee-p1363' })),
  } as const;
  return {
    name: 'p384',
    run: () => {
      if (!nodeCrypto.verify(check)) throw new Error('wrong signature');
    },
  };
}

/** @phala/dcap-qvl on the same quote and collateral. */
function dcapQvl({ quote, endorsements, root, now }: QuoteToVerify): Workload {
  const hex = (bytes: Uint8Array = new Uint8Array()): string => Buffer.from(bytes).toString('hex');
  const text = (bytes: Uint8Array = new Uint8Array()): string =>
    Buffer.from(bytes).toString('utf8');
  const collateral = {
    pck_crl_issuer_chain: text(endorsements.tcbInfoIssuerChain),
    root_ca_crl: hex(endorsements.rootCrl),
    pck_crl: hex(endorsements.pckCrl),
    tcb_info_issuer_chain: text(endorsements.tcbInfoIssuerChain),
    tcb_info: text(endorsements.tcbInfo),
    tcb_info_signature: hex(endorsements.tcbInfoSignature),
    qe_identity_issuer_chain: text(endorsements.qeIdentityIssuerChain),
    qe_identity: text(endorsements.qeIdentity),
    qe_identity_signature: hex(endorsements.qeIdentitySignature),
  };
  const verifier = QuoteVerifier.newWithRootCa(Buffer.from(root));
  const bytes = Buffer.from(quote);
  return { name: 'peer', run: () => void verifier.verify(bytes, collateral, now / 1000) };
}

interface Settings {
  readonly runs: number;
  readonly seconds: number;
}

async function measure({ runs, seconds }: Settings): Promise<readonly Figure[]> {
  const quote = tdxWorkload();
  const workloads = [
    await snpWorkload(),
    { ...(await snpWorkload(new RecentSnpChains(CACHED_CHAINS))), name: 'cached' },
    p384Alone(),
    quote,
    dcapQvl(quote),
  ];
  const rates: Record<string, number[]> = {};
  for (const workload of workloads) rateOf(workload, seconds / 4);
  for (let run = 1; run <= runs; run += 1) {
    process.stderr.write(`run ${run} of ${runs}\n`);
    for (const workload of workloads) {
      (rates[workload.name] ??= []).push(rateOf(workload, seconds));
    }
  }
  const of = (name: string): readonly number[] => rates[name] ?? [];
  const share = of('cached').map((rate, run) => (100 * rate) / (of('p384')[run] ?? Number.NaN));
  const ratio = of('tdx').map((rate, run) => rate / (of('peer')[run] ?? Number.NaN));
  return [
    figure('SNP, nothing cached', '/s', 'higher', of('snp'), TARGETS.snp),
    figure('SNP, chain cached', '/s', 'higher', of('cached'), TARGETS.snpCached),
    figure('P-384 signature check alone', '/s', 'higher', of('p384')),
    figure('SNP, chain cached, of the P-384 bound', '%', 'higher', share),
    figure('TDX, nothing cached', '/s', 'higher', of('tdx'), TARGETS.tdx),
    figure('@phala/dcap-qvl 0.3.9, same quote', '/s', 'higher', of('peer')),
    figure('TDX against @phala/dcap-qvl', 'x', 'higher', ratio),
  ];
}

const collectGarbage: () => void = (() => {
  setFlagsFromString('--expose-gc');
  return runInNewContext('gc') as () => void;
})();

/** Heap and other memory after a collection, so that only what is held counts. */
function heldMiB(): number {
  collectGarbage();
  const { heapUsed, external } = process.memoryUsage();
  return (heapUsed + external) / 2 ** 20;
}

async function measureMemory(count: number): Promise<readonly Figure[]> {
  const parts = [
    { ...(await snpWorkload(new RecentSnpChains(CACHED_CHAINS))), times: count },
    { ...tdxWorkload(), times: Math.ceil(count / 10) },
  ];
  const figures: Figure[] = [];
  for (const { name, run, times } of parts) {
    for (let warm = 0; warm < 1000; warm += 1) run();
    const before = heldMiB();
    for (let done = 0; done < times; done += 1) {
      run();
      if (done % 50_000 === 49_999) {
        process.stderr.write(`${name}: ${done + 1} of ${times}, ${heldMiB().toFixed(1)} MiB\n`);
      }
    }
    const growth = [heldMiB() - before];
    const label = `memory held after ${times} ${name} verifications more`;
    figures.push(figure(label, 'MiB', 'lower', growth, MEMORY_GROWTH_MIB_MAX));
  }
  return figures;
}

async function main(): Promise<number> {
  const { values } = parseArgs({
    options: {
      runs: { type: 'string', default: '5' },
      seconds: { type: 'string', default: '1' },
      memory: { type: 'string' },
      json: { type: 'boolean' },
      help: { type: 'boolean' },
    },
  });
  if (values.help === true) {
    process.stdout.write(USAGE);
    return 0;
  }
  const numbers = [values.runs, values.seconds, values.memory ?? '1'].map(Number);
  const [runs = 0, seconds = 0, memory = 0] = numbers;
  if (!numbers.every((number) => number > 0) || !Number.isInteger(runs + memory)) {
    process.stderr.write(`--runs, --seconds and --memory are numbers above 0\n${USAGE}`);
    return 2;
  }
  const figures =
    values.memory === undefined ? await measure({ runs, seconds }) : await measureMemory(memory);
  if (values.json === true) process.stdout.write(`${JSON.stringify({ figures })}\n`);
  else process.stdout.write(describeFigures(figures));
  return figures.some(({ met }) => met === false) ? 1 : 0;
}

process.exitCode = await main();
