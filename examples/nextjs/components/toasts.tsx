"use client";
import { createContext, type ReactNode, useCallback, useContext, useEffect, useMemo, useRef, useState } from "react";

/** A message at the bottom of the page. */
export interface Toast {
  /** A toast with the same key is replaced. */
  key: string;
  text: string;
  actions?: readonly { label: string; run(): void }[];
  /** Stays until it is closed. */
  stays?: boolean;
}

const Context = createContext<{ say(toast: Toast): void; unsay(key: string): void } | null>(null);

export const useToasts = () => useContext(Context)!;

/** Shows toasts, and lets screen readers read them. They wait while the pointer or the focus is on them. */
export function Toasts({ children }: { children: ReactNode }) {
  const [toasts, setToasts] = useState<readonly Toast[]>([]);
  const unsay = useCallback((key: string) => setToasts((before) => before.filter((toast) => toast.key !== key)), []);
  const say = useCallback((toast: Toast) => setToasts((before) => [...before.filter(({ key }) => key !== toast.key), toast].slice(-4)), []);
  const value = useMemo(() => ({ say, unsay }), [say, unsay]);
  return (
    <Context value={value}>
      {children}
      <div className="toasts" role="status" aria-live="polite">
        {toasts.map((toast) => <Message key={toast.key} toast={toast} close={unsay} />)}
      </div>
    </Context>
  );
}

function Message({ toast, close }: { toast: Toast; close(key: string): void }) {
  const box = useRef<HTMLDivElement>(null);
  useEffect(() => {
    if (toast.stays) return;
    const timer = setInterval(() => box.current?.matches(":hover, :focus-within") || close(toast.key), 7_000);
    return () => clearInterval(timer);
  }, [toast, close]);
  return (
    <div className="toast" ref={box}>
      <span>{toast.text}</span>
      {toast.actions?.map(({ label, run }) => (
        <button key={label} type="button" onClick={() => { close(toast.key); run(); }}>{label}</button>
      ))}
      {!toast.actions?.length || !toast.stays ? <button type="button" aria-label="Close" onClick={() => close(toast.key)}>✕</button> : null}
    </div>
  );
}
