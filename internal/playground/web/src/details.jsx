import { useEffect, useRef, useState, useSyncExternalStore } from 'react';
import { randomId } from '../../../../examples/sync/store.ts';
import { byPosition } from './tasks.js';
import { membersOf, readOnly, roles } from './workspaces.js';
import { describeReminder, describeRule, formatDue, rules } from './words.js';

/** The dialog with a task's project and assignee, its due day, how it repeats, and its reminders. */
export function Details({ task, recurrence, store, projects, mayWrite, close }) {
  const dialog = useRef(null);
  useEffect(() => { dialog.current.showModal(); }, []);
  return (
    <dialog ref={dialog} className="details-dialog" aria-labelledby="details-title" onClose={close}>
      <h3 id="details-title">{task.title}</h3>
      {!mayWrite && <p className="preview">{readOnly}</p>}
      <fieldset disabled={!mayWrite}>
        <Filing task={task} store={store} projects={projects} />
        {store.workspaceId && <Assignee task={task} store={store} />}
        {!task.completed && <Repeat key={task.version} task={task} recurrence={recurrence} store={store} />}
      </fieldset>
      <Reminders task={task} store={store} />
      <div className="row"><button type="button" className="quiet" onClick={() => dialog.current.close()}>Close</button></div>
    </dialog>
  );
}

/** Puts a task into a project or one of its sections. */
function Filing({ task, store, projects }) {
  const sections = useSyncExternalStore(store.subscribe, () => store.all('sections'));
  const all = [...projects.active, ...projects.archived];
  if (all.length === 0) return null;
  const file = ({ target }) => {
    const [projectId = null, sectionId = null] = target.value.split(' ').filter(Boolean);
    store.mutate('fileTask', { id: task.id, projectId, sectionId });
  };
  return (
    <>
      <label>Project
        <select name="project" value={[task.project?.id, task.section?.id].filter(Boolean).join(' ')} disabled={Boolean(task.parent)} aria-describedby={task.parent ? 'filing-reason' : undefined} onChange={file}>
          <option value="">none</option>
          {all.flatMap((project) => [
            <option key={project.id} value={project.id}>{project.name}{project.archivedAt && ' (archived)'}</option>,
            ...sections.filter((section) => section.project.id === project.id).sort(byPosition).map((section) => <option key={section.id} value={`${project.id} ${section.id}`}>{project.name}: {section.name}</option>),
          ])}
        </select>
      </label>
      {task.parent && <p className="preview" id="filing-reason">A subtask is where its parent is.</p>}
    </>
  );
}

/** Gives a task to a member of the organization. */
function Assignee({ task, store }) {
  const [members, setMembers] = useState([]);
  useEffect(() => {
    let isCurrent = true;
    membersOf(store.workspaceId).then((found) => { if (isCurrent && found) setMembers(found); });
    return () => { isCurrent = false; };
  }, [store]);
  const { assignee } = task;
  const people = members.map(({ person, role }) => ({ ...person, role }));
  // Whoever has left keeps the task.
  if (assignee && !people.some(({ id }) => id === assignee.id)) people.push(assignee);
  return (
    <label>Assigned to
      <select name="assignee" value={assignee?.id ?? ''} onChange={({ target }) => store.mutate('assignTask', { id: task.id, assigneeId: target.value || null })}>
        <option value="">nobody</option>
        {people.map(({ id, name, role }) => <option key={id} value={id}>{name}{role && role !== 'WRITE' ? ` (${roles[role]})` : ''}</option>)}
      </select>
    </label>
  );
}

/** Edits the due day and the rule together: the first day of the rule becomes the due day. */
function Repeat({ task, recurrence, store }) {
  const [date, setDate] = useState(task.due?.date ?? '');
  const [choice, setChoice] = useState(recurrence ? (rules[recurrence.rule] ? recurrence.rule : 'custom') : '');
  const [custom, setCustom] = useState(recurrence?.rule ?? 'FREQ=MONTHLY;BYMONTHDAY=-1');
  const [afterCompletion, setAfterCompletion] = useState(recurrence?.mode === 'AFTER_COMPLETION');
  const [skipping, setSkipping] = useState(false);
  const rule = choice === 'custom' ? custom.trim() : choice;
  const input = rule === '' ? null : { rule, mode: afterCompletion ? 'AFTER_COMPLETION' : 'SCHEDULE', catchUp: recurrence?.catchUp ?? 'NEXT_FUTURE' };
  const preview = usePreview(store, task, date, input);
  // A due moment stays as it is unless another day is chosen.
  const first = preview?.next[0] ?? (date === '' ? null : date === task.due?.date ? task.due : { date });
  const isSame = rule === (recurrence?.rule ?? '') && (!rule || afterCompletion === (recurrence.mode === 'AFTER_COMPLETION')) && (first?.date ?? '') === (task.due?.date ?? '');
  const save = (event) => {
    event.preventDefault();
    const isSameDue = first?.date === task.due?.date && (first?.at ?? null) === (task.due?.at ?? null);
    const due = first?.at ? { at: { at: first.at, timeZone: first.timeZone } } : first && { date: first.date };
    store.mutate('scheduleTask', { id: task.id, ...(!isSameDue && { due }), ...((input || recurrence) && { recurrence: input }) });
  };
  const skip = async () => {
    setSkipping(true);
    await store.skip(task.id);
    setSkipping(false);
  };
  return (
    <form onSubmit={save}>
      <label>Due<input name="due" type="date" value={date} required={rule !== ''} onChange={(event) => setDate(event.target.value)} /></label>
      <label>Repeats
        <select name="repeats" value={choice} onChange={(event) => setChoice(event.target.value)}>
          <option value="">never</option>
          {Object.entries(rules).map(([text, words]) => <option key={text} value={text}>{words}</option>)}
          <option value="custom">by another rule</option>
        </select>
      </label>
      {choice === 'custom' && <label>Rule<input name="rule" value={custom} required spellCheck={false} onChange={(event) => setCustom(event.target.value)} /></label>}
      {choice !== '' && <label className="check"><input name="afterCompletion" type="checkbox" checked={afterCompletion} onChange={(event) => setAfterCompletion(event.target.checked)} />Counted from the day it is completed</label>}
      <p className="preview" role="status" aria-live="polite" data-bad={Boolean(preview?.problem)}>
        {preview?.problem ?? (preview && `On ${preview.next.map(formatDue).join('; ')}…`)}
      </p>
      <div className="row">
        <button type="submit" disabled={isSame || Boolean(preview?.problem) || (rule !== '' && !preview)}>Save</button>
        {recurrence && <button type="button" className="quiet" disabled={skipping} onClick={skip}>Skip this one</button>}
      </div>
    </form>
  );
}

/** Returns the first days of a rule as the server computes them, or the problem that it has with it; null while nothing is known. */
function usePreview(store, { due }, date, recurrence) {
  const [preview, setPreview] = useState(null);
  const start = due?.at && due.date === date ? { at: { at: due.at, timeZone: due.timeZone } } : { date };
  const input = recurrence && date !== '' ? JSON.stringify({ start, recurrence, first: 4 }) : null;
  useEffect(() => {
    let isCurrent = true;
    setPreview(null);
    const timer = setTimeout(async () => {
      const found = input && await store.preview(JSON.parse(input));
      if (isCurrent) setPreview(found);
    }, 200);
    return () => {
      isCurrent = false;
      clearTimeout(timer);
    };
  }, [store, input]);
  return preview;
}

function Reminders({ task, store }) {
  const all = useSyncExternalStore(store.subscribe, () => store.all('reminders'));
  const [choice, setChoice] = useState('at');
  const [at, setAt] = useState('');
  const waiting = all.filter((reminder) => reminder.task.id === task.id && reminder.state === 'WAITING');
  const presets = {
    ...(task.due?.at && { 10: { minutesBefore: 10 }, 60: { minutesBefore: 60 } }),
    ...(task.due && { day: { dayBefore: { days: 0, time: '09:00' } }, dayBefore: { dayBefore: { days: 1, time: '09:00' } } }),
  };
  const add = (event) => {
    event.preventDefault();
    store.mutate('createReminder', { id: randomId(), taskId: task.id, reminder: choice === 'at' ? { at: new Date(at).toISOString() } : presets[choice] });
  };
  return (
    <section aria-labelledby="reminders-title">
      <h4 id="reminders-title">Reminders</h4>
      {waiting.length > 0 && (
        <ul className="reminders">
          {waiting.map((reminder) => (
            <li key={reminder.id}>
              <span>{describeReminder(reminder)}</span>
              <button type="button" className="delete" aria-label={`Remove the reminder ${describeReminder(reminder)}`} onClick={() => store.mutate('deleteReminder', { id: reminder.id })}>✕</button>
            </li>
          ))}
        </ul>
      )}
      {!task.completed && (
        <form className="remind" onSubmit={add}>
          <select name="remind" aria-label="Remind me" value={choice} onChange={(event) => setChoice(event.target.value)}>
            <option value="at">at a time</option>
            {Object.entries(presets).map(([name, preset]) => <option key={name} value={name}>{describeReminder({ minutesBefore: null, ...preset })}</option>)}
          </select>
          {choice === 'at' && <input name="at" type="datetime-local" aria-label="Time of the reminder" required value={at} onChange={(event) => setAt(event.target.value)} />}
          <button type="submit">Remind me</button>
        </form>
      )}
    </section>
  );
}

/** The reminders that have fired, until they are dismissed or snoozed. */
export function Fired({ store, tasks }) {
  const all = useSyncExternalStore(store.subscribe, () => store.all('reminders'));
  const fired = all.filter(({ state }) => state === 'FIRED').sort((a, b) => (a.firedAt < b.firedAt ? 1 : -1));
  const titles = new Map(tasks.map(({ id, title }) => [id, title]));
  const snooze = ({ id }) => store.mutate('snoozeReminder', { id, until: new Date(Date.now() + 10 * 60_000).toISOString() });
  return (
    <section className="fired" aria-label="Reminders" role="status" aria-live="polite">
      {fired.map((reminder) => {
        const title = titles.get(reminder.task.id) ?? 'A task';
        return (
          <p key={reminder.id} data-reminder={reminder.id}>
            <span>{title}</span>
            <button type="button" aria-label={`Snooze “${title}” for 10 minutes`} onClick={() => snooze(reminder)}>10 min</button>
            <button type="button" aria-label={`Dismiss the reminder of “${title}”`} onClick={() => store.mutate('dismissReminder', { id: reminder.id })}>Dismiss</button>
          </p>
        );
      })}
    </section>
  );
}

/** What the list says of a task that repeats. */
export const repeats = (recurrence) => `repeats ${describeRule(recurrence)}`;
