// How the panel says rules, days and reminders.

/** The common rules, in canonical form. */
export const rules = {
  'FREQ=DAILY': 'daily',
  'FREQ=WEEKLY;BYDAY=MO,TU,WE,TH,FR': 'on weekdays',
  'FREQ=WEEKLY': 'weekly',
  'FREQ=MONTHLY': 'monthly',
  'FREQ=YEARLY': 'yearly',
};

export const describeRule = ({ rule }) => rules[rule] ?? 'by a rule';

const day = new Intl.DateTimeFormat('en', { weekday: 'short', day: 'numeric', month: 'short', year: 'numeric', timeZone: 'UTC' });
const moment = new Intl.DateTimeFormat('en', { dateStyle: 'medium', timeStyle: 'short' });

export const formatDue = ({ date, at }) => (at ? moment.format(new Date(at)) : day.format(new Date(`${date}T00:00:00Z`)));

export function describeReminder({ at, minutesBefore, dayBefore }) {
  if (dayBefore) return `${['on the day', 'the day before'][dayBefore.days] ?? `${dayBefore.days} days before`}, ${dayBefore.time}`;
  if (minutesBefore !== null) return minutesBefore === 60 ? '1 hour before' : `${minutesBefore} minutes before`;
  return moment.format(new Date(at));
}

const fields = { deletedAt: 'whether it is deleted', position: 'place' };

/** Says what keeps a change from being undone. */
export function describeConflicts(conflicts) {
  const named = conflicts.slice(0, 3).map(({ task, field }) => `“${task.title}” (${fields[field] ?? field})`);
  const more = conflicts.length > 3 ? ` and ${conflicts.length - 3} more` : '';
  return `Not undone. Changed since: ${named.join(', ')}${more}`;
}
