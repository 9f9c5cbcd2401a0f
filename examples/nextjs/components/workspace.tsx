"use client";
import { useApolloClient } from "@apollo/client/react";
import { createContext, type ReactNode, useContext, useEffect, useMemo, useRef, useState, useSyncExternalStore } from "react";
import { UndoChangeDocument, type UpdateTaskInput, type WorkspaceQuery } from "@/lib/gql/graphql";
import { randomId, type Refusal } from "@/lib/store";
import { type Mutations, openStore, type Rows, type TaskStore } from "@/lib/sync";
import { useToasts } from "./toasts";
import { showWorkspace } from "./view";

type Answer = NonNullable<WorkspaceQuery["workspace"]>;

export interface Workspace {
  readonly id: string;
  readonly name: string;
  readonly store: TaskStore;
  readonly canWrite: boolean;
  readonly canPurge: boolean;
  readonly isShared: boolean;
  readonly members: Readonly<Answer["members"]>;
  /** The viewer, as a person's id. */
  readonly me: string;
  readonly timeZone: string;
  readonly today: string;
  /** Makes a change. If it has a text, that is said, with a button to undo it. */
  change<N extends keyof Mutations & string>(mutation: N, input: Parameters<Mutations[N]["apply"]>[1], said?: string): void;
}

const Context = createContext<Workspace | null>(null);

export const useWorkspace = () => useContext(Context)!;

/** All rows of a kind. */
export function useRows<K extends keyof Rows>(kind: K): readonly Rows[K][] {
  const { store } = useWorkspace();
  return useSyncExternalStore(store.subscribe, () => store.all(kind));
}

/** One row, if it is there. */
export function useRow<K extends keyof Rows>(kind: K, id = ""): Rows[K] | undefined {
  const { store } = useWorkspace();
  return useSyncExternalStore(store.subscribe, () => store.get(kind, id));
}

export function useStatus() {
  const { store } = useWorkspace();
  return useSyncExternalStore(store.subscribe, () => store.status);
}

/** What takes back a change that wasn't sent yet. */
const inverse: { readonly [mutation: string]: keyof Mutations & string } = {
  completeTask: "reopenTask", reopenTask: "completeTask", deleteTask: "restoreTask", restoreTask: "deleteTask",
  archiveProject: "unarchiveProject", deleteProject: "restoreProject",
};

/** Opens the copy of a workspace for everything in it. */
export function WorkspaceProvider({ userId, workspace, timeZone, today, children }: {
  userId: string; workspace: Pick<Workspace, "id" | "name" | "members"> & Pick<Answer, "kind" | "role">; timeZone: string; today: string; children: ReactNode;
}) {
  const client = useApolloClient();
  const { say } = useToasts();
  const [store, setStore] = useState<TaskStore | null>(null);
  const done = useRef(new Map<string, number>()); // the versions of changes that were made
  const { id, name, role, kind, members } = workspace;

  useEffect(() => {
    let opened: TaskStore;
    let hasLeft = false; // for another workspace, while the messages stay
    const onRefused = (refusal: Refusal) => {
      const { mutation, input, errors: [problem], current } = refusal;
      const theirs = input.title !== undefined ? current?.title : current?.description;
      if (problem?.code !== "STALE" || mutation !== "updateTask" || !current) {
        return say({ key: `refused ${problem?.message}`, text: `Not changed: ${problem?.message || problem?.code}`, stays: true });
      }
      say({
        key: `conflict ${input.id} ${Object.keys(input)}`, stays: true,
        text: `Meanwhile somebody else has changed “${current.title}”. Theirs: “${theirs ?? ""}”. Yours: “${input.title ?? input.description ?? ""}”.`,
        actions: [
          { label: "Use mine", run: () => useMine(input) },
          { label: "Keep theirs", run: () => {} },
        ],
      });
    };
    const make = () => openStore({ client, userId, workspaceId: id, onRefused, onDone: ({ key, version }) => void done.current.set(key, version) });
    const useMine = (input: UpdateTaskInput) => {
      const queue = hasLeft ? make() : opened; // the new one isn't started: what is opened then finds the change stored
      queue.mutate("updateTask", input);
      if (hasLeft) void queue.stop().then(() => showWorkspace(id));
    };
    const open = () => {
      opened = make();
      void opened.start();
      setStore(opened);
    };
    const close = () => void opened.stop();
    // A page that the browser keeps for the way back must not follow the feed beside another tab when it is shown again.
    const reopen = (event: PageTransitionEvent) => event.persisted && open();
    open();
    addEventListener("pagehide", close);
    addEventListener("pageshow", reopen);
    return () => {
      removeEventListener("pagehide", close);
      removeEventListener("pageshow", reopen);
      hasLeft = true;
      close();
    };
  }, [client, userId, id, say]);

  const value = useMemo((): Workspace | null => {
    if (!store) return null;
    const undo = async (version: number, key: string) => {
      const input = { version, workspaceId: id, idempotencyKey: randomId() };
      const answer = await client.mutate({ mutation: UndoChangeDocument, variables: { input } }).catch(() => null);
      const { userErrors = [], conflicts = [] } = answer?.data?.undoChange ?? {};
      const [conflict] = conflicts;
      if (answer && userErrors.length === 0) say({ key, text: "Undone." });
      else if (conflict) say({ key, text: `Not undone: ${conflict.field} of “${conflict.task.title}” was changed since.` });
      else say({ key, text: `Not undone: ${userErrors[0]?.message ?? "the server can’t be reached."}` });
    };
    const change: Workspace["change"] = (mutation, input, said) => {
      const key = store.mutate(mutation, input as never);
      if (!said) return;
      const run = () => {
        const version = done.current.get(key);
        const opposite = inverse[mutation];
        if (version && !mutation.endsWith("Project")) void undo(version, key);
        else if (opposite) store.mutate(opposite, { id: (input as { id: string }).id } as never);
        else say({ key, text: "Not undone: the change isn’t there yet." });
      };
      say({ key, text: said, actions: [{ label: "Undo", run }] });
    };
    return {
      id, name, store, members, timeZone, today, change, me: `person/${userId}`, canWrite: role !== "READ", canPurge: role === "ADMIN", isShared: kind === "ORGANIZATION",
    };
  }, [client, userId, workspace, store, say, timeZone, today]); // it stays the same, so that rows aren't rendered in vain
  return value && <Context value={value}>{children}</Context>;
}
