"use client";
import { useQuery } from "@apollo/client/react";
import { useState } from "react";
import { formatDue, formatMoment } from "@/lib/dates";
import { type ActivityFieldsFragment, HistoryDocument } from "@/lib/gql/graphql";
import { useWorkspace } from "./workspace";

/** Who did what to a task, the newest first, asked of the server when it is opened. */
export function TaskHistory({ id }: { id: string }) {
  const { store, members, today, timeZone } = useWorkspace();
  const [isOpen, setIsOpen] = useState(false);
  const { data, error } = useQuery(HistoryDocument, { variables: { id }, fetchPolicy: "no-cache", skip: !isOpen });
  const person = (personId: string | null) => members.find((member) => member.person.id === personId)?.person.name ?? (personId ? "somebody" : "nobody");
  const project = (projectId: string | null) => store.get("projects", projectId ?? "")?.name ?? "none";
  const describe = (change: ActivityFieldsFragment["changes"][number]): string => {
    switch (change.__typename) {
      case "TextChange": return change.field === "TITLE" ? `title: “${change.fromText}” → “${change.toText}”` : "description";
      case "DueChange": return `due: ${[change.fromDue, change.toDue].map((due) => (due ? formatDue(due, today, timeZone) : "none")).join(" → ")}`;
      case "PriorityChange": return `priority: ${change.fromPriority.toLowerCase()} → ${change.toPriority.toLowerCase()}`;
      case "TagsChange": return `tags: ${[...change.added.map((tag) => `+ ${tag}`), ...change.removed.map((tag) => `− ${tag}`)].join(", ")}`;
      case "AssigneeChange": return `assignee: ${person(change.fromId)} → ${person(change.toId)}`;
      case "ProjectChange": return `project: ${project(change.fromId)} → ${project(change.toId)}`;
      case "RecurrenceChange": return change.toRule ? "repetition" : "repetition ended";
      default: return "";
    }
  };
  return (
    <details onToggle={({ currentTarget }) => setIsOpen(currentTarget.open)}>
      <summary>History</summary>
      {error && <p className="note">The history needs a connection.</p>}
      <ol className="history">
        {data?.task?.activity.nodes.map((activity) => (
          <li key={activity.id}>
            <strong>{activity.action.toLowerCase()}</strong> by {activity.actor.person?.name ?? activity.actor.via.toLowerCase()}
            <small>{formatMoment(activity.at, today, timeZone)}</small>
            {activity.changes.map(describe).filter(Boolean).map((text) => <small key={text}>{text}</small>)}
          </li>
        ))}
        {data?.task?.activity.pageInfo.hasNextPage && <li className="note">What was changed before isn’t shown.</li>}
      </ol>
    </details>
  );
}
