import { useEffect, useLayoutEffect, useMemo, useRef, useState, useSyncExternalStore } from 'react';
import { randomId } from '../../../../examples/sync/store.ts';
import { useChanges } from './changes.js';
import { Details, Fired, repeats } from './details.jsx';
import { useDrag } from './drag.js';
import { ClockIcon, GripIcon, RepeatIcon } from './icons.jsx';
import { usePage } from './page.js';
import { isSignedIn } from './session.js';
import { settings } from './settings.js';
import { arrange, openStore } from './tasks.js';
import { formatDue } from './words.js';
import './panel.css';

/** How many tasks are shown at first. */
const few = 100;

/** What local storage remembers: whether completed tasks are hidden. */
const hidesKey = 'taskql:hidesCompleted';

/** The panel beside the editor: the signed-in user's tasks, as they change. */
export function TasksPanel({ refresh }) {
  const { viewer, askSignIn } = usePage();
  return (
    <aside className="tasks" id="tasks" aria-labelledby="tasks-title">
      {viewer && <Tasks key={viewer.id} account={viewer.id} refresh={refresh} />}
      {viewer === undefined && (isSignedIn() ? <Blank /> : <Head />)}
      {viewer === null && (
        <>
          <Head />
          <div className="empty">
            <p>You are signed out. Once you sign in, your tasks are here, always up to date.</p>
            {settings.signIn ? <button type="button" onClick={askSignIn}>Sign in</button> : <p>Sign in at your frontend, on an origin whose cookie reaches this one, and reload the page.</p>}
          </div>
        </>
      )}
    </aside>
  );
}

const Head = ({ children }) => <div className="head"><h2 id="tasks-title">Tasks</h2>{children}</div>;

/** What is there of the panel before it is known what to show: nothing moves when it comes. */
const Blank = () => (
  <>
    <Head><button type="button" className="toggle" disabled>Hide completed</button></Head>
    <div className="state" data-kind="busy"><span>Loading…</span></div>
    <form className="add"><input aria-label="New task" placeholder="Add a task" disabled /><button type="submit" disabled>Add</button></form>
  </>
);

function Tasks({ account, refresh }) {
  const [refusal, setRefusal] = useState(null);
  const [done, setDone] = useState(null);
  const [store, setStore] = useState(null);
  useEffect(() => {
    let opened;
    const open = () => {
      opened = openStore(account, setRefusal, setDone);
      opened.start();
      setStore(opened);
    };
    const close = () => { opened.stop(); };
    // A page that the browser keeps for the way back is not to follow the feed beside another tab when it is shown again.
    const reopen = (event) => { if (event.persisted) open(); };
    open();
    addEventListener('pagehide', close);
    addEventListener('pageshow', reopen);
    return () => {
      removeEventListener('pagehide', close);
      removeEventListener('pageshow', reopen);
      close();
    };
  }, [account]);
  return store ? <List store={store} refusal={refusal} done={done} refresh={refresh} /> : <Blank />;
}

function List({ store, refusal, done, refresh }) {
  const status = useSyncExternalStore(store.subscribe, () => store.status);
  const tasks = useSyncExternalStore(store.subscribe, () => store.all('tasks'));
  const tags = useSyncExternalStore(store.subscribe, () => store.all('tags'));
  const recurrences = useSyncExternalStore(store.subscribe, () => store.all('recurrences'));
  const all = useMemo(() => arrange(tasks), [tasks]);
  const [hides, setHides] = useState(localStorage.getItem(hidesKey) === 'true');
  const rows = useMemo(() => (hides ? all.filter(({ task }) => !task.completed) : all), [all, hides]);
  const names = useMemo(() => new Map(tags.map((tag) => [tag.id, tag.name])), [tags]);
  const series = useMemo(() => new Map(recurrences.filter(({ endedAt }) => !endedAt).map((recurrence) => [recurrence.id, recurrence])), [recurrences]);
  const [limit, setLimit] = useState(few);
  const list = useRef(null);
  const field = useRef(null);
  const news = useChanges(all, tasks, status.ready, refusal, list);
  const shown = rows.slice(0, limit);
  const keepFocus = useFocus(list, field, shown);
  // Undone is only what the line tells: the user's own change, if nobody has changed the task since.
  const own = done && news.ids.some((id) => done.ids.includes(id)) && done.ids.every((id) => !store.isPending('tasks', id) && !(store.get('tasks', id)?.version > done.version)) ? done : null;

  useEffect(() => { if (status.error === 'UNAUTHENTICATED') refresh(); }, [status.error, refresh]);

  const add = (event) => {
    event.preventDefault();
    const title = field.current.value.trim();
    if (title === '') return;
    const id = randomId();
    store.mutate('createTask', { id, title });
    field.current.value = '';
    if (rows.length >= limit) setLimit(rows.length + few);
    setTimeout(() => list.current?.querySelector(`[data-task="${id}"]`)?.scrollIntoView({ block: 'nearest' }));
  };
  // Puts a task where another row of the same parent is, before or behind it.
  const move = ({ task, parent }, target, isBehind) => {
    const siblings = rows.filter((row) => row.parent === parent).map((row) => row.task.id);
    const others = siblings.filter((id) => id !== task.id);
    const place = others.indexOf(target) + (isBehind ? 1 : 0);
    if (place !== siblings.indexOf(task.id)) store.mutate('moveTask', { id: task.id, ...(place > 0 ? { afterId: others[place - 1] } : { beforeId: others[0] }) });
  };
  const step = (row, by) => {
    const siblings = rows.filter(({ parent }) => parent === row.parent).map(({ task }) => task.id);
    const target = siblings[siblings.indexOf(row.task.id) + by];
    if (target) move(row, target, by > 0);
  };
  const drag = useDrag(list, rows, move);

  return (
    <>
      <Head>
        <button type="button" className="toggle" aria-pressed={hides} onClick={() => { setHides(!hides); localStorage.setItem(hidesKey, !hides); }}>Hide completed</button>
      </Head>
      <State store={store} status={status} />
      <Fired store={store} tasks={tasks} />
      <form className="add" onSubmit={add}>
        <input ref={field} aria-label="New task" placeholder="Add a task" maxLength={200} disabled={!status.ready} />
        <button type="submit" disabled={!status.ready}>Add</button>
      </form>
      <ul ref={list} aria-label="Tasks" data-dragging={drag.id !== null} {...keepFocus}>
        {shown.map((row) => <Task key={row.task.id} row={row} store={store} names={names} recurrence={series.get(row.task.recurrence?.id)} drag={drag} step={step} />)}
      </ul>
      {status.ready && rows.length === 0 && <div className="empty"><p>{all.length === 0 ? 'No tasks. Add one, or run “Create a task” of the tour.' : 'Everything is done.'}</p></div>}
      {rows.length > limit && <button type="button" className="more" onClick={() => setLimit(limit + 5 * few)}>Show more ({rows.length - limit})</button>}
      <p className="news" data-bad={news.isBad}>
        <span role="status" aria-live="polite">{news.text}</span>
        {own ? <button type="button" onClick={() => store.undo(own)}>{own.isUndo ? 'Redo' : 'Undo'}</button>
          : news.deleted && <button type="button" onClick={() => store.mutate('restoreTask', { id: news.deleted })}>Undo</button>}
      </p>
    </>
  );
}

/** Says whether what is shown is what the server has. */
function State({ store, status }) {
  const { ready, live, error, pending } = status;
  const unsent = pending === 0 ? '' : `. ${pending} unsent change${pending === 1 ? '' : 's'}`;
  const [kind, text, action] = error === 'NETWORK' ? ['offline', `Offline${unsent}`, 'retry']
    : error === 'UNAUTHENTICATED' ? ['offline', 'The session has ended.', 'retry']
    : error === 'OUTDATED' || error === 'NOT_FOUND' ? ['offline', 'This page is old.', 'reload']
    : error ? ['offline', `${error}${unsent}`, 'retry']
    : live ? ['live', 'Live']
    : !ready ? ['busy', 'Loading…']
    : store.storage.leads ? ['busy', 'Connecting…'] : ['live', 'Live in another tab'];
  return (
    <div className="state" data-kind={kind}>
      <span role="status" aria-live="polite" title={text}>{text}</span>
      {action === 'retry' && <button type="button" onClick={store.retry}>Try now</button>}
      {action === 'reload' && <button type="button" onClick={() => location.reload()}>Reload</button>}
    </div>
  );
}

function Task({ row, store, names, recurrence, drag, step }) {
  const { task, depth } = row;
  const [editing, setEditing] = useState(false);
  const [asking, setAsking] = useState(false);
  const title = useRef(null);
  const rename = (text) => {
    setEditing(false);
    if (text.trim() !== '' && text.trim() !== task.title) store.mutate('renameTask', { id: task.id, title: text.trim() });
  };
  const onArrow = (event) => {
    const by = { ArrowUp: -1, ArrowDown: 1 }[event.key];
    if (!by) return;
    event.preventDefault();
    step(row, by);
  };
  const details = [task.priority !== 'NONE' && task.priority.toLowerCase(), task.due && (task.due.at ? formatDue(task.due) : task.due.date), ...task.tags.map(({ id }) => names.get(id))].filter(Boolean);
  const isRepeating = recurrence && !task.completed;
  return (
    <li data-task={task.id} data-pending={store.isPending('tasks', task.id)} data-drop={drag.target?.id === task.id ? drag.target.side : undefined}
      data-dragged={drag.id === task.id || undefined} style={{ '--depth': depth }}>
      <button type="button" className="grip" data-control="grip" aria-label={`Move “${task.title}”: arrow keys up and down`} title="Drag, or press the arrow keys"
        onKeyDown={onArrow} onPointerDown={(event) => drag.start(event, row)}><GripIcon /></button>
      <input type="checkbox" data-control="check" aria-label={`Complete “${task.title}”`} checked={task.completed}
        onChange={() => store.mutate(task.completed ? 'reopenTask' : 'completeTask', { id: task.id })} />
      {editing ? <Rename title={task.title} done={rename} back={title} /> : (
        <button type="button" className="title" data-control="title" ref={title} title="Rename" onClick={() => setEditing(true)}>
          <span className="text">{task.title}</span>
          {(details.length > 0 || isRepeating) && (
            <span className="details">{isRepeating && <span className="repeats"><RepeatIcon />{repeats(recurrence)}</span>}{isRepeating && details.length > 0 && ' · '}{details.join(' · ')}</span>
          )}
        </button>
      )}
      <button type="button" className="delete" data-control="details" aria-haspopup="dialog" aria-label={`Due, repetition and reminders of “${task.title}”`} title="Due, repeat, remind" onClick={() => setAsking(true)}><ClockIcon /></button>
      <button type="button" className="delete" data-control="delete" aria-label={`Delete “${task.title}”`} title="Delete" onClick={() => store.mutate('deleteTask', { id: task.id })}>✕</button>
      {asking && <Details task={task} recurrence={recurrence} store={store} close={() => setAsking(false)} />}
    </li>
  );
}

/** The field in a task's place while its title is written. The focus goes back to the title. */
function Rename({ title, done, back }) {
  const field = useRef(null);
  const isDone = useRef(false);
  const finish = (text) => {
    if (!isDone.current) done(text);
    isDone.current = true; // It loses the focus when it goes.
  };
  useEffect(() => {
    field.current.select();
    return () => { queueMicrotask(() => { if (document.activeElement === document.body) back.current?.focus(); }); };
  }, [back]);
  const onKeyDown = (event) => {
    const isEnter = event.key === 'Enter' && !event.nativeEvent.isComposing;
    if (!isEnter && event.key !== 'Escape') return;
    event.preventDefault(); // Else Enter would also press the button that gets the focus.
    finish(isEnter ? event.target.value : title);
  };
  return <input ref={field} className="rename" data-control="title" aria-label={`New title of “${title}”`} autoFocus maxLength={200} defaultValue={title} onKeyDown={onKeyDown} onBlur={(event) => finish(event.target.value)} />;
}

/** Keeps the focus in the list if the row that has it goes away: the next row gets it, or the field if there is none. */
function useFocus(list, field, rows) {
  const last = useRef(null);
  useLayoutEffect(() => {
    if (!last.current || document.activeElement !== document.body) return;
    const { id, control, index } = last.current;
    if (rows.some(({ task }) => task.id === id)) return;
    last.current = null;
    const next = rows[Math.min(index, rows.length - 1)];
    const target = next && list.current.querySelector(`[data-task="${next.task.id}"] [data-control="${control}"]`);
    (target ?? field.current).focus();
  }, [list, field, rows]);
  return {
    onFocus({ target }) {
      const id = target.closest('[data-task]').dataset.task;
      last.current = { id, control: target.dataset.control, index: rows.findIndex(({ task }) => task.id === id) };
    },
    onBlur() { // Not called if the row goes away.
      last.current = null;
    },
  };
}
