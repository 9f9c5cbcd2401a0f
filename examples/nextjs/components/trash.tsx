"use client";
import type { Task } from "@/lib/sync";
import { useRows, useWorkspace } from "./workspace";

/** What can be done with a task in the trash. */
export function RestoreOrPurge({ task }: { task: Task }) {
  const { change, canWrite, canPurge } = useWorkspace();
  return (
    <span className="buttons">
      {canWrite && <button type="button" aria-label={`Restore “${task.title}”`} onClick={() => change("restoreTask", { id: task.id }, `Restored “${task.title}”`)}>Restore</button>}
      {canPurge && (
        <button type="button" className="danger" aria-label={`Delete “${task.title}” for good`}
          onClick={() => confirm(`Delete “${task.title}” for good?`) && change("purgeTask", { id: task.id })}>Delete</button>
      )}
    </span>
  );
}

/** Empties the trash, and restores deleted projects. */
export function EmptyTrash({ count }: { count: number }) {
  const { id: workspaceId, change, canWrite, canPurge } = useWorkspace();
  const projects = useRows("projects").filter(({ deletedAt }) => deletedAt);
  return (
    <span className="buttons">
      {canWrite && projects.map(({ id, name }) => (
        <button key={id} type="button" onClick={() => change("restoreProject", { id })}>Restore project “{name}”</button>
      ))}
      {canPurge && count + projects.length > 0 && (
        <button type="button" className="danger" onClick={() => confirm("Delete everything in the trash for good?") && change("emptyTrash", { workspaceId })}>Empty the trash</button>
      )}
    </span>
  );
}
