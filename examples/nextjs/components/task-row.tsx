"use client";
import { useSortable } from "@dnd-kit/sortable";
import { dueDay, formatDay, formatDue } from "@/lib/dates";
import { isProject, type Item } from "@/lib/lists";
import type { Task } from "@/lib/sync";
import { EditableText } from "./editable-text";
import { Icon } from "./icon";
import { RestoreOrPurge } from "./trash";
import { show, useView } from "./view";
import { useStatus, useWorkspace } from "./workspace";

/** How many of its subtasks are done, and whether it has a reminder that waits. */
type AboutProps = { done: number; total: number; reminds: boolean };

/** One task in a list. */
export function TaskRow({ item: { task, depth }, canMove, ...about }: { item: Item; canMove: boolean } & AboutProps) {
  const { store, change, canWrite } = useWorkspace();
  const { taskId } = useView();
  const { attributes, listeners, setNodeRef, setActivatorNodeRef, transform, transition, isDragging } = useSortable({ id: task.id, disabled: !canMove });
  useStatus(); // whether the row is pending
  const style = { paddingInlineStart: `${depth * 1.75 + 0.5}rem`, transform: transform ? `translateY(${transform.y}px)` : undefined, transition };
  return (
    <li ref={setNodeRef} className="task" style={style} data-task={task.id} data-dragged={isDragging || undefined} data-open={taskId === task.id || undefined}
      data-pending={store.isPending("tasks", task.id) || undefined} data-completed={task.completed || undefined}>
      {canMove && (
        <button type="button" className="grip" data-control="grip" {...attributes} {...listeners} ref={setActivatorNodeRef} aria-label={`Move “${task.title}”`}><Icon name="grip" /></button>
      )}
      {!task.deletedAt && <Check task={task} disabled={!canWrite} />}
      <div className="task-body">
        <EditableText text={task.title} label="title" disabled={!canWrite || task.deletedAt !== null}
          save={(title) => change("updateTask", { id: task.id, title })} />
        <About task={task} {...about} />
      </div>
      {task.deletedAt ? <RestoreOrPurge task={task} /> : (
        <button type="button" className="icon" aria-label={`Details of “${task.title}”`} aria-expanded={taskId === task.id} onClick={() => show({ task: taskId === task.id ? "" : task.id })}>
          <Icon name="details" />
        </button>
      )}
    </li>
  );
}

/** The circle that completes a task, and reopens it. */
export function Check({ task: { id, title, completed, priority }, disabled }: { task: Task; disabled: boolean }) {
  const { change } = useWorkspace();
  return (
    <input type="checkbox" data-control="check" className={`check ${priority.toLowerCase()}`} aria-label={`Complete “${title}”`} checked={completed} disabled={disabled}
      onChange={() => change(completed ? "reopenTask" : "completeTask", { id }, `${completed ? "Reopened" : "Completed"} “${title}”`)} />
  );
}

/** What is said of a task below its title. */
function About({ task, done, total, reminds }: { task: Task } & AboutProps) {
  const { store, members, today, timeZone } = useWorkspace();
  const { view } = useView();
  const recurrence = task.recurrence && store.get("recurrences", task.recurrence.id);
  const isOverdue = task.due && !task.completed && !task.deletedAt && (task.due.at ? task.due.at < new Date().toISOString() : task.due.date < today);
  const assignee = task.assignee && members.find(({ person }) => person.id === task.assignee!.id)?.person.name;
  const project = !isProject(view.list) && !task.parent && task.project && store.get("projects", task.project.id);
  const parent = task.parent && view.list !== "all" && !isProject(view.list) && store.get("tasks", task.parent.id);
  return (
    <ul className="about">
      {task.deletedAt && <li>Deleted {formatDay(dueDay({ date: "", at: task.deletedAt, timeZone }, timeZone), today)}</li>}
      {task.due && <li className={isOverdue ? "overdue" : undefined}><Icon name="day" />{formatDue(task.due, today, timeZone)}</li>}
      {recurrence && !recurrence.endedAt && !task.completed && <li><Icon name="repeat" /><span className="visually-hidden">repeats</span></li>}
      {reminds && <li><Icon name="bell" /><span className="visually-hidden">has a reminder</span></li>}
      {task.priority !== "NONE" && <li className={`priority ${task.priority.toLowerCase()}`}>{task.priority.toLowerCase()}</li>}
      {total > 0 && <li>{done}/{total}</li>}
      {parent && <li>in “{parent.title}”</li>}
      {project && <li><i className="dot" style={{ background: project.color }} />{project.name}</li>}
      {task.tags.map(({ id }) => store.get("tags", id)).map((tag) => tag && <li key={tag.id}><i className="dot" style={{ background: tag.color }} />{tag.name}</li>)}
      {assignee && <li><Icon name="person" />{assignee}</li>}
    </ul>
  );
}
