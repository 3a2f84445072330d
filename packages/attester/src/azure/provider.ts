/**
 * Evidence in Azure's confidential VMs. A paravisor stands between guest and hardware: it asks for
 * the hardware report, over a document with the vTPM's attestation key and 64 bytes of the guest,
 * and puts both into an NV index of the vTPM.
 *
 * Two things bind the caller's report data. The guest writes them into the other NV index, and the
 * paravisor takes them into the document under the hardware's signature. And the attestation key
 * quotes the registers over their SHA-256: a vTPM need not take more than a digest there.
 */
import { createHash } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { bytesEqual, concatBytes, toHex } from '@witan/core';
import { AttesterError, errnoOf } from '../errors.ts';
import { KnownKind } from '../known-kind.ts';
import type { Evidence, EvidenceOf, EvidenceProvider, TpmQuote } from '../provider.ts';
import { demandReportDataSize, REPORT_DATA_BYTES, tdxQuoteOver } from '../report-data.ts';
import { retrying, retryPolicy, throwIfAborted } from '../retry.ts';
import type { RetryOptions, RetryPolicy, Transient } from '../retry.ts';
import { isTransient } from '../tsm-errors.ts';
import { parseHclReport, type HclReport } from './hcl-report.ts';
import { fetchSnpEndorsements, fetchTdQuote, type Imds } from './imds.ts';
import * as tpm from './tpm-commands.ts';
import type { TpmDevice } from './tpm-device.ts';
import type { TpmReader } from './tpm-wire.ts';

/** Kinds of evidence below Azure's paravisor. */
export type AzureKind = 'az-snp' | 'az-tdx';

/** Where evidence comes from and how long it may take. */
export interface AzureProviderOptions<Kind extends AzureKind = AzureKind> {
  readonly tpm: TpmDevice;
  readonly imds: Imds;
  /** Kinds that the caller is ready for. */
  readonly accept: readonly [Kind, ...(readonly Kind[])];
  readonly retry?: RetryOptions;
  /** How long the paravisor may take to renew its report, in ms. Default 15000; it takes 3000. */
  readonly renewalMsMax?: number;
  /** Wait between two looks at the report, in ms. Default 500. */
  readonly renewalPollMs?: number;
}

/** The paravisor's report; the owner may read it. */
const REPORT_INDEX = 0x01400001;
/** 64 bytes of the guest for the next report. */
const USER_DATA_INDEX = 0x01400002;
/** The vTPM's attestation key, whose public part is in the paravisor's document. */
const ATTESTATION_KEY = 0x81000003;
/** Every TPM reads so much at once (TCG PC Client Platform TPM Profile). */
const NV_CHUNK_BYTES = 512;
const REPORT_BYTES_MAX = 8192;

/** A provider for Azure's confidential VMs. Touches nothing before the first `collect`. */
export function createAzureProvider<Kind extends AzureKind>(
  options: AzureProviderOptions<Kind>,
): EvidenceProvider<Kind> {
  const kind = new KnownKind(options.accept);
  const policy = retryPolicy(options.retry);
  let last: Promise<unknown> = Promise.resolve();
  return {
    get kind(): Kind {
      return kind.get();
    },
    collect: async (reportData, { signal } = {}) => {
      demandReportDataSize(reportData);
      const session = new Session(options, kind, policy, reportData.slice(), signal);
      // There is one place for user data in the machine, so collections take turns.
      const mine = last.then(async () => await session.collect());
      last = mine.catch(() => undefined);
      return await mine;
    },
  };
}

/** One collection. */
class Session<Kind extends AzureKind> {
  readonly #options: AzureProviderOptions<Kind>;
  readonly #kind: KnownKind<Kind>;
  readonly #policy: RetryPolicy;
  readonly #reportData: Uint8Array;
  readonly #signal: AbortSignal | undefined;

  constructor(
    options: AzureProviderOptions<Kind>,
    kind: KnownKind<Kind>,
    policy: RetryPolicy,
    reportData: Uint8Array,
    signal: AbortSignal | undefined,
  ) {
    this.#options = options;
    this.#kind = kind;
    this.#policy = policy;
    this.#reportData = reportData;
    this.#signal = signal;
  }

  async collect(): Promise<EvidenceOf<Kind>> {
    await this.#writeUserData();
    const report = await this.#renewedReport();
    this.#kind.learn(report.kind, report.kind);
    const tpmQuote = await retrying(this.#policy, this.#signal, () => this.#quote());
    const { imds } = this.#options;
    const evidence: Evidence =
      report.kind === 'az-snp'
        ? {
            kind: 'az-snp',
            hclReport: report.bytes,
            tpmQuote,
            endorsements: await retrying(this.#policy, this.#signal, () =>
              fetchSnpEndorsements(imds, this.#signal),
            ),
          }
        : {
            kind: 'az-tdx',
            hclReport: report.bytes,
            quote: await this.#tdQuote(report),
            tpmQuote,
            endorsements: {},
          };
    // `learn` refused every kind that is not one of Kind.
    return evidence as EvidenceOf<Kind>;
  }

  async #writeUserData(): Promise<void> {
    const index = await this.#send(tpm.nvReadPublic(USER_DATA_INDEX));
    if (index === undefined) {
      const defined = await this.#send(tpm.nvDefineSpace(USER_DATA_INDEX, REPORT_DATA_BYTES));
      demandPresent(defined, 'NV_DefineSpace');
    } else {
      const found = tpm.readNvPublic(index);
      index.expect('size of the user data index', REPORT_DATA_BYTES, found);
    }
    const written = await this.#send(tpm.nvWrite(USER_DATA_INDEX, this.#reportData));
    demandPresent(written, 'NV_Write');
  }

  /** Waits until the paravisor has taken the user data into its report. */
  async #renewedReport(): Promise<HclReport> {
    const { renewalMsMax = 15_000, renewalPollMs = 500 } = this.#options;
    const deadlineMs = performance.now() + renewalMsMax;
    const expected = toHex(this.#reportData);
    for (;;) {
      throwIfAborted(this.#signal);
      const report = parseHclReport(await this.#readReport());
      if (report.userData === expected) return report;
      if (performance.now() >= deadlineMs) {
        throw new AttesterError('ATTESTER_VTPM_STALE', 'the paravisor did not renew its report', {
          fields: { expected, found: (report.userData ?? 'none').slice(0, 128) },
        });
      }
      const waiting = this.#signal === undefined ? {} : { signal: this.#signal };
      await sleep(renewalPollMs, undefined, waiting).catch(() => undefined);
    }
  }

  async #readReport(): Promise<Uint8Array> {
    const index = await this.#send(tpm.nvReadPublic(REPORT_INDEX));
    if (index === undefined) {
      throw new AttesterError('ATTESTER_NO_TEE', 'the vTPM holds no report of a paravisor', {
        fields: { nextStep: 'run in a confidential VM of Azure' },
      });
    }
    const byteLength = tpm.readNvPublic(index);
    if (byteLength > REPORT_BYTES_MAX) {
      throw new AttesterError('ATTESTER_BLOB_TOO_LARGE', 'the report is larger than its limit', {
        fields: { expected: `at most ${REPORT_BYTES_MAX} bytes`, found: byteLength },
      });
    }
    const chunks: Uint8Array[] = [];
    for (let offset = 0; offset < byteLength; offset += NV_CHUNK_BYTES) {
      const wanted = Math.min(NV_CHUNK_BYTES, byteLength - offset);
      const read = await this.#send(tpm.nvRead(REPORT_INDEX, wanted, offset));
      demandPresent(read, 'NV_Read');
      const chunk = read.sized();
      read.expect('bytes', wanted, chunk.byteLength);
      chunks.push(chunk);
    }
    return concatBytes(...chunks);
  }

  /** Registers and a quote over them; another try when one changed in between. */
  async #quote(): Promise<{ readonly kind: 'done'; readonly result: TpmQuote } | Transient> {
    const pcrs: Uint8Array[] = [];
    while (pcrs.length < tpm.PCR_COUNT) {
      const next = Array.from({ length: tpm.PCRS_PER_READ }, (_, index) => pcrs.length + index);
      const read = await this.#send(tpm.pcrRead(next));
      demandPresent(read, 'PCR_Read');
      pcrs.push(...tpm.readPcrs(read, next.length));
    }
    const extraData = sha256(this.#reportData);
    const answer = await this.#send(tpm.quote(ATTESTATION_KEY, extraData));
    demandPresent(answer, 'Quote');
    const { message, signature } = tpm.readQuote(answer);
    const attested = tpm.readAttest(message);
    if (!bytesEqual(attested.extraData, extraData)) {
      throw new AttesterError('ATTESTER_REPORT_DATA_MISMATCH', 'the quote binds other data', {
        fields: { expected: toHex(extraData), found: toHex(attested.extraData) },
      });
    }
    if (!bytesEqual(attested.pcrDigest, sha256(concatBytes(...pcrs)))) {
      const error = new AttesterError('ATTESTER_CONTENDED', 'registers change all the time');
      return { kind: 'transient', error };
    }
    return { kind: 'done', result: { message, signature, pcrs } };
  }

  async #tdQuote({ tdReport, reportData }: HclReport): Promise<Uint8Array> {
    const { imds } = this.#options;
    const quote = await retrying(this.#policy, this.#signal, () =>
      fetchTdQuote(imds, tdReport, this.#signal),
    );
    return tdxQuoteOver('/acc/tdquote', quote, reportData);
  }

  /** @returns the response's parameters, or undefined when its first handle names nothing */
  async #send(command: tpm.TpmCommand): Promise<TpmReader | undefined> {
    return await retrying(this.#policy, this.#signal, async () => {
      let response: Uint8Array;
      try {
        response = await this.#options.tpm.transceive(command.bytes);
      } catch (error) {
        return deviceFailure(command.name, error);
      }
      const answer = tpm.readAnswer(command, response);
      if (answer.kind === 'transient') return answer;
      return { kind: 'done', result: answer.kind === 'ok' ? answer.parameters : undefined };
    });
  }
}

function sha256(bytes: Uint8Array): Uint8Array {
  return new Uint8Array(createHash('sha256').update(bytes).digest());
}

function demandPresent(
  answer: TpmReader | undefined,
  command: string,
): asserts answer is TpmReader {
  if (answer !== undefined) return;
  throw new AttesterError('ATTESTER_TPM_REFUSED', 'the TPM has no such key or index', {
    fields: { command, nextStep: 'run in a confidential VM of Azure' },
  });
}

function deviceFailure(command: string, error: unknown): Transient {
  if (error instanceof AttesterError) throw error;
  const errno = errnoOf(error) ?? 'unknown';
  const fields = { command, errno };
  if (isTransient(error)) {
    const options = { fields, cause: error };
    const busy = new AttesterError('ATTESTER_BUSY', 'the TPM stayed busy', options);
    return { kind: 'transient', error: busy };
  }
  if (errno === 'ENOENT' || errno === 'ENXIO' || errno === 'ENODEV') {
    throw new AttesterError('ATTESTER_NO_TEE', 'this system has no TPM', {
      fields: { ...fields, nextStep: 'run in a confidential VM of Azure, with /dev/tpmrm0' },
      cause: error,
    });
  }
  if (errno === 'EACCES' || errno === 'EPERM') {
    throw new AttesterError('ATTESTER_FORBIDDEN', 'no permission to use the TPM', {
      fields: { ...fields, nextStep: 'run as root in the guest, or give this user the device' },
      cause: error,
    });
  }
  throw new AttesterError('ATTESTER_IO', 'the TPM failed', { fields, cause: error });
}
