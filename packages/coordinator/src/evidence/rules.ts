/**
 * The rules for peers and workloads that are in force on this replica (I1), and the channel's
 * verifiers that apply them. Before the first manifest peers must be like this replica; afterwards
 * the manifest decides.
 */
import {
  RecentSnpChains,
  appraise,
  decodeEvidence,
  describeRefusal,
  readConfigDigestUnverified,
  rememberingSignatures,
  wantedConfigDigest,
  type AppraisalResult,
  type Claims,
  type Evidence,
  type ReferenceValues,
} from '@witan/attestation';
import type { EndorsementSource } from '@witan/attester';
import { CodedError, describeError, toHex, type Clock, type Crypto } from '@witan/core';
import type { ValidatedManifest, Workload } from '@witan/manifest';
import type { ChannelVerifier, Verification, VerificationRequest } from '@witan/transport';
import type { SelfEvidence } from './self.ts';

/**
 * By which rule a replica was accepted: the manifest in force; before this replica knows one, that
 * it is like this replica, or that the measured configuration lists it. A listed peer may let this
 * replica into its cluster, but they do not found one together (decision record 0045).
 */
export type PeerRule = 'manifest' | 'similar' | 'listed';

/** A peer's evidence as it was judged. */
export type PeerClaims =
  | { readonly kind: 'replica'; readonly claims: Claims; readonly rule: PeerRule }
  | {
      readonly kind: 'workload';
      readonly claims: Claims;
      /** Every workload of the manifest whose reference values the evidence meets. */
      readonly workloads: readonly string[];
      /** The manifest by which it was judged. */
      readonly generation: number;
    };

/** Whether a peer may only let this replica in, as `PeerRule` says. */
export function isListed(claims: PeerClaims | undefined): boolean {
  return claims?.kind === 'replica' && claims.rule === 'listed';
}

export interface RulesOptions {
  readonly self: SelfEvidence;
  /** Further peers that the measured configuration lists. */
  readonly listed: readonly ReferenceValues[];
  readonly manifest: () => ValidatedManifest<ReferenceValues> | undefined;
  readonly generation: () => number;
  readonly profile: 'production' | 'development';
  readonly crypto: Crypto;
  readonly clock: Clock;
  /** For endorsements that did not travel with evidence; absent: only what travels counts. */
  readonly endorsements?: EndorsementSource;
}

/** Without a match by configuration, this many workloads are tried, to give a useful reason. */
const WORKLOADS_TRIED = 4;
/** Chips whose chains are remembered; many workloads run on one. */
const SNP_CHAINS_MAX = 32;
/** Evidence is judged by each entry that it may fit, and again when a manifest is new. */
const SIGNATURES_MAX = 4_096;

export class Rules {
  readonly #options: RulesOptions;
  readonly #chains = new RecentSnpChains(SNP_CHAINS_MAX);
  readonly #crypto: Crypto;

  constructor(options: RulesOptions) {
    this.#options = options;
    this.#crypto = rememberingSignatures(options.crypto, SIGNATURES_MAX);
  }

  /** Whether this replica meets a manifest's rule for Coordinators. */
  async meetsOwn(manifest: ValidatedManifest<ReferenceValues>): Promise<AppraisalResult> {
    // Fresh evidence: endorsements of the start may have ended since.
    const { evidence, reportData } = await this.#options.self.collect();
    return this.#appraise(evidence, reportData, manifest.coordinators);
  }

  replicaVerifier(): ChannelVerifier<PeerClaims> {
    return this.#verifier((evidence, { expectedReportData }) => {
      const { manifest, self, listed } = this.#options;
      const inForce = manifest()?.coordinators;
      const values = inForce ?? [...self.selfSimilar, ...listed];
      const result = this.#appraise(evidence, expectedReportData, values);
      if (result.kind === 'refused') return refusal(result);
      const isSimilar = result.entryIndex < self.selfSimilar.length;
      const rule = inForce !== undefined ? 'manifest' : isSimilar ? 'similar' : 'listed';
      const claims: PeerClaims = { kind: 'replica', claims: result.claims, rule };
      return { ok: true, claims, validUntilMs: result.validUntil };
    });
  }

  workloadVerifier(): ChannelVerifier<PeerClaims> {
    return this.#verifier((evidence, { expectedReportData }) =>
      this.judgeWorkload(evidence, expectedReportData),
    );
  }

  /** Evidence with the endorsements that did not travel with it. */
  async complete(evidence: Evidence): Promise<Evidence> {
    return (await this.#options.endorsements?.complete(evidence)) ?? evidence;
  }

  /** Judges a workload's evidence by the manifest in force here. */
  judgeWorkload(evidence: Evidence, expectedReportData: Uint8Array): Verification<PeerClaims> {
    const manifest = this.#options.manifest();
    if (manifest === undefined) {
      return { ok: false, code: 'NO_MANIFEST', detail: 'no manifest is set yet' };
    }
    const generation = this.#options.generation();
    const accepted: { name: string; result: AppraisalResult & { kind: 'accepted' } }[] = [];
    let refused: AppraisalResult & { kind: 'refused' } = {
      kind: 'refused',
      code: 'APPRAISAL_NO_REFERENCE_VALUES',
      refusals: [],
    };
    for (const { name, referenceValues } of this.#candidates(manifest, evidence)) {
      const result = this.#appraise(evidence, expectedReportData, referenceValues);
      if (result.kind === 'accepted') accepted.push({ name, result });
      else if (refused.refusals.length === 0) refused = result;
    }
    const [first] = accepted;
    if (first === undefined) return refusal(refused);
    const workloads = accepted.map(({ name }) => name);
    const { claims, validUntil } = first.result;
    return {
      ok: true,
      claims: { kind: 'workload', claims, workloads, generation },
      validUntilMs: validUntil,
    };
  }

  /** Workloads whose configuration fits; the rest of a large manifest need not be appraised. */
  #candidates(
    manifest: ValidatedManifest<ReferenceValues>,
    evidence: Evidence,
  ): readonly Workload<ReferenceValues>[] {
    const digest = toHex(readConfigDigestUnverified(evidence));
    const workloads = [...manifest.workloads.values()];
    const fitting = workloads.filter(({ referenceValues }) =>
      referenceValues.some(
        (values) => values.tee === evidence.kind && wantedConfigDigest(values) === digest,
      ),
    );
    return fitting.length > 0 ? fitting : workloads.slice(0, WORKLOADS_TRIED);
  }

  #verifier(
    judge: (evidence: Evidence, request: VerificationRequest) => Verification<PeerClaims>,
  ): ChannelVerifier<PeerClaims> {
    return {
      evidenceTypes: ['snp', 'tdx'],
      verify: (request) => this.#judgeSafely(judge, request),
    };
  }

  /** Unreadable evidence is refused like any other that does not pass. */
  async #judgeSafely(
    judge: (evidence: Evidence, request: VerificationRequest) => Verification<PeerClaims>,
    request: VerificationRequest,
  ): Promise<Verification<PeerClaims>> {
    try {
      return judge(await this.complete(decodeEvidence(request.evidence)), request);
    } catch (error) {
      if (!(error instanceof CodedError)) throw error;
      const code = String(error.code);
      return { ok: false, code, detail: describeError(error) };
    }
  }

  #appraise(
    evidence: Evidence,
    expectedReportData: Uint8Array,
    values: readonly ReferenceValues[],
  ): AppraisalResult {
    const { clock, profile } = this.#options;
    return appraise(evidence, values, {
      now: clock.now(),
      crypto: this.#crypto,
      expectedReportData,
      // A list that is held back must not help anybody.
      revocation: 'required',
      snpChainCache: this.#chains,
      developmentRoots: profile === 'development' ? 'as-listed' : 'refused',
    });
  }
}

function refusal(result: AppraisalResult & { kind: 'refused' }): Verification<PeerClaims> {
  return { ok: false, code: result.code, detail: describeRefusal(result) };
}
