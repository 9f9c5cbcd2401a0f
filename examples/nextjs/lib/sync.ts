import type { ApolloClient } from "@apollo/client";
import type { TypedDocumentNode } from "@graphql-typed-document-node/core";
import { type DocumentNode, print } from "graphql";
import { apolloTransport } from "./apollo";
import { dayIn, type Due } from "./dates";
import * as gql from "./gql/graphql";
import { byPosition, keyBetween } from "./position";
import { type Done, type Draft, IndexedDBStorage, kind, type Mutation, type Refusal, type Row, Store } from "./store";

// What the copy has (see store.ts), and what the user can change in it, also offline.

export type Task = gql.TaskFieldsFragment;
export type Project = gql.ProjectFieldsFragment;
export type Section = gql.SectionFieldsFragment;
export type Tag = gql.TagFieldsFragment;
export type Recurrence = gql.RecurrenceFieldsFragment;
export type Reminder = gql.ReminderFieldsFragment;

/** The fields that a fragment selects. */
function rows<T extends Row>(gone: string, fragment: DocumentNode) {
  return kind<T>(gone, /\{([^]*)\}/.exec(print(fragment))![1]!);
}

const kinds = {
  tasks: rows<Task>("TASK", gql.TaskFieldsFragmentDoc),
  projects: rows<Project>("PROJECT", gql.ProjectFieldsFragmentDoc),
  sections: rows<Section>("SECTION", gql.SectionFieldsFragmentDoc),
  tags: rows<Tag>("TAG", gql.TagFieldsFragmentDoc),
  recurrences: rows<Recurrence>("RECURRENCE", gql.RecurrenceFieldsFragmentDoc),
  reminders: rows<Reminder>("REMINDER", gql.ReminderFieldsFragmentDoc),
};

export type Rows = { [K in keyof typeof kinds]: NonNullable<(typeof kinds)[K]["row"]> };
type Tasks = Draft<Rows>;

const ref = (id: string | null | undefined) => (id ? { id } : null);
const now = () => new Date().toISOString();

function dueOf(due: gql.DueInput): Due {
  if (!due.at) return { date: due.date, at: null, timeZone: null };
  const timeZone = due.at.timeZone ?? "UTC";
  return { date: dayIn(timeZone, new Date(due.at.at)), at: due.at.at, timeZone };
}

/** The position of a task that is put beside another one, or to the end. */
function place(draft: Tasks, { id, afterId, beforeId }: gql.MoveTaskInput, parentId?: string): string {
  const beside = draft.get("tasks", afterId ?? beforeId ?? "");
  let [before, after]: [before: string, after?: string] = [""];
  for (const task of draft.all("tasks")) {
    if (task.id === id || task.parent?.id !== parentId) continue;
    if (!beside || task.id === afterId || byPosition(task, beside) < 0) before = task.position > before ? task.position : before;
    else if (!after || task.position < after) after = task.position;
  }
  return keyBetween(before, after);
}

/** Changes a task with all of its subtasks. */
function updateTree(draft: Tasks, id: string, fields: Partial<Task>, tasks = draft.all("tasks")): void {
  draft.update("tasks", id, fields);
  for (const task of tasks) if (task.parent?.id === id) updateTree(draft, task.id, fields, tasks);
}

/** Where a task goes: to another project, and there to a section. Undefined is where it is. */
function placeIn(draft: Tasks, id: string, projectId?: string | null, sectionId?: string | null): void {
  const section = sectionId ? draft.get("sections", sectionId) : undefined;
  if (section) updateTree(draft, id, { project: section.project, section: { id: section.id } });
  else if (projectId !== undefined) updateTree(draft, id, { project: ref(projectId), section: null });
  else if (sectionId === null) updateTree(draft, id, { section: null });
}

type Document<In> = TypedDocumentNode<unknown, { input: In }>;

/** A change of a row. If somebody else has changed the row since, it is made all the same. */
const change = <K extends keyof Rows, In>(row: K, document: Document<In>, apply: (draft: Tasks, input: In) => void) =>
  ({ document: print(document), row, apply, rebase: (input: In) => input });

/** A new row. */
const create = <K extends keyof Rows, In>(row: K, document: Document<In>, apply: (draft: Tasks, input: In & { id: string }) => void) =>
  ({ document: print(document), row, apply });

/** A change whose input has no `ifVersion`. */
const simply = <In>(document: Document<In>, apply: (draft: Tasks, input: In & { id?: string }) => void) => ({ document: print(document), apply });

const mutations = {
  createTask: create("tasks", gql.CreateTaskDocument, (draft, input) => {
    const { id, title, description = null, priority, due, tagIds, parentId, assigneeId, projectId, sectionId } = input;
    const parent = draft.get("tasks", parentId ?? "");
    draft.put("tasks", {
      id, title, description, priority: priority ?? "NONE", due: due ? dueOf(due) : null, tags: (tagIds ?? []).map((tag) => ({ id: tag })),
      completed: false, deletedAt: null, recurrence: null, occurrenceNumber: null, assignee: ref(assigneeId),
      parent: ref(parentId), project: parent?.project ?? null, section: parent?.section ?? null, position: place(draft, { id }, parentId ?? undefined),
    });
    placeIn(draft, id, projectId ?? undefined, sectionId ?? undefined);
  }),
  updateTask: {
    document: print(gql.UpdateTaskDocument),
    row: "tasks",
    apply(draft: Tasks, input: gql.UpdateTaskInput) {
      const { id, title, description, priority, due, addTagIds, removeTagIds, assigneeId, projectId, sectionId, recurrence } = input;
      const task = draft.get("tasks", id);
      if (!task) return;
      const kept = task.tags.filter((tag) => !removeTagIds?.includes(tag.id) && !addTagIds?.includes(tag.id));
      draft.update("tasks", id, {
        ...(title != null && { title }),
        ...(description !== undefined && { description }),
        ...(priority !== undefined && { priority: priority ?? "NONE" }),
        ...(due !== undefined && { due: due && dueOf(due) }),
        ...(assigneeId !== undefined && { assignee: ref(assigneeId) }),
        ...(recurrence === null && { recurrence }), // a new series comes with the feed
        tags: [...kept, ...(addTagIds ?? []).map((tag) => ({ id: tag }))],
      });
      placeIn(draft, id, projectId, sectionId);
    },
    // It is a conflict if somebody else has changed the same text.
    rebase: (input: gql.UpdateTaskInput, current: Partial<Task>, seen?: Task) =>
      (["title", "description"] as const).some((field) => input[field] !== undefined && seen?.[field] !== current[field]) ? undefined : input,
  },
  completeTask: change("tasks", gql.CompleteTaskDocument, (draft, { id }) => draft.update("tasks", id, { completed: true })),
  reopenTask: change("tasks", gql.ReopenTaskDocument, (draft, { id }) => draft.update("tasks", id, { completed: false })),
  moveTask: change("tasks", gql.MoveTaskDocument, (draft, input) => {
    const parentId = input.parentId === undefined ? draft.get("tasks", input.id)?.parent?.id : (input.parentId ?? undefined);
    const parent = draft.get("tasks", parentId ?? "");
    draft.update("tasks", input.id, { parent: ref(parentId), position: place(draft, input, parentId) });
    if (parent) updateTree(draft, input.id, { project: parent.project, section: parent.section });
    else placeIn(draft, input.id, input.projectId, input.sectionId);
  }),
  deleteTask: change("tasks", gql.DeleteTaskDocument, (draft, { id }) => updateTree(draft, id, { deletedAt: now() })),
  // Its subtasks come back with the feed.
  restoreTask: simply(gql.RestoreTaskDocument, (draft, { id }) => draft.update("tasks", id, { deletedAt: null })),
  purgeTask: simply(gql.PurgeTaskDocument, (draft, { id }) => draft.remove("tasks", id)),
  emptyTrash: simply(gql.EmptyTrashDocument, (draft) => {
    for (const task of draft.all("tasks")) if (task.deletedAt) draft.remove("tasks", task.id);
  }),
  // The next due comes with the feed.
  skipOccurrence: change("tasks", gql.SkipOccurrenceDocument, () => {}),
  createTag: create("tags", gql.CreateTagDocument, (draft, { id, name }) => draft.put("tags", { id, name, color: "#808080" })),
  createProject: create("projects", gql.CreateProjectDocument, (draft, { id, name }) => {
    const position = keyBetween([...draft.all("projects")].sort(byPosition).at(-1)?.position ?? "");
    draft.put("projects", { id, name, color: "#808080", archivedAt: null, deletedAt: null, position });
  }),
  updateProject: change("projects", gql.UpdateProjectDocument, (draft, { id, name }) => draft.update("projects", id, { ...(name != null && { name }) })),
  archiveProject: change("projects", gql.ArchiveProjectDocument, (draft, { id }) => draft.update("projects", id, { archivedAt: now() })),
  unarchiveProject: change("projects", gql.UnarchiveProjectDocument, (draft, { id }) => draft.update("projects", id, { archivedAt: null })),
  deleteProject: change("projects", gql.DeleteProjectDocument, (draft, { id }) => {
    draft.update("projects", id, { deletedAt: now() });
    for (const task of draft.all("tasks")) if (task.project?.id === id && !task.deletedAt) draft.update("tasks", task.id, { deletedAt: now() });
  }),
  // Its tasks come back with the feed.
  restoreProject: simply(gql.RestoreProjectDocument, (draft, { id }) => draft.update("projects", id, { deletedAt: null })),
  createSection: create("sections", gql.CreateSectionDocument, (draft, { id, name, projectId }) => {
    const sections = draft.all("sections").filter(({ project }) => project.id === projectId).sort(byPosition);
    draft.put("sections", { id, name, project: { id: projectId }, position: keyBetween(sections.at(-1)?.position ?? "") });
  }),
  updateSection: change("sections", gql.UpdateSectionDocument, (draft, { id, name }) => draft.update("sections", id, { ...(name != null && { name }) })),
  deleteSection: simply(gql.DeleteSectionDocument, (draft, { id = "" }) => {
    draft.remove("sections", id);
    for (const task of draft.all("tasks")) if (task.section?.id === id) draft.update("tasks", task.id, { section: null });
  }),
  createReminder: create("reminders", gql.CreateReminderDocument, (draft, { id, taskId, reminder: { at = null, minutesBefore = null, dayBefore = null } }) =>
    draft.put("reminders", { id, task: { id: taskId }, at, state: "WAITING", firedAt: null, minutesBefore, dayBefore })),
  deleteReminder: simply(gql.DeleteReminderDocument, (draft, { id = "" }) => draft.remove("reminders", id)),
  snoozeReminder: change("reminders", gql.SnoozeReminderDocument, (draft, { id, until }) => draft.update("reminders", id, { state: "WAITING", at: until })),
  dismissReminder: simply(gql.DismissReminderDocument, (draft, { id }) => draft.update("reminders", id, { state: "DISMISSED", at: null })),
} satisfies Record<string, Mutation<Rows, any>>;

export type Mutations = typeof mutations;
export type TaskStore = Store<Rows, Mutations>;

const prefix = "taskql";

/** Opens the copy of a workspace. */
export function openStore(options: {
  client: ApolloClient; userId: string; workspaceId: string; onRefused(refusal: Refusal): void; onDone(done: Done): void;
}): TaskStore {
  const { client, userId, workspaceId, onRefused } = options;
  const storage = new IndexedDBStorage(`${prefix} ${userId} ${workspaceId}`);
  const onDone = (done: Done) => {
    options.onDone(done);
    // It takes 1,000 at a time. Of all tabs, the one that has sent it goes on.
    if (done.payload.remainingCount > 0 && store.status.live) store.mutate("emptyTrash", { workspaceId });
  };
  const store: TaskStore = new Store({ kinds, mutations, transport: apolloTransport(client), storage, workspaceId, onRefused, onDone });
  return store;
}

const copies = async () => (await indexedDB.databases()).map(({ name }) => name ?? "").filter((name) => name.startsWith(`${prefix} `));

/** How many changes this browser has still to send, in all workspaces. */
export async function countUnsent(): Promise<number> {
  const queues = (await copies()).map(async (name) => {
    const storage = new IndexedDBStorage(name);
    return (await storage.load().finally(storage.close)).queue;
  });
  return (await Promise.all(queues)).flat().length;
}

/** Deletes what this browser has of all workspaces: for signing out. */
export async function deleteCopies(): Promise<void> {
  for (const name of await copies()) await new Promise((done) => Object.assign(indexedDB.deleteDatabase(name), { onsuccess: done, onerror: done, onblocked: done }));
}
