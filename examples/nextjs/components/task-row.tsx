"use client";
import { useSortable } from "@dnd-kit/sortable";
import { memo, useSyncExternalStore } from "react";
import { dueDay, formatDay, formatDue } from "@/lib/dates";
import { isProject } from "@/lib/lists";
import type { Task } from "@/lib/sync";
import { EditableText } from "./editable-text";
import { Icon } from "./icon";
import { RestoreOrPurge } from "./trash";
import { show } from "./view";
import { useRow, useWorkspace } from "./workspace";

/** A task, where it is shown, how many of its subtasks are done, and whether it has a reminder that waits. */
type AboutProps = { task: Task; list: string; isOverdue: boolean; progress: string | undefined; reminds: boolean };

/** One task in a list. It is rendered if something of the task changes, or while tasks are moved. */
export const TaskRow = memo(function TaskRow({ task, depth, canMove, isOpen, ...about }: { depth: number; canMove: boolean; isOpen: boolean } & AboutProps) {
  const { store, change, canWrite } = useWorkspace();
  const isPending = useSyncExternalStore(store.subscribe, () => store.isPending("tasks", task.id));
  const { attributes, listeners, setNodeRef, setActivatorNodeRef, transform, transition, isDragging } = useSortable({ id: task.id, disabled: !canMove });
  const style = { paddingInlineStart: `${depth * 1.75 + 0.7}rem`, transform: transform ? `translateY(${transform.y}px)` : undefined, transition };
  return (
    <li ref={setNodeRef} className="task" style={style} data-task={task.id} data-dragged={isDragging || undefined} data-open={isOpen || undefined}
      data-pending={isPending || undefined} data-completed={task.completed || undefined}>
      {canMove && (
        <button type="button" className="grip" data-control="grip" {...attributes} {...listeners} ref={setActivatorNodeRef} aria-label={`Move “${task.title}”`}><Icon name="grip" /></button>
      )}
      {!task.deletedAt && <Check task={task} disabled={!canWrite} />}
      <div className="task-body">
        <EditableText text={task.title} label="title" disabled={!canWrite || task.deletedAt !== null}
          save={(title) => change("updateTask", { id: task.id, title }, undefined, task)} />
        <About task={task} {...about} />
      </div>
      {task.deletedAt ? <RestoreOrPurge task={task} /> : (
        <button type="button" className="icon" aria-label={`Details of “${task.title}”`} aria-expanded={isOpen} onClick={() => show({ task: isOpen ? "" : task.id })}>
          <Icon name="details" />
        </button>
      )}
    </li>
  );
});

/** The circle that completes a task, and reopens it. */
export function Check({ task: { id, title, completed, priority }, disabled }: { task: Task; disabled: boolean }) {
  const { change } = useWorkspace();
  return (
    <input type="checkbox" data-control="check" className={`check ${priority.toLowerCase()}`} aria-label={`Complete “${title}”`} checked={completed} disabled={disabled}
      onChange={() => change(completed ? "reopenTask" : "completeTask", { id }, `${completed ? "Reopened" : "Completed"} “${title}”`)} />
  );
}

/** What is said of a task below its title. */
const About = memo(function About({ task, list, isOverdue, progress, reminds }: AboutProps) {
  const { members, today, timeZone } = useWorkspace();
  const recurrence = useRow("recurrences", task.recurrence?.id);
  const assignee = task.assignee && members.find(({ person }) => person.id === task.assignee!.id)?.person.name;
  const project = useRow("projects", isProject(list) || task.parent ? "" : task.project?.id);
  const parent = useRow("tasks", isProject(list) || list === "all" ? "" : task.parent?.id);
  return (
    <ul className="about">
      {task.deletedAt && <li>Deleted {formatDay(dueDay({ date: "", at: task.deletedAt, timeZone }, timeZone), today)}</li>}
      {task.due && <li className={isOverdue ? "overdue" : undefined}><Icon name="day" />{formatDue(task.due, today, timeZone)}</li>}
      {recurrence && !recurrence.endedAt && !task.completed && <li><Icon name="repeat" /><span className="visually-hidden">repeats</span></li>}
      {reminds && <li><Icon name="bell" /><span className="visually-hidden">has a reminder</span></li>}
      {task.priority !== "NONE" && <li className={`priority ${task.priority.toLowerCase()}`}>{task.priority.toLowerCase()}</li>}
      {progress && <li>{progress}</li>}
      {parent && <li>in “{parent.title}”</li>}
      {project && <li><i className="dot" style={{ background: project.color }} />{project.name}</li>}
      {task.tags.map(({ id }) => <TagName key={id} id={id} />)}
      {assignee && <li><Icon name="person" />{assignee}</li>}
    </ul>
  );
});

function TagName({ id }: { id: string }) {
  const tag = useRow("tags", id);
  return tag && <li><i className="dot" style={{ background: tag.color }} />{tag.name}</li>;
}
