import { useEffect, useRef, useState } from 'react';
import { byPosition } from './tasks.js';

const none = { text: '', isBad: false, ids: [], undo: null };

/**
 * Returns what changed last in the workspace, in words: whoever changed it, and what was refused. It also lights up the rows that
 * have changed. What can be taken back has "undo": the mutation, and the id that it takes.
 */
export function useChanges(rows, { tasks, projects, sections }, ready, refusal, list) {
  const [news, setNews] = useState(none);
  const before = useRef(null);
  useEffect(() => {
    const now = ready ? { tasks: states(rows), projects: new Map(projects.map((project) => [project.id, project])), order: orderOf(projects), sections } : null;
    const old = before.current;
    before.current = now;
    if (!now || !old) return;
    const changed = compareProjects(old, now);
    // What happens to a project happens to its tasks.
    const changes = compare(old.tasks, now).filter(({ project }) => !changed.some(({ id }) => id === project));
    if (changed.length + changes.length === 0) return;
    setNews(changed.length > 0 ? tellProjects(changed) : tell(changes, tasks));
    for (const { id } of changes) lightUp(list.current.querySelector(`[data-task="${id}"]`));
  }, [rows, tasks, projects, sections, ready, list]);
  useEffect(() => {
    if (!refusal) return;
    const [{ code, message }] = refusal.errors ?? [{}];
    setNews({ ...none, text: refusal.text ?? `Not changed: ${code === 'FORBIDDEN' ? 'your role in this workspace does not allow it.' : message || code}`, isBad: true });
  }, [refusal]);
  return news;
}

function states(rows) {
  const last = new Map(); // the task before, of each parent
  return new Map(rows.map(({ task, parent }) => {
    const previous = last.get(parent);
    last.set(parent, task.id);
    return [task.id, { task, parent, previous }];
  }));
}

function compare(before, { tasks, projects }) {
  const changes = [];
  const add = (verb, { task, parent }, text = `“${task.title}”`) => changes.push({ verb, id: task.id, parent, project: task.project?.id, text });
  for (const [id, state] of before) if (!tasks.has(id)) add('Deleted', state);
  for (const [id, state] of tasks) {
    const old = before.get(id);
    if (!old) add('Added', state);
    else if (old.task !== state.task) compareTask(old, state, projects, add);
  }
  return changes;
}

function compareTask(old, state, projects, add) {
  const [was, is] = [old.task, state.task];
  const rest = ({ priority, due, recurrence, tags, section, assignee }) => JSON.stringify([priority, due?.date, due?.at, recurrence?.id, tags, section?.id, assignee?.id]);
  if (was.completed !== is.completed) add(is.completed ? 'Completed' : 'Reopened', state);
  else if (was.title !== is.title) add('Renamed', state, `“${was.title}” to “${is.title}”`);
  else if (was.project?.id !== is.project?.id) add('Moved', state, `“${is.title}” ${is.project ? `to “${projects.get(is.project.id)?.name}”` : 'out of its project'}`);
  else if (old.parent !== state.parent || (was.position !== is.position && old.previous !== state.previous)) add('Moved', state);
  else if (rest(was) !== rest(is)) add('Changed', state);
}

/** Returns the id of the project before each. */
function orderOf(projects) {
  const shown = projects.filter(({ deletedAt }) => !deletedAt).sort(byPosition);
  return new Map(shown.map(({ id }, i) => [id, shown[i - 1]?.id]));
}

function compareProjects(before, now) {
  const changes = [];
  const add = (verb, { id, name }, undo, text = `“${name}”`) => changes.push({ verb, id, text, undo: undo && { mutation: undo, id } });
  const isMoved = (id) => before.order.get(id) !== now.order.get(id) && before.projects.get(id).position !== now.projects.get(id).position;
  const parts = ({ sections }, id) => JSON.stringify(sections.filter(({ project }) => project.id === id).sort(byPosition).map((section) => [section.id, section.name]));
  for (const [id, was] of before.projects) if (!now.projects.has(id) && !was.deletedAt) add('Deleted', was);
  for (const [id, is] of now.projects) {
    const was = before.projects.get(id);
    if (is.deletedAt) {
      if (was && !was.deletedAt) add('Deleted', is, 'restoreProject');
    } else if (!was) add('Added', is);
    else if (was.deletedAt) add('Restored', is);
    else if (Boolean(was.archivedAt) !== Boolean(is.archivedAt)) add(is.archivedAt ? 'Archived' : 'Unarchived', is, is.archivedAt ? 'unarchiveProject' : 'archiveProject');
    else if (was.name !== is.name) add('Renamed', is, null, `“${was.name}” to “${is.name}”`);
    else if (isMoved(id)) add('Moved', is);
    // The server chooses the colour of a new one, which has no version before.
    else if ((was.color !== is.color && was.version > 0) || parts(before, id) !== parts(now, id)) add('Changed', is);
  }
  return changes;
}

function tellProjects(changes) {
  const [{ verb, text, undo }] = changes;
  return changes.length === 1 ? { ...none, text: `${verb} the project ${text}`, undo } : { ...none, text: `Changed ${changes.length} projects` };
}

function tell(changes, tasks) {
  const verb = changes.every((change) => change.verb === changes[0].verb) ? changes[0].verb : 'Changed';
  const text = changes.length === 1 ? `${verb} ${changes[0].text}` : `${verb} ${changes.length} tasks`;
  // What is in the trash can be restored, and a task brings back its subtasks.
  const deleted = new Set(verb === 'Deleted' ? changes.map(({ id }) => id) : []);
  const roots = changes.filter(({ id, parent }) => deleted.has(id) && !deleted.has(parent));
  const isInTrash = roots.length === 1 && tasks.some(({ id, deletedAt }) => id === roots[0].id && deletedAt);
  return { text, isBad: false, ids: changes.map(({ id }) => id), undo: isInTrash ? { mutation: 'restoreTask', id: roots[0].id } : null };
}

function lightUp(row) {
  if (!row || matchMedia('(prefers-reduced-motion: reduce)').matches) return;
  row.animate([{ backgroundColor: 'var(--lit)' }, { backgroundColor: 'transparent' }], { duration: 1200, easing: 'ease-out' });
}
