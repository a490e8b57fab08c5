/**
 * What is changed about a run on its way, as its checkpoints say from then on. The description of a
 * run is that of its next step; the changes give what held before, so that it stays true of all steps.
 *
 * @module
 */
import type { RunChange, RunDescription } from "../checkpoints/manifest.ts";

/** All changes of a run, and what is to be told about the new one. */
export interface RecordedChanges {
  /** The changes so far, a new one last; undefined: the run has never been changed. */
  readonly changes: readonly RunChange[] | undefined;
  /** One line a changed field. */
  readonly notes: readonly string[];
}

/** Compares a run as it was until a step with what it is to be from then on. */
export function recordChanges(
  from: RunDescription,
  to: RunDescription,
  step: number,
  now: Date = new Date(),
): RecordedChanges {
  const [old, fresh] = [changeableFields(from), changeableFields(to)];
  const names = Object.keys(fresh).filter((name) => text(old[name]) !== text(fresh[name]));
  // Data that have only moved are the same.
  const changed = names.includes("dataFingerprint")
    ? names
    : names.filter((name) => name !== "dataPath");
  if (changed.length === 0) return { changes: from.changes, notes: [] };
  const before = Object.fromEntries(changed.map((name) => [name, old[name] ?? null]));
  return {
    changes: [...from.changes ?? [], { step, at: now.toISOString(), before }],
    notes: changed.map((name) =>
      `changed after step ${step}: ${name} from ${text(old[name])} to ${text(fresh[name])}`
    ),
  };
}

function changeableFields(
  { run, dataFingerprint, dataPath }: RunDescription,
): Readonly<Record<string, unknown>> {
  return { ...run, dataFingerprint, dataPath };
}

const text = (value: unknown): string => value === undefined ? "none" : JSON.stringify(value);
