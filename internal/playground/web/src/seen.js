// The samples build on each other: a variable such as "<task>" stands for what an answer showed last. It is filled
// in when the sample is opened, where it is known by then, else when it is run.
const kept = 'taskql:seen';
const seen = JSON.parse(sessionStorage.getItem(kept) ?? '{}');

/** Remembers what an answer shows. TestSamples in samples_test.go keeps to the same rules. */
export function remember(data) {
  walk(data);
  sessionStorage.setItem(kept, JSON.stringify(seen));
}

/** Forgets all: another account has other tasks. */
export function forget() {
  for (const name of Object.keys(seen)) delete seen[name];
  sessionStorage.removeItem(kept);
}

function walk(value) {
  if (value === null || typeof value !== 'object') return;
  for (const [key, inner] of Object.entries(value)) {
    if ((key === 'task' || key === 'tag') && inner?.id) seen[key] = inner.id;
    if (key === 'tasks' && inner?.nodes?.[0]?.id) seen.tasks = inner.nodes.map((n) => n.id);
    if (key === 'tasks' && inner?.pageInfo?.endCursor) seen.cursor = inner.pageInfo.endCursor;
    walk(inner);
  }
}

/** Returns value with the placeholders filled in, and the names of those that nothing is known for. */
export function fill(value) {
  const missing = new Set();
  const filled = inside(value, missing);
  return { filled, missing: [...missing] };
}

function inside(value, missing) {
  if (typeof value === 'string') {
    const name = /^<(task|tag|tasks|cursor)>$/.exec(value)?.[1];
    if (!name) return value;
    if (seen[name] === undefined) missing.add(name);
    return seen[name] ?? value;
  }
  if (Array.isArray(value)) return value.map((v) => inside(v, missing));
  if (value !== null && typeof value === 'object') {
    return Object.fromEntries(Object.entries(value).map(([k, v]) => [k, inside(v, missing)]));
  }
  return value;
}
