"use client";
import { type KeyboardEvent, useRef, useState } from "react";
import { flushSync } from "react-dom";

/** A line of text that becomes a field when it is pressed. Enter saves, Escape doesn't, and both lead the focus back. */
export function EditableText({ text, label, save, disabled = false, maxLength = 200 }: {
  text: string; label: string; save(text: string): void; disabled?: boolean; maxLength?: number;
}) {
  const [opened, setOpened] = useState<{ text: string; save(text: string): void } | null>(null); // somebody else may change it meanwhile
  const button = useRef<HTMLButtonElement>(null);
  if (!opened) {
    return <button ref={button} type="button" className="text" disabled={disabled} title={disabled ? undefined : `Edit the ${label}`} onClick={() => setOpened({ text, save })}>{text}</button>;
  }
  const finish = (value: string) => {
    setOpened(null);
    if (value.trim() && value.trim() !== opened.text) opened.save(value.trim());
  };
  const onKeyDown = (event: KeyboardEvent<HTMLInputElement>) => {
    const field = event.currentTarget;
    if (event.nativeEvent.isComposing || (event.key !== "Enter" && event.key !== "Escape")) return;
    event.preventDefault(); // else Enter would also press the button that gets the focus
    if (event.key === "Escape") field.value = opened.text;
    flushSync(() => field.blur());
    button.current?.focus();
  };
  return (
    <input className="text" aria-label={`New ${label} of “${opened.text}”`} autoFocus maxLength={maxLength} defaultValue={opened.text} onKeyDown={onKeyDown}
      onFocus={({ target }) => target.select()} onBlur={({ target }) => finish(target.value)} />
  );
}
