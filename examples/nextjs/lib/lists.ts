import { addDays, dueDay, formatDay } from "./dates";
import { byPosition } from "./position";
import type { Project, Section, Task } from "./sync";

/** What is shown: it is in the page's address. */
export interface View {
  /** all, today, week, mine, trash, or a project's id */
  list: string;
  search: string;
  tags: string[];
  priorities: string[];
  /** People's ids; "" is nobody. */
  assignees: string[];
  /** Whether completed tasks are shown, too. */
  completed: boolean;
}

/** The lists that are not projects. */
export const listNames = { all: "All tasks", today: "Today", week: "Next 7 days", mine: "Assigned to me", trash: "Trash" } as const;

/** What lists depend on, beside the view. */
export interface World { tasks: readonly Task[]; projects: readonly Project[]; sections: readonly Section[]; today: string; timeZone: string; me: string }

/** A row of a list: a task, and how deep it is shown below others. */
export interface Item { task: Task; depth: number }

/** A part of a list, such as a section or a day. */
export interface Group { id: string; title: string; items: Item[]; section?: Section }

export const isProject = (list: string): boolean => list.includes("-");

/** Case and accents don't matter. */
const simplify = (text: string): string => text.normalize("NFKD").replace(/\p{M}/gu, "").toLowerCase();

const texts = new WeakMap<Task, string>();

/** What is searched of a task. It is kept for the next key: rows are replaced, never changed. */
function textOf(task: Task): string {
  if (!texts.has(task)) texts.set(task, simplify(`${task.title} ${task.description ?? ""}`));
  return texts.get(task)!;
}

/** Returns whether a task is in the list. */
function inList(list: string, { projects, today, timeZone, me }: World): (task: Task) => boolean {
  if (list === "trash") return (task) => task.deletedAt !== null;
  if (isProject(list)) return (task) => !task.deletedAt && task.project?.id === list;
  const archived = new Set(projects.filter(({ archivedAt }) => archivedAt).map(({ id }) => id));
  const last = list === "today" ? today : list === "week" ? addDays(today, 6) : null;
  return ({ deletedAt, project, due, assignee }) => {
    if (deletedAt || (project && archived.has(project.id))) return false;
    if (last) return due !== null && dueDay(due, timeZone) <= last;
    return list === "all" || assignee?.id === me;
  };
}

/** Returns the tasks of the view. With `except` they don't have to meet that part of it: for the counts of a filter. */
export function findTasks(view: View, world: World, except?: keyof View): Task[] {
  const words = simplify(view.search).split(/\s+/).filter(Boolean);
  const isIn = inList(view.list, world);
  return world.tasks.filter((task) => (view.completed || !task.completed || view.list === "trash")
    && isIn(task)
    && (except === "tags" || view.tags.every((id) => task.tags.some((tag) => tag.id === id)))
    && (except === "priorities" || view.priorities.length === 0 || view.priorities.includes(task.priority))
    && (except === "assignees" || view.assignees.length === 0 || view.assignees.includes(task.assignee?.id ?? ""))
    && words.every((word) => textOf(task).includes(word)));
}

/** How many of the tasks have each value, by the values. */
export function count(tasks: readonly Task[], values: (task: Task) => readonly string[]): Map<string, number> {
  const counts = new Map<string, number>();
  for (const task of tasks) for (const value of values(task)) counts.set(value, (counts.get(value) ?? 0) + 1);
  return counts;
}

/** Whether the view shows the manual order, in which tasks can be moved. */
export const isManual = ({ list, search, tags, priorities, assignees }: View): boolean =>
  (list === "all" || isProject(list)) && search === "" && tags.length + priorities.length + assignees.length === 0;

/** Puts tasks in manual order, each followed by its subtasks. */
function asTree(tasks: readonly Task[]): Item[] {
  const ids = new Set(tasks.map(({ id }) => id));
  const children = Map.groupBy(tasks, ({ parent }) => (parent && ids.has(parent.id) ? parent.id : ""));
  const below = (parent: string, depth: number): Item[] => (children.get(parent) ?? []).sort(byPosition).flatMap((task) => [{ task, depth }, ...below(task.id, depth + 1)]);
  return below("", 0);
}

/** Returns the view's tasks in its order, in groups. */
export function groupTasks(view: View, world: World): Group[] {
  const tasks = findTasks(view, world);
  const flat = (some: Task[]): Item[] => some.map((task) => ({ task, depth: 0 }));
  if (view.list === "trash") return [{ id: "trash", title: "", items: flat(tasks.sort((a, b) => (a.deletedAt! < b.deletedAt! ? 1 : -1))) }];
  if (view.list === "today" || view.list === "week") {
    const orderOf = ({ due, position }: Task) => `${dueDay(due!, world.timeZone)} ${due!.at ?? ""} ${position}`;
    const dated = tasks.map((task) => ({ task, depth: 0, id: task.id, position: orderOf(task) }));
    const titleOf = (day: string) => (day < world.today ? "Overdue" : formatDay(day, world.today));
    return [...Map.groupBy(dated.sort(byPosition), ({ position }) => titleOf(position.slice(0, 10)))].map(([title, items]) => ({ id: title, title, items }));
  }
  const items = isManual(view) ? asTree(tasks) : flat(tasks.sort(byPosition));
  if (!isProject(view.list)) return [{ id: "all", title: "", items }];
  const sections = world.sections.filter(({ project }) => project.id === view.list).sort(byPosition);
  const parts = Map.groupBy(items, ({ task }) => (sections.some(({ id }) => id === task.section?.id) ? task.section!.id : "none"));
  return [{ id: "none", title: "" }, ...sections.map((section) => ({ id: section.id, title: section.name, section }))]
    .map((group) => ({ ...group, items: parts.get(group.id) ?? [] }));
}
