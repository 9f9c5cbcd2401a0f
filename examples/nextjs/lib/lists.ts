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
export interface World {
  tasks: readonly Task[];
  projects: readonly Project[];
  sections: readonly Section[];
  today: string;
  timeZone: string;
  me: string;
}

/** A row of a list: a task, and how deep it is shown below others. */
export interface Item {
  task: Task;
  depth: number;
}

/** A part of a list, such as a section or a day. */
export interface Group {
  id: string;
  title: string;
  items: Item[];
  section?: Section;
}

export const isProject = (list: string): boolean => list.includes("-");

/** Case and accents don't matter. */
const simplify = (text: string): string => text.normalize("NFKD").replace(/\p{M}/gu, "").toLowerCase();

function inList(task: Task, list: string, { projects, today, timeZone, me }: World): boolean {
  if (list === "trash") return task.deletedAt !== null;
  if (task.deletedAt) return false;
  if (isProject(list)) return task.project?.id === list;
  if (task.project && projects.find(({ id }) => id === task.project!.id)?.archivedAt) return false;
  if (list === "today") return task.due !== null && dueDay(task.due, timeZone) <= today;
  if (list === "week") return task.due !== null && dueDay(task.due, timeZone) < addDays(today, 7);
  return list === "all" || task.assignee?.id === me;
}

/** Returns the tasks of the view. With `except` they don't have to meet that part of it: for the counts of a filter. */
export function findTasks(view: View, world: World, except?: keyof View): Task[] {
  const words = simplify(view.search).split(/\s+/).filter(Boolean);
  return world.tasks.filter((task) => inList(task, view.list, world)
    && (view.completed || !task.completed || view.list === "trash")
    && (except === "tags" || view.tags.every((id) => task.tags.some((tag) => tag.id === id)))
    && (except === "priorities" || view.priorities.length === 0 || view.priorities.includes(task.priority))
    && (except === "assignees" || view.assignees.length === 0 || view.assignees.includes(task.assignee?.id ?? ""))
    && (words.length === 0 || words.every((word) => simplify(`${task.title} ${task.description ?? ""}`).includes(word))));
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
  const children = new Map<string, Task[]>();
  for (const task of tasks) {
    const parent = task.parent && ids.has(task.parent.id) ? task.parent.id : "";
    children.set(parent, [...(children.get(parent) ?? []), task]);
  }
  const below = (parent: string, depth: number): Item[] =>
    (children.get(parent) ?? []).sort(byPosition).flatMap((task) => [{ task, depth }, ...below(task.id, depth + 1)]);
  return below("", 0);
}

const byDue = (timeZone: string) => (a: Task, b: Task): number => {
  const [x, y] = [a, b].map(({ due }) => (due ? dueDay(due, timeZone) + (due.at ?? "") : "~")) as [string, string];
  return x < y ? -1 : x > y ? 1 : byPosition(a, b);
};

/** Returns the view's tasks in its order, in groups. */
export function groupTasks(view: View, world: World): Group[] {
  const tasks = findTasks(view, world);
  const flat = (some: Task[]): Item[] => some.map((task) => ({ task, depth: 0 }));
  if (view.list === "trash") {
    return [{ id: "trash", title: "", items: flat(tasks.sort((a, b) => (a.deletedAt! < b.deletedAt! ? 1 : -1))) }];
  }
  if (view.list === "today" || view.list === "week") {
    const days = new Map<string, Task[]>();
    for (const task of tasks.sort(byDue(world.timeZone))) {
      const day = dueDay(task.due!, world.timeZone);
      const title = day < world.today ? "Overdue" : formatDay(day, world.today);
      days.set(title, [...(days.get(title) ?? []), task]);
    }
    return [...days].map(([title, some]) => ({ id: title, title, items: flat(some) }));
  }
  const items = isManual(view) ? asTree(tasks) : flat(tasks.sort(byPosition));
  if (!isProject(view.list)) return [{ id: "all", title: "", items }];
  const sections = world.sections.filter(({ project }) => project.id === view.list).sort(byPosition);
  return [
    { id: "none", title: "", items: items.filter(({ task }) => !sections.some(({ id }) => id === task.section?.id)) },
    ...sections.map((section) => ({ id: section.id, title: section.name, section, items: items.filter(({ task }) => task.section?.id === section.id) })),
  ];
}
