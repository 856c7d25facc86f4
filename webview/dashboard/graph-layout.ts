import type { Stage } from '../../src/messages/contract';

/** Where a stage stands: its column is the length of the longest way to it. */
export interface Place {
  stage: Stage;
  column: number;
  row: number;
}

/** Puts the stages of a run in columns, every stage right of its parents. A parent that is not in the run counts for nothing. */
export function placeStages(stages: readonly Stage[]): Place[] {
  const byName = new Map(stages.map((stage) => [stage.name, stage]));
  const columns = new Map<string, number>();
  const columnOf = (name: string, way: readonly string[]): number => {
    const stage = byName.get(name);
    // A damaged plan could have a circle.
    if (!stage || way.includes(name)) return -1;
    const known = columns.get(name);
    if (known !== undefined) return known;
    const column = 1 + Math.max(-1, ...stage.parents.map((parent) => columnOf(parent, [...way, name])));
    columns.set(name, column);
    return column;
  };
  const rows = new Map<number, number>();
  return stages.map((stage) => {
    const column = columnOf(stage.name, []);
    const row = rows.get(column) ?? 0;
    rows.set(column, row + 1);
    return { stage, column, row };
  });
}
