/**
 * Reference values made from a replica's own evidence. Self-similarity is a rule for twins: same
 * TEE, same measurements, same configuration, and a TCB that is no worse. So a founding has one
 * kind of hardware; other kinds come in by a manifest's entries (decision record 0045).
 */
import {
  parseSnpReferenceValues,
  parseTdxReferenceValues,
  tdAttributesHave,
  type Claims,
  type ReferenceValues,
  type SnpClaims,
  type TdxClaims,
} from '@witan/attestation';

const GRACE_DAYS_MAX = 3650;
const PATH = 'self';

type Roots = readonly string[];

/**
 * Values that this replica's twins meet, and nobody else. A replica that the host may debug or
 * migrate does not meet them itself: none like it may found anything.
 */
export function similarValues(claims: Claims, developmentRoots: Roots): ReferenceValues {
  return claims.tee === 'snp'
    ? similarSnp(claims, developmentRoots)
    : similarTdx(claims, developmentRoots);
}

function similarSnp(claims: SnpClaims, developmentRoots: Roots): ReferenceValues {
  return parseSnpReferenceValues(
    {
      tee: 'snp',
      measurement: claims.measurements.map(({ value }) => value),
      hostData: claims.configDigest,
      products: [claims.product],
      minimumTcb: claims.reportedTcb,
      ...listed(developmentRoots),
    },
    PATH,
  );
}

/** Intel rates the TCB: "no worse" is up to date, or rated as this one with no more advisories. */
function similarTdx(claims: TdxClaims, developmentRoots: Roots): ReferenceValues {
  const measured = new Map(claims.measurements.map(({ name, value }) => [name, value]));
  const registers = ['rtmr0', 'rtmr1', 'rtmr2', 'rtmr3'].map((name) => [
    name,
    [measured.get(name)],
  ]);
  const attributes = BigInt(claims.tdAttributes);
  return parseTdxReferenceValues(
    {
      tee: 'tdx',
      mrTd: [measured.get('mrTd')],
      ...(Object.fromEntries(registers) as object),
      mrConfigId: claims.configDigest,
      mrOwner: claims.mrOwner,
      mrOwnerConfig: claims.mrOwnerConfig,
      mrServiceTd: [claims.mrServiceTd],
      mrSeam: [claims.mrSeam],
      septVeClear: !tdAttributesHave(attributes, 'septVeDisable'),
      perfmon: tdAttributesHave(attributes, 'perfmon'),
      tcbStatuses: [...new Set(['UpToDate', claims.tcbStatus])],
      advisoriesTolerated: claims.advisories,
      outOfDateGraceDays: claims.tcbStatus.startsWith('OutOfDate') ? GRACE_DAYS_MAX : 0,
      minimumTcbEvaluationDataNumber: claims.tcbEvaluationDataNumber,
      ...listed(developmentRoots),
    },
    PATH,
  );
}

function listed(developmentRoots: Roots): { readonly developmentRoots?: Roots } {
  return developmentRoots.length === 0 ? {} : { developmentRoots };
}
