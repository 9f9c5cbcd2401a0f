import { fetchTransport, IndexedDBStorage, kind, randomId, Store } from '../../../../examples/sync/store.ts';
import { settings } from './settings.js';
import { describeConflicts } from './words.js';

// The reference store, with what the panel shows.

const kinds = {
  tasks: kind('TASK', 'id version title completed position priority deletedAt due { date at timeZone } recurrence { id } parent { id } tags { id } project { id } section { id } assignee { id name }'),
  tags: kind('TAG', 'id version name'),
  projects: kind('PROJECT', 'id version name color position archivedAt deletedAt'),
  sections: kind('SECTION', 'id version name position project { id }'),
  recurrences: kind('RECURRENCE', 'id version rule mode catchUp endedAt'),
  reminders: kind('REMINDER', 'id version task { id } at state firedAt minutesBefore dayBefore { days time }'),
};

export const byPosition = (a, b) => (a.position < b.position ? -1 : a.position > b.position ? 1 : a.id < b.id ? -1 : 1);

/** Returns the tasks outside the trash in manual order, each followed by its subtasks, with its depth. */
export function arrange(tasks) {
  const shown = new Map(tasks.filter((task) => !task.deletedAt).map((task) => [task.id, task]));
  const children = new Map();
  for (const task of shown.values()) {
    const parent = shown.has(task.parent?.id) ? task.parent.id : '';
    if (!children.has(parent)) children.set(parent, []);
    children.get(parent).push(task);
  }
  const rows = [];
  const add = (parent, depth) => {
    for (const task of (children.get(parent) ?? []).sort(byPosition)) {
      rows.push({ id: task.id, task, parent, depth });
      add(task.id, depth + 1);
    }
  };
  add('', 0);
  return rows;
}

/** Returns a key that is sorted between two others, until the server has chosen one. Without `after`, it is sorted behind `before`. */
export function between(before, after) {
  if (!after?.startsWith(before) || after === before) return `${before}\x7f`;
  const [first, rest] = [after.charCodeAt(before.length), after.slice(before.length + 1)];
  if (first > 1) return before + String.fromCharCode(first >> 1);
  return first === 1 ? `${before}\0\x7f` : `${before}\0${between('', rest)}`;
}

/** Returns the position among rows of one that is put beside another one, or to the end. */
function beside(rows, { id, afterId, beforeId }) {
  const others = rows.filter((row) => row.id !== id && !row.deletedAt).sort(byPosition);
  const found = others.findIndex((row) => row.id === (afterId ?? beforeId));
  const index = found < 0 ? others.length : found + (afterId ? 1 : 0);
  return between(others[index - 1]?.position ?? '', others[index]?.position);
}

const sectionsOf = (draft, projectId) => draft.all('sections').filter(({ project }) => project.id === projectId);

const place = (draft, input, parentId) => beside(draft.all('tasks').filter((task) => (task.parent?.id ?? null) === parentId), input);

/** Changes a task, and its subtasks alike: they are in the same project and section. */
function file(draft, id, fields) {
  draft.update('tasks', id, fields);
  for (const task of draft.all('tasks')) if (task.parent?.id === id) file(draft, task.id, fields);
}

function remove(draft, id) {
  draft.update('tasks', id, { deletedAt: 'now' });
  for (const task of draft.all('tasks')) if (task.parent?.id === id && !task.deletedAt) remove(draft, task.id);
}

const write = (name, input, row) => `mutation ${name[0].toUpperCase()}${name.slice(1)}($input: ${input}!) { ${name}(input: $input) { ${row} version userErrors { code message field } } }`;
const mutation = (name, input) => write(name, input, 'task { id version title }');
const projectMutation = (name) => write(name, `${name[0].toUpperCase()}${name.slice(1)}Input`, 'project { id version }');
const sectionMutation = (name) => write(name, `${name[0].toUpperCase()}${name.slice(1)}Input`, 'section { id version }');
const reminderMutation = (name, input) => write(name, input, 'reminder { id version }');

// The last one wins, whatever else has changed in the task.
const rebase = (input) => input;

const mutations = {
  createTask: {
    document: mutation('createTask', 'CreateTaskInput'), row: 'tasks',
    apply: (draft, { id, title, projectId }) => draft.put('tasks', {
      id, title, completed: false, priority: 'NONE', deletedAt: null, due: null, recurrence: null, parent: null, tags: [], assignee: null,
      project: projectId ? { id: projectId } : null, section: null, position: place(draft, { id }, null),
    }),
  },
  renameTask: {
    document: mutation('updateTask', 'UpdateTaskInput'), row: 'tasks', rebase,
    apply: (draft, { id, title }) => draft.update('tasks', id, { title }),
  },
  completeTask: {
    document: write('completeTask', 'CompleteTaskInput', 'task { id version title } next { id }'), row: 'tasks', rebase,
    apply: (draft, { id }) => draft.update('tasks', id, { completed: true }),
  },
  reopenTask: {
    document: write('reopenTask', 'ReopenTaskInput', 'task { id version title } removedNextId'), row: 'tasks', rebase,
    apply: (draft, { id }) => draft.update('tasks', id, { completed: false }),
  },
  moveTask: {
    document: mutation('moveTask', 'MoveTaskInput'), row: 'tasks', rebase,
    apply: (draft, input) => draft.update('tasks', input.id, { position: place(draft, input, draft.get('tasks', input.id)?.parent?.id ?? null) }),
  },
  deleteTask: {
    document: mutation('deleteTask', 'DeleteTaskInput'), row: 'tasks', rebase,
    apply: (draft, { id }) => remove(draft, id),
  },
  restoreTask: { // It takes no ifVersion. Its subtasks come back with the feed.
    document: mutation('restoreTask', 'RestoreTaskInput'),
    apply: (draft, { id }) => draft.update('tasks', id, { deletedAt: null }),
  },
  fileTask: { // into a project and one of its sections, or into none
    document: mutation('updateTask', 'UpdateTaskInput'), row: 'tasks', rebase,
    apply: (draft, { id, projectId, sectionId }) => file(draft, id, { project: projectId ? { id: projectId } : null, section: sectionId ? { id: sectionId } : null }),
  },
  assignTask: {
    document: mutation('updateTask', 'UpdateTaskInput'), row: 'tasks', rebase,
    apply: (draft, { id, assigneeId }) => draft.update('tasks', id, { assignee: assigneeId ? { id: assigneeId, name: '' } : null }),
  },
  scheduleTask: { // The due and the recurrence, if they are there. A new series comes with the feed.
    document: mutation('updateTask', 'UpdateTaskInput'), row: 'tasks', rebase,
    apply: (draft, { id, due, recurrence }) => draft.update('tasks', id, {
      ...(due !== undefined && { due: due?.at ? { date: due.at.at.slice(0, 10), ...due.at } : due }), ...(recurrence === null && { recurrence }),
    }),
  },
  createProject: {
    document: projectMutation('createProject'), row: 'projects',
    apply: (draft, { id, name }) => draft.put('projects', { id, name, color: '#8a8f9c', archivedAt: null, deletedAt: null, position: beside(draft.all('projects'), { id }) }),
  },
  updateProject: {
    document: projectMutation('updateProject'), row: 'projects', rebase,
    apply: (draft, { id, name, color }) => draft.update('projects', id, { name, color }),
  },
  moveProject: {
    document: projectMutation('moveProject'), row: 'projects', rebase,
    apply: (draft, input) => draft.update('projects', input.id, { position: beside(draft.all('projects'), input) }),
  },
  archiveProject: {
    document: projectMutation('archiveProject'), row: 'projects', rebase,
    apply: (draft, { id }) => draft.update('projects', id, { archivedAt: 'now' }),
  },
  unarchiveProject: {
    document: projectMutation('unarchiveProject'), row: 'projects', rebase,
    apply: (draft, { id }) => draft.update('projects', id, { archivedAt: null }),
  },
  deleteProject: { // Those of its tasks that are in the trash already leave it, which comes with the feed.
    document: projectMutation('deleteProject'), row: 'projects', rebase,
    apply(draft, { id }) {
      draft.update('projects', id, { deletedAt: 'now' });
      for (const task of draft.all('tasks')) if (task.project?.id === id && !task.deletedAt) draft.update('tasks', task.id, { deletedAt: 'now' });
    },
  },
  restoreProject: { // It takes no ifVersion. It comes back with the feed, together with its tasks.
    document: projectMutation('restoreProject'), apply() {},
  },
  createSection: {
    document: sectionMutation('createSection'), row: 'sections',
    apply: (draft, { id, projectId, name }) => draft.put('sections', { id, name, project: { id: projectId }, position: beside(sectionsOf(draft, projectId), { id }) }),
  },
  updateSection: {
    document: sectionMutation('updateSection'), row: 'sections', rebase,
    apply: (draft, { id, name }) => draft.update('sections', id, { name }),
  },
  moveSection: {
    document: sectionMutation('moveSection'), row: 'sections', rebase,
    apply: (draft, input) => draft.update('sections', input.id, { position: beside(sectionsOf(draft, draft.get('sections', input.id)?.project.id), input) }),
  },
  deleteSection: {
    document: write('deleteSection', 'DeleteSectionInput', 'deletedSectionId'),
    apply(draft, { id }) {
      draft.remove('sections', id);
      for (const task of draft.all('tasks')) if (task.section?.id === id) draft.update('tasks', task.id, { section: null });
    },
  },
  createReminder: {
    document: reminderMutation('createReminder', 'CreateReminderInput'), row: 'reminders',
    apply: (draft, { id, taskId, reminder: { at = null, minutesBefore = null, dayBefore = null } }) => draft.put('reminders', {
      id, task: { id: taskId }, at, state: 'WAITING', firedAt: null, minutesBefore, dayBefore,
    }),
  },
  deleteReminder: {
    document: write('deleteReminder', 'DeleteReminderInput', 'deletedReminderId'),
    apply: (draft, { id }) => draft.remove('reminders', id),
  },
  snoozeReminder: {
    document: reminderMutation('snoozeReminder', 'SnoozeReminderInput'), row: 'reminders', rebase,
    apply: (draft, { id, until }) => draft.update('reminders', id, { state: 'WAITING', at: until }),
  },
  dismissReminder: { // It takes no ifVersion.
    document: reminderMutation('dismissReminder', 'DismissReminderInput'),
    apply: (draft, { id }) => draft.update('reminders', id, { state: 'DISMISSED', at: null }),
  },
};

const undoDocument = `mutation UndoChange($input: UndoChangeInput!) {
  undoChange(input: $input) { tasks { id } conflicts { task { title } field } version userErrors { message } }
}`;
const previewDocument = `query PreviewRecurrence($input: PreviewRecurrenceInput!) {
  previewRecurrence(input: $input) { next { date at timeZone } userErrors { message } }
}`;
const occurrenceDocument = 'query Occurrence($id: ID!) { task(id: $id) { occurrence { number } } }';

/** Runs operations that need an answer at once, beside the store's queue. */
class Direct {
  constructor(transport, workspaceId, onDone, onRefused) {
    Object.assign(this, { transport, workspaceId, onDone, onRefused });
  }

  /** Returns the result of the operation's field. It throws the reason why there is none. */
  async run(document, variables) {
    const { data, errors } = await this.transport.execute(document, variables).catch(() => ({}));
    const [result] = Object.values(data ?? {});
    if (!result) throw new Error(errors?.[0]?.message ?? 'the server can’t be reached');
    return result;
  }

  preview = async (input) => {
    const { next, userErrors: [problem] } = await this.run(previewDocument, { input }).catch(({ message }) => ({ next: [], userErrors: [{ message }] }));
    return { next, problem: problem?.message };
  };

  /** Undoes a change of the user's, by its version. */
  undo = async ({ version, isUndo }) => {
    try {
      const { tasks, conflicts, version: taken, userErrors: [problem] } = await this.run(undoDocument, { input: { version, workspaceId: this.workspaceId, idempotencyKey: randomId() } });
      if (problem) this.onRefused({ text: conflicts.length > 0 ? describeConflicts(conflicts) : `Not undone: ${problem.message}` });
      else this.onDone({ ids: tasks.map(({ id }) => id), version: taken, isUndo: !isUndo });
    } catch ({ message }) {
      this.onRefused({ text: `Not undone: ${message}` });
    }
  };

  /** Skips the task's open occurrence. */
  skip = async (id) => {
    try {
      const { occurrence } = await this.run(occurrenceDocument, { id });
      if (!occurrence) throw new Error('it does not repeat any more.');
      const input = { id, number: occurrence.number, idempotencyKey: randomId() };
      const { version, userErrors: [problem] } = await this.run(mutation('skipOccurrence', 'SkipOccurrenceInput'), { input });
      if (problem) throw new Error(problem.message);
      this.onDone({ ids: [id], version });
    } catch ({ message }) {
      this.onRefused({ text: `Not skipped: ${message}` });
    }
  };
}

/** Storage knows whether this tab follows the feed. */
class Storage extends IndexedDBStorage {
  leads = false;

  async lead(signal) {
    await super.lead(signal);
    this.leads = true;
  }
}

let current;

/** Returns the name of the database with the copy of a workspace; of the account's own without one. */
const nameOf = (account, workspaceId) => `taskql-playground-${account}${workspaceId ? ` ${workspaceId}` : ''}`;

/**
 * Returns a store of a workspace, the account's own if workspaceId is undefined. It calls onRefused with each change that was not
 * made, and onDone with each that this browser has made and that can be undone, whichever tab has sent it.
 */
export function openStore(account, workspaceId, onRefused, onDone) {
  const name = nameOf(account, workspaceId);
  const storage = new Storage(name);
  const transport = fetchTransport(settings.endpoint, () => ({ credentials: 'same-origin' }));
  const tabs = new BroadcastChannel(`${name}-done`);
  const tell = (change) => { // The store tells the other tabs of its own changes.
    onDone(change);
    tabs.postMessage(change);
  };
  tabs.onmessage = ({ data }) => onDone(data);
  const onMade = ({ payload: { task, next, removedNextId }, version }) => {
    if (task) onDone({ ids: [task.id, next?.id, removedNextId].filter(Boolean), version });
  };
  current = new Store({ workspaceId, kinds, mutations, storage, onRefused, onDone: onMade, transport });
  const { preview, undo, skip } = new Direct(transport, workspaceId, tell, onRefused);
  const stop = current.stop.bind(current);
  return Object.assign(current, { name, workspaceId, storage, preview, undo, skip, stop() { tabs.close(); return stop(); } });
}

/** Deletes the copies that this browser has of the account's workspaces. */
export async function forgetTasks(account) {
  await current?.clear();
  const own = nameOf(account);
  for (const { name } of (await indexedDB.databases?.()) ?? []) {
    if (name !== current?.name && (name === own || name.startsWith(`${own} `))) indexedDB.deleteDatabase(name);
  }
}
