/** The conditions of a list of films: a form to set them, and buttons that remove them. */
import type { Schemas } from "pagila-api-client";
import { useEffect, useState } from "preact/hooks";
import { api } from "./client";
import { storeName, useCategories, useLanguages, useStores } from "./facets";
import { useLoad } from "./load";
import { Field } from "./parts";
import { Failure } from "./problem";
import { useSettled } from "./typing";
import { type Name, conditions, ratings, withAdded, withRemoved, withValue } from "./query";

interface FiltersProps {
  params: URLSearchParams;
  /** The films on the page, whose special features are suggested. */
  films: Schemas["Film"][] | undefined;
  onChange: (params: URLSearchParams) => void;
}

/** The ranges: what they are called, and their parameters without `_min` and `_max`. */
const ranges = [
  ["Year", "release_year"],
  ["Minutes", "length"],
  ["Price of a rental", "rental_rate"],
  ["Days of a rental", "rental_duration"],
  ["Replacement cost", "replacement_cost"],
] as const;

/** From this width on, the filters stand beside the films. */
const wide = matchMedia("(min-width: 60rem)");

/** The form. It is folded on a small screen. */
export function Filters({ params, films, onChange }: FiltersProps) {
  const [isOpen, setIsOpen] = useState(wide.matches);
  useEffect(() => {
    const adapt = () => setIsOpen(wide.matches);
    wide.addEventListener("change", adapt);
    return () => wide.removeEventListener("change", adapt);
  }, []);
  const props = { params, onChange };
  const [categories, languages, stores] = [useCategories(), useLanguages(), useStores()];
  const failed = [categories, languages, stores].filter(({ error }) => error !== undefined);
  const features = [...new Set(films?.flatMap((film) => film.special_features))].sort();

  return (
    <details class="filters" open={isOpen} onToggle={(event) => setIsOpen(event.currentTarget.open)}>
      <summary>Filters</summary>
      <form aria-label="Filters" onSubmit={(event) => event.preventDefault()}>
        {failed[0] && <Failure error={failed[0].error} onRetry={() => failed.forEach(({ reload }) => reload())} />}
        <Choices {...props} legend="Category" name="category" values={categories.value?.map(({ name }) => name)} />
        <Choices {...props} legend="Rating" name="rating" values={ratings} />
        <fieldset>
          <legend>Availability</legend>
          <Select {...props} label="Store" name="store_id" any="Any store" options={stores.value?.map(({ store_id }) => [String(store_id), storeName(stores.value, store_id)])} />
          <Check {...props} label="In stock" name="in_stock" value="true" />
          <Check {...props} label="Can be streamed" name="streaming_available" value="true" />
        </fieldset>
        <fieldset>
          <legend>Content</legend>
          <Select {...props} label="Language" name="language" any="Any language" options={languages.value?.map(({ name, film_count }) => [name, `${name} (${film_count})`])} />
          <Actor {...props} />
          <Adder {...props} label="Special feature" name="special_feature" suggestions={features} />
        </fieldset>
        {ranges.map(([legend, of]) => (
          <Range key={of} {...props} legend={legend} of={of} />
        ))}
      </form>
    </details>
  );
}

interface FieldProps {
  params: URLSearchParams;
  onChange: (params: URLSearchParams) => void;
}

/** A condition that a film meets with any of several values. */
function Choices({ params, onChange, legend, name, values }: FieldProps & { legend: string; name: Name; values: string[] | undefined }) {
  return (
    <fieldset>
      <legend>{legend}</legend>
      <div class={`choices ${name}`}>
        {values?.map((value) => (
          <Check key={value} params={params} onChange={onChange} label={value} name={name} value={value} />
        ))}
      </div>
    </fieldset>
  );
}

function Check({ params, onChange, label, name, value }: FieldProps & { label: string; name: Name; value: string }) {
  const isSet = params.has(name, value);
  return (
    <label class="check">
      <input type="checkbox" checked={isSet} onChange={() => onChange(isSet ? withRemoved(params, name, value) : toggle(params, name, value))} />
      <span dir="auto">{label}</span>
    </label>
  );
}

/** A boolean has one value, and a list may have several. */
function toggle(params: URLSearchParams, name: Name, value: string): URLSearchParams {
  return value === "true" ? withValue(params, name, value) : withAdded(params, name, value);
}

function Select({ params, onChange, label, name, any, options = [] }: FieldProps & { label: string; name: Name; any: string; options: string[][] | undefined }) {
  return (
    <Field label={label}>
      <select value={params.get(name) ?? ""} onChange={(event) => onChange(withValue(params, name, event.currentTarget.value))}>
        <option value="">{any}</option>
        {options.map(([value, text]) => (
          <option key={value} value={value} dir="auto">
            {text}
          </option>
        ))}
      </select>
    </Field>
  );
}

/** A field for the lowest and one for the highest value. */
function Range({ legend, of, ...props }: FieldProps & { legend: string; of: (typeof ranges)[number][1] }) {
  return (
    <fieldset class="range">
      <legend>{legend}</legend>
      <Bound {...props} label="From" name={`${of}_min`} />
      <Bound {...props} label="To" name={`${of}_max`} />
    </fieldset>
  );
}

/** A bound of a range. It counts when the reader leaves the field or presses Enter. */
function Bound({ params, onChange, label, name }: FieldProps & { label: string; name: Name }) {
  const value = params.get(name) ?? "";
  // Otherwise a page of films that arrives meanwhile would put the value in the place of what has been typed.
  const [text, setText] = useState(value);
  useEffect(() => setText(value), [value]);
  return (
    <Field label={label}>
      <input
        type="text"
        inputMode="decimal"
        autocomplete="off"
        value={text}
        onInput={(event) => setText(event.currentTarget.value)}
        onChange={(event) => onChange(withValue(params, name, event.currentTarget.value.trim()))}
      />
    </Field>
  );
}

/** A field for names of actors, with those that the shop knows. */
function Actor(props: FieldProps) {
  const [text, setText] = useState("");
  const q = useSettled(text.trim());
  const { value } = useLoad(
    async (signal) => (q.length < 2 ? [] : (await api().listActors({ q, page_size: 10 }, { signal })).items.map(({ first_name, last_name }) => `${first_name} ${last_name}`)),
    [q],
  );
  return <Adder {...props} label="Actor" name="actor" suggestions={value ?? []} onInput={setText} />;
}

interface AdderProps extends FieldProps {
  label: string;
  name: Name;
  suggestions: string[];
  onInput?: (text: string) => void;
}

/** A field whose value is added to the condition. */
function Adder({ params, onChange, label, name, suggestions, onInput }: AdderProps) {
  const [text, setText] = useState("");
  const type = (value: string) => {
    setText(value);
    onInput?.(value);
  };
  const add = (value: string) => {
    if (value) {
      onChange(withAdded(params, name, value));
      type("");
    }
  };
  return (
    <Field label={label}>
      <input
        type="text"
        autocomplete="off"
        autocorrect="off"
        spellcheck={false}
        maxLength={100}
        list={`${name}-suggestions`}
        value={text}
        dir="auto"
        onInput={(event) => {
          const { value } = event.currentTarget;
          // A suggestion that is chosen replaces the text at once, as does the correction of a spelling.
          const isReplaced = !(event instanceof InputEvent) || event.inputType === "insertReplacementText";
          isReplaced && suggestions.includes(value) ? add(value) : type(value);
        }}
        onChange={() => add(text.trim())}
      />
      <datalist id={`${name}-suggestions`}>
        {suggestions.map((suggestion) => (
          <option key={suggestion} value={suggestion} />
        ))}
      </datalist>
    </Field>
  );
}

/** The conditions that are set. Each is a button that removes it. */
export function Chips({ params, onChange }: FieldProps) {
  const stores = useStores();
  const set = [...params].filter((pair): pair is [Name, string] => pair[0] !== "sort");
  if (set.length === 0) {
    return null;
  }
  return (
    <ul class="chips" aria-label="Conditions">
      {set.map(([name, value]) => (
        <li key={`${name}=${value}`}>
          <button type="button" class="chip" onClick={({ currentTarget }) => {
              focusNeighbour(currentTarget.parentElement!);
              onChange(withRemoved(params, name, value));
            }}>
            <span class="hidden">Remove the condition </span>
            <span dir="auto">{name === "actor_id" ? <ActorName id={value} /> : name === "store_id" ? storeName(stores.value, Number(value)) : conditions[name](value)}</span>
            <span aria-hidden="true">×</span>
          </button>
        </li>
      ))}
      <li>
        <button type="button" class="plain" onClick={() => onChange(withValue(new URLSearchParams(), "sort", params.get("sort") ?? ""))}>
          Clear all
        </button>
      </li>
    </ul>
  );
}

/** Moves the focus from a condition that is about to disappear to another one, so that the reader keeps the place. */
function focusNeighbour({ previousElementSibling, nextElementSibling }: Element): void {
  // The last item is the button that removes all.
  const neighbour = nextElementSibling?.nextElementSibling ? nextElementSibling : previousElementSibling;
  neighbour?.querySelector("button")?.focus();
}

/** The name of an actor whose number is in the address. */
function ActorName({ id }: { id: string }) {
  const { value } = useLoad((signal) => api().getActor(Number(id), { signal }), [id]);
  return value ? <>{conditions.actor(`${value.first_name} ${value.last_name}`)}</> : <>{conditions.actor_id(id)}</>;
}
