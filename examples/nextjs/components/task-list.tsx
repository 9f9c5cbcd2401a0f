"use client";
import { closestCenter, DndContext, type DragEndEvent, KeyboardSensor, PointerSensor, type UniqueIdentifier, useDroppable, useSensor, useSensors } from "@dnd-kit/core";
import { SortableContext, sortableKeyboardCoordinates, verticalListSortingStrategy } from "@dnd-kit/sortable";
import { type FocusEvent, type KeyboardEvent, type ReactNode, startTransition, useLayoutEffect, useMemo, useRef, useState } from "react";
import { type Group, groupTasks, type Item, isManual, isProject, listNames } from "@/lib/lists";
import { ProjectTitle, SectionTitle } from "./project";
import { QuickAdd } from "./quick-add";
import { TaskRow } from "./task-row";
import { EmptyTrash } from "./trash";
import { useKey } from "./use-key";
import { adjust, noFilters, show, useView } from "./view";
import { useRows, useStatus, useWorkspace } from "./workspace";

const empty: Record<string, string> = {
  all: "Nothing to do.", today: "Nothing is due today. Enjoy it.", week: "Nothing is due in the next 7 days.",
  mine: "Nothing is assigned to you.", trash: "The trash is empty.",
};

/** How many tasks are rendered at a time, and how many even if they aren't in sight: the browser's search finds them. */
const [few, many] = [50, 200];

// How tasks are lifted. For other objects dnd-kit would render all rows.
const pointer = { activationConstraint: { distance: 4 } };
const keyboard = { coordinateGetter: sortableKeyboardCoordinates };

/** The list that the view says, with its title and what adds to it. */
export function TaskList() {
  const { store, change, canWrite, today, timeZone, me } = useWorkspace();
  const { ready, error } = useStatus();
  const { view, taskId } = useView();
  const [tasks, projects, sections, reminders] = [useRows("tasks"), useRows("projects"), useRows("sections"), useRows("reminders")];
  const groups = useMemo(() => groupTasks(view, { tasks, projects, sections, today, timeZone, me }), [view, tasks, projects, sections, today, timeZone, me]);
  const items = groups.flatMap((group) => group.items);
  const place = view.list + (view.search && " search"); // the next key keeps the rows
  const [limits, setLimits] = useState<Record<string, number>>({});
  const limit = limits[place] ?? few;
  const showMore = () => startTransition(() => setLimits({ [place]: limit + few }));
  const watch = (button: HTMLElement | null) => {
    const observer = new IntersectionObserver(([entry]) => (limit < many || entry!.isIntersecting) && showMore(), { rootMargin: "100%" });
    observer.observe(button!);
    return () => observer.disconnect();
  };
  const visible = new Set(items.slice(0, limit));
  const shown = groups.map((group) => ({ ...group, items: group.items.filter((item) => visible.has(item)) }));
  const isFiltered = view.tags.length + view.priorities.length + view.assignees.length > 0;
  const canMove = canWrite && isManual(view);
  const project = isProject(view.list) ? store.get("projects", view.list) : undefined;
  const isGone = isProject(view.list) && (!project || project.deletedAt !== null);
  const canAdd = canWrite && view.list !== "trash" && !isGone;

  const search = useRef<HTMLInputElement>(null);
  useKey("/", () => search.current?.focus());

  const sensors = useSensors(useSensor(PointerSensor, pointer), useSensor(KeyboardSensor, keyboard));
  const nameOf = (id: UniqueIdentifier) => store.get("tasks", String(id))?.title ?? groups.find((group) => group.id === id)?.title ?? "the list";
  const drop = ({ active, over }: DragEndEvent) => {
    const task = store.get("tasks", String(active.id));
    const target = over && store.get("tasks", String(over.id));
    if (!task || !over || over.id === active.id || target?.deletedAt) return;
    const said = `Moved “${task.title}”`;
    if (!target) { // a section's title
      const group = groups.find(({ id }) => id === over.id);
      if (!group) return; // somebody has deleted it meanwhile
      const first = group.items.find((item) => item.depth === 0 && item.task.id !== task.id)?.task;
      return change("moveTask", { id: task.id, parentId: null, projectId: view.list, sectionId: group.id, ...(first && { beforeId: first.id }) }, said);
    }
    for (let above = target.parent; above; above = store.get("tasks", above.id)?.parent ?? null) if (above.id === task.id) return;
    const isDown = items.findIndex((item) => item.task.id === task.id) < items.findIndex((item) => item.task.id === target.id);
    const parentId = target.parent?.id ?? null;
    change("moveTask", {
      id: task.id, parentId, ...(isDown ? { afterId: target.id } : { beforeId: target.id }),
      ...(project && !parentId && { projectId: project.id, sectionId: target.section?.id ?? null }),
    }, said);
  };

  const subtasks = useMemo(() => Map.groupBy(tasks.filter(({ parent, deletedAt }) => parent && !deletedAt), ({ parent }) => parent!.id), [tasks]);
  const reminded = useMemo(() => new Set(reminders.filter(({ state }) => state === "WAITING").map(({ task }) => task.id)), [reminders]);
  const now = new Date().toISOString();
  const row = ({ task, depth }: Item) => {
    const { id, due, completed, deletedAt } = task;
    const isOverdue = due !== null && !completed && !deletedAt && (due.at ? due.at < now : due.date < today);
    const below = subtasks.get(id);
    const progress = below && `${below.filter((subtask) => subtask.completed).length}/${below.length}`;
    return <TaskRow key={id} list={view.list} canMove={canMove} isOpen={taskId === id} reminds={reminded.has(id)} {...{ task, depth, isOverdue, progress }} />;
  };
  const sortable = shown.flatMap((group) => [...(group.section ? [group.id] : []), ...group.items.map(({ task }) => task.id)]).join();
  const sortableIds = useMemo(() => sortable.split(","), [sortable]); // for another array dnd-kit would render all rows

  return (
    <>
      <header className="list-head">
        {project ? <ProjectTitle project={project} /> : <h1>{isProject(view.list) ? "This project isn’t there" : listNames[view.list as keyof typeof listNames]}</h1>}
        <search>
          <input ref={search} key={view.list} type="search" aria-label="Search" placeholder="Search" defaultValue={view.search} onChange={({ target }) => adjust({ search: target.value })} />
        </search>
        {view.list === "trash" ? <EmptyTrash count={items.length} /> : (
          <label className="toggle">
            <input type="checkbox" checked={view.completed} onChange={({ target }) => adjust({ completed: target.checked })} /> Show completed
          </label>
        )}
      </header>
      {canAdd && <QuickAdd />}
      {isFiltered && <p className="note">Filtered. <button type="button" className="link" onClick={() => show({ ...noFilters, search: view.search })}>Show all</button></p>}
      {!ready && !error && <p className="empty">Loading…</p>}
      {ready && items.length === 0 && (isGone || groups.length < 2) && (
        <p className="empty">{view.search ? `Nothing found for “${view.search}”.` : isFiltered ? "No task is like that." : isGone ? (project ? "It is in the trash, with its tasks." : "It was deleted, or it is in another workspace.")
            : `${empty[view.list] ?? "This project is empty."}${canAdd && isManual(view) ? " Add a task above." : ""}`}</p>
      )}
      <DndContext id="tasks" sensors={sensors} collisionDetection={closestCenter} onDragEnd={drop} accessibility={{
        screenReaderInstructions: { draggable: "Press Space to lift the task, the arrow keys to move it, Space to drop it, Escape to leave it where it was." },
        announcements: {
          onDragStart: ({ active }) => `Lifted ${nameOf(active.id)}.`,
          onDragOver: ({ active, over }) => (over && over.id !== active.id ? `${nameOf(active.id)} is at ${nameOf(over.id)}.` : undefined),
          onDragEnd: ({ active, over }) => (over ? `Dropped ${nameOf(active.id)} at ${nameOf(over.id)}.` : `Dropped ${nameOf(active.id)}.`),
          onDragCancel: ({ active }) => `${nameOf(active.id)} is where it was.`,
        },
      }}>
        <SortableContext items={sortableIds} strategy={verticalListSortingStrategy}>
          <div className="groups" {...useFocusInRows(items.map(({ task }) => task.id))}>
            {!isGone && shown.map((group) => <Part key={group.id} group={group} canMove={canMove} row={row} />)}
          </div>
        </SortableContext>
      </DndContext>
      {items.length > limit && <p className="empty"><button ref={watch} type="button" onClick={showMore}>Show more of {items.length}</button></p>}
    </>
  );
}

function Part({ group, canMove, row }: { group: Group; canMove: boolean; row(item: Item): ReactNode }) {
  const { setNodeRef } = useDroppable({ id: group.id, disabled: !canMove || !group.section });
  if (group.items.length === 0 && !group.section) return null;
  return (
    <section aria-label={group.title || "Tasks"}>
      <div ref={setNodeRef}>{group.section ? <SectionTitle section={group.section} /> : group.title && <h2>{group.title}</h2>}</div>
      <ul className="tasks">{group.items.map(row)}</ul>
    </section>
  );
}

/** The arrow keys lead from one checkbox to the next. If the row that has the focus goes away, the next row gets it. */
function useFocusInRows(ids: string[]) {
  const last = useRef<{ id: string; control: string; index: number } | null>(null);
  useLayoutEffect(() => {
    if (!last.current || document.activeElement !== document.body || ids.includes(last.current.id)) return;
    const next = ids[Math.min(last.current.index, ids.length - 1)] ?? "";
    document.querySelector<HTMLElement>(`[data-task="${CSS.escape(next)}"] [data-control="${last.current.control}"]`)?.focus();
  });
  return {
    onFocus({ target }: FocusEvent) {
      const id = target.closest<HTMLElement>("[data-task]")?.dataset["task"] ?? "";
      last.current = { id, control: (target as HTMLElement).dataset["control"] ?? "check", index: ids.indexOf(id) };
    },
    onBlur: () => void (last.current = null), // not called if the row goes away
    onKeyDown(event: KeyboardEvent) {
      const checks = [...document.querySelectorAll<HTMLElement>("[data-task] > .check")];
      const index = checks.indexOf(event.target as HTMLElement);
      if (index < 0 || (event.key !== "ArrowDown" && event.key !== "ArrowUp")) return;
      event.preventDefault(); // of scrolling
      checks[index + (event.key === "ArrowDown" ? 1 : -1)]?.focus();
    },
  };
}
