/** Questions about the films, and answers that are shown while a language model writes them. */
import type { Schemas } from "pagila-api-client";
import { useEffect, useRef, useState } from "preact/hooks";
import { type Answer, ask, isAnswered, isRunning, stop, useAnswers } from "./answers";
import { count } from "./format";
import { Failure } from "./problem";
import { type Params, href, navigate } from "./route";

const examples = ["Which short comedies are rated PG?", "What are the longest films with PENELOPE GUINESS?", "Which horror films cost less than $1 and are in stock?"];

/** The address of the link that was clicked last. */
let clicked = "";
addEventListener("click", (event) => {
  const link = event.target instanceof Element ? event.target.closest("a") : null;
  clicked = link?.hash ?? "";
});

/**
 * A link inside the page asks its question at once. Any other address only shows the question, such as one that somebody
 * has sent, or a page that is loaded again: a model costs money, and only the reader decides to spend it.
 */
function useFollowedLink(question: string): void {
  useEffect(() => {
    if (question !== "" && clicked === location.hash && !isAnswered(question)) {
      void ask(question);
    }
    clicked = "";
  }, [question]);
}

/** The view at `#/ask?question=…`. */
export function Ask({ params }: { params: URLSearchParams }) {
  const question = params.get("question") ?? "";
  const answers = useAnswers();
  useFollowedLink(question);
  const answer = answers.find((answer) => answer.question === question);
  const earlier = answers.filter((other) => other !== answer).reverse();
  const submit = (text: string) => {
    navigate("ask", { question: text });
    void ask(text);
  };

  return (
    <div class="ask">
      <h1 tabIndex={-1}>Ask about the films</h1>
      <p class="lead">A language model looks up what it needs in the catalogue, and answers from what it finds.</p>
      <QuestionForm question={question} answer={answer} onSubmit={submit} />
      {answer ? <AnswerView answer={answer} onRetry={() => void ask(question)} /> : question === "" ? <Examples /> : <NotAsked />}
      {earlier.length > 0 && (
        <section class="earlier" aria-labelledby="earlier">
          <h2 id="earlier">Earlier questions</h2>
          <ul>
            {earlier.map((answer) => (
              <li key={answer.question}>
                <a href={href("ask", { question: answer.question })} dir="auto">
                  {answer.question} {isRunning(answer) && <span class="badge">Being answered</span>}
                </a>
              </li>
            ))}
          </ul>
        </section>
      )}
    </div>
  );
}

interface QuestionFormProps {
  question: string;
  answer: Answer | undefined;
  onSubmit: (question: string) => void;
}

function QuestionForm({ question, answer, onSubmit }: QuestionFormProps) {
  const [text, setText] = useState(question);
  useEffect(() => setText(question), [question]);
  const form = useRef<HTMLFormElement>(null);
  const running = isRunning(answer);
  const isRepeated = running && text === question;
  return (
    <form
      ref={form}
      class="question"
      onSubmit={(event) => {
        event.preventDefault();
        if (!isRepeated) {
          onSubmit(text);
        }
      }}
    >
      <label for="question">Your question</label>
      <textarea
        id="question"
        name="question"
        dir="auto"
        rows={2}
        required
        maxLength={1000}
        value={text}
        aria-describedby="question-hint"
        onInput={(event) => setText(event.currentTarget.value)}
        onKeyDown={(event) => {
          if (event.key === "Enter" && !event.shiftKey && !event.isComposing) {
            event.preventDefault();
            form.current?.requestSubmit();
          }
        }}
      />
      <div class="actions">
        <button aria-disabled={isRepeated}>Ask</button>
        {/* The answer that is being written may be another one. */}
        <button type="button" class="secondary" onClick={() => running && stop()} aria-disabled={!running}>
          Stop
        </button>
        <span id="question-hint" class="quiet">
          Enter asks. Shift+Enter starts a new line.
        </span>
      </div>
    </form>
  );
}

function Examples() {
  return (
    <section aria-labelledby="examples">
      <h2 id="examples">For example</h2>
      <ul class="examples">
        {examples.map((question) => (
          <li key={question}>
            <a href={href("ask", { question })}>{question}</a>
          </li>
        ))}
      </ul>
    </section>
  );
}

function NotAsked() {
  return <p class="notice">This question has not been asked yet. Press Ask to send it to the model.</p>;
}

const progress = {
  asked: "Asking the model…",
  writing: "The answer is being written…",
  complete: "The answer is complete.",
  stopped: "You stopped the model. The answer is incomplete.",
  failed: "The answer failed.",
} satisfies Record<Answer["state"], string>;

function AnswerView({ answer, onRetry }: { answer: Answer; onRetry: () => void }) {
  const { question, state, tools, sources, text, done, error, duration } = answer;
  return (
    <article class={`answer ${state}`} aria-labelledby="asked">
      <h2 id="asked" dir="auto">
        {question}
      </h2>
      <p role="status" class="progress">
        {state === "asked" && tools.length > 0 ? "The model is looking things up…" : progress[state]}
      </p>
      <div class="answer-columns">
        <div class="basis">
          {tools.length > 0 && <Lookups tools={tools} />}
          <Sources sources={sources} />
        </div>
        <div class="answer-body">
          <h3 class="hidden">Answer</h3>
          {text !== "" && (
            <p class="answer-text" dir="auto" aria-busy={isRunning(answer)}>
              <Linked text={text} films={sources?.films ?? []} />
            </p>
          )}
          {state === "failed" && <Failure error={error} onRetry={onRetry} of="question" />}
          {done && (
            <p class="quiet">
              Written by the model <bdi>{done.model}</bdi> in {(duration / 1000).toFixed(1)} s. Finish reason: <bdi>{done.finish_reason}</bdi>. Tokens:{" "}
              {done.usage.prompt_tokens} read, {done.usage.completion_tokens} written.
            </p>
          )}
        </div>
      </div>
    </article>
  );
}

/** Shows how the question was read: the operations that the model called, and with which arguments. */
function Lookups({ tools }: { tools: Schemas["ToolEvent"][] }) {
  return (
    <section aria-labelledby="lookups">
      <h3 id="lookups">How the question was read</h3>
      <ol class="lookups">
        {tools.map((tool, index) => (
          <li key={index}>
            <p>
              <code dir="auto">{tool.name}</code>{" "}
              <span class="quiet">
                {tool.status >= 400 ? `refused with ${tool.status}` : count(tool.films, "film")} in {tool.duration_ms} ms
              </span>
            </p>
            <dl class="arguments">
              {Object.entries(tool.arguments).map(([name, value]) => (
                <div key={name}>
                  <dt dir="auto">{name}</dt>
                  <dd dir="auto">{readable(value)}</dd>
                </div>
              ))}
            </dl>
            {tool.name === "listFilms" && tool.status < 400 && <a href={href("films", searchOf(tool.arguments))}>Show this search</a>}
          </li>
        ))}
      </ol>
    </section>
  );
}

function readable(value: unknown): string {
  const items = [value].flat().map((item) => (typeof item === "string" ? item : JSON.stringify(item)));
  return items.join(", ");
}

/** The conditions of a call of listFilms. They are the parameters of the films' view, too. */
function searchOf({ page, page_size, cursor, count, ...conditions }: Record<string, unknown>): Params {
  return conditions;
}

function Sources({ sources }: { sources: Schemas["SourcesEvent"] | undefined }) {
  if (!sources) {
    return null;
  }
  const { films, total } = sources;
  return (
    <section aria-labelledby="sources">
      <h3 id="sources">Sources</h3>
      {films.length === 0 && <p class="quiet">The model was given no films.</p>}
      <ul class="sources">
        {films.map(({ film_id, title }) => (
          <li key={film_id}>
            <a href={href(`films/${film_id}`)} dir="auto">
              {title}
            </a>
          </li>
        ))}
      </ul>
      {total > films.length && (
        <p class="quiet">
          The model was given {films.length} of {total > 10_000 ? "more than 10,000" : total} films.
        </p>
      )}
    </section>
  );
}

/** The model names a film with its number in brackets. That becomes a link if the film is one of the sources. */
function Linked({ text, films }: { text: string; films: Schemas["Source"][] }) {
  const known = new Set(films.map(({ film_id }) => String(film_id)));
  return (
    <>
      {text.split(/\[(\d+)\]/).map((part, index) =>
        index % 2 === 0 ? (
          part
        ) : known.has(part) ? (
          <a key={index} href={href(`films/${part}`)}>
            [{part}]
          </a>
        ) : (
          `[${part}]`
        ),
      )}
    </>
  );
}
