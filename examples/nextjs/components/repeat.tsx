"use client";
import { useQuery } from "@apollo/client/react";
import { useState } from "react";
import { formatDue } from "@/lib/dates";
import { type DueInput, PreviewRecurrenceDocument, type RecurrenceMode } from "@/lib/gql/graphql";
import type { Task } from "@/lib/sync";
import { useRows, useWorkspace } from "./workspace";

const rules: readonly (readonly [rule: string, name: string])[] = [
  ["FREQ=DAILY", "Every day"],
  ["FREQ=WEEKLY;BYDAY=MO,TU,WE,TH,FR", "On working days"],
  ["FREQ=WEEKLY", "Every week"],
  ["FREQ=WEEKLY;INTERVAL=2", "Every other week"],
  ["FREQ=MONTHLY", "Every month"],
  ["FREQ=MONTHLY;BYMONTHDAY=-1", "On the last day of the month"],
  ["FREQ=YEARLY", "Every year"],
];

/** How a task repeats, with a preview of what that means. */
export function Repeat({ task, disabled }: { task: Task; disabled: boolean }) {
  const { change, today, timeZone } = useWorkspace();
  const current = useRows("recurrences").find((row) => row.id === task.recurrence?.id && !row.endedAt);
  const [rule, setRule] = useState(current?.rule ?? "");
  const [mode, setMode] = useState<RecurrenceMode>(current?.mode ?? "SCHEDULE");
  const start: DueInput = task.due?.at ? { at: { at: task.due.at, timeZone: task.due.timeZone } } : { date: task.due?.date ?? today };
  const { data, error } = useQuery(PreviewRecurrenceDocument, { variables: { input: { start, recurrence: { rule, mode }, first: 4 } }, skip: !rule });
  const { next = [], userErrors = [] } = (rule && data?.previewRecurrence) || {};
  const isChanged = rule !== (current?.rule ?? "") || (rule !== "" && mode !== (current?.mode ?? "SCHEDULE"));
  const isOwn = rule !== "" && !rules.some(([known]) => known === rule);

  const save = () => {
    if (!rule) return change("updateTask", { id: task.id, recurrence: null }, `“${task.title}” no longer repeats`);
    // A series begins with an occurrence: the first that the rule has.
    const [first] = next;
    const due: DueInput = first?.at ? { at: { at: first.at, timeZone: first.timeZone } } : { date: first?.date ?? task.due?.date ?? today };
    change("updateTask", { id: task.id, due, recurrence: { rule, mode } }, `“${task.title}” repeats`);
  };
  return (
    <fieldset disabled={disabled}>
      <legend>Repeat</legend>
      <select aria-label="Repeat" value={isOwn ? "own" : rule} onChange={({ target }) => setRule(target.value === "own" ? "FREQ=DAILY;INTERVAL=3" : target.value)}>
        <option value="">Never</option>
        {rules.map(([value, name]) => <option key={value} value={value}>{name}</option>)}
        <option value="own">By a rule …</option>
      </select>
      {isOwn && <input aria-label="Rule" value={rule} onChange={({ target }) => setRule(target.value)} />}
      {rule && (
        <label className="toggle">
          <input type="checkbox" checked={mode === "AFTER_COMPLETION"} onChange={({ target }) => setMode(target.checked ? "AFTER_COMPLETION" : "SCHEDULE")} /> Count from the day it is completed
        </label>
      )}
      {rule && (
        <p className={userErrors.length > 0 ? "problem" : "note"} aria-live="polite">
          {userErrors[0]?.message ?? (error ? "A preview needs a connection." : next.length > 0 ? `Next: ${next.map((due) => formatDue(due, today, timeZone)).join(", ")}` : "…")}
        </p>
      )}
      <p className="buttons">
        {isChanged && <button type="button" className="primary" disabled={userErrors.length > 0} onClick={save}>Save</button>}
        {current && !isChanged && <button type="button" onClick={() => change("skipOccurrence", { id: task.id, number: task.occurrenceNumber! }, `Skipped “${task.title}” once`)}>Skip once</button>}
      </p>
    </fieldset>
  );
}
