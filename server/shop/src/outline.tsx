/** What a film is, at a glance. */
import type { Schemas } from "pagila-api-client";

/** Shows the category, the rating, the year and the length in a line. What the database does not know is left out. */
export function Outline({ film: { category, rating, release_year, length } }: { film: Schemas["Film"] }) {
  return (
    <p class="facts">
      {[category, rating, release_year, length !== undefined && `${length} min`].filter(Boolean).map((fact, i) => (
        <span key={i} dir="auto">
          {fact}
        </span>
      ))}
    </p>
  );
}

/** The class of a colour. Films of one category have the same. */
export function hueOf({ category = "" }: Schemas["Film"]): string {
  return `hue-${[...category].reduce((sum, letter) => (sum * 9 + letter.codePointAt(0)!) % 8, 0)}`;
}
