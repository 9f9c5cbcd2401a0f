import { Fragment, useCallback, useEffect, useLayoutEffect, useMemo, useRef, useState, useSyncExternalStore } from 'react';
import { randomId } from '../../../../examples/sync/store.ts';
import { useChanges } from './changes.js';
import { Details, Fired, repeats } from './details.jsx';
import { useDrag } from './drag.js';
import { Grip } from './grip.jsx';
import { ClockIcon, RepeatIcon } from './icons.jsx';
import { usePage } from './page.js';
import { Dot, EditProject, ProjectSwitch, survey, WorkspaceSwitch } from './places.jsx';
import { isSignedIn, setWorkspaces, useChoice } from './session.js';
import { settings } from './settings.js';
import { arrange, byPosition, openStore } from './tasks.js';
import { formatDue } from './words.js';
import { readOnly, refreshWorkspaces, useWorkspaces } from './workspaces.js';
import './panel.css';

/** How many tasks are shown at first. */
const few = 100;

/** What local storage remembers: whether completed tasks are hidden. */
const hidesKey = 'taskql:hidesCompleted';

/** The panel beside the editor: the tasks of one of the signed-in user's workspaces, as they change. */
export function TasksPanel({ refresh }) {
  const { viewer, askSignIn } = usePage();
  return (
    <aside className="tasks" id="tasks" aria-labelledby="tasks-title">
      {viewer && <Workspace account={viewer.id} refresh={refresh} />}
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

const Head = ({ children }) => <div className="head">{children ?? <h2 id="tasks-title">Tasks</h2>}</div>;

/** What is there of the panel before it is known what to show: nothing moves when it comes. */
const Blank = () => (
  <>
    <Head><h2 id="tasks-title"><button type="button" className="project" disabled>All tasks</button></h2><button type="button" className="toggle" disabled>Hide done</button></Head>
    <div className="state" data-kind="busy"><span>Loading…</span></div>
    <form className="add"><input aria-label="New task" placeholder="Add a task" disabled /><button type="submit" disabled>Add</button></form>
  </>
);

/** The chosen workspace. Which ones there are is asked again whenever that may have changed. */
function Workspace({ account, refresh }) {
  const { chosen } = useWorkspaces();
  const ask = useCallback(() => refreshWorkspaces(account), [account]);
  useEffect(() => {
    const look = () => { if (document.visibilityState === 'visible') ask(); };
    ask();
    document.addEventListener('visibilitychange', look);
    return () => document.removeEventListener('visibilitychange', look);
  }, [ask]);
  return (
    <>
      <WorkspaceSwitch refresh={ask} />
      <Tasks key={`${account} ${chosen.id}`} account={account} workspace={chosen} refresh={refresh} ask={ask} />
    </>
  );
}

function Tasks({ account, workspace, refresh, ask }) {
  const [refusal, setRefusal] = useState(null);
  const [done, setDone] = useState(null);
  const [store, setStore] = useState(null);
  useEffect(() => {
    let opened;
    const open = () => {
      opened = openStore(account, workspace.id ?? undefined, setRefusal, setDone);
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
  }, [account, workspace.id]);
  const isForbidden = refusal?.errors?.[0].code === 'FORBIDDEN';
  useEffect(() => { if (isForbidden) ask(); }, [isForbidden, ask]);
  return store ? <List account={account} workspace={workspace} store={store} refusal={refusal} done={done} refresh={refresh} /> : <Blank />;
}

function List({ account, workspace, store, refusal, done, refresh }) {
  const { tell } = usePage();
  const { project: wanted, workspaces } = useChoice();
  const status = useSyncExternalStore(store.subscribe, () => store.status);
  const tasks = useSyncExternalStore(store.subscribe, () => store.all('tasks'));
  const tags = useSyncExternalStore(store.subscribe, () => store.all('tags'));
  const recurrences = useSyncExternalStore(store.subscribe, () => store.all('recurrences'));
  const projects = useSyncExternalStore(store.subscribe, () => store.all('projects'));
  const sections = useSyncExternalStore(store.subscribe, () => store.all('sections'));
  const mayWrite = workspace.role !== 'READ';
  const surveyed = useMemo(() => survey(projects, tasks), [projects, tasks]);
  const project = [...surveyed.active, ...surveyed.archived].find(({ id }) => id === wanted) ?? null;
  const all = useMemo(() => arrange(tasks), [tasks]);
  const [hides, setHides] = useState(localStorage.getItem(hidesKey) === 'true');
  const { groups, rows, hasTasks } = useMemo(() => group(all, project?.id, surveyed, sections, hides), [all, project?.id, surveyed, sections, hides]);
  const names = useMemo(() => new Map(tags.map((tag) => [tag.id, tag.name])), [tags]);
  const series = useMemo(() => new Map(recurrences.filter(({ endedAt }) => !endedAt).map((recurrence) => [recurrence.id, recurrence])), [recurrences]);
  const inProject = useMemo(() => new Map(project ? [] : projects.map((other) => [other.id, other])), [project, projects]);
  const [limit, setLimit] = useState(few);
  const list = useRef(null);
  const field = useRef(null);
  const news = useChanges(all, { tasks, projects, sections }, status.ready, refusal, list);
  const shown = rows.slice(0, limit);
  const keepFocus = useFocus(list, field, shown);
  // Undone is only what the line tells: the user's own change, if nobody has changed the task since.
  const own = done && news.ids.some((id) => done.ids.includes(id)) && done.ids.every((id) => !store.isPending('tasks', id) && !(store.get('tasks', id)?.version > done.version)) ? done : null;

  useEffect(() => { if (status.error === 'UNAUTHENTICATED') refresh(); }, [status.error, refresh]);
  const hasLeft = store.workspaceId !== undefined && status.error === 'NOT_FOUND';
  useEffect(() => {
    if (!hasLeft) return;
    tell({ kind: 'left', title: `${workspace.name} is gone.`, text: 'You are no longer a member, or the organization was deleted.' });
    setWorkspaces(account, workspaces.filter(({ id }) => id !== workspace.id));
  }, [hasLeft, account, workspace, workspaces, tell]);

  const add = (event) => {
    event.preventDefault();
    const title = field.current.value.trim();
    if (title === '') return;
    const id = randomId();
    store.mutate('createTask', { id, title, workspaceId: store.workspaceId, projectId: project?.id });
    field.current.value = '';
    if (rows.length >= limit) setLimit(rows.length + few);
    setTimeout(() => list.current?.querySelector(`[data-task="${id}"]`)?.scrollIntoView({ block: 'nearest' }));
  };
  const drag = useDrag(list, 'data-task', rows, (input) => store.mutate('moveTask', input));
  const taskOf = (row) => (
    <Task key={row.task.id} row={row} store={store} names={names} recurrence={series.get(row.task.recurrence?.id)} project={inProject.get(row.task.project?.id)} projects={surveyed} mayWrite={mayWrite} drag={drag} />
  );
  const isShown = new Set(shown);

  return (
    <>
      <Head>
        <ProjectSwitch store={store} projects={surveyed} chosen={project} mayWrite={mayWrite} />
        {project && <EditProject key={project.id} store={store} project={project} sections={sections.filter((section) => section.project.id === project.id).sort(byPosition)} role={workspace.role} />}
        <button type="button" className="toggle" aria-pressed={hides} onClick={() => { setHides(!hides); localStorage.setItem(hidesKey, !hides); }}>Hide done</button>
      </Head>
      <State store={store} status={status} note={[project?.archivedAt && 'archived', !mayWrite && 'read only'].filter(Boolean).join(', ')} />
      <Fired store={store} tasks={tasks} />
      <form className="add" onSubmit={add}>
        <input ref={field} aria-label="New task" placeholder={mayWrite ? `Add a task${project ? ` to ${project.name}` : ''}` : readOnly} title={mayWrite ? undefined : readOnly} maxLength={200} disabled={!status.ready || !mayWrite} />
        {mayWrite && <button type="submit" disabled={!status.ready}>Add</button>}
      </form>
      <div className="list" ref={list} data-dragging={drag.isDragging} {...keepFocus}>
        {groups.map(({ section, rows: grouped }) => (section === null
          ? <ul key="" aria-label="Tasks">{grouped.filter((row) => isShown.has(row)).map(taskOf)}</ul>
          : <section key={section.id} aria-labelledby={`section-${section.id}`}>
            <h3 id={`section-${section.id}`}>{section.name}<span className="count">{surveyed.open.get(section.id) ?? 0}<span className="sr"> open</span></span></h3>
            <ul>{grouped.filter((row) => isShown.has(row)).map(taskOf)}</ul>
          </section>
        ))}
      </div>
      {status.ready && rows.length === 0 && <Empty isDone={hides && hasTasks} project={project} mayWrite={mayWrite} />}
      {rows.length > limit && <button type="button" className="more" onClick={() => setLimit(limit + 5 * few)}>Show more ({rows.length - limit})</button>}
      <p className="news" data-bad={news.isBad}>
        <span role="status" aria-live="polite">{news.text}</span>
        {own ? <button type="button" onClick={() => store.undo(own)}>{own.isUndo ? 'Redo' : 'Undo'}</button>
          : news.undo && mayWrite && <button type="button" onClick={() => store.mutate(news.undo.mutation, { id: news.undo.id })}>Undo</button>}
      </p>
    </>
  );
}

/** Returns the rows of a project by its sections, or those of all projects that are not archived as one group; and all in that order. */
function group(all, projectId, { archived }, sections, hides) {
  const isAway = new Set(archived.map(({ id }) => id));
  const there = all.filter(({ task }) => (projectId ? task.project?.id === projectId : !isAway.has(task.project?.id)));
  const shown = there.filter(({ task }) => !(hides && task.completed));
  const parts = sections.filter(({ project }) => project.id === projectId).sort(byPosition);
  const known = new Set(parts.map(({ id }) => id));
  const groups = [null, ...parts].map((section) => ({
    section,
    // Tasks are moved among those of their section.
    rows: shown.filter(({ task }) => (section ? task.section?.id === section.id : !known.has(task.section?.id)))
      .map((row) => (row.parent === '' && section ? { ...row, parent: section.id } : row)),
  }));
  return { groups, rows: groups.flatMap(({ rows }) => rows), hasTasks: there.length > 0 };
}

function Empty({ isDone, project, mayWrite }) {
  const text = isDone ? 'Everything is done.' : project ? 'No tasks in this project.' : mayWrite ? 'No tasks. Add one, or run “Create a task” of the tour.' : 'No tasks.';
  return <div className="empty"><p>{text}</p></div>;
}

/** Says whether what is shown is what the server has. */
function State({ store, status, note }) {
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
      <span role="status" aria-live="polite" title={text}>{text}{note && `, ${note}`}</span>
      {action === 'retry' && <button type="button" onClick={store.retry}>Try now</button>}
      {action === 'reload' && <button type="button" onClick={() => location.reload()}>Reload</button>}
    </div>
  );
}

function Task({ row, store, names, recurrence, project, projects, mayWrite, drag }) {
  const { task, depth } = row;
  const [editing, setEditing] = useState(false);
  const [asking, setAsking] = useState(false);
  const title = useRef(null);
  const rename = (text) => {
    setEditing(false);
    if (text.trim() !== '' && text.trim() !== task.title) store.mutate('renameTask', { id: task.id, title: text.trim() });
  };
  const isRepeating = recurrence && !task.completed;
  const details = [
    project && <><Dot project={project} />{project.name}</>,
    task.assignee && `for ${task.assignee.name || '…'}`,
    isRepeating && <span className="repeats"><RepeatIcon />{repeats(recurrence)}</span>,
    task.priority !== 'NONE' && task.priority.toLowerCase(),
    task.due && (task.due.at ? formatDue(task.due) : task.due.date),
    ...task.tags.map(({ id }) => names.get(id)),
  ].filter(Boolean);
  const reason = mayWrite ? undefined : readOnly;
  return (
    <li data-task={task.id} data-pending={store.isPending('tasks', task.id)} {...drag.marks(task.id)} style={{ '--depth': depth }}>
      <Grip name={task.title} row={row} drag={drag} reason={reason} />
      <input type="checkbox" data-control="check" disabled={!mayWrite} title={reason} aria-label={`Complete “${task.title}”`} checked={task.completed}
        onChange={() => store.mutate(task.completed ? 'reopenTask' : 'completeTask', { id: task.id })} />
      {editing ? <Rename title={task.title} done={rename} back={title} /> : (
        <button type="button" className="title" data-control="title" ref={title} disabled={!mayWrite} title={reason ?? 'Rename'} onClick={() => setEditing(true)}>
          <span className="text">{task.title}</span>
          {details.length > 0 && <span className="details">{details.map((detail, i) => <Fragment key={i}>{i > 0 && ' · '}{detail}</Fragment>)}</span>}
        </button>
      )}
      <button type="button" className="delete" data-control="details" aria-haspopup="dialog" aria-label={`Project, due, repetition and reminders of “${task.title}”`} title="Project, due, repeat, remind" onClick={() => setAsking(true)}><ClockIcon /></button>
      <button type="button" className="delete" data-control="delete" disabled={!mayWrite} aria-label={`Delete “${task.title}”`} title={reason ?? 'Delete'} onClick={() => store.mutate('deleteTask', { id: task.id })}>✕</button>
      {asking && <Details task={task} recurrence={recurrence} store={store} projects={projects} mayWrite={mayWrite} close={() => setAsking(false)} />}
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
