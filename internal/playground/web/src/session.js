import { useSyncExternalStore } from 'react';

// What the page remembers of an account, until it signs out or the browser's tab is closed: what answers showed last,
// which fills in the samples' placeholders, the finished steps of the tour, and what the panel shows.
const key = 'taskql:session';
const nothing = { account: null, timeZone: 'UTC', seen: {}, done: [], workspaces: [], workspace: null, project: null };
let state = { ...nothing, ...JSON.parse(sessionStorage.getItem(key) ?? '{}') };
const listeners = new Set();

function update(changes) {
  state = { ...state, ...changes };
  sessionStorage.setItem(key, JSON.stringify(state));
  for (const listener of listeners) listener();
}

function subscribe(listener) {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

/** Returns the names of the finished samples. The component is rendered again if they change. */
export const useDone = () => useSyncExternalStore(subscribe, () => state.done);

/**
 * Returns what the panel shows: the user's workspaces as the server named them last; the chosen one's id, null for the user's own; and
 * the chosen project's, null for all tasks.
 */
export const useChoice = () => useSyncExternalStore(subscribe, () => state);

/** Chooses a workspace, and all of its tasks. */
export const chooseWorkspace = (workspace) => update({ workspace, project: null });

/** Chooses a project of the workspace, or null for all tasks. */
export const chooseProject = (project) => update({ project });

/** Says which workspaces the account has. If the chosen one is not there any more, the user's own is chosen. */
export function setWorkspaces(account, workspaces) {
  if (account !== state.account) return;
  update({ workspaces });
  if (state.workspace !== null && !workspaces.some(({ id }) => id === state.workspace)) chooseWorkspace(null);
}

/** Says who is signed in: a viewer, or null. What belongs to another account is forgotten. */
export function setAccount(viewer) {
  const account = viewer?.id ?? null;
  const isOther = state.account !== null && state.account !== account;
  update({ ...(isOther ? nothing : {}), account, timeZone: viewer?.timeZone ?? nothing.timeZone });
}

/** Reports whether the page has an account's session. */
export const isSignedIn = () => state.account !== null;

/** Marks a sample as finished. */
export function finish(sample) {
  if (!state.done.includes(sample.name)) update({ done: [...state.done, sample.name] });
}

/** Remembers what an answer shows. TestSamples in samples_test.go keeps to the same rules. */
export function remember(data) {
  const seen = { ...state.seen };
  collect(data, seen);
  update({ seen });
}

function collect(value, seen) {
  if (value === null || typeof value !== 'object') return;
  for (const [name, inner] of Object.entries(value)) {
    if (['task', 'tag', 'next'].includes(name) && inner?.id) seen[name] = inner.id;
    if (name === 'workspaces' && inner?.length > 0) seen.workspace = inner.at(-1).id;
    if (name === 'activity' && inner?.nodes?.[0]?.version) seen.change = inner.nodes[0].version;
    if (name === 'tasks' && inner?.nodes?.[0]?.id) seen.tasks = inner.nodes.map((n) => n.id);
    if (name === 'tasks' && inner?.pageInfo?.endCursor) seen.cursor = inner.pageInfo.endCursor;
    collect(inner, seen);
  }
}

/**
 * Returns value with its placeholders filled in, and the set of those for which nothing is known:
 * "<task>", "<tag>", "<tasks>", "<cursor>", "<next>" (occurrence), "<change>" (the newest one's version) and "<workspace>" (the
 * last one of the list) are what an answer showed last, "<me>" is the account as a person, "<id of NAME>" is an id that is
 * always the same for the account, "<yesterday>", "<today>" and "<tomorrow>" are days, "<now>" is a moment.
 */
export function fill(value) {
  const missing = new Set();
  return { filled: fillInside(value, missing), missing };
}

function fillInside(value, missing) {
  if (typeof value === 'string') {
    const placeholder = /^<([\w ]+)>$/.exec(value)?.[1];
    if (!placeholder) return value;
    const known = lookUp(placeholder);
    if (known === undefined) missing.add(placeholder);
    return known ?? (placeholder === 'change' ? 0 : value); // A version is a number.
  }
  if (Array.isArray(value)) return value.map((v) => fillInside(v, missing));
  if (value !== null && typeof value === 'object') {
    return Object.fromEntries(Object.entries(value).map(([k, v]) => [k, fillInside(v, missing)]));
  }
  return value;
}

function lookUp(placeholder) {
  if (placeholder.startsWith('id of ')) return state.account === null ? undefined : uuid(`${state.account} ${placeholder}`);
  if (placeholder === 'me') return state.account === null ? undefined : `person/${state.account}`;
  if (placeholder === 'now') return new Date().toISOString();
  const days = { yesterday: -1, today: 0, tomorrow: 1 }[placeholder];
  return days === undefined ? state.seen[placeholder] : day(days);
}

/** Returns the day so many days from today in the account's time zone, such as "2030-05-17". */
function day(days) {
  const today = new Intl.DateTimeFormat('en-CA', { timeZone: state.timeZone, dateStyle: 'short' }).format(new Date());
  const date = new Date(`${today}T00:00:00Z`);
  date.setUTCDate(date.getUTCDate() + days);
  return date.toISOString().slice(0, 10);
}

/** Returns a UUID made of a text's 128-bit FNV-1a hash. (crypto.subtle is not there on http, except for localhost.) */
function uuid(text) {
  let hash = 0x6c62272e07bb014262b821756295c58dn;
  for (const byte of new TextEncoder().encode(text)) hash = BigInt.asUintN(128, (hash ^ BigInt(byte)) * 0x1000000000000000000013bn);
  const hex = hash.toString(16).padStart(32, '0');
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-8${hex.slice(13, 16)}-a${hex.slice(17, 20)}-${hex.slice(20)}`;
}
