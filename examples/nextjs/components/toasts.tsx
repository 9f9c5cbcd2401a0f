"use client";
import { createContext, type ReactNode, useContext, useEffect, useMemo, useRef, useState } from "react";
import { useKey } from "./use-key";

/** A message at the bottom of the page. */
export interface Toast {
  /** A toast with the same key is replaced. */
  key: string;
  text: string;
  actions?: readonly { label: string; run(): void }[];
  /** Stays until it is closed. Others go when the next one comes. */
  stays?: boolean;
}

const Context = createContext<{ say(toast: Toast): void } | null>(null);

export const useToasts = () => useContext(Context)!;

/** Shows toasts, and lets screen readers read them. They wait while the pointer or the focus is on them. */
export function Toasts({ children }: { children: ReactNode }) {
  const [toasts, setToasts] = useState<readonly Toast[]>([]);
  const value = useMemo(() => ({ say: (toast: Toast) => setToasts((before) => [...before.filter(({ key, stays }) => stays && key !== toast.key), toast]) }), []);
  return (
    <Context value={value}>
      {children}
      <div className="toasts" role="status" aria-live="polite">
        {toasts.map((toast) => <Message key={toast.key} toast={toast} close={() => setToasts((before) => before.filter((other) => other !== toast))} />)}
      </div>
    </Context>
  );
}

function Message({ toast: { text, actions = [], stays = false }, close }: { toast: Toast; close(): void }) {
  const box = useRef<HTMLDivElement>(null);
  const cameFrom = useRef<EventTarget>(null); // what had the focus
  useEffect(() => {
    if (stays) return;
    const timer = setInterval(() => box.current?.matches(":hover, :focus-within") || close(), 7_000);
    return () => clearInterval(timer);
  });
  const finish = (run?: () => void) => {
    close();
    run?.();
    (cameFrom.current as HTMLElement | null)?.focus();
  };
  useKey(!stays && actions[0] ? "Control+z" : "", () => finish(actions[0]!.run)); // "": the key is for another toast
  return (
    <div className="toast" ref={box} onFocus={({ relatedTarget }) => void (cameFrom.current ??= relatedTarget)}>
      <span>{text}</span>
      {actions.map(({ label, run }) => <button key={label} type="button" onClick={() => finish(run)}>{label}</button>)}
      {(actions.length === 0 || !stays) && <button type="button" aria-label="Close" onClick={() => finish()}>✕</button>}
    </div>
  );
}
