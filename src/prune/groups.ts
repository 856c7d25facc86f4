/** Most experts whose groupings are all looked at: 8 have 1701 partitions into 4 groups. */
const EXHAUSTIVE = 8;

/**
 * How alike the members of groups are: the sum over groups of (1/size) times the sum of all pairs' similarity, members with themselves
 * (1) included, so that a group of one counts 1. With equal similarities every grouping is worth the same, whatever its sizes are.
 */
export function likeness(similarity: readonly (readonly number[])[], groups: readonly (readonly number[])[]): number {
  const of = (group: readonly number[]): number => {
    const sum = group.reduce(
      (all, i) => all + group.reduce((row, j) => row + (i === j ? 1 : similarity[i]![j]!), 0),
      0,
    );
    return sum / group.length;
  };
  return groups.reduce((sum, group) => sum + of(group), 0);
}

/**
 * Divides as many things as `similarity` has rows, (n, n) symmetric, into so many groups, 1..n, that are as alike as can be: the best of
 * all partitions for up to 8 things; else groups are joined one pair after the other, always the pair that costs least. Groups are in
 * the order of their first members.
 */
export function groupAlike(similarity: readonly (readonly number[])[], count: number): number[][] {
  const groups = similarity.length > EXHAUSTIVE ? joinGreedily(similarity, count) : bestPartition(similarity, count);
  return groups.sort((a, b) => a[0]! - b[0]!);
}

function bestPartition(similarity: readonly (readonly number[])[], count: number): number[][] {
  let best: number[][] = [];
  let worth = -Infinity;
  for (const groups of partitions(similarity.length, count)) {
    const found = likeness(similarity, groups);
    if (found <= worth) continue;
    worth = found;
    best = groups;
  }
  return best;
}

/** Every way to divide 0..n-1 into so many groups. */
function* partitions(n: number, count: number, groups: number[][] = [], next = 0): Generator<number[][]> {
  if (groups.length + n - next < count) return;
  if (next === n) return void (yield groups);
  for (const [i, group] of groups.entries()) {
    yield* partitions(n, count, groups.with(i, [...group, next]), next + 1);
  }
  if (groups.length < count) yield* partitions(n, count, [...groups, [next]], next + 1);
}

/** Exported for the tests, which compare it with the best partition. */
export function joinGreedily(similarity: readonly (readonly number[])[], count: number): number[][] {
  let groups = similarity.map((_, i) => [i]);
  while (groups.length > count) {
    let best = groups;
    let worth = -Infinity;
    for (let i = 0; i < groups.length; i++) {
      for (let j = i + 1; j < groups.length; j++) {
        const joined = [...groups[i]!, ...groups[j]!].sort((a, b) => a - b);
        const others = groups.filter((_, k) => k !== i && k !== j);
        const gain = likeness(similarity, [joined]) - likeness(similarity, [groups[i]!, groups[j]!]);
        if (gain <= worth) continue;
        worth = gain;
        best = [...others, joined];
      }
    }
    groups = best;
  }
  return groups;
}
