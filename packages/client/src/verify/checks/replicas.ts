/** Every given replica answered, proved itself, and is a process of its own. */
import type { VerifyFacts } from '../facts.ts';
import { failed, passed, type Outcome } from './outcome.ts';

export function checkReplicas({ replicas }: VerifyFacts): Outcome {
  const bad = replicas.flatMap((facts) => (facts.kind === 'failed' ? [facts] : []));
  const [first] = bad;
  if (first !== undefined) {
    const others = bad.length === 1 ? '' : `, and ${bad.length - 1} more`;
    return {
      ...failed(`${first.endpoint}: ${first.error.code}${others}`),
      code: first.error.code,
      expected: `${replicas.length} verified replicas`,
      found: String(replicas.length - bad.length),
    };
  }
  const incarnations = replicas.map((facts) =>
    facts.kind === 'answered' ? facts.deployment.replica.incarnation : '',
  );
  const distinct = new Set(incarnations).size;
  const both = distinct === incarnations.length ? '' : `, ${distinct} different ones`;
  return passed(`${replicas.length} of ${replicas.length} endpoints${both}`);
}
