import { useSearchParams } from "next/navigation";
import { useMemo } from "react";
import type { View } from "@/lib/lists";

/** The view and the workspace, as they are in the page's address, and what changes them. The server isn't asked. */
export function useView() {
  const params = useSearchParams();
  const list = (name: string) => params.get(name)?.split(",") ?? [];
  const text = JSON.stringify({
    list: params.get("list") ?? "all", search: params.get("search") ?? "", completed: params.has("completed"),
    tags: list("tags"), priorities: list("priorities"), assignees: list("assignees"),
  } satisfies View);
  const view = useMemo(() => JSON.parse(text) as View, [text]); // the same if another part of the address changes
  return { view, workspaceId: params.get("workspace"), taskId: params.get("task"), invitationId: params.get("invitation") };
}

type Change = Partial<View & { workspace: string; task: string; invitation: string }>;

/** The address with the changes. Empty values are left out. */
function address(change: Change): string {
  const params = new URLSearchParams(location.search);
  for (const [name, value] of Object.entries(change)) {
    const text = Array.isArray(value) ? value.join(",") : value === true ? "yes" : value || "";
    // A list with "" alone is not empty: it is nobody.
    if (text === "" && !(Array.isArray(value) && value.length > 0)) params.delete(name);
    else params.set(name, text);
  }
  return `/?${params}`;
}

/** Shows something else. The browser's button for the way back leads to what was shown before. */
export const show = (change: Change): void => history.pushState(null, "", address(change));

/** As `show`, for what changes with each key. */
export const adjust = (change: Change): void => history.replaceState(null, "", address(change));

/** Shows another workspace. The viewer's own isn't named in the address. */
export const showWorkspace = (id: string, task = ""): void => show({ ...noFilters, list: "", workspace: id.startsWith("personal/") ? "" : id, task });

/** What leaves a list for another one: its filters, and the task beside it. */
export const noFilters = { search: "", tags: [], priorities: [], assignees: [], task: "" };
