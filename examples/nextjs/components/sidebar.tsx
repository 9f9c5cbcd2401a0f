"use client";
import { type FormEvent, type MouseEvent, type ReactNode, useDeferredValue, useMemo, useRef, useState } from "react";
import { authClient } from "@/lib/auth-client";
import type { TaskPriority } from "@/lib/gql/graphql";
import { count, findTasks, listNames, type View } from "@/lib/lists";
import { forgetUser } from "@/lib/offline";
import { byPosition } from "@/lib/position";
import { randomId } from "@/lib/store";
import { countUnsent } from "@/lib/sync";
import type { User } from "./app";
import { Icon } from "./icon";
import { noFilters, show, useView } from "./view";
import { useRows, useStatus, useWorkspace } from "./workspace";
import { type Others, WorkspaceMenu } from "./workspace-menu";

const icons = { all: "all", today: "day", week: "week", mine: "person", trash: "trash" } as const;
const priorities: TaskPriority[] = ["URGENT", "HIGH", "MEDIUM", "LOW"];

/** Everything there is to choose from: the workspaces, lists, projects and filters. On phones it opens over the page. */
export function Sidebar({ user, others, refetch }: { user: User; others: Others; refetch(): void }) {
  const { store, change, members, today, timeZone, me, isShared, canWrite, id, name: workspaceName } = useWorkspace();
  const { error } = useStatus();
  const { view } = useView();
  const tasks = useDeferredValue(useRows("tasks")); // the list comes first, then its counts
  const [projects, sections, tags] = [useRows("projects"), useRows("sections"), useRows("tags")];
  const [isAdding, setIsAdding] = useState(false);
  const aside = useRef<HTMLElement>(null);
  const world = useMemo(() => ({ tasks, projects, sections, today, timeZone, me }), [tasks, projects, sections, today, timeZone, me]);
  const lengths = useMemo(() => new Map([
    ...count(tasks.filter((task) => !task.completed && !task.deletedAt), (task) => [task.project?.id ?? ""]),
    ...Object.keys(listNames).map((list) => [list, findTasks({ list, ...noFilters, completed: false }, world).length] as const),
  ]), [tasks, world]);
  const counts = useMemo(() => ({
    tags: count(findTasks(view, world, "tags"), (task) => task.tags.map((tag) => tag.id)),
    priorities: count(findTasks(view, world, "priorities"), (task) => [task.priority]),
    assignees: count(findTasks(view, world, "assignees"), (task) => [task.assignee?.id ?? ""]),
  }), [world, view]);

  const close = () => aside.current?.matches(":popover-open") && aside.current.hidePopover();
  const go = (list: string) => (event: MouseEvent) => {
    event.preventDefault();
    close();
    show({ ...noFilters, list: list === "all" ? "" : list });
  };
  const link = (list: string, icon: ReactNode, name: string, number = lengths.get(list) ?? 0) => (
    <li key={list}>
      <a href={`/?list=${list}`} aria-current={view.list === list ? "page" : undefined} onClick={go(list)}>{icon}<span>{name}</span>{number > 0 && <small>{number}</small>}</a>
    </li>
  );
  const filter = (part: "tags" | "priorities" | "assignees", value: string, name: ReactNode) => {
    const isOn = view[part].includes(value);
    const number = counts[part].get(value) ?? 0;
    if (number === 0 && !isOn) return null;
    const change: Partial<View> = { [part]: isOn ? view[part].filter((other) => other !== value) : [...view[part], value] };
    return <li key={value}><button type="button" className="facet" aria-pressed={isOn} onClick={() => show(change)}>{name}<small>{number}</small></button></li>;
  };
  const addProject = (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault();
    const project = randomId();
    change("createProject", { id: project, name: String(new FormData(event.currentTarget).get("name")).trim(), workspaceId: id });
    setIsAdding(false);
    close();
    show({ ...noFilters, list: project });
  };
  const signOut = async () => {
    const pending = Math.max(await countUnsent(), store.status.pending); // this browser may store nothing
    if (pending > 0 && !confirm(`${pending === 1 ? "One change has" : `${pending} changes have`} not been sent, and will be lost. Sign out?`)) return;
    const { error: problem } = await authClient.signOut();
    if (problem) return alert("You are still signed in: the server can’t be reached.");
    await store.clear();
    await forgetUser(); // which ends all tabs, this one too
  };

  const byName = (a: { name: string }, b: { name: string }) => a.name.localeCompare(b.name);
  const active = projects.filter(({ archivedAt, deletedAt }) => !archivedAt && !deletedAt).sort(byPosition);
  const archived = projects.filter(({ archivedAt, deletedAt }) => archivedAt && !deletedAt).sort(byName);
  const dot = (color: string) => <i className="dot" style={{ background: color }} />;
  return (
    <>
      <header className="top-bar">
        <button type="button" className="icon" aria-label="Lists and filters" popoverTarget="sidebar"><Icon name="menu" /></button>
        <span>{workspaceName}</span>
      </header>
      <aside id="sidebar" ref={aside} popover="auto" aria-label="Lists and filters">
        <WorkspaceMenu user={user} others={others} refetch={refetch} />
        <nav aria-label="Lists">
          <ul>
            {(Object.keys(listNames) as (keyof typeof listNames)[]).filter((list) => list !== "mine" || isShared)
              .map((list) => link(list, <Icon name={icons[list]} />, listNames[list]))}
          </ul>
          <h2>Projects {canWrite && <button type="button" className="icon" aria-label="New project" aria-expanded={isAdding} onClick={() => setIsAdding(!isAdding)}><Icon name="plus" /></button>}</h2>
          {isAdding && (
            <form onSubmit={addProject}>
              <input name="name" aria-label="Name of the new project" placeholder="Name" required pattern=".*\S.*" maxLength={100} autoFocus
                onKeyDown={({ key }) => key === "Escape" && setIsAdding(false)} />
            </form>
          )}
          <ul>{active.map((project) => link(project.id, dot(project.color), project.name))}</ul>
          {archived.length > 0 && (
            <details><summary>Archived</summary><ul>{archived.map((project) => link(project.id, dot(project.color), project.name, 0))}</ul></details>
          )}
        </nav>
        <section aria-label="Filters">
          <div><h2>Tags</h2><ul>{[...tags].sort(byName).map((tag) => filter("tags", tag.id, <>{dot(tag.color)}<span>{tag.name}</span></>))}</ul></div>
          <div><h2>Priority</h2><ul>{priorities.map((priority) => filter("priorities", priority, <>{dot(`var(--${priority.toLowerCase()})`)}<span className="priority">{priority.toLowerCase()}</span></>))}</ul></div>
          {isShared && (
            <div><h2>Assignee</h2>
              <ul>
                {members.map(({ person }) => filter("assignees", person.id, <><Icon name="person" /><span>{person.name}</span></>))}
                {filter("assignees", "", <><Icon name="person" /><span>Nobody</span></>)}
              </ul>
            </div>
          )}
        </section>
        <footer>
          <span title={user.email}>{user.name}</span>
          <button type="button" className="link" onClick={() => void signOut()} disabled={error === "NETWORK"}>Sign out</button>
        </footer>
      </aside>
    </>
  );
}
