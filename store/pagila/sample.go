package pagila

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"example.com/pagila-api/schema/migrations"
)

// The numbers of rows in the sample. They are Pagila's own, except for the addresses: each store, member of
// staff and customer has one.
const (
	languageCount  = 6
	cityCount      = 600
	storeCount     = 2
	staffCount     = 2
	customerCount  = 599
	addressCount   = storeCount + staffCount + customerCount
	actorCount     = 200
	filmCount      = 1000
	inventoryCount = 4581
	rentalCount    = 16044 // each has a payment
	openCount      = 183   // rentals whose copies are not returned
)

const (
	// The rentals are made in rounds. In each round, a copy is rented at most once and returned before the
	// next round, so no copy is rented twice at the same time.
	roundLength = 47 * 24 * time.Hour
	longestOut  = 10 * 24 * time.Hour
	day         = 24 * time.Hour
)

// The sample covers the time from firstRental to lastUpdate.
var (
	firstRental = time.Date(2022, time.February, 14, 0, 0, 0, 0, time.UTC)
	lastUpdate  = time.Date(2022, time.September, 1, 0, 0, 0, 0, time.UTC)
)

// The words that the sample is made of. The categories and languages are Pagila's, so that the same requests
// work with both datasets.
var (
	categories = words("Action Animation Children Classics Comedy Documentary Drama Family " +
		"Foreign Games Horror Music New Sci-Fi Sports Travel")
	// genres are the names of the categories in descriptions.
	genres = list("thriller, cartoon, children's film, classic, comedy, documentary, drama, family film, " +
		"foreign film, film about games, horror film, musical, new release, space film, sports film, travel film")
	languages = words("English Italian Japanese Mandarin French German")
	ratings   = words("G PG PG-13 R NC-17")
	features  = list("Trailers, Commentaries, Deleted Scenes, Behind the Scenes")

	titleFirst = words("AMBER BORROWED BROKEN CARELESS COPPER CROOKED DISTANT DUSTY ELECTRIC FADING FEARLESS " +
		"FORGOTTEN FROZEN GENTLE HIDDEN HOLLOW IVORY LUCKY MIDNIGHT MISSING NORTHERN PAPER PATIENT QUIET RESTLESS " +
		"RUSTY SCARLET SECRET SILENT SLEEPY STOLEN SUDDEN TANGLED VELVET WANDERING WOODEN")
	titleSecond = words("ANCHOR BAKERY BALLOON BRIDGE CANYON CARAVAN COMET COMPASS DANCER DETECTIVE FERRY GARDEN " +
		"HARBOR HORIZON ISLAND JOURNEY KITCHEN LANTERN LIBRARY MOUNTAIN ORCHARD ORCHESTRA PARADE PENGUIN PIANO " +
		"POSTMAN RAILWAY RIDDLE SATELLITE SHADOW SUITCASE TELEGRAM THEATER UMBRELLA VILLAGE WINTER")
	moods = words("bittersweet bold breezy charming dark gentle gripping lively moody moving playful quiet " +
		"sharp slow stylish surprising tense tender warm witty")
	roles = list("baker, beekeeper, boxer, cartographer, chess champion, clockmaker, dentist, detective, farmer, " +
		"fisherman, gardener, ghost hunter, journalist, librarian, lighthouse keeper, mathematician, mountain guide, " +
		"night nurse, painter, pilot, postman, retired spy, robot, singer, taxi driver, violinist")
	plots = list("build a boat, chase a thief, cross paths, fall in love, find a treasure map, hide a secret, " +
		"miss the last train, open a restaurant, race against time, raise a goat, save a cinema, search for a lost dog, " +
		"share a flat, solve a riddle, start a band, win a bet")
	places = list("aboard a night train, at a border post, at sea, in a small mining town, in Berlin, in Buenos Aires, " +
		"in Iceland, in Lisbon, in Marrakesh, in Nairobi, in Osaka, in the Alps, in the Sahara, in Toronto, " +
		"on a remote island, on the Danube, on the first day of winter, under a circus tent")

	firstNames = words("ADA ALBERTO AMINA ANDREI BEATRIZ BRUNO CLARA DAVID ELENA EMEKA FATIMA GRETA HUGO INGRID " +
		"JONAS KEIKO LUCIA MARTIN NADIA OSCAR PRIYA RAVI SOFIA TOMAS YUSUF")
	lastNames = words("ADEYEMI ANDERSSON BAUER BIANCHI CHEN COSTA DUBOIS FISCHER GARCIA HAAS IVANOV JANSEN KIM KOVACS " +
		"LINDGREN MORENO NAKAMURA NOVAK OKAFOR PATEL ROSSI SANTOS SILVA TANAKA WEBER")
	cityFirst = words("Alder Ash Birch Black Bright Clear Cold Deep East Elm Fair Fox Glen Gold Green Hazel High Kings " +
		"Lake Long Maple New North Oak Red River Silver Stone West White")
	citySecond = words("bridge brook bury cliff dale field ford gate ham haven hill land mere mouth port side stead ton " +
		"ville wick")
	countries = list("Argentina, Australia, Brazil, Canada, Chile, China, Egypt, France, Germany, Ghana, Greece, India, " +
		"Indonesia, Ireland, Italy, Japan, Kenya, Mexico, Morocco, Netherlands, New Zealand, Nigeria, Norway, Peru, " +
		"Poland, Portugal, South Korea, Spain, Turkey, Vietnam")
	streets = words("Baker Bridge Canal Castle Cherry Church Garden Harbor Hill Market Mill Park Spring Station")
)

func words(s string) []string { return strings.Fields(s) }

func list(s string) []string { return strings.Split(s, ", ") }

// rows are the rows of a table in the text format of COPY (PostgreSQL manual, "COPY").
type rows struct {
	table   string
	columns string
	text    bytes.Buffer
	count   int64
}

// add adds a row. nil is NULL, and a []string is an array. The text of other values contains no tab, line
// break or backslash.
func (r *rows) add(values ...any) {
	for i, value := range values {
		if i > 0 {
			r.text.WriteByte('\t')
		}
		switch v := value.(type) {
		case nil:
			r.text.WriteString(`\N`)
		case []string:
			fmt.Fprintf(&r.text, `{"%s"}`, strings.Join(v, `","`))
		case time.Time:
			r.text.WriteString(v.Format(time.RFC3339))
		default:
			fmt.Fprint(&r.text, v)
		}
	}
	r.text.WriteByte('\n')
	r.count++
}

// restoreSample creates Pagila's tables and fills them with the sample.
func (s Source) restoreSample(ctx context.Context, conn *pgconn.PgConn) error {
	s.progress("creating the tables of the sample")
	if err := exec(ctx, conn, migrations.BaselineSQL()+sampleSchema()); err != nil {
		return err
	}
	tables := sampleRows()
	for i, t := range tables {
		if _, err := conn.CopyFrom(ctx, &t.text, fmt.Sprintf("COPY %s (%s) FROM STDIN", t.table, t.columns)); err != nil {
			return fmt.Errorf("table %s: %w", t.table, err)
		}
		s.report(t.table, t.count, float64(i+1)/float64(len(tables)))
		// The next row that is inserted must get the next id.
		if id, _, _ := strings.Cut(t.columns, ","); id == t.table+"_id" {
			if err := exec(ctx, conn, fmt.Sprintf("SELECT setval(pg_get_serial_sequence('%s', '%s'), %d)", t.table, id, t.count)); err != nil {
				return fmt.Errorf("table %s: %w", t.table, err)
			}
		}
	}
	return nil
}

// sampleSchema returns the statements that create what the sample needs besides the tables: Pagila's trigger
// that fills film.fulltext, and a partition for each month of payments.
func sampleSchema() string {
	var sql strings.Builder
	sql.WriteString(`
CREATE TRIGGER film_fulltext_trigger BEFORE INSERT OR UPDATE ON film FOR EACH ROW
	EXECUTE FUNCTION tsvector_update_trigger('fulltext', 'pg_catalog.english', 'title', 'description');
`)
	for month := firstRental.AddDate(0, 0, 1-firstRental.Day()); month.Before(lastUpdate); month = month.AddDate(0, 1, 0) {
		fmt.Fprintf(&sql, "CREATE TABLE payment_p%s PARTITION OF payment FOR VALUES FROM ('%s') TO ('%s');\n",
			month.Format("2006_01"), month.Format(time.RFC3339), month.AddDate(0, 1, 0).Format(time.RFC3339))
	}
	return sql.String()
}

// sampleRows generates the sample. The order of the tables satisfies the foreign keys. The result is the same
// each time and on every machine.
func sampleRows() []*rows {
	g := &generator{rng: rand.New(rand.NewPCG(2022, 16044))} //nolint:gosec // the sample is public
	g.names("language", languages)
	g.names("category", categories)
	g.places()
	g.people()
	films := g.films()
	filmOf := g.inventory()
	g.rentals(films, filmOf)
	return g.tables
}

// generator generates random rows from a fixed seed.
type generator struct {
	rng    *rand.Rand
	tables []*rows
}

func (g *generator) table(name, columns string) *rows {
	t := &rows{table: name, columns: columns}
	g.tables = append(g.tables, t)
	return t
}

// id returns a random id from 1 to n.
func (g *generator) id(n int) int { return 1 + g.rng.IntN(n) }

func (g *generator) pick(from []string) string { return from[g.rng.IntN(len(from))] }

// between returns a random duration of whole seconds, at least low and less than high.
func (g *generator) between(low, high time.Duration) time.Duration {
	return low + time.Duration(g.rng.Int64N(int64((high-low)/time.Second)))*time.Second
}

// names generates a table of names.
func (g *generator) names(table string, names []string) {
	t := g.table(table, table+"_id, name, last_update")
	for i, name := range names {
		t.add(i+1, name, lastUpdate)
	}
}

func (g *generator) places() {
	country := g.table("country", "country_id, country, last_update")
	for i, name := range countries {
		country.add(i+1, name, lastUpdate)
	}
	city := g.table("city", "city_id, city, country_id, last_update")
	for _, first := range cityFirst {
		for _, second := range citySecond {
			city.add(city.count+1, first+second, g.id(len(countries)), lastUpdate)
		}
	}
	address := g.table("address", "address_id, address, address2, district, city_id, postal_code, phone, last_update")
	for i := range addressCount {
		address.add(i+1, fmt.Sprintf("%d %s Street", g.id(250), g.pick(streets)), nil, g.pick(cityFirst)+" County",
			g.id(int(city.count)), 10000+g.rng.IntN(90000), fmt.Sprintf("555%07d", g.rng.IntN(1e7)), lastUpdate)
	}
}

// person returns the name of person i. The first 625 names are all different.
func person(i int) (first, last string) {
	first = firstNames[i%len(firstNames)]
	last = lastNames[(i+i/len(firstNames))%len(lastNames)]
	return first, last
}

func (g *generator) people() {
	store := g.table("store", "store_id, manager_staff_id, address_id, last_update")
	staff := g.table("staff", "staff_id, first_name, last_name, address_id, email, store_id, active, username, last_update")
	for i := range storeCount {
		first, last := person(customerCount + i)
		store.add(i+1, i+1, i+1, lastUpdate)
		staff.add(i+1, first, last, storeCount+i+1, strings.ToLower(first+"."+last)+"@staff.example", i+1, true,
			strings.ToLower(first), lastUpdate)
	}
	customer := g.table("customer", "customer_id, store_id, first_name, last_name, email, address_id, activebool, create_date, last_update, active")
	for i := range customerCount {
		first, last := person(i)
		active := 1
		if i%40 == 15 { // 15 customers, as in Pagila
			active = 0
		}
		customer.add(i+1, g.id(storeCount), first, last, strings.ToLower(first+"."+last)+"@customer.example",
			storeCount+staffCount+i+1, true, firstRental.Format(time.DateOnly), lastUpdate, active)
	}
	actor := g.table("actor", "actor_id, first_name, last_name, last_update")
	for i := range actorCount {
		first, last := person(3 * i)
		actor.add(i+1, first, last, lastUpdate)
	}
}

// film is what the rentals of a film depend on: its rate in cents, and how many days it may be kept.
type film struct{ cents, days int }

func (g *generator) films() []film {
	var films []film
	t := g.table("film", "film_id, title, description, release_year, language_id, rental_duration, rental_rate, length, replacement_cost, rating, last_update, special_features")
	filmActor := g.table("film_actor", "film_id, actor_id, last_update")
	filmCategory := g.table("film_category", "film_id, category_id, last_update")
	for i, title := range g.titles() {
		id, category := i+1, g.rng.IntN(len(categories))
		f := film{cents: 99 + 200*g.rng.IntN(3), days: 3 + g.rng.IntN(5)}
		films = append(films, f)

		two := g.rng.Perm(len(roles))[:2]
		description := fmt.Sprintf("A %s %s in which a %s and a %s %s %s.",
			g.pick(moods), genres[category], roles[two[0]], roles[two[1]], g.pick(plots), g.pick(places))
		language := 1
		if g.rng.IntN(10) == 0 {
			language = g.id(len(languages))
		}
		chosen := g.someFeatures()
		t.add(id, title, description, 1980+g.rng.IntN(43), language, f.days, money(f.cents), 46+g.rng.IntN(140),
			money(999+100*g.rng.IntN(21)), g.pick(ratings), lastUpdate, chosen)

		filmCategory.add(id, category+1, lastUpdate)
		if id%333 != 0 { // as in Pagila, three films have no actors
			for _, actor := range g.rng.Perm(actorCount)[:g.id(10)] {
				filmActor.add(id, actor+1, lastUpdate)
			}
		}
	}
	return films
}

// titles returns the films' titles in alphabetical order. They are a random choice of all titles that the
// words allow.
func (g *generator) titles() []string {
	var titles []string
	for _, first := range titleFirst {
		for _, second := range titleSecond {
			titles = append(titles, first+" "+second)
		}
	}
	g.rng.Shuffle(len(titles), func(i, j int) { titles[i], titles[j] = titles[j], titles[i] })
	titles = titles[:filmCount]
	slices.Sort(titles)
	return titles
}

// someFeatures returns a random choice of at least one feature, in the order of features.
func (g *generator) someFeatures() []string {
	chosen, which := []string{}, g.id(1<<len(features)-1)
	for bit, feature := range features {
		if which&(1<<bit) != 0 {
			chosen = append(chosen, feature)
		}
	}
	return chosen
}

// money formats cents as a decimal.
func money(cents int) string { return fmt.Sprintf("%d.%02d", cents/100, cents%100) }

// inventory gives most films four or five copies, and some none. It returns the film of each copy.
func (g *generator) inventory() []int {
	var stocked []int
	for id := 1; id <= filmCount; id++ {
		if id%24 != 23 { // 42 of Pagila's films have no copy
			stocked = append(stocked, id)
		}
	}
	t := g.table("inventory", "inventory_id, film_id, store_id, last_update")
	var filmOf []int
	for i := range inventoryCount {
		filmOf = append(filmOf, stocked[i*len(stocked)/inventoryCount])
		t.add(i+1, filmOf[i], g.id(storeCount), lastUpdate)
	}
	return filmOf
}

// rental is a rental, from which its payment follows.
type rental struct {
	inventory, customer, staff int
	from, to                   time.Time
	open                       bool
}

// rentals generates the rentals and their payments.
func (g *generator) rentals(films []film, filmOf []int) {
	all := g.rentOut()
	t := g.table("rental", "rental_id, rental_date, inventory_id, customer_id, return_date, staff_id, last_update")
	payment := g.table("payment", "payment_id, customer_id, staff_id, rental_id, amount, payment_date")
	for i, r := range all {
		var returned any
		if !r.open {
			returned = r.to
		}
		t.add(i+1, r.from, r.inventory, r.customer, returned, r.staff, lastUpdate)
		f := films[filmOf[r.inventory-1]-1]
		late := max(0, int(r.to.Sub(r.from)/day)-f.days)
		payment.add(i+1, r.customer, r.staff, i+1, money(f.cents+100*late), r.from)
	}
}

// rentOut returns the rentals in the order of their dates.
func (g *generator) rentOut() []rental {
	var all []rental
	open := 0
	for round := 0; len(all) < rentalCount; round++ {
		begin := firstRental.Add(time.Duration(round) * roundLength)
		for _, i := range g.rng.Perm(inventoryCount) {
			if len(all) == rentalCount {
				break
			}
			from := begin.Add(g.between(0, roundLength-longestOut))
			r := rental{
				inventory: i + 1, customer: g.id(customerCount), staff: g.id(staffCount),
				from: from, to: from.Add(g.between(day, longestOut)),
			}
			// In the last round, some copies are not returned. Copy 1 is, because the documentation's
			// examples rent it.
			if round == rentalCount/inventoryCount && open < openCount && r.inventory != 1 {
				r.open = true
				open++
			}
			all = append(all, r)
		}
	}
	slices.SortStableFunc(all, func(a, b rental) int { return a.from.Compare(b.from) })
	return all
}
