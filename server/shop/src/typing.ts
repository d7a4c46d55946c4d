/** Fields whose text counts while it is typed. */
import { useEffect, useRef, useState } from "preact/hooks";

/** How long the reader must pause before the text counts, in milliseconds. */
const pause = 250;

/** A field for text. */
export interface Typed {
  text: string;
  /** Sets the text. It is committed after a pause. */
  type: (text: string) => void;
  /** Commits the text at once, as when the reader presses Enter. */
  commit: () => void;
  /** Call it when the field gets the focus. */
  begin: () => void;
}

/**
 * A field whose text is committed when the reader pauses. The address holds the committed text, and `value` is that text.
 * Between two calls of `begin`, only the first commit has `replace` unset, so that the Back button leads to what was there
 * before the reader began to type.
 */
export function useTyped(value: string, commit: (text: string, replace: boolean) => void): Typed {
  const [text, setText] = useState(value);
  const timer = useRef<ReturnType<typeof setTimeout>>(undefined);
  const committed = useRef(value);
  const replace = useRef(false);
  useEffect(() => {
    // A link, the Back button or another control has changed the address. Otherwise the reader may have typed on meanwhile.
    if (value !== committed.current) {
      clearTimeout(timer.current);
      committed.current = value;
      replace.current = false;
      setText(value);
    }
  }, [value]);
  useEffect(() => () => clearTimeout(timer.current), []);

  const commitText = (text: string) => {
    clearTimeout(timer.current);
    if (text.trim() !== committed.current) {
      committed.current = text.trim();
      commit(committed.current, replace.current);
      replace.current = true;
    }
  };
  // The address may change before the pause is over, so the timer calls the newest function.
  const latest = useRef(commitText);
  latest.current = commitText;
  return {
    text,
    type: (text) => {
      setText(text);
      clearTimeout(timer.current);
      timer.current = setTimeout(() => latest.current(text), pause);
    },
    commit: () => commitText(text),
    begin: () => {
      replace.current = false;
    },
  };
}

/** Returns a text once it has not changed for a moment. */
export function useSettled(text: string): string {
  const [settled, setSettled] = useState(text);
  useEffect(() => {
    const timer = setTimeout(() => setSettled(text), pause);
    return () => clearTimeout(timer);
  }, [text]);
  return settled;
}
