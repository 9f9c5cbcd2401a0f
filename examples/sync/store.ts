/**
 * A copy of a workspace that is kept up to date by the feed of changes, shows the user's own changes at once and sends them
 * when it can. Copy this file into your project: it needs no packages. README.md shows how to use it.
 *
 * The rows of the copy are confirmed: they are the workspace as of one version. The changes of the user that the feed has
 * not brought yet wait in a queue, and what is shown is the copy with their effects on top.
 */

// ── What the application provides ───────────────────────────────────────────────────────────────────────────────────

/** What every kind of row has. */
export interface Row {
  readonly id: string;
  readonly version: number;
}

/** One kind of row: what the feed calls it in `gone`, and which fields are selected. Make it with `kind`. */
export interface Kind<T extends Row> {
  readonly gone: string;
  readonly fields: string;
  readonly row?: T; // never set: it carries the type
}

export const kind = <T extends Row>(gone: string, fields: string): Kind<T> => ({ gone, fields });

/** One mutation that the user can make, also while offline. */
export interface Mutation<R, In extends { id?: string }> {
  /** Takes `$input`; selects `version`, `userErrors { code message field }` and, if `row` is set, the row's id and version. */
  readonly document: string;
  /** The kind of the row that `input.id` names. If it is set, the change is refused if somebody else has changed the row. */
  readonly row?: keyof R & string;
  /** Shows the effect before the server has answered. It runs again whenever the copy changes, and must not fail. */
  apply(draft: Draft<R>, input: In): void;
  /**
   * Returns the input for the row as somebody else has left it; undefined, or no `rebase`: the change is refused. `current` has the
   * fields that the document selects, and `seen` is the row as it was shown when the user made the change, if it was there.
   */
  rebase?(input: In, current: any, seen: any): In | undefined;
}

/** The rows as they are shown, for `apply` to change. */
export interface Draft<R> {
  get<K extends keyof R & string>(kind: K, id: string): R[K] | undefined;
  all<K extends keyof R & string>(kind: K): readonly R[K][];
  put<K extends keyof R & string>(kind: K, row: Omit<R[K], "version"> & { id: string }): void;
  /** Changes fields of a row, if it is there. */
  update<K extends keyof R & string>(kind: K, id: string, fields: Partial<R[K]>): void;
  remove(kind: keyof R & string, id: string): void;
}

/** A change that the server has answered. */
interface Answered {
  /** What `mutate` has returned for it. */
  readonly key: string;
  readonly mutation: string;
  readonly input: any;
}

/** A change that was made. */
export interface Done extends Answered {
  /** The version of the workspace that it took, or that the workspace had if nothing changed. */
  readonly version: number;
  /** What the document selects. */
  readonly payload: any;
}

/** A change that was not made. Its effect is no longer shown. */
export interface Refusal extends Answered {
  readonly errors: readonly { readonly code: string; readonly message: string; readonly field?: readonly string[] | null }[];
  /** The row as it is now, if somebody else has changed it (code STALE). */
  readonly current?: any;
}

export interface Options<R extends Record<keyof R, Row>, M extends { readonly [name: string]: Mutation<R, any> }> {
  /** The workspace of the copy, if it is not the user's own. Inputs that create something name it themselves. */
  readonly workspaceId?: string;
  /** By the names of the lists in ChangePage, such as `tasks`. */
  readonly kinds: { readonly [K in keyof R]: Kind<R[K]> };
  readonly mutations: M;
  readonly transport: Transport;
  readonly storage: Storage;
  /**
   * Both are called in every tab, whichever has made and sent the change. A tab that is closed as the answer comes may keep it from
   * the others, and without Web Locks the answer may come twice: offer the user something, such as to undo, but don't rely on it.
   */
  onDone?(done: Done): void;
  onRefused?(refusal: Refusal): void;
  /** Milliseconds before the next attempt, after so many failures. */
  delay?(failures: number): number;
}

export interface Status {
  /** Whether there is a whole copy to show. */
  readonly ready: boolean;
  /** Whether this tab follows the feed; in a browser's other tabs it is false. */
  readonly live: boolean;
  /** Whether the copy and the changes are stored; false if the storage has failed. */
  readonly stored: boolean;
  /** How many changes the feed has not confirmed. */
  readonly pending: number;
  /** Why nothing is sent or received, until it works again: a code of the API, NETWORK, or OUTDATED: reload the page. */
  readonly error: string | null;
}

// ── What transports and storages implement ──────────────────────────────────────────────────────────────────────────

/** A page of the feed. Beside these fields it has one list of rows for each kind. */
export interface ChangePage {
  readonly reset: string | null;
  readonly gone: readonly { readonly kind: string; readonly id: string; readonly version: number }[];
  readonly token: string;
  readonly version: number;
  readonly complete: boolean;
  readonly [list: string]: unknown;
}

/** The answer to an operation, or one of the answers to a subscription. */
export interface Result {
  data?: Record<string, any> | null;
  errors?: readonly { message: string; extensions?: { code?: string; retryAfter?: number } }[];
}

export interface Sink {
  next(result: Result): void;
  /** Nothing follows, whatever the reason. */
  closed(): void;
}

export type Variables = Record<string, unknown>;

export interface Transport {
  /** Runs a query or mutation. It rejects if there is no answer. */
  execute(document: string, variables: Variables): Promise<Result>;
  /** Runs a subscription, without trying again, and returns what ends it. */
  subscribe(document: string, variables: Variables, sink: Sink): () => void;
}

/** A change in the queue: to be sent, or, if it has a version, until the feed has reached that version. */
export interface Entry {
  readonly key: string; // the idempotency key
  readonly order: number;
  readonly mutation: string;
  readonly input: any;
  readonly base?: number; // what is sent as ifVersion
  readonly seen?: Row; // the row before the change, if it can be rebased
  readonly version?: number;
  readonly rowVersion?: number;
}

/** What is written in one transaction. */
export interface Write {
  readonly tab: string;
  /** The copy's next state. If the stored token is not `from`, another tab was faster, and nothing is written. */
  readonly copy?: {
    readonly query: string;
    readonly from: string | null;
    readonly token: string | null;
    readonly version: number;
    readonly clear: boolean;
    readonly put: readonly (readonly [kind: string, row: Row])[];
    readonly remove: readonly (readonly [kind: string, id: string])[];
  };
  readonly put?: readonly Entry[];
  readonly remove?: readonly string[];
  readonly done?: readonly Done[];
  readonly refused?: readonly Refusal[];
}

export interface Saved {
  query: string;
  token: string | null;
  version: number;
  rows: (readonly [kind: string, row: Row])[];
  queue: Entry[];
}

/** What all tabs of a browser share. */
export interface Storage {
  load(): Promise<Saved>;
  /** Writes all or nothing, and returns whether it did. */
  write(write: Write): Promise<boolean>;
  /** Passes on what other tabs write, and perhaps what this one writes, until the signal. */
  watch(onWrite: (write: Write) => void, signal: AbortSignal): void;
  /** Waits until this tab alone leads: it then follows the feed and sends changes, until the signal. */
  lead(signal: AbortSignal): Promise<void>;
}

// ── The store ───────────────────────────────────────────────────────────────────────────────────────────────────────

/** The codes of errors that pass: the change is sent again. With any other code it is refused. */
const temporary = ["NETWORK", "SERVICE_UNAVAILABLE", "RATE_LIMITED", "REQUEST_TIMEOUT", "UNAUTHENTICATED", "CSRF_REFUSED"];

/** One row, or one that is gone, of pages that are not complete yet. */
interface Staged {
  readonly kind: string;
  readonly id: string;
  readonly version: number;
  readonly row: Row | null;
}

export class Store<R extends Record<keyof R, Row>, M extends { readonly [name: string]: Mutation<R, any> }> {
  status: Status = { ready: false, live: false, stored: true, pending: 0, error: null };
  /** The version of the copy. */
  version = 0;

  private readonly tab = randomId();
  private readonly query: string;
  private readonly released = new AbortController();
  private readonly listeners = new Set<() => void>();
  private readonly sleeping = new Set<() => void>();
  private readonly settled = new Set<string>(); // keys of changes that have left the queue
  private readonly rows = new Map<string, Map<string, Row>>();
  private token: string | null = null;
  private stage: { reset: string | null; token: string | null; changes: Map<string, Staged> } | undefined;
  private queue: Entry[] = [];
  private overlay = new Map<string, Map<string, Row | null>>();
  private views = new Map<string, readonly Row[]>();
  private readonly unwritten: Write[] = [];
  private jobs: Promise<unknown> = Promise.resolve();
  private history = 0; // how often the database was restored
  private caughtUp = false;
  private sending = false;
  private ended = false;
  private endStream = () => {};

  constructor(private readonly options: Options<R, M>) {
    const lists = this.kinds().map(([name, kind]) => `${name} { ${kind.fields} }`);
    this.query = `subscription Changes($after: SyncToken, $workspaceId: ID) { changes(after: $after, workspaceId: $workspaceId) { reset gone { kind id version } ${lists.join(" ")} token version complete } }`;
  }

  /** Reads the stored copy, and then follows the feed. It returns as soon as what is stored is shown. Call it once. */
  async start(): Promise<void> {
    const { signal } = this.released;
    this.options.storage.watch((write) => void this.run(() => this.follow(write)), signal);
    globalThis.addEventListener?.("online", this.retry);
    await this.run(() => this.load(true));
    this.options.storage.lead(signal).then(() => this.lead(), () => {}); // it fails only if stopped
  }

  /** Stops for good, and returns once everything is stored. */
  async stop(): Promise<void> {
    this.ended = true;
    globalThis.removeEventListener?.("online", this.retry);
    this.endStream();
    this.retry();
    this.report({ live: false });
    await this.jobs;
    this.released.abort(); // only now another tab may lead
  }

  /** Deletes the copy and the queue, in all tabs, and stops: for signing out. */
  async clear(): Promise<void> {
    this.forget();
    await this.stop();
  }

  /** Tries again at once instead of waiting for the next attempt. */
  readonly retry = (): void => {
    for (const wake of this.sleeping) wake();
  };

  /** Calls the listener after each change of what is shown, until the returned function is called. */
  readonly subscribe = (listener: () => void): (() => void) => {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  };

  get<K extends keyof R & string>(kind: K, id: string): R[K] | undefined {
    const changed = this.overlay.get(kind)?.get(id);
    return (changed === undefined ? this.rows.get(kind)?.get(id) : (changed ?? undefined)) as R[K] | undefined;
  }

  /** All rows of a kind, in no order: the same array until one of them changes. */
  all<K extends keyof R & string>(kind: K): readonly R[K][] {
    let view = this.views.get(kind);
    if (!view) {
      const rows = new Map<string, Row | null>([...(this.rows.get(kind) ?? []), ...(this.overlay.get(kind) ?? [])]);
      view = [...rows.values()].filter((row) => row !== null);
      this.views.set(kind, view);
    }
    return view as readonly R[K][];
  }

  /** Whether the row is shown with changes that the feed has not confirmed. */
  isPending(kind: keyof R & string, id: string): boolean {
    return this.overlay.get(kind)?.has(id) ?? false;
  }

  /**
   * Shows a change at once and sends it after those before it. What it creates needs an id: randomId(). It returns the change's key.
   * `seen` is the row that the user saw, if another may be shown by now, as when a field was open for long.
   */
  mutate<N extends keyof M & string>(mutation: N, input: Parameters<M[N]["apply"]>[1], seen?: Row): string {
    if (this.ended) throw new Error("The store was stopped.");
    const { row, rebase } = this.options.mutations[mutation] ?? {};
    const last = this.queue.filter((entry) => row && this.rowOf(entry) === row && entry.input.id === input.id).at(-1);
    // The last change of the row may have been made on top of one that others made after it was seen.
    const isOlder = row && seen && (!last || seen.version < (last.base ?? 0));
    const base = isOlder ? seen.version : last ? (last.rowVersion ?? last.base) : row && this.rows.get(row)?.get(input.id ?? "")?.version;
    const order = (this.queue.at(-1)?.order ?? 0) + 1;
    const key = randomId();
    const before = seen ?? (row && this.get(row, input.id ?? ""));
    this.commit({ put: [{ key, order, mutation, input, ...(base !== undefined && { base }), ...(rebase && before && { seen: before }) }] });
    void this.send();
    return key;
  }

  private kinds(): [string, Kind<Row>][] {
    return Object.entries(this.options.kinds);
  }

  private rowOf(entry: Entry): string | undefined {
    return this.options.mutations[entry.mutation]?.row;
  }

  // ── The copy: in memory at once, in the storage one write after the other ──

  private commit(change: Omit<Write, "tab">): void {
    const write = { tab: this.tab, ...change };
    this.absorb([write]);
    this.unwritten.push(write);
    void this.run(async () => {
      this.unwritten.shift();
      if (!this.status.stored || (await this.options.storage.write(write))) return;
      for (const key of write.remove ?? []) this.settled.delete(key);
      await this.load(); // another tab was faster
    });
    this.tell(write);
  }

  private tell({ done = [], refused = [] }: Write): void {
    for (const change of done) this.options.onDone?.(change);
    for (const refusal of refused) this.options.onRefused?.(refusal);
  }

  /** Runs jobs that read or write the storage one after the other. If the storage fails, the store goes on in memory. */
  private run(job: () => Promise<void>): Promise<void> {
    const done = this.jobs.then(job).catch((error: unknown) => {
      console.error(error);
      this.report({ stored: false });
    });
    this.jobs = done;
    return done;
  }

  private absorb(writes: readonly Write[]): void {
    const changed = new Set<string>();
    for (const { copy, put = [], remove = [] } of writes) {
      if (copy?.clear) for (const kind of this.rows.keys()) changed.add(kind);
      if (copy?.clear) this.rows.clear();
      for (const [kind, row] of copy?.put ?? []) this.rows.set(kind, (this.rows.get(kind) ?? new Map()).set(row.id, row));
      for (const [kind, id] of copy?.remove ?? []) this.rows.get(kind)?.delete(id);
      for (const [kind] of [...(copy?.put ?? []), ...(copy?.remove ?? [])]) changed.add(kind);
      if (copy) ({ token: this.token, version: this.version } = copy);
      for (const key of remove) this.settled.add(key);
      this.queue = [...new Map([...this.queue, ...put].map((entry) => [entry.key, entry])).values()];
    }
    this.queue = this.queue
      .filter((entry) => !this.settled.has(entry.key))
      .sort((a, b) => a.order - b.order || (a.key < b.key ? -1 : 1));
    const { overlay, views } = this;
    this.views = new Map([...views].filter(([kind]) => !changed.has(kind) && !overlay.has(kind)));
    this.applyQueue();
    for (const [kind, rows] of overlay) { // the rows and their array stay the same, if the changes show what they showed before
      if (changed.has(kind) || JSON.stringify([...rows]) !== JSON.stringify([...(this.overlay.get(kind) ?? [])])) continue;
      this.overlay.set(kind, rows);
      this.views.delete(kind);
      if (views.has(kind)) this.views.set(kind, views.get(kind)!);
    }
    this.report({ ready: this.token !== null, pending: this.queue.length });
  }

  private applyQueue(): void {
    this.overlay = new Map();
    const set = (kind: string, id: string, row: Row | null) => {
      this.overlay.set(kind, (this.overlay.get(kind) ?? new Map()).set(id, row));
      this.views.delete(kind);
    };
    const draft: Draft<R> = {
      get: (kind, id) => this.get(kind, id),
      all: (kind) => this.all(kind),
      put: (kind, row) => set(kind, row.id, { version: 0, ...row }),
      update: (kind, id, fields) => {
        const row = this.get(kind, id);
        if (row) set(kind, id, { ...row, ...fields });
      },
      remove: (kind, id) => set(kind, id, null),
    };
    for (const entry of this.queue) {
      try {
        this.options.mutations[entry.mutation]?.apply(draft, entry.input);
      } catch (error) {
        console.error(error);
      }
    }
  }

  private report(change: Partial<Status>): void {
    const status = { ...this.status, ...change };
    if (JSON.stringify(status) !== JSON.stringify(this.status)) this.status = status;
    for (const listener of this.listeners) listener();
  }

  /** Replaces what is in memory by what is stored or about to be. A stream that another tab has overtaken starts again. */
  private async load(first = false): Promise<void> {
    const { query, token, version, rows: put, queue } = await this.options.storage.load();
    const { tab } = this;
    const copy = { query: this.query, from: token, token, version, clear: true, put, remove: [] };
    if (query && query !== this.query) {
      if (!first) return this.outdated();
      await this.options.storage.write({ tab, copy: { ...copy, token: null, version: 0, put: [] } });
      return this.load(true);
    }
    this.stage = undefined;
    this.queue = [];
    let reached = token;
    const next = this.unwritten.filter(({ copy }) => {
      const fits = !copy || copy.from === reached;
      if (copy && fits) reached = copy.token;
      return fits;
    });
    this.absorb([{ tab, copy, put: queue }, ...next]);
    this.endStream();
  }

  /** Takes over what another tab has written. */
  private async follow(write: Write): Promise<void> {
    if (write.tab === this.tab || this.ended || !this.status.stored) return;
    const { copy, ...rest } = write;
    if (copy && (copy.query !== this.query || (copy.from !== this.token && copy.token !== this.token))) return this.load();
    this.absorb([copy?.token === this.token ? rest : write]);
    this.tell(write);
    void this.send();
  }

  /** Another version of the application, with another query, has begun a copy of its own. */
  private outdated(): void {
    void this.stop();
    this.report({ error: "OUTDATED" });
  }

  /** Deletes the copy, and what the user wanted to change in it. */
  private forget(code?: string): void {
    const errors = [{ code: code ?? "", message: "The workspace is not there any more." }];
    const refused = code ? this.queue.map((entry) => ({ ...answer(entry), errors })) : [];
    const copy = { query: this.query, from: this.token, token: null, version: 0, clear: true, put: [], remove: [] };
    this.stage = undefined;
    this.commit({ copy, remove: this.queue.map((entry) => entry.key), refused });
  }

  // ── The feed ──

  private async lead(): Promise<void> {
    if (!this.ended && this.status.stored) await this.run(() => this.load()); // this tab may have missed something
    for (let failures = 0; !this.ended; failures++) {
      let wait = 0;
      await new Promise<void>((resolve) => {
        let open = true;
        const close = () => {
          open = false;
          resolve();
        };
        const after = this.stage ? this.stage.token : this.token;
        const { workspaceId } = this.options;
        const end = this.options.transport.subscribe(this.query, { after, workspaceId }, {
          next: (result) => {
            wait = 1000 * (result.errors?.[0]?.extensions?.retryAfter ?? 0);
            if (open && this.receive(result)) failures = 0;
          },
          closed: close,
        });
        this.endStream = () => {
          close();
          end();
        };
      });
      if (!this.ended) this.report({ live: false, error: this.status.error ?? (failures > 0 ? "NETWORK" : null) });
      await this.pause(failures, wait);
    }
  }

  private pause(failures: number, atLeast = 0): Promise<void> {
    const delay = this.options.delay ?? ((n) => Math.random() * Math.min(30_000, 500 * 2 ** n));
    return new Promise((resolve) => {
      const wake = () => {
        clearTimeout(timer);
        this.sleeping.delete(wake);
        resolve();
      };
      const timer = setTimeout(wake, this.ended ? 0 : Math.max(atLeast, delay(failures)));
      this.sleeping.add(wake);
    });
  }

  /** Applies a page once it is complete, and returns whether it was one. */
  private receive({ data, errors }: Result): boolean {
    const page = data?.["changes"] as ChangePage | undefined;
    if (!page) {
      const code = codeOf(errors);
      if (code === "BAD_USER_INPUT") this.stage = { reset: "", token: null, changes: new Map() }; // the token can't be read
      if (code === "NOT_FOUND") this.forget(code);
      if (code === "NOT_FOUND") void this.stop();
      this.report({ error: code });
      return false;
    }
    if (page.reset === "OTHER_WORKSPACE") this.forget(page.reset);
    if (page.reset || !this.stage) this.stage = { reset: page.reset, token: null, changes: new Map() };
    const { reset, changes } = this.stage;
    const add = (kind: string, id: string, version: number, row: Row | null) => {
      const key = `${kind} ${id}`;
      if (!((changes.get(key)?.version ?? 0) > version)) changes.set(key, { kind, id, version, row });
    };
    for (const [kind, { gone }] of this.kinds()) {
      for (const { kind: name, id, version } of page.gone) if (name === gone) add(kind, id, version, null);
      for (const row of page[kind] as readonly Row[]) add(kind, row.id, row.version, row);
    }
    this.stage.token = page.token;
    if (page.complete) this.complete(page, reset, [...changes.values()]);
    this.report({ live: true, error: null });
    return true;
  }

  private complete({ token, version }: ChangePage, reset: string | null, changes: readonly Staged[]): void {
    this.stage = undefined;
    this.caughtUp = true;
    if (reset === null && token === this.token) return void this.send(); // nothing has changed
    const current = (c: Staged) => reset !== null || !((this.rows.get(c.kind)?.get(c.id)?.version ?? 0) > c.version);
    const put = changes.filter(current).flatMap(({ kind, row }) => (row ? [[kind, row] as const] : []));
    const remove = changes.filter(current).flatMap(({ kind, id, row }) => (row ? [] : [[kind, id] as const]));
    if (reset === "HISTORY_CHANGED") this.history++;
    this.commit({
      copy: { query: this.query, from: this.token, token, version, clear: reset !== null, put, remove },
      // A database that was restored may have lost them: they are sent again, under their keys.
      ...(reset === "HISTORY_CHANGED"
        ? { put: this.queue.map((entry) => ({ ...entry, version: undefined, rowVersion: undefined })) }
        : { remove: this.confirmed(version) }),
    });
    void this.send();
  }

  // ── The queue ──

  /** Sends the changes one after the other. After an error that passes, it waits and sends the same again. */
  private async send(): Promise<void> {
    if (!this.caughtUp) return;
    const confirmed = this.confirmed(this.version);
    if (confirmed.length > 0) this.commit({ remove: confirmed });
    if (this.sending) return;
    this.sending = true;
    for (let failures = 0; ; ) {
      const entry = this.queue.find((entry) => entry.version === undefined);
      if (!entry || this.ended) break;
      const document = this.options.mutations[entry.mutation]?.document ?? "";
      const input = { ...entry.input, idempotencyKey: entry.key, ...(entry.base !== undefined && { ifVersion: entry.base }) };
      const { history } = this;
      const result = await this.options.transport.execute(document, { input }).catch((): Result => ({}));
      if (this.ended || this.settled.has(entry.key) || this.history !== history) continue;
      const code = result.data ? null : codeOf(result.errors);
      if (code && (temporary.includes(code) || (code === "INTERNAL" && failures < 5))) {
        this.report({ error: code });
        await this.pause(failures++, 1000 * (result.errors?.[0]?.extensions?.retryAfter ?? 0));
      } else {
        failures = 0;
        this.report({ error: null });
        this.answered(entry, code ? { userErrors: [{ code, message: result.errors![0]!.message }] } : Object.values(result.data!)[0]);
      }
    }
    this.sending = false;
  }

  /** The keys of the changes that the copy has once it has reached that version. */
  private confirmed(version: number): string[] {
    return this.queue.filter((entry) => entry.version !== undefined && entry.version <= version).map((entry) => entry.key);
  }

  private answered(entry: Entry, payload: any): void {
    const { key, input, base, seen } = entry;
    const { row, rebase } = this.options.mutations[entry.mutation] ?? {};
    const current: any = input.id && Object.values(payload).find((value: any) => value?.id === input.id);
    const [error] = payload.userErrors;
    const rebased = error?.code === "STALE" && current && rebase?.(input, current, seen);
    if (rebased) {
      // Another change, so another key, which is the same in every tab.
      this.commit({ remove: [key], put: [{ ...entry, key: `${key.slice(0, 36)}/${current.version}`, input: rebased, base: current.version, seen: { ...seen, ...current } }] });
    } else if (error?.code === "TAKEN" && error.field?.at(-1) === "id") {
      this.commit({ remove: [key] }); // a random id is taken only by this change itself, whose key was forgotten
    } else if (error) {
      this.commit({ remove: [key], refused: [{ ...answer(entry), errors: payload.userErrors, current }] });
    } else {
      const version: number = payload.version ?? 0;
      const done = [{ ...answer(entry), version, payload }];
      // Later changes of the same row were made on top of this one.
      const later = this.queue.filter((other) => current && other.version === undefined && other.key !== key && row
        && this.rowOf(other) === row && other.input.id === input.id && (other.base === undefined || other.base === base));
      const put = later.map((other) => ({ ...other, base: current.version }));
      this.commit(version <= this.version ? { remove: [key], put, done } : { put: [{ ...entry, version, rowVersion: current?.version }, ...put], done });
    }
  }
}

/** A random UUID. On pages that are not from HTTPS or localhost there is no crypto.randomUUID. */
export function randomId(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  bytes[6] = (bytes[6]! & 0x0f) | 0x40;
  bytes[8] = (bytes[8]! & 0x3f) | 0x80;
  const hex = Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
  return hex.replace(/(.{8})(.{4})(.{4})(.{4})/, "$1-$2-$3-$4-");
}

/** A change, by the key that `mutate` has returned. */
const answer = ({ key, mutation, input }: Entry): Answered => ({ key: key.slice(0, 36), mutation, input });

const codeOf = (errors: Result["errors"]): string => errors?.[0]?.extensions?.code ?? "NETWORK";

// ── Storages ────────────────────────────────────────────────────────────────────────────────────────────────────────

/** Keeps nothing beyond the page, for tests and for servers. Several stores may share it, as tabs do. */
export class MemoryStorage implements Storage {
  private copy = { query: "", token: null as string | null, version: 0 };
  private readonly rows = new Map<string, readonly [string, Row]>();
  private readonly queue = new Map<string, Entry>();
  private readonly watchers = new Set<(write: Write) => void>();
  private lock: Promise<unknown> = Promise.resolve();

  async load(): Promise<Saved> {
    return { ...this.copy, rows: [...this.rows.values()], queue: [...this.queue.values()] };
  }

  async write(write: Write): Promise<boolean> {
    const { copy, put = [], remove = [] } = write;
    if (copy && copy.from !== this.copy.token) return false;
    if (copy) {
      const { query, token, version } = copy;
      this.copy = { query, token, version };
      if (copy.clear) this.rows.clear();
      for (const [kind, row] of copy.put) this.rows.set(`${kind} ${row.id}`, [kind, row]);
      for (const [kind, id] of copy.remove) this.rows.delete(`${kind} ${id}`);
    }
    for (const entry of put) this.queue.set(entry.key, entry);
    for (const key of remove) this.queue.delete(key);
    for (const watcher of this.watchers) watcher(write);
    return true;
  }

  watch(onWrite: (write: Write) => void, signal: AbortSignal): void {
    this.watchers.add(onWrite);
    signal.addEventListener("abort", () => this.watchers.delete(onWrite));
  }

  async lead(signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    const before = this.lock;
    this.lock = Promise.all([before, new Promise((resolve) => signal.addEventListener("abort", resolve))]);
    await before;
  }
}

/** Keeps everything in one IndexedDB database. Its name should have the user's id in it, and the workspace's. */
export class IndexedDBStorage implements Storage {
  private readonly db: Promise<IDBDatabase>;
  private readonly channel: BroadcastChannel;

  constructor(private readonly name: string) {
    const open = indexedDB.open(name, 1);
    open.onupgradeneeded = () => ["copy", "rows", "queue"].forEach((store) => open.result.createObjectStore(store));
    this.db = settled(open);
    this.db.then((db) => (db.onversionchange = () => db.close()), () => {}); // another tab deletes it; load reports a failure
    this.channel = new BroadcastChannel(name);
  }

  async load(): Promise<Saved> {
    const tx = (await this.db).transaction(["copy", "rows", "queue"]);
    const [copy, rows, queue] = await Promise.all([
      settled(tx.objectStore("copy").get("copy")), settled(tx.objectStore("rows").getAll()), settled(tx.objectStore("queue").getAll()),
    ]);
    return { query: "", token: null, version: 0, ...copy, rows, queue };
  }

  async write(write: Write): Promise<boolean> {
    const { copy, put = [], remove = [] } = write;
    const tx = (await this.db).transaction(["copy", "rows", "queue"], "readwrite");
    const [copies, rows, queue] = [tx.objectStore("copy"), tx.objectStore("rows"), tx.objectStore("queue")];
    const done = new Promise<void>((resolve, reject) => {
      tx.oncomplete = () => resolve();
      tx.onabort = () => reject(tx.error);
    });
    if (copy) {
      const stored = await settled(copies.get("copy"));
      if ((stored?.token ?? null) !== copy.from) return false;
      const { query, token, version } = copy;
      copies.put({ query, token, version }, "copy");
      if (copy.clear) rows.clear();
      for (const [i, [kind, row]] of copy.put.entries()) {
        const request = rows.put([kind, row], [kind, row.id]);
        if (i % 200 === 199) await Promise.race([settled(request), done]); // the page may do something else in between
      }
      for (const key of copy.remove) rows.delete([...key]);
    }
    for (const entry of put) queue.put(entry, entry.key);
    for (const key of remove) queue.delete(key);
    tx.commit(); // by itself it would wait for the answers, and a page that is closed meanwhile would take it back
    await done;
    this.channel.postMessage(write);
    return true;
  }

  watch(onWrite: (write: Write) => void, signal: AbortSignal): void {
    this.channel.onmessage = ({ data }) => onWrite(data);
    signal.addEventListener("abort", this.close);
  }

  /** Closes what the storage holds open. After `watch`, the signal does it. */
  readonly close = (): void => {
    this.channel.close();
    this.db.then((db) => db.close(), () => {});
  };

  /** Without Web Locks, as on pages that are not from HTTPS or localhost, each tab leads; `write` keeps them apart. */
  lead(signal: AbortSignal): Promise<void> {
    if (!globalThis.navigator?.locks) return Promise.resolve();
    return new Promise((resolve, reject) => {
      const hold = () => new Promise<void>((release) => {
        if (signal.aborted) return release(); // while the lock was granted
        signal.addEventListener("abort", () => release());
        globalThis.addEventListener?.("pagehide", () => release(), { signal }); // a page that is kept for the way back would hold the lock
        resolve();
      });
      navigator.locks.request(this.name, { signal }, hold).catch(reject);
    });
  }
}

const settled = <T>(request: IDBRequest<T>): Promise<T> =>
  new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });

// ── Transports ──────────────────────────────────────────────────────────────────────────────────────────────────────

/** What is added to each request, such as `{ credentials: "include" }` or a header. It is called before each. */
export type RequestOptions = () => { credentials?: RequestCredentials; headers?: Record<string, string> };

/** Operations by POST; subscriptions as server-sent events, one connection each (graphql-sse's distinct connections mode). */
export function fetchTransport(url: string, options: RequestOptions = () => ({})): Transport {
  const post = (document: string, variables: Variables, accept: string, signal: AbortSignal): Promise<Response> => {
    const { headers, ...rest } = options();
    const body = JSON.stringify({ query: document, variables });
    return fetch(url, { method: "POST", body, signal, ...rest, headers: { "content-type": "application/json", accept, ...headers } });
  };
  return {
    async execute(document, variables) {
      const response = await post(document, variables, "application/graphql-response+json, application/json", AbortSignal.timeout(30_000));
      return (await response.json()) as Result;
    },
    subscribe(document, variables, sink) {
      const abort = new AbortController();
      let timer: ReturnType<typeof setTimeout> | undefined;
      const heard = () => { // the server sends a comment every 25 s at least: after a minute the connection is lost
        clearTimeout(timer);
        timer = setTimeout(() => abort.abort(), 60_000);
      };
      const run = async () => {
        heard();
        const response = await post(document, variables, "text/event-stream", abort.signal);
        if (!response.headers.get("content-type")?.startsWith("text/event-stream")) return sink.next((await response.json()) as Result);
        for await (const { event, data } of serverSentEvents(response.body!, heard)) {
          if (event === "next") sink.next(JSON.parse(data) as Result);
          if (event === "complete") return;
        }
      };
      void run().catch(() => {}).then(() => {
        clearTimeout(timer);
        abort.abort();
        sink.closed();
      });
      return () => abort.abort();
    },
  };
}

/** Runs the query `changes` every so many milliseconds instead of the subscription, where streams are not possible. */
export function polling(transport: Transport, interval: number): Transport {
  return {
    execute: transport.execute,
    subscribe(document, variables, sink) {
      let open = true;
      const run = async () => {
        for (let after = variables["after"]; open; ) {
          const result = await transport.execute(document.replace("subscription", "query"), { ...variables, after });
          if (!open) return;
          sink.next(result);
          const page = result.data?.["changes"] as ChangePage | undefined;
          if (!page) return;
          after = page.token;
          if (page.complete) await new Promise((resolve) => setTimeout(resolve, interval));
        }
      };
      void run().catch(() => {}).then(() => sink.closed());
      return () => (open = false);
    },
  };
}

/** Parses a stream of server-sent events, as the HTML standard says. */
export async function* serverSentEvents(body: ReadableStream<Uint8Array>, heard = () => {}): AsyncGenerator<{ event: string; data: string }> {
  const reader = body.getReader();
  const decoder = new TextDecoder();
  let [text, event, data] = ["", "", [] as string[]];
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return;
    heard();
    const lines = (text + decoder.decode(value, { stream: true })).split(/\r\n|\n|\r(?!$)/); // a last \r may be half of \r\n
    text = lines.pop()!;
    for (const line of lines) {
      const [, field, content] = /^([^:]*):? ?(.*)$/.exec(line)!;
      if (field === "event") event = content!;
      if (field === "data") data.push(content!);
      if (line !== "") continue;
      if (event || data.length > 0) yield { event, data: data.join("\n") };
      [event, data] = ["", []];
    }
  }
}
