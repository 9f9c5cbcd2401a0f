// A model of the server: the feed and the mutations as the API's schema describes them, in memory, with every fault that
// a client may meet.
import type { ChangePage, Result, Row, Sink, Transport } from "../store.js";

export interface Task extends Row {
  title: string;
  marks: string[];
  tags: { id: string }[];
}

export interface Tag extends Row {
  name: string;
}

type Name = "tags" | "tasks";
type Order = [version: number, kind: number, id: string];

interface State {
  version: number;
  floor: number;
  tags: Map<string, Tag>;
  tasks: Map<string, Task>;
  gone: { kind: "TAG" | "TASK"; id: string; version: number }[];
  answers: Map<string, { request: string; payload: object }>;
}

/** What a token says: everything up to a place in the feed. A first copy leaves out what was gone before it began. */
interface Position {
  epoch: number;
  workspace: string;
  after: Order;
  since: number;
  fields: string;
}

export class Server {
  state: State = { version: 0, floor: 0, tags: new Map(), tasks: new Map(), gone: [], answers: new Map() };
  epoch = 1;
  workspace = "A";
  first = 3;
  down: string | undefined; // the code of the error that every request gets
  readonly complete = new Map<string, string>(); // the rows, by the tokens of complete pages
  readonly made = new Map<string, number>(); // how often each mark was made
  readonly purged = new Set<string>();
  private readonly streams = new Set<() => void>();

  rows(): string {
    return canonical({ tasks: [...this.state.tasks.values()], tags: [...this.state.tags.values()] });
  }

  /** Makes a change. It returns the payload, as GraphQL does. */
  mutate(name: string, { idempotencyKey, ...input }: any): object {
    const request = JSON.stringify([name, input]);
    const known = idempotencyKey && this.state.answers.get(idempotencyKey);
    if (known) return known.request === request ? known.payload : refuse("KEY_REUSED");
    const payload = this.change(name, input);
    if (idempotencyKey && "version" in payload) this.state.answers.set(idempotencyKey, { request, payload });
    for (const push of this.streams) push();
    return payload;
  }

  private change(name: string, input: any): object {
    const { tasks, tags, gone } = this.state;
    const version = this.state.version + 1;
    const task = tasks.get(input.id);
    const done = (row: object) => {
      this.state.version = version;
      return { ...row, version, userErrors: [] };
    };
    const put = (changed: Task) => {
      tasks.set(changed.id, { ...changed, version });
      return done({ task: tasks.get(changed.id) });
    };
    switch (name) {
      case "createTask":
        return task ? refuse("TAKEN", ["input", "id"]) : put({ version, marks: [], tags: [], ...input });
      case "createTag":
        tags.set(input.id, { ...input, version });
        return done({ tag: tags.get(input.id) });
      case "deleteTag":
        if (!tags.delete(input.id)) return refuse("NOT_FOUND");
        gone.push({ kind: "TAG", id: input.id, version });
        for (const carrier of tasks.values()) {
          if (carrier.tags.some((tag) => tag.id === input.id)) put({ ...carrier, tags: carrier.tags.filter((tag) => tag.id !== input.id) });
        }
        return done({ deletedTagId: input.id });
      default:
    }
    if (!task) return refuse("NOT_FOUND");
    if (input.ifVersion !== undefined && input.ifVersion !== task.version) return { task, ...refuse("STALE") };
    switch (name) {
      case "markTask":
        this.made.set(input.mark, (this.made.get(input.mark) ?? 0) + 1);
        return put({ ...task, marks: [...task.marks, input.mark] });
      case "renameTask":
        return task.title === input.title
          ? { task, version: this.state.version, userErrors: [] }
          : put({ ...task, title: input.title });
      case "tagTask":
        return tags.has(input.tagId) ? put({ ...task, tags: [{ id: input.tagId }] }) : refuse("NOT_FOUND");
      case "purgeTask":
        tasks.delete(input.id);
        this.purged.add(input.id);
        gone.push({ kind: "TASK", id: input.id, version });
        return done({ purgedTaskId: input.id });
      default:
        throw new Error(`no mutation ${name}`);
    }
  }

  /** Forgets what is gone, up to a version: older tokens expire. */
  cleanUp(version: number): void {
    this.state.floor = Math.max(this.state.floor, ...this.state.gone.map((gone) => gone.version).filter((v) => v <= version));
    this.state.gone = this.state.gone.filter((gone) => gone.version > version);
  }

  /** The database is restored from a backup. */
  restore(backup: State): void {
    this.state = structuredClone(backup);
    this.epoch++;
    for (const push of this.streams) push();
  }

  page(after: string | null, fields: string): ChangePage {
    const { state } = this;
    const start: Position = { epoch: this.epoch, workspace: this.workspace, after: [0, 0, ""], since: state.version, fields };
    let position: Position = after === null ? start : JSON.parse(after);
    let reset: string | null = null;
    if (after === null) reset = "FIRST";
    else if (position.workspace !== this.workspace) reset = "OTHER_WORKSPACE";
    else if (position.epoch !== this.epoch) reset = "HISTORY_CHANGED";
    else if (Math.max(position.after[0], position.since) < state.floor) reset = "EXPIRED";
    else if (position.fields !== fields) reset = "SELECTION_WIDENED";
    if (reset) position = start;
    const rows = (["tags", "tasks"] as const).flatMap((list) =>
      [...state[list].values()].map((row) => ({ list, row, gone: null, place: [row.version, 1, row.id] as Order })));
    const gone = state.gone.filter(({ version }) => version > position.since).map((gone) =>
      ({ list: null, row: null, gone, place: [gone.version, 0, gone.id] as Order }));
    const lacking = [...gone, ...rows].filter(({ place }) => compare(place, position.after) > 0).sort((a, b) => compare(a.place, b.place));
    const sent = lacking.slice(0, this.first);
    const complete = sent.length === lacking.length;
    const next: Position = { ...position, after: complete ? [state.version, 2, ""] : sent.at(-1)!.place };
    if (complete) next.since = 0;
    const token = JSON.stringify(next);
    if (complete) this.complete.set(token, this.rows());
    const list = (name: Name) => sent.flatMap((change) => (change.list === name ? [structuredClone(change.row)] : []));
    return {
      reset, gone: sent.flatMap((change) => change.gone ?? []), tags: list("tags"), tasks: list("tasks"),
      token, version: complete ? state.version : next.after[0], complete,
    };
  }

  /** Calls `push` after each change, until the returned function is called. */
  watch(push: () => void): () => void {
    this.streams.add(push);
    return () => this.streams.delete(push);
  }
}

function compare(a: Order, b: Order): number {
  for (const i of [0, 1, 2] as const) if (a[i] !== b[i]) return a[i] < b[i] ? -1 : 1;
  return 0;
}

const refuse = (code: string, field: string[] | null = null): object => ({ userErrors: [{ code, message: code, field }] });

/** JSON in which equal sets of rows are equal texts. */
export function canonical(rows: { tasks: readonly Task[]; tags: readonly Tag[] }): string {
  const byId = <T extends Row>(list: readonly T[]) => [...list].sort((a, b) => (a.id < b.id ? -1 : 1));
  const sortKeys = (_: string, value: unknown) =>
    value && typeof value === "object" && !Array.isArray(value) ? Object.fromEntries(Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1))) : value;
  return JSON.stringify({ tasks: byId(rows.tasks), tags: byId(rows.tags) }, sortKeys);
}

/** The faults of one client's network; each is a probability. */
export interface Faults {
  lostRequest: number;
  lostAnswer: number;
  unavailable: number;
  cut: number;
  duplicate: number;
}

export const noFaults: Faults = { lostRequest: 0, lostAnswer: 0, unavailable: 0, cut: 0, duplicate: 0 };

/** A network between a store and the server. Everything takes a while; a stream keeps its order until it is cut. */
export class Network implements Transport {
  faults = noFaults;
  online = true;
  private readonly cuts = new Set<() => void>();

  constructor(private readonly server: Server, private readonly random: () => number) {}

  async execute(document: string, variables: any): Promise<Result> {
    await this.latency();
    if (!this.online || this.chance(this.faults.lostRequest)) throw new Error("lost request");
    const code = this.chance(this.faults.unavailable) ? "SERVICE_UNAVAILABLE" : this.server.down;
    const name = /\{ (\w+)/.exec(document)![1]!;
    const data = code ? null : { [name]: this.server.mutate(name, structuredClone(variables.input)) };
    await this.latency();
    if (!this.online || this.chance(this.faults.lostAnswer)) throw new Error("lost answer");
    return structuredClone(data ? { data } : { errors: [{ message: code!, extensions: { code: code! } }] });
  }

  subscribe(document: string, variables: any, sink: Sink): () => void {
    let open = true;
    let busy = false;
    let position: string | null = variables.after;
    let first = true;
    const fields = /tasks \{[^}]*\}/.exec(document)![0];
    const cut = () => {
      if (!open) return;
      open = false;
      unwatch();
      this.cuts.delete(cut);
      void this.latency().then(() => sink.closed());
    };
    const push = async () => {
      if (busy) return;
      busy = true;
      for (let more = true; more && open; ) {
        await this.latency();
        if (!this.online || this.chance(this.faults.cut)) return cut();
        const { down } = this.server;
        if (down) {
          if (open) sink.next({ data: null, errors: [{ message: down, extensions: { code: down } }] });
          return cut();
        }
        const page = this.server.page(position, fields);
        more = !page.complete;
        if (!first && page.token === position) continue; // nothing has changed
        first = false;
        position = page.token;
        for (let times = this.chance(this.faults.duplicate) ? 2 : 1; times > 0 && open; times--) {
          sink.next({ data: { changes: structuredClone(page) } });
        }
      }
      busy = false;
    };
    const unwatch = this.server.watch(() => void push());
    this.cuts.add(cut);
    void push();
    return () => {
      open = false;
      unwatch();
      this.cuts.delete(cut);
    };
  }

  /** Cuts every stream. */
  cut(): void {
    for (const cut of this.cuts) cut();
  }

  private chance(probability: number): boolean {
    return this.random() < probability;
  }

  private latency(): Promise<void> {
    return new Promise((resolve) => setTimeout(resolve, Math.floor(this.random() * 20)));
  }
}
