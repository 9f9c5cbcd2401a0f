// Runs many stores for the model test of the server (internal/testkit/model): it reads a command a line, and writes an event a
// line. A store has a device of its own, whose storage stays when the store is closed or killed.
import { createInterface } from "node:readline";
import { applyPatch, emptyList, type ListPatch, type LiveList } from "../list.js";
import {
  fetchTransport, kind, MemoryStorage, polling, Store,
  type ChangePage, type Mutation, type Options, type Row, type Result, type Saved, type Storage, type Transport, type Write,
} from "../store.js";

interface Task extends Row {
  title: string;
  description: string | null;
  completed: boolean;
  deletedAt: string | null;
  tags: { id: string }[];
  project: { id: string } | null;
  section: { id: string } | null;
}

interface Tag extends Row {
  name: string;
}

interface Project extends Row {
  name: string;
  archivedAt: string | null;
  deletedAt: string | null;
}

interface Section extends Row {
  name: string;
  project: { id: string };
}

type Rows = { tasks: Task; tags: Tag; projects: Project; sections: Section };

interface Command {
  op: "open" | "close" | "kill" | "mutate" | "settle" | "save" | "drop";
  device: string;
  url: string;
  cookie: string;
  /** How many rows a page has at most. */
  first: number;
  poll: boolean;
  /** Whether copies are not reported. */
  quiet?: boolean;
  /** The workspace of an organization, or "" for the user's own. */
  workspace: string;
  tasks: string;
  tags: string;
  projects: string;
  sections: string;
  /** A subscription to a live list, or "". */
  list: string;
  /** How many patches of the list are forgotten. */
  forget: number;
  /** A name under which the state of the storage is kept, or from which it is taken. */
  image: string;
  name: string;
  input: any;
  version: number;
}

const payload = "version userErrors { code message field }";
const document = (field: string, selection = "task { id version }") =>
  `mutation ($input: ${field[0]!.toUpperCase()}${field.slice(1)}Input!) { ${field}(input: $input) { ${selection} ${payload} } }`;
const rebase = (input: any) => input;
const reference = (id: string | null | undefined) => (id ? { id } : null);

const mutations: { [name: string]: Mutation<Rows, any> } = {
  createTask: {
    document: document("createTask"),
    row: "tasks",
    apply: (draft, { id, title, projectId, sectionId }) => draft.put("tasks", {
      id, title, description: null, completed: false, deletedAt: null, tags: [], project: reference(projectId), section: reference(sectionId),
    }),
  },
  // Its id is the server's, so nothing is shown of it before, and only the idempotency key keeps it from being made twice.
  note: { document: document("createTask"), apply() {} },
  renameTask: {
    document: document("updateTask"),
    row: "tasks",
    apply: (draft, { id, title }) => draft.update("tasks", id, { title }),
    rebase: (input, current) => (current.deletedAt ? undefined : input),
  },
  describeTask: {
    document: document("updateTask"),
    apply: (draft, { id, description }) => draft.update("tasks", id, { description }),
  },
  completeTask: {
    document: document("completeTask"),
    row: "tasks",
    apply: (draft, { id }) => draft.update("tasks", id, { completed: true }),
    rebase,
  },
  moveTask: { document: document("moveTask"), row: "tasks", apply() {}, rebase },
  deleteTask: {
    document: document("deleteTask"),
    row: "tasks",
    apply: (draft, { id }) => draft.update("tasks", id, { deletedAt: "now" }),
    rebase,
  },
  restoreTask: { document: document("restoreTask"), apply: (draft, { id }) => draft.update("tasks", id, { deletedAt: null }) },
  purgeTask: { document: document("purgeTask", ""), apply: (draft, { id }) => draft.remove("tasks", id) },
  completeTasks: {
    document: document("completeTasks", ""),
    apply: (draft, { ids }) => ids.forEach((id: string) => draft.update("tasks", id, { completed: true })),
  },
  fileTask: {
    document: document("updateTask"),
    row: "tasks",
    apply: (draft, { id, projectId, sectionId }) => draft.update("tasks", id, { project: reference(projectId), section: reference(sectionId) }),
    rebase,
  },
  createProject: {
    document: document("createProject", "project { id version }"),
    row: "projects",
    apply: (draft, { id, name }) => draft.put("projects", { id, name, archivedAt: null, deletedAt: null }),
  },
  renameProject: {
    document: document("updateProject", "project { id version }"),
    row: "projects",
    apply: (draft, { id, name }) => draft.update("projects", id, { name }),
    rebase,
  },
  archiveProject: {
    document: document("archiveProject", "project { id version }"),
    row: "projects",
    apply: (draft, { id }) => draft.update("projects", id, { archivedAt: "now" }),
    rebase,
  },
  deleteProject: {
    document: document("deleteProject", "project { id version }"),
    row: "projects",
    apply(draft, { id }) {
      draft.update("projects", id, { deletedAt: "now" });
      for (const task of draft.all("tasks")) if (task.project?.id === id) draft.update("tasks", task.id, { deletedAt: "now" });
    },
    rebase,
  },
  restoreProject: { document: document("restoreProject", "project { id version }"), apply() {} },
  createSection: {
    document: document("createSection", "section { id version }"),
    row: "sections",
    apply: (draft, { id, projectId, name }) => draft.put("sections", { id, name, project: { id: projectId } }),
  },
  deleteSection: {
    document: document("deleteSection", ""),
    apply(draft, { id }) {
      draft.remove("sections", id);
      for (const task of draft.all("tasks")) if (task.section?.id === id) draft.update("tasks", task.id, { section: null });
    },
  },
  deleteTag: {
    document: document("deleteTag", ""),
    apply(draft, { id }) {
      draft.remove("tags", id);
      for (const { id: task, tags } of draft.all("tasks")) {
        if (tags.some((tag) => tag.id === id)) draft.update("tasks", task, { tags: tags.filter((tag) => tag.id !== id) });
      }
    },
  },
};

const report = (event: object): void => void process.stdout.write(`${JSON.stringify(event)}\n`);

/** A storage that reports each copy that is written, and that can die. */
class Disk implements Storage {
  private dead = new AbortController();

  constructor(private readonly device: string, private readonly storage: MemoryStorage, private readonly quiet = false) {}

  load(): Promise<Saved> {
    return this.dead.signal.aborted ? new Promise(() => {}) : this.storage.load();
  }

  async write(write: Write): Promise<boolean> {
    if (this.dead.signal.aborted) return new Promise(() => {});
    const written = await this.storage.write(write);
    if (written && write.copy?.token && !this.quiet) {
      const { version, rows } = await this.storage.load();
      report({ device: this.device, event: "copy", version, rows: rows.map(([kind, row]) => ({ kind, row })) });
    }
    return written;
  }

  watch(onWrite: (write: Write) => void, signal: AbortSignal): void {
    this.storage.watch(onWrite, signal);
  }

  lead(signal: AbortSignal): Promise<void> {
    return this.storage.lead(AbortSignal.any([signal, this.dead.signal]));
  }

  kill(): void {
    this.dead.abort();
  }
}

const fetching = ({ url, cookie }: Command): Transport => fetchTransport(url, () => ({ headers: { cookie } }));

/** The transport of an application, with small pages, and with a report of each page's reset. */
function transport(command: Command): Transport {
  const { device, first, poll } = command;
  const paged = (document: string) => document.replace("changes(after: $after", `changes(after: $after, first: ${first}`);
  const base = poll ? polling(fetching(command), 300) : fetching(command);
  return {
    execute: base.execute,
    subscribe: (document, variables, sink) => base.subscribe(paged(document), variables, {
      next(result) {
        const page = result.data?.["changes"] as ChangePage | undefined;
        if (page?.reset) report({ device, event: "reset", reason: page.reset });
        if (!page) report({ device, event: "failed", errors: result.errors });
        sink.next(result);
      },
      closed: () => sink.closed(),
    }),
  };
}

/** A live list, which is subscribed to again whenever the subscription ends. */
class List {
  private open = true;
  private end = () => {};

  /** The lists after the patches that have come. */
  constructor(private readonly device: string, private readonly history: LiveList<Task>[]) {}

  async follow(transport: Transport, document: string): Promise<void> {
    while (this.open) {
      await new Promise<void>((resolve) => {
        this.end = transport.subscribe(document, { have: this.history.at(-1)!.state }, { next: (result) => this.receive(result), closed: resolve });
      });
      await new Promise((resolve) => setTimeout(resolve, 10 * Math.random()));
    }
  }

  private receive({ data, errors }: Result): void {
    if (!this.open) return;
    const { device } = this;
    const patch = data?.["taskList"] as ListPatch<Task> | undefined;
    if (!patch) return report({ device, event: "failed", errors });
    try {
      this.history.push(applyPatch(this.history.at(-1)!, patch));
    } catch (error) {
      return report({ device, event: "error", message: String(error) });
    }
    const { edges, state: _, version, ...values } = this.history.at(-1)!;
    report({ device, event: "list", version, list: { ...values, nodes: edges.map((edge) => edge.node) } });
  }

  stop(): void {
    this.open = false;
    this.end();
  }
}

/** The kinds that a command selects something of. */
function kindsOf({ tags, tasks, projects, sections }: Command): Options<Rows, typeof mutations>["kinds"] {
  const all = { tags: kind<Tag>("TAG", tags), tasks: kind<Task>("TASK", tasks), projects: kind<Project>("PROJECT", projects), sections: kind<Section>("SECTION", sections) };
  return Object.fromEntries(Object.entries(all).filter(([, { fields }]) => fields)) as typeof all;
}

class Device {
  storage = new MemoryStorage();
  list: List | undefined;
  readonly lists = [emptyList<Task>()];
  disk: Disk | undefined;
  store: Store<Rows, typeof mutations> | undefined;
  readonly images: string[] = [];

  constructor(readonly name: string) {}

  async open(command: Command): Promise<void> {
    const device = this.name;
    if (command.image) this.storage = await stored(images.get(command.image)!);
    this.disk = new Disk(device, this.storage, command.quiet);
    this.store = new Store<Rows, typeof mutations>({
      ...(command.workspace && { workspaceId: command.workspace }),
      kinds: kindsOf(command),
      mutations,
      transport: transport(command),
      storage: this.disk,
      onRefused: (refusal) => report({ device, event: "refused", mutation: refusal.mutation, input: refusal.input, errors: refusal.errors }),
      delay: () => 5 + 20 * Math.random(),
    });
    await this.store.start();
    if (!command.list) return;
    this.lists.length = Math.max(1, this.lists.length - command.forget);
    this.list = new List(device, this.lists);
    void this.list.follow(fetching(command), command.list);
  }

  /** The store is gone from one moment to the next. */
  kill(): void {
    this.disk?.kill();
    void this.store?.stop();
    this.list?.stop();
    this.store = undefined;
  }

  async close(): Promise<void> {
    this.list?.stop();
    await this.store?.stop();
    this.store = undefined;
  }

  /** Waits until the store has all changes up to a version and none of its own is unconfirmed, and reports what it shows. */
  settle(version: number): void {
    const { store, name: device } = this;
    if (!store) throw new Error(`${device} is closed`);
    const check = () => {
      const { live, pending, stored } = store.status;
      if (!stored) throw new Error(`the storage of ${device} has failed`);
      if (!live || pending > 0 || store.version < version) return;
      unsubscribe();
      const rows = (["tasks", "tags", "projects", "sections"] as const).flatMap((kind) => store.all(kind).map((row) => ({ kind, row })));
      report({ device, event: "settled", version: store.version, rows });
    };
    const unsubscribe = store.subscribe(check);
    store.retry();
    check();
  }
}

/** A storage with what another had. */
async function stored({ query, token, version, rows, queue }: Saved): Promise<MemoryStorage> {
  const storage = new MemoryStorage();
  await storage.write({ tab: "", copy: { query, from: null, token, version, clear: true, put: rows, remove: [] }, put: queue });
  return storage;
}

const devices = new Map<string, Device>();
const images = new Map<string, Saved>();

async function run(command: Command): Promise<void> {
  const device = devices.get(command.device) ?? new Device(command.device);
  devices.set(command.device, device);
  switch (command.op) {
    case "open":
      return device.open(command);
    case "close":
      await device.close();
      return report({ device: command.device, event: "closed" });
    case "kill":
      device.kill();
      return report({ device: command.device, event: "closed" });
    case "mutate":
      return void device.store?.mutate(command.name, command.input);
    case "settle":
      return device.settle(command.version);
    case "save":
      images.set(command.image, structuredClone(await device.storage.load()));
      return void device.images.push(command.image);
    case "drop":
      device.kill();
      for (const image of device.images) images.delete(image);
      devices.delete(command.device);
      last.delete(command.device);
      return report({ device: command.device, event: "dropped" });
  }
}

// Commands for one device are run one after the other.
const last = new Map<string, Promise<void>>();
const lines = createInterface({ input: process.stdin });
lines.on("line", (line) => {
  const command = JSON.parse(line) as Command;
  const done = (last.get(command.device) ?? Promise.resolve()).then(() => run(command)).catch((error: unknown) => {
    report({ device: command.device, event: "error", message: String((error as Error).stack) });
  });
  last.set(command.device, done);
});
lines.on("close", () => process.exit());
