import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { applyPatch, emptyList, type Edge, type ListPatch, type LiveList } from "../list.js";

interface Task {
  id: string;
  title: string;
}

/** Patches that the server's code has made, with the titles of the lists before and after. */
const cases: { name: string; from: string; to: string; patch: ListPatch<Task> }[] = JSON.parse(readFileSync("test/patches.json", "utf8"));

const edge = (title: string): Edge<Task> => ({ node: { id: title.toLowerCase(), title } });

const titles = (list: LiveList<Task>) => list.edges.map(({ node }) => node.title).join("");

for (const { name, from, to, patch } of cases) {
  test(`a patch of a list: ${name}`, () => {
    const before: LiveList<Task> = Object.freeze({ edges: Object.freeze([...from].map(edge)) });
    const after = applyPatch(before, patch);
    assert.equal(titles(after), to);
    const placed = new Set(patch.placed.map((p) => p.edge.node.id));
    for (const kept of after.edges) {
      assert.equal(before.edges.includes(kept), !placed.has(kept.node.id), `${kept.node.title} is the same object if nothing has changed`);
    }
  });
}

test("there are patches of every kind", () => {
  const reasons = cases.flatMap(({ patch }) => patch.placed.map((p) => p.why));
  assert.deepEqual(new Set(reasons), new Set(["ENTERED", "UPDATED", "MOVED"]));
});

test("a fresh patch begins a new list, and one with nothing keeps it", () => {
  const placed = [..."ab"].map((title, i) => ({ why: "ENTERED" as const, afterId: i === 0 ? null : "a", edge: edge(title) }));
  const first = applyPatch({ edges: [edge("x")], state: "old" }, { fresh: true, left: [], placed, state: "s", totalCount: 2 });
  assert.deepEqual(first, { edges: [edge("a"), edge("b")], state: "s", totalCount: 2 });
  const again = applyPatch(first, { fresh: false, left: [], placed: [], state: "s", totalCount: 2 });
  assert.deepEqual(again, first);
});

test("a patch of another list is an error", () => {
  const placed = [{ afterId: "a", edge: edge("b") }];
  assert.throws(() => applyPatch(emptyList<Task>(), { fresh: false, left: [], placed }), /The list has no task a/);
});
