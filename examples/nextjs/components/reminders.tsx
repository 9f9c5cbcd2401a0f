"use client";
import { dayIn, formatMoment, momentIn } from "@/lib/dates";
import type { ReminderInput } from "@/lib/gql/graphql";
import { randomId } from "@/lib/store";
import type { Task } from "@/lib/sync";
import { Icon } from "./icon";
import { useRows, useWorkspace } from "./workspace";

/** The viewer's reminders of a task. */
export function Reminders({ task }: { task: Task }) {
  const { change, today, timeZone } = useWorkspace();
  const reminders = useRows("reminders").filter((reminder) => reminder.task.id === task.id && reminder.state === "WAITING");
  const add = (reminder: ReminderInput) => {
    if (globalThis.Notification?.permission === "default") void Notification.requestPermission();
    change("createReminder", { id: randomId(), taskId: task.id, reminder });
  };
  const addAt = (field: HTMLInputElement) => { // by Enter, which phones don't have there, or when the field is left
    const [day, time] = field.value.split("T");
    field.value = "";
    if (day && time) add({ at: momentIn(timeZone, day, time).toISOString() });
  };
  const choices: [name: string, input: () => ReminderInput][] = [
    ["in 10 minutes", () => ({ at: new Date(Date.now() + 600_000).toISOString() })],
    ["in an hour", () => ({ at: new Date(Date.now() + 3_600_000).toISOString() })],
  ];
  if (task.due?.at) choices.push(["10 minutes before", () => ({ minutesBefore: 10 })]);
  if (task.due) choices.push(["on the day at 9:00", () => ({ dayBefore: { days: 0, time: "09:00" } })], ["the day before at 18:00", () => ({ dayBefore: { days: 1, time: "18:00" } })]);
  return (
    <fieldset>
      <legend>Reminders</legend>
      <ul className="chips">
        {reminders.map((reminder) => (
          <li key={reminder.id}><Icon name="bell" />{reminder.at ? formatMoment(reminder.at, today, timeZone) : "when it is due"}
            <button type="button" className="icon" aria-label="Remove the reminder" onClick={() => change("deleteReminder", { id: reminder.id })}><Icon name="close" /></button>
          </li>
        ))}
      </ul>
      <div className="row">
        <select aria-label="Remind me" value="" onChange={({ target }) => add(choices[Number(target.value)]![1]())}>
          <option value="" disabled>Remind me …</option>
          {choices.map(([name], i) => <option key={name} value={i}>{name}</option>)}
        </select>
        <input type="datetime-local" aria-label="Remind me at" min={`${dayIn(timeZone)}T00:00`} onBlur={({ target }) => addAt(target)}
          onKeyDown={({ key, currentTarget }) => key === "Enter" && addAt(currentTarget)} />
      </div>
    </fieldset>
  );
}
