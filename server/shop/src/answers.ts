/** The questions of this page and their answers. */
import type { Schemas } from "pagila-api-client";
import { useEffect, useState } from "preact/hooks";
import { api } from "./client";

/** The answer to a question, as far as it has arrived. */
export interface Answer {
  question: string;
  state: "asked" | "writing" | "complete" | "stopped" | "failed";
  tools: Schemas["ToolEvent"][];
  sources: Schemas["SourcesEvent"] | undefined;
  text: string;
  done: Schemas["DoneEvent"] | undefined;
  error: unknown;
  /** How long the answer took, or has taken up to the last event, in milliseconds. */
  duration: number;
}

/**
 * The answers by their questions, the oldest first. They outlive the view, so that a reader who follows a source and comes
 * back finds the answer, and no model is asked twice.
 */
let answers: readonly Answer[] = [];
const listeners = new Set<(answers: readonly Answer[]) => void>();
let running: AbortController | undefined;

/** Returns all answers, and renders the component again as they are written. */
export function useAnswers(): readonly Answer[] {
  const [value, setValue] = useState(answers);
  useEffect(() => {
    listeners.add(setValue);
    setValue(answers);
    return () => void listeners.delete(setValue);
  }, []);
  return value;
}

/** Whether there is an answer to this question, complete or not. */
export function isAnswered(question: string): boolean {
  return answers.some((answer) => answer.question === question);
}

/** Asks a question. It takes the place of an earlier answer to the same question, and of the one that is being written. */
export async function ask(question: string): Promise<void> {
  stop();
  const controller = new AbortController();
  running = controller;
  const began = performance.now();
  let answer: Answer = { question, state: "asked", tools: [], sources: undefined, text: "", done: undefined, error: undefined, duration: 0 };
  answers = [...answers.filter((other) => other.question !== question), answer];

  const update = (change: Partial<Answer>) => {
    const old = answer;
    answer = { ...old, ...change, duration: performance.now() - began };
    answers = answers.map((other) => (other === old ? answer : other));
    listeners.forEach((listener) => listener(answers));
  };
  update({});

  try {
    for await (const event of api().askQuestionEvents(question, { signal: controller.signal })) {
      switch (event.type) {
        case "tool":
          update({ tools: [...answer.tools, event] });
          break;
        case "sources":
          update({ sources: event });
          break;
        case "delta":
          update({ state: "writing", text: answer.text + event.text });
          break;
        case "done":
          update({ done: event });
      }
    }
    update({ state: "complete" });
  } catch (error) {
    update(controller.signal.aborted ? { state: "stopped" } : { state: "failed", error });
  } finally {
    running = running === controller ? undefined : running;
  }
}

/** Stops the answer that is being written. This closes the connection, and the server stops the model. */
export function stop(): void {
  running?.abort();
}

/** Whether the answer may still grow. */
export function isRunning(answer: Answer | undefined): boolean {
  return answer?.state === "asked" || answer?.state === "writing";
}
