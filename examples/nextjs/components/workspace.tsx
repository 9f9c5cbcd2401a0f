"use client";
import { useApolloClient } from "@apollo/client/react";
import { createContext, type ReactNode, useContext, useEffect, useMemo, useState, useSyncExternalStore } from "react";
import { UndoChangeDocument, type WorkspaceQuery } from "@/lib/gql/graphql";
import { type Done, randomId, type Refusal } from "@/lib/store";
import { type Mutations, openStore, type Rows, type Task, type TaskStore } from "@/lib/sync";
import { useToasts } from "./toasts";

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
  /** Makes a change. If it has a text, that is said, with a button to undo it. `seen` is the task as the user saw it, for texts. */
  change<N extends keyof Mutations & string>(mutation: N, input: Parameters<Mutations[N]["apply"]>[1], said?: string, seen?: Task): void;
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

/** What waits for a change, by its key, to be made. */
const made = new Map<string, (version: number) => void>();

/** Closes the copies of workspaces that were left while something was to be sent. */
const left = new Map<string, () => void>();

/** After these errors a store has stopped for good. */
const isOver = (error: string | null) => error === "NOT_FOUND" || error === "OUTDATED";

/** Opens the copy of a workspace, and makes changes in it. Messages with a button outlive the view: they reach the copy all the same. */
function useStore(userId: string, id: string) {
  const client = useApolloClient();
  const { say } = useToasts();
  const [opened, setOpened] = useState<Pick<Workspace, "store" | "change"> | null>(null);

  useEffect(() => {
    let store: TaskStore | null = null; // null: it is closed
    let opening: Promise<void>;
    let isShown = true;
    const onRefused = (refusal: Refusal) => {
      made.delete(refusal.key);
      const { mutation, input, errors: [problem], current } = refusal;
      const theirs = input.title !== undefined ? current?.title : current?.description;
      if (problem?.code !== "STALE" || mutation !== "updateTask" || !current) {
        return say({ key: `refused ${problem?.message}`, text: `Not changed: ${problem?.message || problem?.code}`, stays: true });
      }
      say({
        key: `conflict ${input.id} ${Object.keys(input)}`, stays: true,
        text: `Meanwhile somebody else has changed “${current.title}”. Theirs: “${theirs ?? ""}”. Yours: “${input.title ?? input.description ?? ""}”.`,
        actions: [
          { label: "Use mine", run: () => void mutate("updateTask", input) },
          { label: "Keep theirs", run: () => {} },
        ],
      });
    };
    const onDone = ({ key, version }: Done) => made.get(key)?.(version);
    const open = () => {
      left.get(id)?.();
      store = openStore({ client, userId, workspaceId: id, onRefused, onDone });
      opening = store.start();
      addEventListener("pagehide", close);
      if (isShown) setOpened({ store, change });
    };
    const close = () => {
      removeEventListener("pagehide", close);
      const closed = store;
      store = null; // first, because stopping is reported
      void closed?.stop();
    };
    const closeIfSent = () => void (isShown || store?.status.pending || close());
    const refuse = () => say({ key: "over", text: "Not changed: what is shown here is out of date.", stays: true });
    /** Makes a change also if another workspace is shown by now. */
    const mutate = async (mutation: keyof Mutations, input: { id: string }): Promise<void> => {
      if (!store) open();
      await opening;
      if (!store) return mutate(mutation, input); // the workspace is shown again
      if (isOver(store.status.error)) return refuse();
      store.mutate(mutation, input as never);
      store.subscribe(closeIfSent);
      if (!isShown) say({ key: id, text: "Done, in the other workspace." });
    };
    const undo = async (version: number, key: string, inverted?: () => void) => {
      const input = { version, workspaceId: id, idempotencyKey: randomId() };
      const answer = await client.mutate({ mutation: UndoChangeDocument, variables: { input } }).catch(() => null);
      if (!answer && inverted) return inverted();
      const { conflicts: [conflict] = [], userErrors: [problem] = [{ message: "the server can’t be reached." }] } = answer?.data?.undoChange ?? {};
      const why = conflict ? `${conflict.field} of “${conflict.task.title}” was changed since.` : problem?.message;
      say({ key, text: why ? `Not undone: ${why}` : "Undone." });
    };
    const change: Workspace["change"] = (mutation, input, said, seen) => {
      if (!store || isOver(store.status.error)) return refuse();
      const key = store.mutate(mutation, input as never, seen);
      if (!said) return;
      let [version, isUnwanted] = [0, false];
      made.set(key, (taken) => {
        made.delete(key);
        version = taken;
        if (isUnwanted) void undo(version, key);
      });
      const opposite = inverse[mutation];
      const invert = opposite && (() => void mutate(opposite, { id: (input as { id: string }).id }));
      const run = () => {
        if (version && !mutation.endsWith("Project")) void undo(version, key, invert);
        else if (invert) invert();
        else {
          isUnwanted = true;
          say({ key, text: "It will be undone once it has been sent." });
        }
      };
      say({ key, text: said, actions: [{ label: "Undo", run }] });
    };
    // A page that the browser keeps for the way back must not follow the feed beside another tab when it is shown again.
    const reopen = (event: PageTransitionEvent) => event.persisted && open();
    open();
    addEventListener("pageshow", reopen);
    return () => {
      removeEventListener("pageshow", reopen);
      isShown = false;
      left.set(id, close);
      store?.subscribe(closeIfSent);
      closeIfSent();
    };
  }, [client, userId, id, say]);
  return opened;
}

/** Opens the copy of a workspace for everything in it. */
export function WorkspaceProvider({ userId, workspace, timeZone, today, children }: {
  userId: string; workspace: Pick<Workspace, "id" | "name" | "members"> & Pick<Answer, "kind" | "role">; timeZone: string; today: string; children: ReactNode;
}) {
  const { id, name, role, kind, members } = workspace;
  const opened = useStore(userId, id);
  const hasEnded = useSyncExternalStore(opened?.store.subscribe ?? (() => () => {}), () => isOver(opened?.store.status.error ?? null));
  const value = useMemo((): Workspace | null => opened && {
    id, name, members, timeZone, today, ...opened, me: `person/${userId}`, canWrite: role !== "READ" && !hasEnded, canPurge: role === "ADMIN" && !hasEnded, isShared: kind === "ORGANIZATION",
  }, [userId, workspace, opened, hasEnded, timeZone, today]); // it stays the same, so that rows aren't rendered in vain
  return value && <Context value={value}>{children}</Context>;
}
