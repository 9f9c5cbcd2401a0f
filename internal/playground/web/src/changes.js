import { useEffect, useRef, useState } from 'react';

const none = { text: '', isBad: false, ids: [], deleted: null };

/**
 * Returns what changed last in the list, in words: whoever changed it, and what was refused. It also lights up the rows that
 * have changed.
 */
export function useChanges(rows, tasks, ready, refusal, list) {
  const [news, setNews] = useState(none);
  const before = useRef(null);
  useEffect(() => {
    const now = ready ? states(rows) : null;
    const changes = now && before.current ? compare(before.current, now) : [];
    before.current = now;
    if (changes.length === 0) return;
    setNews(tell(changes, tasks));
    for (const { id } of changes) lightUp(list.current.querySelector(`[data-task="${id}"]`));
  }, [rows, tasks, ready, list]);
  useEffect(() => {
    if (!refusal) return;
    const [{ code, message }] = refusal.errors ?? [{}];
    setNews({ ...none, text: refusal.text ?? `Not changed: ${message || code}`, isBad: true });
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

function compare(before, now) {
  const changes = [];
  const add = (verb, { task, parent }, text = `“${task.title}”`) => changes.push({ verb, id: task.id, parent, text });
  for (const [id, state] of before) if (!now.has(id)) add('Deleted', state);
  for (const [id, state] of now) {
    const old = before.get(id);
    if (!old) add('Added', state);
    else if (old.task !== state.task) compareTask(old, state, add);
  }
  return changes;
}

function compareTask(old, state, add) {
  const [was, is] = [old.task, state.task];
  const rest = ({ priority, due, recurrence, tags }) => JSON.stringify([priority, due?.date, due?.at, recurrence?.id, tags]);
  if (was.completed !== is.completed) add(is.completed ? 'Completed' : 'Reopened', state);
  else if (was.title !== is.title) add('Renamed', state, `“${was.title}” to “${is.title}”`);
  else if (old.parent !== state.parent || (was.position !== is.position && old.previous !== state.previous)) add('Moved', state);
  else if (rest(was) !== rest(is)) add('Changed', state);
}

function tell(changes, tasks) {
  const verb = changes.every((change) => change.verb === changes[0].verb) ? changes[0].verb : 'Changed';
  const text = changes.length === 1 ? `${verb} ${changes[0].text}` : `${verb} ${changes.length} tasks`;
  // What is in the trash can be restored, and a task brings back its subtasks.
  const deleted = new Set(verb === 'Deleted' ? changes.map(({ id }) => id) : []);
  const roots = changes.filter(({ id, parent }) => deleted.has(id) && !deleted.has(parent));
  const isInTrash = roots.length === 1 && tasks.some(({ id, deletedAt }) => id === roots[0].id && deletedAt);
  return { text, isBad: false, ids: changes.map(({ id }) => id), deleted: isInTrash ? roots[0].id : null };
}

function lightUp(row) {
  if (!row || matchMedia('(prefers-reduced-motion: reduce)').matches) return;
  row.animate([{ backgroundColor: 'var(--lit)' }, { backgroundColor: 'transparent' }], { duration: 1200, easing: 'ease-out' });
}
