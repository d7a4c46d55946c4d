/** The catalogue: films by any of the contract's conditions, in any of its orders. */
import type { Schemas } from "pagila-api-client";
import { type FilmList, useFilms } from "./filmlist";
import { Chips, Filters } from "./filters";
import { count, moneyText } from "./format";
import { More } from "./pages";
import { Failure } from "./problem";
import { Outline, hueOf } from "./outline";
import { defaultOrder, known, orders, withValue } from "./query";
import { href, navigate } from "./route";
import { useTyped } from "./typing";

/** Shows the conditions, and the films that meet them. */
export function Films({ params: given, isBack }: { params: URLSearchParams; isBack: boolean }) {
  const params = known(given);
  const list = useFilms(params.toString(), isBack);
  const change = (next: URLSearchParams) => navigate("films", next);

  return (
    <>
      <h1 tabIndex={-1}>Films</h1>
      <Search params={params} />
      <div class="catalogue">
        <Filters params={params} films={list.items} onChange={change} />
        <section class="results" aria-label="Results" tabIndex={-1}>
          <div class="results-head">
            <div class="matches">
              <p role="status">{summary(list)}</p>
              <Chips params={params} onChange={change} />
            </div>
            <Order params={params} onChange={change} />
          </div>
          <Results list={list} isFiltered={params.size > 0} />
        </section>
      </div>
    </>
  );
}

/** The field for words. The films are searched while the reader types. */
function Search({ params }: { params: URLSearchParams }) {
  const q = params.get("q") ?? "";
  const field = useTyped(q, (text, replace) => navigate("films", withValue(params, "q", text), { replace }));
  return (
    <form
      class="search"
      role="search"
      onSubmit={(event) => {
        event.preventDefault();
        field.commit();
      }}
    >
      <label for="q">Search titles and descriptions</label>
      <input
        id="q"
        type="search"
        value={field.text}
        maxLength={200}
        autocomplete="off"
        spellcheck={false}
        enterkeyhint="search"
        aria-describedby="q-hint"
        dir="auto"
        onFocus={field.begin}
        onInput={(event) => field.type(event.currentTarget.value)}
      />
      <p id="q-hint" class="quiet">
        All words must occur. <code>or</code> allows either, a minus sign excludes a word, and quotes keep a phrase together.
      </p>
    </form>
  );
}

function Order({ params, onChange }: { params: URLSearchParams; onChange: (params: URLSearchParams) => void }) {
  const usual = defaultOrder(params);
  return (
    <label class="order">
      <span class="quiet">Sort by</span>
      <select value={params.get("sort") ?? usual} onChange={({ currentTarget: { value } }) => onChange(withValue(params, "sort", value === usual ? "" : value))}>
        {Object.entries(orders).map(([order, name]) => (
          <option key={order} value={order} disabled={order === "relevance" && !params.has("q")}>
            {name}
          </option>
        ))}
      </select>
    </label>
  );
}

/** What a screen reader hears when the results are there. */
function summary({ items, total, stale, loading, error }: FilmList): string {
  if (error !== undefined && stale && !loading) {
    return "No results";
  }
  if (!items || stale) {
    return "Searching…";
  }
  // The server stops counting there.
  return total !== undefined && total > 10_000 ? "More than 10,000 films" : count(total ?? items.length, "film");
}

function Results({ list, isFiltered }: { list: FilmList; isFiltered: boolean }) {
  const { items, stale, error } = list;
  if (error !== undefined && stale) {
    return <Failure error={error} onRetry={list.reload} />;
  }
  if (!items) {
    return <Skeleton />;
  }
  if (items.length === 0 && !stale) {
    return (
      <div class="empty">
        <p>{isFiltered ? "No films match." : "The catalogue has no films."}</p>
        {isFiltered && <p class="quiet">Remove a condition above, or try fewer words. A word may be the beginning of a word of the title.</p>}
      </div>
    );
  }
  return (
    <>
      {/* Another list is not the same films in other places. */}
      <ul key={list.query} class={stale ? "cards stale" : "cards"} aria-busy={list.loading}>
        {items.map((film) => (
          <Card key={film.film_id} film={film} />
        ))}
      </ul>
      {error !== undefined && <Failure error={error} onRetry={list.reload} />}
      <More pages={list} label="More films" />
    </>
  );
}

function Card({ film }: { film: Schemas["Film"] }) {
  return (
    <li class={`card ${hueOf(film)}`}>
      <h2 dir="auto">
        <a href={href(`films/${film.film_id}`)}>{film.title}</a>
      </h2>
      <Outline film={film} />
      <p class="plot" dir="auto">
        {film.description}
      </p>
      <p class="terms">
        {film.rental_rate !== undefined && <strong>{moneyText(film.rental_rate)}</strong>} for {count(film.rental_duration, "day")}
        {film.streaming_available && <span class="badge">Streaming</span>}
      </p>
    </li>
  );
}

function Skeleton() {
  return (
    <ul class="cards" aria-hidden="true">
      {Array.from({ length: 12 }, (_, i) => (
        <li key={i} class="card skeleton" />
      ))}
    </ul>
  );
}
