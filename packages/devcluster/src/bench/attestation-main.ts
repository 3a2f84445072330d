/**
 * `npm run bench:attestation`: verifications a second on one core, by processor time, so that other
 * load on the machine disturbs little. Beside Witan's figures stand the signature checks alone that
 * no verifier can do without, and another implementation.
 */
import { constants, generateKeyPairSync, sign, verify } from 'node:crypto';
import { parseArgs } from 'node:util';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { QuoteVerifier } from '@phala/dcap-qvl';
import { RecentSnpChains } from '@witan/attestation';
import {
  snpWorkload,
  tdxWorkload,
  type QuoteToVerify,
  type Workload,
} from './attestation-evidence.ts';
import { describeFigures, figure, type Figure } from './measure.ts';

const USAGE = `Usage: npm run bench:attestation -- [--runs N] [--seconds N] [--memory N] [--json]

Verifications a second and core, medians of several runs, with the stated targets; exits with 1 when
one is missed. --memory N makes N verifications instead, of reports and quotes in turn, and tells
how much memory they leave behind.

Example: npm run -s bench:attestation -- --runs 5 --json
`;

const P384_ALONE = 'P-384 verify alone';
const TARGETS = { snp: 600, snpCached: 1500, tdx: 300 };
const CACHED_CHAINS = 64;
/** Root, intermediate, endorsement key and revocation list. */
const SNP_CHAIN_SIGNATURES = 4;
/** Growth that repeats as long as the process lives; a collection leaves less behind. */
const MEMORY_GROWTH_MIB_MAX = 16;
/** The allocators of V8 and OpenSSL keep what they had from the system once. */
const RESIDENT_GROWTH_MIB_MAX = 64;
/** What OpenSSL holds for chains that were forgotten levels off after some thousand of them. */
const MEMORY_WARM_UP_MIN = 5000;
const MEMORY_REPORTS = 20;

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

/**
 * The signature checks of a report alone, by OpenSSL with keys that are ready: the report's own,
 * and where nothing is cached the four of its chain. No verifier that calls OpenSSL can be faster.
 */
function signaturesAlone(name: string, chainSignatures: number): Workload {
  const ec = generateKeyPairSync('ec', { namedCurve: 'P-384' });
  const rsa = generateKeyPairSync('rsa', { modulusLength: 4096 });
  const data = new Uint8Array(672).fill(1);
  const raw = { dsaEncoding: 'ieee-p1363' } as const;
  const pss = { padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: 48 };
  const signature = sign('sha384', data, { key: ec.privateKey, ...raw });
  const chainSignature = sign('sha384', data, { key: rsa.privateKey, ...pss });
  const key = { key: ec.publicKey, ...raw };
  const chainKey = { key: rsa.publicKey, ...pss };
  return {
    name,
    run: () => {
      let good = verify('sha384', data, key, signature);
      for (let left = chainSignatures; left > 0; left -= 1) {
        good &&= verify('sha384', data, chainKey, chainSignature);
      }
      if (!good) throw new Error('wrong signature');
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
    signaturesAlone('p384', 0),
    signaturesAlone('signatures', SNP_CHAIN_SIGNATURES),
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
  const ratios = (name: string, base: string, factor = 1): readonly number[] =>
    of(name).map((rate, run) => (factor * rate) / (of(base)[run] ?? Number.NaN));
  return [
    figure('SNP, nothing cached', '/s', 'higher', of('snp'), TARGETS.snp),
    figure('its five signature checks alone', '/s', 'higher', of('signatures')),
    figure('SNP, nothing cached, of that bound', '%', 'higher', ratios('snp', 'signatures', 100)),
    figure('SNP, chain cached', '/s', 'higher', of('cached'), TARGETS.snpCached),
    figure(P384_ALONE, '/s', 'higher', of('p384')),
    figure('SNP, chain cached, of that bound', '%', 'higher', ratios('cached', 'p384', 100)),
    figure('TDX, nothing cached', '/s', 'higher', of('tdx'), TARGETS.tdx),
    figure('@phala/dcap-qvl 0.3.9, same quote', '/s', 'higher', of('peer')),
    figure('TDX against @phala/dcap-qvl', 'x', 'higher', ratios('tdx', 'peer')),
  ];
}

/** What to know of a machine that is too slow for the target; it is missed all the same. */
function remarkOn(figures: readonly Figure[]): string {
  const bound = figures.find(({ name }) => name === P384_ALONE)?.median ?? Number.NaN;
  return bound < TARGETS.snpCached
    ? `This machine's P-384 check alone makes ${bound.toFixed(0)}/s, not ${TARGETS.snpCached}/s: ` +
        'the target with a cached chain cannot be met on it.\n'
    : '';
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

function residentMiB(): number {
  return process.memoryUsage.rss() / 2 ** 20;
}

/** Of ten verifications one has no cached chain, one is a quote, and the rest have one. */
async function mixedWorkload(): Promise<() => void> {
  const cached = await snpWorkload(new RecentSnpChains(CACHED_CHAINS));
  // One chain more than the cache holds, so that each is forgotten before it comes again.
  const small = new RecentSnpChains(2);
  const evicted = [await snpWorkload(small), await snpWorkload(small), await snpWorkload(small)];
  const quote = tdxWorkload();
  let count = 0;
  return () => {
    const turn = count % 10;
    if (turn === 0) quote.run();
    else if (turn === 5) evicted[Math.floor(count / 10) % evicted.length]?.run();
    else cached.run();
    count += 1;
  };
}

async function measureMemory(count: number): Promise<readonly Figure[]> {
  const run = await mixedWorkload();
  const warmUp = Math.max(MEMORY_WARM_UP_MIN, count / 10);
  for (let warm = 0; warm < warmUp; warm += 1) run();
  const before = { held: heldMiB(), resident: residentMiB() };
  const step = Math.ceil(count / MEMORY_REPORTS);
  for (let done = 1; done <= count; done += 1) {
    run();
    if (done % step !== 0) continue;
    const shown = `${heldMiB().toFixed(1)} MiB held, ${residentMiB().toFixed(0)} MiB resident`;
    process.stderr.write(`${done} of ${count}: ${shown}\n`);
  }
  const [held, resident] = [heldMiB() - before.held, residentMiB() - before.resident];
  return [
    figure('verifications', '', 'higher', [count]),
    figure('memory held, growth', 'MiB', 'lower', [held], MEMORY_GROWTH_MIB_MAX),
    figure('memory resident, growth', 'MiB', 'lower', [resident], RESIDENT_GROWTH_MIB_MAX),
  ];
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
  if (values.json === true)
    process.stdout.write(`${JSON.stringify({ figures, remark: remarkOn(figures) })}\n`);
  else process.stdout.write(describeFigures(figures) + remarkOn(figures));
  return figures.some(({ met }) => met === false) ? 1 : 0;
}

process.exitCode = await main();
