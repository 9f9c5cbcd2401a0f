"use client";
import { type FormEvent, useRef, useState } from "react";
import { isProject } from "@/lib/lists";
import { randomId } from "@/lib/store";
import { Icon } from "./icon";
import { useKey } from "./use-key";
import { useView } from "./view";
import { useStatus, useWorkspace } from "./workspace";

/** The field for a new task, with the day on which it is due. N brings the focus here. */
export function QuickAdd() {
  const { id: workspaceId, change, today, me, isShared } = useWorkspace();
  const { ready } = useStatus();
  const { view } = useView();
  const usual = view.list === "today" || view.list === "week" ? today : "";
  const [due, setDue] = useState<string | null>(null); // null: as usual in this list
  const field = useRef<HTMLInputElement>(null);
  useKey("n", () => field.current?.focus());

  const add = (event: FormEvent) => {
    event.preventDefault();
    const title = field.current!.value.trim();
    const date = due ?? usual;
    if (!title) return;
    change("createTask", {
      id: randomId(), title, workspaceId,
      ...(date && { due: { date } }),
      ...(isProject(view.list) && { projectId: view.list }),
      ...(view.list === "mine" && isShared && { assigneeId: me }),
      ...(view.tags.length > 0 && { tagIds: view.tags }),
    });
    field.current!.value = "";
    setDue(null);
  };
  return (
    <form className="quick-add" onSubmit={add}>
      <input ref={field} aria-label="New task" placeholder="Add a task" maxLength={200} disabled={!ready} enterKeyHint="done" />
      <label className="due"><Icon name="day" />
        <input type="date" aria-label="Due day" value={due ?? usual} disabled={!ready} onChange={({ target }) => setDue(target.value)}
          onClick={({ currentTarget }) => currentTarget.showPicker()} />
      </label>
      <button className="primary" disabled={!ready}>Add</button>
    </form>
  );
}
