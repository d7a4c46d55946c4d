/** A film with everything that the catalogue knows about it. */
import type { Schemas } from "pagila-api-client";
import type { ComponentChildren } from "preact";
import { useEffect } from "preact/hooks";
import { api } from "./client";
import { storeName, useStores } from "./facets";
import { lastList } from "./filmlist";
import { count, moneyText } from "./format";
import { useLoad } from "./load";
import { Outline, hueOf } from "./outline";
import { Failure } from "./problem";
import { href } from "./route";

/** Shows a film by its number. */
export function Film({ id }: { id: string }) {
  const { value: film, error, loading, reload } = useLoad((signal) => api().getFilm(Number(id), { signal }), [id]);
  const stores = useStores();
  const title = film?.title;
  useEffect(() => {
    document.title = `${title ?? `Film ${id}`} – Pagila`;
  }, [title]);

  return (
    <article class="film" aria-busy={loading}>
      <p>
        <a class="back" href={lastList()}>
          Films
        </a>
      </p>
      <header class={`film-head ${film ? hueOf(film) : ""}`}>
        <h1 tabIndex={-1} dir="auto">
          {title ?? `Film ${id}`}
        </h1>
        {film && <Head film={film} />}
      </header>
      {error !== undefined && <Failure error={error} onRetry={reload} />}
      {film ? <Facts film={film} stores={stores.value} /> : error === undefined && <div class="film-skeleton" aria-hidden="true" />}
    </article>
  );
}

function Head({ film }: { film: Schemas["FilmDetail"] }) {
  return (
    <>
      <Outline film={film} />
      <p class="lead" dir="auto">
        {film.description}
      </p>
      <div class="actions">
        <a class="button" href={href("counter", { film_id: film.film_id })}>
          Rent
        </a>
        <a class="button secondary" href={href("ask", { question: `What is ${film.title} about?` })}>
          Ask about this film
        </a>
      </div>
    </>
  );
}

interface StockProps {
  film: Schemas["FilmDetail"];
  stores: Schemas["Store"][] | undefined;
}

function Facts({ film, stores }: StockProps) {
  return (
    <div class="film-columns">
      <section aria-labelledby="about">
        <h2 id="about">About</h2>
        <dl class="facts-list">
          <Fact name={film.categories.length === 1 ? "Category" : "Categories"}>
            <Links values={film.categories.map((category) => [category, href("films", { category })] as const)} />
          </Fact>
          <Fact name="Rating">{film.rating}</Fact>
          <Fact name="Year">{film.release_year}</Fact>
          <Fact name="Length">{film.length !== undefined && `${film.length} minutes`}</Fact>
          <Fact name="Language">{film.language}</Fact>
          <Fact name="Rental">
            {film.rental_rate !== undefined && `${moneyText(film.rental_rate)} for `}
            {count(film.rental_duration, "day")}
          </Fact>
          <Fact name="Replacement">{film.replacement_cost !== undefined && moneyText(film.replacement_cost)}</Fact>
          <Fact name="Streaming">{film.streaming_available ? "With a subscription" : "Not available"}</Fact>
          <Fact name="On the disc">
            <Links values={film.special_features.map((feature) => [feature, href("films", { special_feature: feature })] as const)} />
          </Fact>
        </dl>
      </section>
      <section aria-labelledby="stock">
        <h2 id="stock">Stock</h2>
        <Stock film={film} stores={stores} />
        <h2>Cast</h2>
        <Links values={film.actors.map(({ actor_id, first_name, last_name }) => [`${first_name} ${last_name}`, href("films", { actor_id })] as const)} />
      </section>
    </div>
  );
}

/** A fact. What the database does not know is left out. */
function Fact({ name, children }: { name: string; children: ComponentChildren }) {
  const isKnown = [children].flat().some(Boolean);
  return isKnown ? (
    <div>
      <dt>{name}</dt>
      <dd dir="auto">{children}</dd>
    </div>
  ) : null;
}

function Links({ values }: { values: (readonly [text: string, address: string])[] }) {
  return values.length === 0 ? (
    <p class="quiet">None</p>
  ) : (
    <ul class="links">
      {values.map(([text, address]) => (
        <li key={address} dir="auto">
          <a href={address}>{text}</a>
        </li>
      ))}
    </ul>
  );
}

function Stock({ film: { film_id, availability }, stores }: StockProps) {
  if (availability.length === 0) {
    return <p class="quiet">No store has a copy.</p>;
  }
  return (
    <table class="stock">
      <caption class="hidden">Copies of this film by store</caption>
      <thead>
        <tr>
          <th scope="col">Store</th>
          <th scope="col">In stock</th>
          <th scope="col">
            <span class="hidden">Rent</span>
          </th>
        </tr>
      </thead>
      <tbody>
        {availability.map(({ store_id, copies, in_stock }) => (
          <tr key={store_id}>
            <th scope="row" dir="auto">
              {storeName(stores, store_id)}
            </th>
            <td>
              {in_stock} of {copies}
            </td>
            <td>
              {in_stock > 0 && (
                <a href={href("counter", { film_id, store_id })} aria-label={`Rent at ${storeName(stores, store_id)}`}>
                  Rent
                </a>
              )}
            </td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}
