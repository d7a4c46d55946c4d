package offline

import (
	"cmp"
	"fmt"
	"strconv"
	"strings"
)

// write writes an answer: how the question was read, and what was found. This is code and no template, because
// text/template finds methods by their names, for which the linker would keep every exported method of the program.
func write(q *query, found findings, failed bool) string {
	var b strings.Builder
	if len(q.read) > 0 {
		fmt.Fprintf(&b, "Looked for: %s.\n", strings.Join(q.read, ", "))
	}
	if len(q.unread) > 0 {
		fmt.Fprintf(&b, "Not understood, and not used: “%s”.\n", strings.Join(q.unread, "”, “"))
	}
	if found.nothing {
		b.WriteString("Not understood: no condition for films was found.\n")
	}
	if failed {
		b.WriteString("Not understood: some or all of the question could not be looked up.\n")
	}
	for _, film := range found.about {
		writeFilm(&b, film)
	}
	if len(found.page) > 0 {
		writePage(&b, found.page, found.what)
	}
	return strings.TrimSpace(b.String())
}

// writeFilm writes all facts about a film, if it was found.
func writeFilm(b *strings.Builder, film record) {
	if film["film_id"] == nil {
		return
	}
	b.WriteString(line(film))
	for i, actor := range objects(film["actors"]) {
		b.WriteString(separator(i, "; actors: ") + line(actor))
	}
	for i, store := range objects(film["availability"]) {
		fmt.Fprintf(b, "%sstore %v (copies: %v) (in stock: %v)",
			separator(i, "; "), store["store_id"], store["copies"], store["in_stock"])
	}
	if description := textOf(film["description"]); description != "" {
		b.WriteString("; " + description)
	}
	b.WriteString(".\n")
}

// separator separates an item of a list from what is before it.
func separator(i int, first string) string {
	if i == 0 {
		return first
	}
	return ", "
}

// singular has the singular of what an answer can list.
var singular = map[string]string{"films": "film", "actors": "actor", "stores": "store", "categories": "category"}

// writePage writes the items of a page, and how many there are in all.
func writePage(b *strings.Builder, page record, what string) {
	items := objects(page["items"])
	if len(items) == 0 {
		if page["detail"] == nil {
			fmt.Fprintf(b, "None of the %s fits.", what)
		}
		return
	}
	shown := strconv.Itoa(len(items))
	total := cmp.Or(textOf(page["total"]), shown)
	switch total {
	case "1":
		b.WriteString("1 " + singular[what])
	case "10001":
		b.WriteString("more than 10000 " + what)
	default:
		b.WriteString(total + " " + what)
	}
	if total != shown {
		b.WriteString(", the first " + shown)
	}
	b.WriteString(":\n")
	for _, item := range items {
		b.WriteString("- " + line(item) + ".\n")
	}
}

// line says what is known about a film, an actor, a store or a category.
func line(r record) string {
	var b strings.Builder
	say := func(format string, value any) {
		if text := textOf(value); text != "" {
			fmt.Fprintf(&b, format, text)
		}
	}
	say("%s", r["title"])
	say(" [%s]", r["film_id"])
	say("%s", r["first_name"])
	say(" %s", r["last_name"])
	say("store %s", r["store_id"])
	say("%s", r["name"])
	say(" in %s", r["address"])
	say(", %s", r["city"])
	say(", %s", r["country"])
	say(" (films: %s)", r["film_count"])
	say(" (%s)", r["release_year"])
	say(": %s", cmp.Or(textOf(r["categories"]), textOf(r["category"])))
	say(", rated %s", r["rating"])
	say(", %s minutes", r["length"])
	price := textOf(r["rental_rate"])
	if price != "" {
		price = "$" + price + " "
	}
	say(", "+price+"for %s days", r["rental_duration"])
	say(", $%s to replace", r["replacement_cost"])
	say(", with %s", r["special_features"])
	say(", in %s", r["language"])
	say(", streaming: %s", r["streaming_available"])
	return b.String()
}

// textOf is a value of a response as text. It is empty if the value is unknown.
func textOf(value any) string {
	switch value := value.(type) {
	case nil:
		return ""
	case bool:
		if value {
			return "yes"
		}
		return "no"
	case []any:
		texts := make([]string, len(value))
		for i, v := range value {
			texts[i] = textOf(v)
		}
		return strings.Join(texts, ", ")
	default:
		return fmt.Sprint(value)
	}
}
