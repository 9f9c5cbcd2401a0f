/** A day or a moment, as the API has it. */
export interface Due { date: string; at: string | null; timeZone: string | null }

const formats = new Map<string, Intl.DateTimeFormat>();

/** A format, which is kept: making one takes as long as using it fifty times. */
function formatOf(locale: string, options: Intl.DateTimeFormatOptions): Intl.DateTimeFormat {
  const key = locale + JSON.stringify(options);
  if (!formats.has(key)) formats.set(key, new Intl.DateTimeFormat(locale, options));
  return formats.get(key)!;
}

/** The day of a moment in a time zone, as 2026-12-24. */
export const dayIn = (timeZone: string, at = new Date()): string => formatOf("en-CA", { timeZone }).format(at);

/** The time of day of a moment in a time zone, as 09:00. */
export const timeIn = (timeZone: string, at: Date): string => formatOf("en-GB", { timeZone, hour: "2-digit", minute: "2-digit" }).format(at);

/** The moment at which clocks in the time zone show that day and time. */
export function momentIn(timeZone: string, date: string, time: string): Date {
  const wanted = Date.parse(`${date}T${time}:00Z`);
  let moment = wanted;
  for (let i = 0; i < 2; i++) { // the second time with the offset that holds then
    moment += wanted - Date.parse(`${dayIn(timeZone, new Date(moment))}T${timeIn(timeZone, new Date(moment))}:00Z`);
  }
  return new Date(moment);
}

export const addDays = (date: string, days: number): string => new Date(Date.parse(`${date}T00:00:00Z`) + days * 86_400_000).toISOString().slice(0, 10);

/** The day on which something is due for somebody in the time zone. */
export const dueDay = (due: Due, timeZone: string): string => (due.at ? dayIn(timeZone, new Date(due.at)) : due.date);

/** "Today", "Friday", "24 December", as short as it is clear. */
export function formatDay(date: string, today: string): string {
  const days = (Date.parse(date) - Date.parse(today)) / 86_400_000;
  if (days >= -1 && days <= 1) return ["Yesterday", "Today", "Tomorrow"][days + 1]!;
  const format: Intl.DateTimeFormatOptions =
    days > 0 && days < 7 ? { weekday: "long" }
    : date.slice(0, 4) === today.slice(0, 4) ? { day: "numeric", month: "short" }
    : { day: "numeric", month: "short", year: "numeric" };
  return formatOf("en-GB", { timeZone: "UTC", ...format }).format(new Date(date));
}

/** "Tomorrow", or "Tomorrow 15:30" if it is a moment. */
export const formatDue = (due: Due, today: string, timeZone: string): string =>
  formatDay(dueDay(due, timeZone), today) + (due.at ? ` ${timeIn(timeZone, new Date(due.at))}` : "");

/** "Today 15:30" */
export const formatMoment = (at: string, today: string, timeZone: string): string => formatDue({ date: "", at, timeZone }, today, timeZone);
