"use client";
import { type KeyboardEvent, useEffect, useEffectEvent, useLayoutEffect, useRef, useState } from "react";
import { dueDay, momentIn, timeIn } from "@/lib/dates";
import type { DueInput, TaskPriority } from "@/lib/gql/graphql";
import { byPosition } from "@/lib/position";
import { randomId } from "@/lib/store";
import type { Task } from "@/lib/sync";
import { EditableText } from "./editable-text";
import { TaskHistory } from "./history";
import { Icon } from "./icon";
import { Reminders } from "./reminders";
import { Repeat } from "./repeat";
import { Check } from "./task-row";
import { useKey } from "./use-key";
import { show } from "./view";
import { useRows, useWorkspace } from "./workspace";

/** Everything about one task, beside the list. Escape closes it, and the focus goes back to the task's button. */
export function Details({ id }: { id: string }) {
  const { store, canWrite } = useWorkspace();
  const task = useRows("tasks").find((row) => row.id === id);
  const box = useRef<HTMLElement>(null);
  const goBack = () => document.querySelector<HTMLElement>(`[data-task="${CSS.escape(id)}"] [aria-expanded]`)?.focus();
  const close = () => {
    (document.activeElement as HTMLElement).blur(); // which saves what was typed
    show({ task: "" });
    goBack();
  };
  useKey("Escape", close);
  useEffect(() => {
    box.current?.focus();
    return () => void (document.activeElement === document.body && goBack()); // on phones the list was hidden until now
  }, []);
  return (
    <aside ref={box} className="details" aria-label={task ? `Details of “${task.title}”` : "Details"} tabIndex={-1}>
      <button type="button" className="icon close" aria-label="Close the details" onClick={close}><Icon name="close" /></button>
      {task ? <Fields task={task} disabled={!canWrite || task.deletedAt !== null} onDeleted={close} /> : store.status.ready && <p className="empty">This task isn’t there any more.</p>}
    </aside>
  );
}

function Fields({ task, disabled, onDeleted }: { task: Task; disabled: boolean; onDeleted(): void }) {
  const { store, id: workspaceId, change, members, isShared } = useWorkspace();
  const [projects, sections, tasks, tags] = [useRows("projects"), useRows("sections"), useRows("tasks"), useRows("tags")];
  const { id, title, description } = task;
  const update = (fields: Partial<Parameters<typeof change<"updateTask">>[1]>, said?: string) => change("updateTask", { id, ...fields }, said);
  const parent = task.parent && store.get("tasks", task.parent.id);
  const subtasks = tasks.filter(({ parent, deletedAt }) => parent?.id === id && !deletedAt).sort(byPosition);
  const shownTags = task.tags.map((tag) => store.get("tags", tag.id)).filter((tag) => tag !== undefined);

  const addTag = (name: string) => {
    const known = tags.find((tag) => tag.name.toLowerCase() === name.toLowerCase());
    const tagId = known?.id ?? randomId();
    if (!known) change("createTag", { id: tagId, name, workspaceId });
    update({ addTagIds: [tagId] });
  };
  const onPlace = (value: string) => {
    const [projectId, sectionId] = value.split(" ");
    update(sectionId ? { sectionId } : { projectId: projectId || null, ...(projectId && { sectionId: null }) }, `Moved “${title}”`);
  };
  return (
    <>
      {parent && <button type="button" className="link parent" onClick={() => show({ task: parent.id })}>{parent.title}</button>}
      <div className="title"><Check task={task} disabled={disabled} />
        <h2><EditableText text={title} label="title" disabled={disabled} save={(text) => change("updateTask", { id, title: text }, undefined, task)} /></h2>
      </div>
      <Description key={description} task={task} disabled={disabled} save={(text, seen) => change("updateTask", { id, description: text }, undefined, seen)} />
      <div className="fields">
        <DueFields task={task} disabled={disabled} />
        <label>Priority
          <select value={task.priority} disabled={disabled} onChange={({ target }) => update({ priority: target.value as TaskPriority })}>
            {["None", "Low", "Medium", "High", "Urgent"].map((name) => <option key={name} value={name.toUpperCase()}>{name}</option>)}
          </select>
        </label>
        {!task.parent && (
          <label>Project
            <select value={[task.project?.id, task.section?.id].filter(Boolean).join(" ")} disabled={disabled} onChange={({ target }) => onPlace(target.value)}>
              <option value="">None</option>
              {projects.filter(({ deletedAt }) => !deletedAt).sort(byPosition).map((project) => [
                <option key={project.id} value={project.id}>{project.name}</option>,
                ...sections.filter((section) => section.project.id === project.id).sort(byPosition)
                  .map((section) => <option key={section.id} value={`${project.id} ${section.id}`}>{project.name} / {section.name}</option>),
              ])}
            </select>
          </label>
        )}
        {isShared && (
          <label>Assignee
            <select value={task.assignee?.id ?? ""} disabled={disabled} onChange={({ target }) => update({ assigneeId: target.value || null })}>
              <option value="">Nobody</option>
              {task.assignee && !members.some(({ person }) => person.id === task.assignee!.id) && <option value={task.assignee.id}>A former member</option>}
              {members.map(({ person }) => <option key={person.id} value={person.id}>{person.name}</option>)}
            </select>
          </label>
        )}
      </div>
      <fieldset disabled={disabled}>
        <legend>Tags</legend>
        <ul className="chips">
          {shownTags.map((tag) => (
            <li key={tag.id}><i className="dot" style={{ background: tag.color }} />{tag.name}
              <button type="button" className="icon" aria-label={`Remove the tag ${tag.name}`} onClick={() => update({ removeTagIds: [tag.id] })}><Icon name="close" /></button>
            </li>
          ))}
        </ul>
        <AddLine label="Add a tag" maxLength={50} add={addTag} options={tags.map(({ name }) => name)} />
      </fieldset>
      <fieldset disabled={disabled}>
        <legend>Subtasks</legend>
        <ul className="rows">
          {subtasks.map((subtask) => (
            <li key={subtask.id}>
              <Check task={subtask} disabled={disabled} />
              <button type="button" className="text" onClick={() => show({ task: subtask.id })}>{subtask.title}</button>
            </li>
          ))}
        </ul>
        <AddLine label="Add a subtask" maxLength={200} add={(text) => change("createTask", { id: randomId(), title: text, parentId: id, workspaceId })} />
      </fieldset>
      {!task.completed && <Repeat key={`repeat ${task.recurrence?.id}`} task={task} disabled={disabled} />}
      {!task.completed && !task.deletedAt && <Reminders task={task} />}
      <TaskHistory id={id} />
      {!disabled && (
        <button type="button" className="danger" onClick={() => { onDeleted(); change("deleteTask", { id }, `Deleted “${title}”`); }}><Icon name="trash" /> Delete</button>
      )}
    </>
  );
}

/** It is saved when the field is left, in whichever way: also by the browser's button for the way back. */
function Description({ task, disabled, save }: { task: Task; disabled: boolean; save(text: string | null, seen: Task): void }) {
  const [field, seen] = [useRef<HTMLTextAreaElement>(null), useRef(task)];
  const leave = () => {
    const description = field.current!.value || null;
    if (description !== seen.current.description) save(description, seen.current);
    seen.current = { ...seen.current, description };
  };
  const onLeave = useEffectEvent(leave);
  useLayoutEffect(() => onLeave, []);
  return (
    <textarea ref={field} aria-label="Description" placeholder="Description" defaultValue={task.description ?? ""} disabled={disabled} maxLength={10_000} onBlur={leave} />
  );
}

/** The day, and the time if there is one, in the viewer's time zone. */
function DueFields({ task: { id, due, title }, disabled }: { task: Task; disabled: boolean }) {
  const { change, timeZone } = useWorkspace();
  const date = due ? dueDay(due, timeZone) : "";
  const time = due?.at ? timeIn(timeZone, new Date(due.at)) : "";
  const save = (day: string, clock: string) => {
    const next: DueInput | null = !day ? null : clock ? { at: { at: momentIn(timeZone, day, clock).toISOString(), timeZone } } : { date: day };
    change("updateTask", { id, due: next }, day ? undefined : `“${title}” is no longer due`);
  };
  return (
    <>
      <label>Due <PickedOrTyped type="date" value={date} disabled={disabled} save={(day) => save(day, time)} /></label>
      {due && <label>Time <PickedOrTyped type="time" value={time} disabled={disabled} save={(clock) => save(date, clock)} /></label>}
    </>
  );
}

/** What is picked is saved at once. What is typed passes through other days, so it is saved by Enter, or when the field is left. */
function PickedOrTyped({ value, save, ...rest }: { type: "date" | "time"; value: string; disabled: boolean; save(value: string): void }) {
  const [typed, setTyped] = useState<string | null>(null); // null: nothing is being typed
  const finish = () => {
    if (typed !== null && typed !== value) save(typed);
    setTyped(null);
  };
  const onKeyDown = ({ key }: KeyboardEvent) => (key === "Enter" ? finish() : /^\w$|Arrow|Delete|Backspace/.test(key) && setTyped(typed ?? value));
  return <input {...rest} value={typed ?? value} onBlur={finish} onKeyDown={onKeyDown} onChange={({ target }) => (typed === null ? save : setTyped)(target.value)} />;
}

/** A field whose content is added by Enter. */
function AddLine({ label, add, maxLength, options }: { label: string; add(text: string): void; maxLength: number; options?: string[] }) {
  const onKeyDown = (event: KeyboardEvent<HTMLInputElement>) => {
    const text = event.currentTarget.value.trim();
    if (event.key !== "Enter" || event.nativeEvent.isComposing || !text) return;
    event.preventDefault();
    event.currentTarget.value = "";
    add(text);
  };
  return (
    <>
      <input aria-label={label} placeholder={`+ ${label}`} maxLength={maxLength} onKeyDown={onKeyDown} enterKeyHint="done" list={options && "options"} />
      {options && <datalist id="options">{options.map((option) => <option key={option} value={option} />)}</datalist>}
    </>
  );
}
