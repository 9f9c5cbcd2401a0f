"use client";
import { useQuery } from "@apollo/client/react";
import { useEffect } from "react";
import { formatMoment } from "@/lib/dates";
import { FiredRemindersDocument } from "@/lib/gql/graphql";
import { Icon } from "./icon";
import { show, showWorkspace } from "./view";
import { useRows, useWorkspace } from "./workspace";

/** The reminders that have fired, until the user has seen them, here or on another device. */
export function FiredReminders() {
  const { id: workspaceId, store, change, today, timeZone } = useWorkspace();
  const fired = useRows("reminders").filter(({ state }) => state === "FIRED").sort((a, b) => (a.firedAt! < b.firedAt! ? 1 : -1));
  useRows("tasks"); // their titles
  const { data } = useQuery(FiredRemindersDocument, { pollInterval: 60_000, fetchPolicy: "cache-and-network" }); // of the other workspaces, too
  const elsewhere = data?.firedReminders.nodes.filter(({ task }) => task.workspace.id !== workspaceId) ?? [];

  const newest = fired[0];
  useEffect(() => {
    const title = newest && store.get("tasks", newest.task.id)?.title;
    if (title && document.hidden && globalThis.Notification?.permission === "granted") new Notification(title, { tag: newest.id });
  }, [store, newest]);

  return (
    <div className="fired" role="alert" aria-label="Reminders" hidden={fired.length + elsewhere.length === 0}>
      {fired.map((reminder) => (
        <div key={reminder.id}>
          <button type="button" className="link" onClick={() => show({ task: reminder.task.id })}><Icon name="bell" /> {store.get("tasks", reminder.task.id)?.title}</button>
          <small>{reminder.firedAt && formatMoment(reminder.firedAt, today, timeZone)}</small>
          <button type="button" onClick={() => change("snoozeReminder", { id: reminder.id, until: new Date(Date.now() + 600_000).toISOString() })}>In 10 minutes</button>
          <button type="button" onClick={() => change("dismissReminder", { id: reminder.id })}>Dismiss</button>
        </div>
      ))}
      {elsewhere.map(({ id, task: { id: task, title, workspace } }) => (
        <div key={id}><button type="button" className="link" onClick={() => showWorkspace(workspace.id, task)}><Icon name="bell" /> {title}</button><small>in {workspace.name}</small></div>
      ))}
    </div>
  );
}
