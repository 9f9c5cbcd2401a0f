import { fetchTransport, IndexedDBStorage, kind, Store } from '../../../../examples/sync/store.ts';
import { settings } from './settings.js';

// The reference store, with what the panel shows.

const kinds = {
  tasks: kind('TASK', 'id version title completed position priority deletedAt due { date } parent { id } tags { id }'),
  tags: kind('TAG', 'id version name'),
};

const byPosition = (a, b) => (a.position < b.position ? -1 : a.position > b.position ? 1 : a.id < b.id ? -1 : 1);

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
      rows.push({ task, parent, depth });
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

/** Returns the position of a task that is put beside another one, or to the end. */
function place(draft, { id, afterId, beforeId }, parentId) {
  const siblings = draft.all('tasks').filter((task) => task.id !== id && !task.deletedAt && (task.parent?.id ?? null) === parentId).sort(byPosition);
  const found = siblings.findIndex((task) => task.id === (afterId ?? beforeId));
  const index = found < 0 ? siblings.length : found + (afterId ? 1 : 0);
  return between(siblings[index - 1]?.position ?? '', siblings[index]?.position);
}

function remove(draft, id) {
  draft.update('tasks', id, { deletedAt: 'now' });
  for (const task of draft.all('tasks')) if (task.parent?.id === id && !task.deletedAt) remove(draft, task.id);
}

const mutation = (name, input) => `mutation ${name[0].toUpperCase()}${name.slice(1)}($input: ${input}!) { ${name}(input: $input) { task { id version title } version userErrors { code message field } } }`;

// The last one wins, whatever else has changed in the task.
const rebase = (input) => input;

const mutations = {
  createTask: {
    document: mutation('createTask', 'CreateTaskInput'), row: 'tasks',
    apply: (draft, { id, title }) => draft.put('tasks', { id, title, completed: false, priority: 'NONE', deletedAt: null, due: null, parent: null, tags: [], position: place(draft, { id }, null) }),
  },
  renameTask: {
    document: mutation('updateTask', 'UpdateTaskInput'), row: 'tasks', rebase,
    apply: (draft, { id, title }) => draft.update('tasks', id, { title }),
  },
  completeTask: {
    document: mutation('completeTask', 'CompleteTaskInput'), row: 'tasks', rebase,
    apply: (draft, { id }) => draft.update('tasks', id, { completed: true }),
  },
  reopenTask: {
    document: mutation('reopenTask', 'ReopenTaskInput'), row: 'tasks', rebase,
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
};

/** Storage knows whether this tab follows the feed. */
class Storage extends IndexedDBStorage {
  leads = false;

  async lead(signal) {
    await super.lead(signal);
    this.leads = true;
  }
}

let current;

/** Returns a store of the account's tasks, which calls onRefused with each change that was not made. */
export function openStore(account, onRefused) {
  const storage = new Storage(`taskql-playground-${account}`);
  current = new Store({ kinds, mutations, storage, onRefused, transport: fetchTransport(settings.endpoint, () => ({ credentials: 'same-origin' })) });
  return Object.assign(current, { storage });
}

/** Deletes the copy that this browser has of the account's tasks. */
export const forgetTasks = () => current?.clear();
