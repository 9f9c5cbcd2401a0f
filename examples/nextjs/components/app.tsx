"use client";
import type { OperationVariables } from "@apollo/client";
import { ApolloProvider, useApolloClient, useQuery } from "@apollo/client/react";
import type { TypedDocumentNode } from "@graphql-typed-document-node/core";
import { useEffect, useMemo, useState, useSyncExternalStore } from "react";
import { createApollo } from "@/lib/apollo";
import { dayIn } from "@/lib/dates";
import { HomeDocument, WorkspaceDocument, UpdateViewerDocument } from "@/lib/gql/graphql";
import { keepPage, onSignOut } from "@/lib/offline";
import { Details } from "./details";
import { FiredReminders } from "./fired-reminders";
import { Invitation } from "./invitation";
import { Sidebar } from "./sidebar";
import { Status } from "./status";
import { TaskList } from "./task-list";
import { Toasts } from "./toasts";
import { useView } from "./view";
import { WorkspaceProvider } from "./workspace";

export type User = Record<"id" | "name" | "email", string>;

const never = () => () => {};
const everyTenSeconds = (changed: () => void) => {
  const timer = setInterval(changed, 10_000);
  return () => clearInterval(timer);
};

/** The app, in the browser alone: what it shows is there, not on the server. */
export function App(props: { user: User; liveUrl: string }) {
  const isBrowser = useSyncExternalStore(never, () => true, () => false);
  return isBrowser ? <Network {...props} /> : <main className="loading">Loading…</main>;
}

function Network({ user, liveUrl }: { user: User; liveUrl: string }) {
  const [client] = useState(() => createApollo(liveUrl));
  useEffect(() => void keepPage(), []);
  useEffect(() => onSignOut(() => location.replace("/sign-in")), []);
  useEffect(() => addEventListener("beforeunload", () => (document.activeElement as HTMLElement).blur()), []); // which saves what was typed
  return (
    <ApolloProvider client={client}>
      <Toasts><Home user={user} /></Toasts>
    </ApolloProvider>
  );
}

/** A query whose last answer is kept in the browser, for when there is no network. */
function useKept<T, V extends OperationVariables>(document: TypedDocumentNode<T, V>, variables: V, key: string): { data: T | null; refetch(): Promise<unknown> } {
  const { data, refetch } = useQuery<unknown, OperationVariables>(document, { variables });
  useEffect(() => {
    if (data) localStorage.setItem(key, JSON.stringify(data));
  }, [data, key]);
  const kept = useMemo(() => JSON.parse(localStorage.getItem(key) ?? "null"), [key]);
  return { data: (data ?? kept) as T | null, refetch: () => refetch().catch(() => {}) };
}

function Home({ user }: { user: User }) {
  const client = useApolloClient();
  const { data: home, refetch: refetchHome } = useKept(HomeDocument, {}, `home ${user.id}`);
  const { workspaceId, taskId, invitationId } = useView();
  const id = workspaceId ?? `personal/${user.id}`;
  const { data: chosen, refetch: refetchChosen } = useKept(WorkspaceDocument, { id }, `workspace ${id}`);
  const own = useMemo(() => ({ id, name: user.name, kind: "PERSONAL", role: "ADMIN", members: [] } as const), [id, user]);
  const workspace = chosen?.workspace ?? (workspaceId ? null : own);
  const refetch = () => void Promise.all([refetchHome(), refetchChosen()]);
  const others = home?.workspaces.filter((other) => other.id !== id) ?? [];
  useEffect(() => { // the API may take two seconds to hear of a new membership
    const timer = workspace ? undefined : setInterval(refetchChosen, 1_000);
    return () => clearInterval(timer);
  });

  // A new user's time zone is the browser's. It decides what today means, here and on the server.
  const browserZone = Intl.DateTimeFormat().resolvedOptions().timeZone;
  const viewer = home?.viewer;
  const timeZone = viewer && viewer.timeZone !== "UTC" ? viewer.timeZone : browserZone;
  useEffect(() => {
    if (viewer?.timeZone !== "UTC" || browserZone === "UTC") return;
    void client.mutate({ mutation: UpdateViewerDocument, variables: { input: { timeZone: browserZone } } }).catch(() => {});
  }, [client, viewer?.timeZone, browserZone]);

  const today = useSyncExternalStore(everyTenSeconds, () => dayIn(timeZone)); // also after midnight

  if (!workspace) return <main className="loading">Opening the workspace … If it stays closed, it was deleted, or you are not a member. <a href="/">Go to your tasks</a></main>;
  return (
    <WorkspaceProvider key={id} userId={user.id} workspace={workspace} timeZone={timeZone} today={today}>
      <div className="page" data-details={taskId !== null}>
        <Sidebar user={user} others={others} refetch={refetch} />
        <main><Status /><FiredReminders /><TaskList /></main>
        {taskId && <Details key={taskId} id={taskId} />}
        {invitationId && <Invitation id={invitationId} onAccepted={refetch} />}
      </div>
    </WorkspaceProvider>
  );
}
