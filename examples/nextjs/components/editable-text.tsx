"use client";
import { type KeyboardEvent, useLayoutEffect, useRef, useState } from "react";
import { flushSync } from "react-dom";

/** A line of text that becomes a field when it is pressed. It is saved when the field goes, in whichever way; Escape takes back what was typed. */
export function EditableText({ text, label, save, disabled = false, maxLength = 200 }: {
  text: string; label: string; save(text: string): void; disabled?: boolean; maxLength?: number;
}) {
  const [opened, setOpened] = useState<{ text: string; save(text: string): void } | null>(null); // somebody else may change it meanwhile
  const [button, input] = [useRef<HTMLButtonElement>(null), useRef<HTMLInputElement>(null)];
  useLayoutEffect(() => {
    if (!opened) return;
    const field = input.current!;
    return () => {
      const value = field.value.trim();
      if (value && value !== opened.text) opened.save(value);
    };
  }, [opened]);
  if (!opened) {
    return <button ref={button} type="button" className="text" disabled={disabled} title={disabled ? undefined : `Edit the ${label}`} onClick={() => setOpened({ text, save })}>{text}</button>;
  }
  const onKeyDown = (event: KeyboardEvent<HTMLInputElement>) => {
    const field = event.currentTarget;
    if (event.nativeEvent.isComposing || (event.key !== "Enter" && event.key !== "Escape")) return;
    event.preventDefault(); // else Enter would also press the button that gets the focus
    if (event.key === "Escape") field.value = opened.text;
    flushSync(() => field.blur());
    button.current?.focus();
  };
  return (
    <input ref={input} className="text" aria-label={`New ${label} of “${opened.text}”`} autoFocus maxLength={maxLength} defaultValue={opened.text} onKeyDown={onKeyDown}
      onFocus={({ target }) => target.select()} onBlur={() => setOpened(null)} />
  );
}
