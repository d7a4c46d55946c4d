package offline

import "strings"

// The kinds of terms. The grammar in parse.go matches sequences of them.
const (
	unknown    = '?' // a word outside the vocabulary, perhaps a part of a name
	unusable   = 'x' // a known word that changes a question in a way that no tool can express
	ignored    = '.' // a word that changes nothing
	filmNoun   = 'h'
	value      = 'v' // a value of a parameter of listFilms. Several values are separated by "|".
	fact       = 'f' // something that can be asked about a film
	order      = 's' // an order, by the first of which a question may ask
	listed     = 'l' // a tool that lists something other than films
	count      = 'c'
	number     = 'n'
	unit       = 'u' // the parameter that it measures, and its size
	currency   = '$'
	bound      = 'b' // a comparison, and the parameter if it says so
	after      = 'a' // a comparison that follows its number
	between    = 'w'
	to         = '-'
	budget     = 'm' // begins a sum that a customer has
	about      = 'q'
	not        = '!'
	or         = 'o'
	and        = '&'
	comma      = ','
	store      = 't'
	called     = 'i' // introduces a part of a title
	film       = 'T' // the name of a film
	actor      = 'A' // the name of an actor, or a part of it
	maxPhrase  = 5   // words
	shortFilms = "80"
	longFilms  = "150"
)

// vocabulary has all words that the reader understands. Each line has the kind of a term, its name, its value,
// and the phrases that mean it. The first phrase of a value is how an answer says it. Plurals need no phrase of
// their own. "Short", "long" and "cheap" are about a quarter to a third of Pagila's films.
const vocabulary = `
v category Action: action films, action, action movies
v category Animation: animation, animated, animations, cartoons
v category Children: the category Children, category children, children category, children genre, genre children
v category Classics: classics, classic
v category Comedy: comedies, comedy, funny, hilarious, humorous, comic
v category Documentary: documentaries, documentary, docs
v category Drama: dramas, drama, dramatic
v category Family: family films, family, family movies
v category Foreign: foreign films, foreign, foreign movies
v category Games: the category Games, games, gaming
v category Horror: horror films, horror, horrors, scary, creepy, spooky, frightening, horror movies
v category Music: music films, music, musicals, musical
v category New: the category New, new, new releases, category new, new category
v category Sci-Fi: sci-fi films, sci fi, scifi, science fiction, sf
v category Sports: sports films, sports, sporty
v category Travel: travel films, travel, travelling, traveling, travelogues
v rating G: rated G, g rated, rating g, general audiences
v rating PG: rated PG, pg, pg rated, rating pg
v rating PG-13: rated PG-13, pg 13, pg 13 rated, rating pg 13
v rating R: rated R, r rated, rating r
v rating NC-17: rated NC-17, nc 17, nc 17 rated, rating nc 17, adults only
v rating G|PG: for children, children, kids, kid, child, for kids, child friendly, kid friendly, family friendly, toddlers, suitable for children, for families, for the family, for the whole family
v special_feature Trailers: trailers
v special_feature Commentaries: commentaries, commentary
v special_feature Deleted Scenes: deleted scenes, cut scenes
v special_feature Behind the Scenes: behind the scenes
v streaming_available true: for streaming, streaming, stream, streamed, streamable, to stream, available for streaming, available to stream, be streamed
v streaming_available false: not for streaming, not available for streaming, not streamable, not available to stream, not be streamed
v in_stock true: in stock, on hand, available, available to rent, available for rent, on the shelf, on the shelves
v in_stock false: not in stock, not available, unavailable, out of stock, rented out, all rented out, sold out
v length_max ` + shortFilms + `: short
v length_min ` + longFilms + `: long
v rental_rate_max 0.99: cheap, inexpensive
v language English: in English, english, available in English
v language Italian: in Italian, italian, available in Italian
v language Japanese: in Japanese, japanese, available in Japanese
v language Mandarin: in Mandarin, mandarin, available in Mandarin, chinese
v language French: in French, french, available in French
v language German: in German, german, available in German
f actors: cast, star, stars, starring, starred, actors, actor, actress, actresses, play, plays, played, act, acts, acted, acting, appear, appears, appeared, appearing, featuring, who
f category: category, genre, kind of film, kind of movie, sort of film, sort of movie, type of film, type of movie
f rating: rating, rated, suitable, age rating, how is it rated
f length: length, how long, running time, run time, runtime, run, duration, how many minutes, how many hours
f rental_rate: price, cost, rental price, rental rate, rental cost, how much, how expensive, rate, rent for, how much to rent, cost to rent, price to rent, charge
f replacement_cost: replacement cost, replacement price, to replace, replace, cost to replace, cost of replacing, replacing, if i lose, if i lost, lose, lost
f rental_duration: rental period, rental duration, rental time, rental days, keep, how many days, how long can i keep, how long may i keep, how long can i rent, how long can i have, how long may i rent
f features: special features, special feature, features, extras, bonus material
f release_year: release year, year, released, release date, year of release, came out, come out, when was, when were, when did, what year, which year, made in
f language: language, languages, what language
f stock: how many copies, copies, copy, which store has, which stores have, which shop has, which shops have, where can i rent, where can i get, where is
f available: can i rent, can i get, can i have, can we rent, can we get
f due: due, due back, when will, when is, when are, be back, back, returned, be returned, come back
f description: plot, story, synopsis, description, happens
s -length: longest, longest running, longest first
s length: shortest, shortest first
s rental_rate: cheapest, cheapest first, cheapest to rent, least expensive, lowest price, lowest rental rate, lowest rental price
s -rental_rate: most expensive, most expensive first, most expensive to rent, dearest, priciest, highest price, highest rental rate, highest rental price
s replacement_cost: cheapest to replace, least expensive to replace, lowest replacement cost
s -replacement_cost: most expensive to replace, dearest to replace, costliest to replace, highest replacement cost, highest replacement price
s -release_year: newest, newest first, latest, most recent, newest released
s release_year: oldest, oldest first, earliest
s title: alphabetically, in alphabetical order, by title, sorted by title, ordered by title, from a to z
s length asc: sorted by length, ordered by length, by length, in order of length
s rental_rate asc: sorted by price, ordered by price, by price, in order of price
l listCategories: in each category, per category, by category, each category, each genre, per genre
l listStores: where are your stores, where are your shops, where are the stores, where are the shops, which stores are there, which shops are there, list stores, list shops, how many stores, how many shops, what stores, what shops, addresses
c: how many, number of, count, total number of, count of
h: film, films, movie, movies, dvd, dvds, titles, catalogue, catalog
u length 1: minutes, minute, min, mins
u length 60: hours, hour, hrs, hr, h
u rental_rate 1: dollars, bucks, buck, usd
u rental_rate 0.01: cents, ¢
u rental_duration 1: days, day
u rental_duration 7: weeks, week
$: $, us$
b <: under, below, less than, lower than, fewer than, <
b < length: shorter than
b < rental_rate: cheaper than, less expensive than
b < release_year: before, older than, earlier than
b <=: at most, up to, no more than, not more than, at the most, max, maximum, a maximum of, not over, not above, no higher than, within, <=, =<, ≤
b <= length: no longer than, not longer than
b <= release_year: until, up until
b >: over, above, more than, greater than, higher than, stricter than, exceeding, >
b > length: longer than
b > rental_rate: more expensive than, dearer than
b > release_year: after, newer than, later than
b >=: at least, no less than, not less than, not under, not below, minimum, a minimum of, at the least, >=, =>, ≥
b >= length: no shorter than, not shorter than
b >= release_year: since
b =: exactly, =, precisely, equal to
b ~: around, roughly, approximately, approx, ~, circa, nearly
a <=: or less, or under, or shorter, or cheaper, or fewer, or lower, or below, or earlier, or older, and under, and below, tops, or milder
a >=: or more, or longer, or over, or higher, or above, or later, or newer, and up, and above, and over, and more, plus, +, or stricter
w: between
-: to
m: i have, i ve got, i have got, i ve, i have only, i only have, budget of, budget is, a budget of, my budget is
q: about
!: not, no, non, none, never, without, except, except for, excluding, exclude, avoid, neither, other than, apart from, but not, anything but, everything but, all but, minus
o: or, either, nor
&: and, &, as well as, plus also
,: ,, /
t: store, shop, store number, shop number, store no, branch
i: called, titled, named, title starts with, title begins with, title contains, in the title, in their title
x: only, just, second, third, fourth, first, last, best, worst, most, least, fewest, more, fewer, less, than, both, every, same, another, other, similar, like, popular, good, bad, great, top, next, previous, random, why, if, but, unless, again, when, also not, rather, instead, than that, longest title, shortest title, longest name, shortest name, longest titles, shortest titles, longest rental period, shortest rental period, half, per, each, average, percent, %, combined, together, exactly one, new or old, love, hate, customer, customers, staff, director, directed
.: a, an, the, this, that, these, those, there, of, in, on, at, for, from, with, by, i, we, you, he, she, me, us, my, our, your, it, its, they, them, their, one, ones, is, are, was, were, be, been, am, do, does, did, done, have, has, having, had, can, could, will, would, shall, should, may, might, any, some, all, what, which, where, how, show, list, find, give, tell, get, see, watch, rent, rental, hire, borrow, want, need, look, looking, search, please, thanks, thank, hi, hello, hey, d, m, re, ll, ve, s, t, so, now, today, tonight, currently, still, something, anything, thing, stuff, name, word, words, d like, i d like, would like, know, let, as, stand, offer, sell, stock, carry, got, sir, ok, okay, well, too, also, let s, price is, priced, costing, worth, within the catalogue, long is, whose, lasting, running, tell me about, know about, what about, how about, is there, are there, out there, here, possible, exist, kind, kinds, sort, type, types, genres of, go for, goes for, take, age, suitable for, appropriate, to, dataset, database, shop have, store have, your store, your shop, the shop, the store, at the moment, right now
`

// meaning is what a phrase means.
type meaning struct {
	kind        byte
	name, value string
	said        string // how an answer says it
}

// phrases maps the phrases of the vocabulary, in stems, to what they mean. The first line with a phrase wins.
var phrases = func() map[string]meaning {
	all := map[string]meaning{}
	for line := range strings.SplitSeq(strings.TrimSpace(vocabulary), "\n") {
		head, said, _ := strings.Cut(line[1:], ": ")
		name, value, _ := strings.Cut(strings.TrimSpace(strings.TrimSuffix(head, ":")), " ")
		first := ""
		for i, phrase := range strings.Split(strings.ReplaceAll(said, ",,", "\x00,"), ", ") {
			phrase = strings.ReplaceAll(phrase, "\x00", ",")
			if i == 0 {
				first = phrase
			}
			if key := stems(split(phrase)); all[key].kind == 0 {
				all[key] = meaning{line[0], name, value, first}
			}
		}
	}
	return all
}()
