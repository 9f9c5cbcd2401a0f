"use client";
import { useStatus, useWorkspace } from "./workspace";

/** Says if what is shown is not what the server has. */
export function Status() {
  const { store, canWrite } = useWorkspace();
  const { error: failure, live, pending, stored } = useStatus();
  const error = failure ?? (live || pending === 0 || navigator.onLine ? null : "NETWORK"); // another tab may be the one that sends
  const unsent = pending === 0 ? "" : ` ${pending === 1 ? "One change" : `${pending} changes`} will be sent later.`;
  const [text, action] =
    error === "UNAUTHENTICATED" ? [`You are signed out.${unsent}`, <a key="a" href="/sign-in">Sign in</a>]
    : error === "OUTDATED" ? ["There is a newer version of this page.", <button key="a" type="button" onClick={() => location.reload()}>Reload</button>]
    : error === "NOT_FOUND" ? ["This workspace isn’t there any more.", <a key="a" href="/">Go to your tasks</a>]
    : error ? [`${error === "NETWORK" ? "Offline." : "The server can’t answer now."}${unsent}`, <button key="a" type="button" onClick={store.retry}>Try now</button>]
    : !stored ? ["This browser can’t store your tasks. Changes are lost if you close the page offline."]
    : !canWrite ? ["You can read this workspace, and not change it."]
    : [""];
  return <div className="status" role="status" data-error={error ?? undefined} hidden={!text}>{text} {action}</div>;
}
