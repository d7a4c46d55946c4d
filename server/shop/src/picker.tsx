/** A field that finds a film while its title is typed. */
import type { RefObject } from "preact";
import { useEffect, useState } from "preact/hooks";
import { api } from "./client";
import { count } from "./format";
import { useLoad } from "./load";
import { LoadFailure } from "./parts";
import { useSettled } from "./typing";

/** A film that was picked. Its title may not be known yet. */
export interface Picked {
  film_id: number;
  title?: string | undefined;
}

interface FilmPickerProps {
  input: RefObject<HTMLInputElement | null>;
  /** Only films in stock at this store are found. */
  store: number;
  film: Picked | undefined;
  onPick: (film: Picked | undefined) => void;
}

/** A combobox (WAI-ARIA 1.2) with the films that match. */
export function FilmPicker({ input, store, film, onPick }: FilmPickerProps) {
  const [text, setText] = useState("");
  const [open, setOpen] = useState(false);
  const [active, setActive] = useState(-1);
  const q = useSettled(text.trim());
  const found = useLoad(
    async (signal) => (q === "" ? undefined : api().listFilms({ q, in_stock: true, store_id: store, page_size: 8, count: "none" }, { signal })),
    [q, store],
  );
  const films = found.value?.items ?? [];
  const isSettled = q === text.trim() && !found.loading;
  const shown = open && !film && q !== "" && found.value !== undefined;

  // A title that was typed, but not chosen, names no film.
  useEffect(() => input.current?.setCustomValidity(film ? "" : "Choose a film from the list."), [film]);

  // The options of another list are other films.
  useEffect(() => setActive(-1), [found.value]);

  const pick = (picked: Picked) => {
    onPick({ film_id: picked.film_id, title: picked.title });
    setText("");
    setOpen(false);
    setActive(-1);
  };
  const move = (event: KeyboardEvent) => {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (step && films.length > 0) {
      event.preventDefault();
      setOpen(true);
      setActive(active < 0 && step < 0 ? films.length - 1 : (active + step + films.length) % films.length);
    } else if (event.key === "Enter" && shown && films[0]) {
      event.preventDefault();
      // Until the text has settled, the list belongs to an earlier text. The reader may have moved to an option all the same.
      if (isSettled || active >= 0) {
        pick(films[active] ?? films[0]);
      }
    } else if (event.key === "Escape" && shown) {
      event.preventDefault();
      setOpen(false);
    }
  };

  return (
    <div class="field picker">
      <label for="film">Film</label>
      <input
        id="film"
        ref={input}
        role="combobox"
        aria-autocomplete="list"
        aria-expanded={shown}
        aria-controls="film-options"
        aria-activedescendant={shown && active >= 0 ? `film-option-${active}` : undefined}
        dir="auto"
        autocomplete="off"
        spellcheck={false}
        value={film ? (film.title ?? `Film ${film.film_id}`) : text}
        onInput={(event) => {
          onPick(undefined);
          setText(event.currentTarget.value);
          setOpen(true);
          setActive(-1);
        }}
        onKeyDown={move}
        onFocus={() => setOpen(true)}
        onBlur={() => setOpen(false)}
      />
      <ul id="film-options" role="listbox" aria-label="Films in stock" hidden={!shown || films.length === 0}>
        {films.map((option, index) => (
          <li
            key={option.film_id}
            id={`film-option-${index}`}
            role="option"
            aria-selected={index === active}
            // Before the field loses the focus, which closes the list.
            onMouseDown={(event) => (event.preventDefault(), pick(option))}
          >
            <span dir="auto">{option.title}</span>
            <span class="quiet" dir="auto">
              {[option.category, option.release_year, option.rental_rate && `$${option.rental_rate}`].filter(Boolean).join(", ")}
            </span>
          </li>
        ))}
      </ul>
      <p role="status" class={shown && films.length === 0 ? "quiet none" : "hidden"}>
        {shown && isSettled && (films.length === 0 ? `No film in stock at store ${store} matches.` : `${count(films.length, "film")} found.`)}
      </p>
      <LoadFailure of={found} />
    </div>
  );
}
