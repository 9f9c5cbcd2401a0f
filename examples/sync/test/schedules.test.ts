// Random schedules: two tabs and other users change a workspace while connections are cut, answers are lost, pages come
// twice, tokens expire, tabs are closed and databases restored. What is stored is always the workspace as of its token, what
// is shown always has the user's own changes, and in the end every change was made once or reported.
import assert from "node:assert/strict";
import { test } from "node:test";
import { noFaults, Server } from "./server.js";
import { MemoryStorage, pass, randomNumbers, SlowStorage, storedRows, Tab, until, useClock } from "./world.js";

const runs = Number(process.env["RUNS"] ?? 200);
const only = process.env["SEED"];

useClock();
for (const locks of [true, false]) {
  test(`random schedules ${locks ? "with" : "without"} locks`, async () => {
    for (let seed = 1; seed <= runs; seed++) {
      if (only && seed !== Number(only)) continue;
      try {
        await new Schedule(seed, locks).run();
      } catch (error) {
        throw new Error(`SEED=${seed}: ${(error as Error).message}`);
      }
    }
  });
}

class Schedule {
  private readonly random: () => number;
  private readonly server = new Server();
  private readonly disk = new MemoryStorage();
  private readonly tabs: Tab[] = [];
  private readonly opened: Tab[] = []; // also those that were closed since
  private readonly marks = new Map<string, { task: string; tab: Tab }>(); // that the user has made
  private readonly uncertain = new Set<string>(); // the tab was killed before it was stored
  private backup = this.server.state;
  private restored = false;
  private names = 0;
  private hidden: string | undefined; // a change of the user's that was not shown

  constructor(seed: number, private readonly locks: boolean) {
    this.random = randomNumbers(seed);
  }

  async run(): Promise<void> {
    for (let i = 0; i < 8; i++) this.server.mutate("createTask", { id: `t${i}`, title: "first" });
    for (let i = 0; i < 3; i++) this.server.mutate("createTag", { id: `g${i}`, name: `tag ${i}` });
    this.backup = structuredClone(this.server.state);
    await this.open();
    for (let step = 0; step < 60; step++) {
      await this.step();
      await pass(this.below(12));
      await this.checkStored();
    }
    this.server.down = undefined;
    for (const tab of this.tabs) {
      tab.network.faults = noFaults;
      tab.network.online = true;
    }
    if (this.tabs.length === 0) await this.open();
    const confirmed = (tab: Tab) => tab.store.status.pending === 0 && tab.shown() === this.server.rows();
    await until("everything is confirmed", () => this.tabs.every(confirmed));
    while (this.tabs[0]) await this.close(this.tabs[0]);
    const { saved, rows } = await storedRows(this.disk);
    await this.checkStored();
    if (this.locks) { // without locks, what a tab writes last may be refused, or bring back an entry: the next tab mends that
      assert.equal(rows, this.server.rows(), "what is stored in the end");
      assert.deepEqual(saved.queue, []);
    }
    this.checkMarks();
  }

  private async step(): Promise<void> {
    const tab = this.tabs[this.below(this.tabs.length)];
    const id = `t${this.below(8 + this.names)}`;
    const choice = this.below(24);
    switch (choice) {
      case 0:
        if (this.tabs.length < 2) await this.open();
        return;
      case 1:
        if (tab) await this.close(tab);
        return;
      case 2: {
        if (!tab) return;
        tab.storage.kill();
        tab.network.online = false;
        this.tabs.splice(this.tabs.indexOf(tab), 1);
        void tab.store.stop();
        const { queue } = await this.disk.load();
        const stored = new Set(queue.map((entry) => entry.input.mark));
        for (const [mark, made] of this.marks) {
          if (made.tab === tab && !stored.has(mark) && !this.server.made.has(mark)) this.uncertain.add(mark);
        }
        return;
      }
      case 3:
        return void tab?.network.cut();
      case 4:
        if (tab) tab.network.online = !tab.network.online;
        return;
      case 5:
        if (tab) tab.network.faults = { lostRequest: 0.2, lostAnswer: 0.3, unavailable: 0.1, cut: 0.1, duplicate: 0.3 };
        return;
      case 6:
        if (tab) tab.network.faults = noFaults;
        return;
      case 7:
        return this.server.cleanUp(this.server.state.version - this.below(4));
      case 8:
        this.server.down = ["SERVICE_UNAVAILABLE", "UNAUTHENTICATED", undefined][this.below(3)];
        return;
      case 9:
        if (this.below(4) > 0 || !this.locks) return;
        this.restored = true;
        return this.server.restore(this.backup);
      case 10:
        this.backup = structuredClone(this.server.state);
        return;
      case 11:
        this.server.first = 1 + this.below(6);
        return;
      case 12: // other users
        return void this.server.mutate("renameTask", { id, title: `${this.below(2) ? "others'" : "their"} ${this.names++}` });
      case 13:
        return void this.server.mutate("purgeTask", { id });
      case 14:
        return void this.server.mutate("tagTask", { id, tagId: `g${this.below(3)}` });
      case 15:
        return void this.server.mutate("createTask", { id, title: "again" });
      case 16:
        return void tab?.store.mutate("deleteTag", { id: `g${this.below(3)}` });
      case 17:
        return void tab?.store.mutate("createTask", { id: `t${8 + this.names++}`, title: "mine" });
      case 18:
        return void tab?.store.mutate("renameTask", { id, title: `mine ${this.names++}` });
      case 19:
        if (this.below(3) === 0) tab?.store.mutate("purgeTask", { id });
        return;
      default: {
        if (!tab?.store.get("tasks", id)) return;
        const mark = `m${this.marks.size}`;
        this.marks.set(mark, { task: id, tab });
        tab.store.mutate("markTask", { id, mark });
      }
    }
  }

  private async open(): Promise<void> {
    const tab = new Tab(this.server, this.random, new SlowStorage(this.disk, this.random, this.locks));
    this.tabs.push(tab);
    this.opened.push(tab);
    tab.store.subscribe(() => this.checkShown(tab));
    const started = tab.store.start();
    await until("the tab has started", () => tab.store.status.ready || this.random() < 0.02);
    void started;
  }

  private below(n: number): number {
    return Math.floor(this.random() * n);
  }

  private async close(tab: Tab): Promise<void> {
    this.tabs.splice(this.tabs.indexOf(tab), 1);
    let stopped = false;
    void tab.store.stop().then(() => (stopped = true));
    await until("the tab has stopped", () => stopped);
  }

  private async checkStored(): Promise<void> {
    assert.equal(this.hidden, undefined);
    assert.ok(this.tabs.every((tab) => tab.store.status.stored), "the storage does not fail");
    const { saved, rows } = await storedRows(this.disk);
    if (saved.token !== null) assert.equal(rows, this.server.complete.get(saved.token), `what is stored as of ${saved.token}`);
  }

  /** What the user has changed in a tab stays to be seen there, unless it was refused or the task is gone. */
  private checkShown(tab: Tab): void {
    if (this.restored || !this.locks) return; // without locks, a tab may go back to what another has stored
    for (const [mark, made] of this.marks) {
      const task = tab.store.get("tasks", made.task);
      if (made.tab !== tab || !task || this.refused(mark) || this.server.purged.has(made.task)) continue;
      if (!task.marks.includes(mark)) this.hidden ??= `${mark} of ${made.task} is not shown at version ${tab.store.version}`;
    }
  }

  private refused(mark: string): boolean {
    return this.opened.some((tab) => tab.refused.some((refusal) => refusal.input.mark === mark));
  }

  private checkMarks(): void {
    for (const [mark, { task }] of this.marks) {
      const made = this.server.made.get(mark) ?? 0;
      if (this.restored || this.uncertain.has(mark)) continue;
      // A request of a closed tab may arrive after the same was refused, and find the task created again.
      if (this.refused(mark) && this.server.purged.has(task)) continue;
      assert.equal(made, this.refused(mark) ? 0 : 1, `${mark} of ${task} was made`);
    }
    for (const [mark, made] of this.server.made) if (!this.restored) assert.ok(made <= 1, `${mark} was made ${made} times`);
  }
}
