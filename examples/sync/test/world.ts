// What the tests share: the kinds and mutations of a small application, tabs with a shared storage, and a clock.
import { mock } from "node:test";
import { kind, MemoryStorage, Store, type Done, type Mutation, type Refusal, type Saved, type Storage, type Write } from "../store.js";
import { canonical, Network, type Server, type Tag, type Task } from "./server.js";

export type Rows = { tasks: Task; tags: Tag };

export interface Inputs {
  createTask: { id: string; title: string };
  markTask: { id: string; mark: string };
  renameTask: { id: string; title: string };
  purgeTask: { id: string };
  deleteTag: { id: string };
}

const document = (name: string, selection: string) =>
  `mutation ($input: Input!) { ${name}(input: $input) { ${selection} version userErrors { code message field } } }`;

export const mutations: { [N in keyof Inputs]: Mutation<Rows, Inputs[N]> } = {
  createTask: {
    document: document("createTask", "task { id version }"),
    row: "tasks",
    apply: (draft, input) => draft.put("tasks", { marks: [], tags: [], ...draft.get("tasks", input.id), ...input }),
  },
  markTask: { // without `row`: whatever others have done to the task
    document: document("markTask", "task { id version }"),
    apply(draft, { id, mark }) {
      const task = draft.get("tasks", id);
      if (task && !task.marks.includes(mark)) draft.update("tasks", id, { marks: [...task.marks, mark] });
    },
  },
  renameTask: {
    document: document("renameTask", "task { id version title }"),
    row: "tasks",
    apply: (draft, { id, title }) => draft.update("tasks", id, { title }),
    rebase: (input, current: Task) => (current.title.startsWith("others'") ? undefined : { ...input, title: `${input.title} after ${current.title}` }),
  },
  purgeTask: { document: document("purgeTask", ""), apply: (draft, { id }) => draft.remove("tasks", id) },
  deleteTag: {
    document: document("deleteTag", ""),
    apply(draft, { id }) {
      draft.remove("tags", id);
      for (const task of draft.all("tasks")) {
        if (task.tags.some((tag) => tag.id === id)) draft.update("tasks", task.id, { tags: task.tags.filter((tag) => tag.id !== id) });
      }
    },
  },
};

export const fields = "id version title marks tags { id }";

export class Tab {
  readonly network: Network;
  readonly store: Store<Rows, typeof mutations>;
  readonly refused: Refusal[] = [];
  readonly done: Done[] = [];

  constructor(server: Server, random: () => number, readonly storage: SlowStorage, selected = fields) {
    this.network = new Network(server, random);
    this.store = new Store<Rows, typeof mutations>({
      kinds: { tags: kind<Tag>("TAG", "id version name"), tasks: kind<Task>("TASK", selected) },
      mutations,
      transport: this.network,
      storage,
      onRefused: (refusal) => this.refused.push(refusal),
      onDone: (done) => this.done.push(done),
      delay: () => 5,
    });
  }

  shown(): string {
    return canonical({ tasks: this.store.all("tasks"), tags: this.store.all("tags") });
  }
}

/** A storage that takes its time, and whose tabs hear of writes later, each in order. */
export class SlowStorage implements Storage {
  private queue: Promise<unknown> = Promise.resolve();
  private readonly death = new AbortController();

  constructor(private readonly storage: Storage, private readonly random: () => number, private readonly locks = true) {}

  load(): Promise<Saved> {
    return this.inOrder(() => this.storage.load());
  }

  write(write: Write): Promise<boolean> {
    return this.inOrder(() => this.storage.write(structuredClone(write)));
  }

  watch(onWrite: (write: Write) => void, signal: AbortSignal): void {
    let heard: Promise<unknown> = Promise.resolve();
    this.storage.watch((write) => (heard = heard.then(() => this.latency()).then(() => onWrite(structuredClone(write)))), signal);
  }

  lead(signal: AbortSignal): Promise<void> {
    return this.locks ? this.storage.lead(AbortSignal.any([signal, this.death.signal])) : Promise.resolve();
  }

  /** The tab has died: nothing that waits is done any more. */
  kill(): void {
    this.death.abort();
  }

  private inOrder<T>(job: () => Promise<T>): Promise<T> {
    const done = this.queue.then(() => this.latency()).then(() => (this.death.signal.aborted ? new Promise<T>(() => {}) : job()));
    this.queue = done;
    return done;
  }

  private latency(): Promise<void> {
    return new Promise((resolve) => setTimeout(resolve, Math.floor(this.random() * 10)));
  }
}

/** The rows that are stored, as one text. */
export async function storedRows(storage: Storage): Promise<{ saved: Saved; rows: string }> {
  const saved = await storage.load();
  const list = <T>(name: string) => saved.rows.filter(([kind]) => kind === name).map(([, row]) => row as T);
  return { saved, rows: canonical({ tasks: list<Task>("tasks"), tags: list<Tag>("tags") }) };
}

/** The same numbers for the same seed (mulberry32). */
export function randomNumbers(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

const realImmediate = setImmediate;

/** Lets the given time pass. The clock stands still otherwise. */
export async function pass(milliseconds: number): Promise<void> {
  for (let i = 0; i < milliseconds; i++) {
    mock.timers.tick(1);
    await new Promise((resolve) => realImmediate(resolve));
  }
}

/** Lets time pass until the condition holds. */
export async function until(what: string, condition: () => boolean): Promise<void> {
  for (let i = 0; !condition(); i++) {
    if (i === 10_000) throw new Error(`${what}: not after 10 s`);
    await pass(1);
  }
}

export const useClock = (): void => mock.timers.enable({ apis: ["setTimeout"] });

export { MemoryStorage };
