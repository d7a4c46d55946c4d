package store

import (
	"fmt"
	"hash/crc32"
	"reflect"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgtype"
	"github.com/uptrace/bun"
	"github.com/uptrace/bun/schema"
)

// scanner reads the rows of a result into structs. bun's models say which field has a column, and pgx reads its
// value. bun's own scanner goes through database/sql, which copies each value several times: it took 31 allocations
// for a film.
type scanner struct {
	pool    *sync.Pool
	types   *pgtype.Map
	columns []column // of the last result, which are most often those of the next one
	texts   []int    // the indexes of those whose kind is text
}

// scanners are pools of scanners by the type of the rows.
var scanners sync.Map

// scannerFor returns a scanner for rows of a type.
func scannerFor(row reflect.Type) *scanner {
	pool, ok := scanners.Load(row)
	if !ok {
		pool, _ = scanners.LoadOrStore(row, new(sync.Pool))
	}
	if s, ok := pool.(*sync.Pool).Get().(*scanner); ok {
		return s
	}
	return &scanner{pool: pool.(*sync.Pool)}
}

// release returns the scanner to its pool. There it must not keep anything of a connection in memory.
func (s *scanner) release() {
	s.types = nil
	for i := range s.columns {
		s.columns[i].plan = nil
	}
	s.pool.Put(s)
}

// column is a column of a result.
type column struct {
	name   string
	field  *schema.Field
	oid    uint32 // of the type of its values
	format int16
	kind   columnKind
	plan   pgtype.ScanPlan // of any other value
}

// columnKind says how the value of a column is read. pgx needs no plan for the most frequent ones.
type columnKind int

const (
	anyOther columnKind = iota
	text                // whose value is what was received
	array               // the text of an array, for a []string
	integer             // in binary, for an integer that is at least as large or a pointer to one
	boolean             // in binary, for a bool or a pointer to one
)

// scan reads the rows of a result into dest, a pointer to a slice of structs, and closes the result. NULL becomes
// the zero value. A []string is read from the text of an array, which can have NULL elements and any dimensions: its
// elements are those that are not NULL. Rows may share it, so it must not be changed.
func scan(models *bun.DB, types *pgtype.Map, rows pgx.Rows, dest any) error {
	defer rows.Close()
	slice := reflect.ValueOf(dest).Elem()
	s := scannerFor(slice.Type().Elem())
	defer s.release()
	s.types = types
	slice.SetLen(0)
	for n := 0; rows.Next(); n++ {
		slice.Grow(1)
		slice.SetLen(n + 1)
		row := slice.Index(n)
		row.SetZero()
		if n == 0 {
			if err := s.prepare(models, rows.FieldDescriptions(), row); err != nil {
				return err
			}
		}
		if err := s.scan(rows.RawValues(), row); err != nil {
			return err
		}
	}
	return rows.Err()
}

// prepare plans how the columns are read.
func (s *scanner) prepare(models *bun.DB, described []pgconn.FieldDescription, row reflect.Value) error {
	if !s.fits(described) {
		if err := s.match(models.Table(row.Type()), described); err != nil {
			return err
		}
	}
	for i := range s.columns {
		if c := &s.columns[i]; c.kind == anyOther {
			c.plan = s.types.PlanScan(c.oid, c.format, c.field.Value(row).Addr().Interface())
		}
	}
	return nil
}

// fits reports whether a result has the same columns as the last one.
func (s *scanner) fits(described []pgconn.FieldDescription) bool {
	return slices.EqualFunc(s.columns, described, func(c column, d pgconn.FieldDescription) bool {
		return c.name == d.Name && c.oid == d.DataTypeOID && c.format == d.Format
	})
}

// match finds the fields of the columns.
func (s *scanner) match(model *schema.Table, described []pgconn.FieldDescription) error {
	s.columns, s.texts = s.columns[:0], s.texts[:0]
	for i, d := range described {
		field := model.LookupField(d.Name)
		if field == nil {
			return fmt.Errorf("%s has no field for the column %s", model, d.Name)
		}
		kind := kindOf(d, field.StructField.Type)
		s.columns = append(s.columns, column{name: d.Name, field: field, oid: d.DataTypeOID, format: d.Format, kind: kind})
		if kind == text {
			s.texts = append(s.texts, i)
		}
	}
	return nil
}

// kindOf returns the kind of a column that is read into a field of this type.
func kindOf(d pgconn.FieldDescription, field reflect.Type) columnKind {
	switch {
	case isText(d) && field.Kind() == reflect.String:
		return text
	case isText(d) && field == reflect.TypeFor[[]string]():
		return array
	case d.Format == pgtype.BinaryFormatCode:
		return binaryKindOf(d.DataTypeOID, field)
	default:
		return anyOther
	}
}

// binaryKindOf is kindOf for values in binary.
func binaryKindOf(oid uint32, field reflect.Type) columnKind {
	if field.Kind() == reflect.Pointer {
		field = field.Elem()
	}
	bits := integerBits[oid]
	switch {
	case bits != 0 && (field.Kind() == reflect.Int32 || field.Kind() == reflect.Int64) && bits <= field.Bits():
		return integer
	case oid == pgtype.BoolOID && field.Kind() == reflect.Bool:
		return boolean
	default:
		return anyOther
	}
}

// integerBits are the sizes of PostgreSQL's types of integers.
var integerBits = map[uint32]int{pgtype.Int2OID: 16, pgtype.Int4OID: 32, pgtype.Int8OID: 64}

// isText reports whether the values of a column are received as they are written in SQL.
func isText(d pgconn.FieldDescription) bool {
	return d.Format == pgtype.TextFormatCode || d.DataTypeOID == pgtype.TextOID || d.DataTypeOID == pgtype.VarcharOID
}

// scan reads a row. Its texts share one string.
func (s *scanner) scan(values [][]byte, row reflect.Value) error {
	texts := s.join(values)
	for i := range s.columns {
		c, value := &s.columns[i], values[i]
		field := c.field.Value(row)
		switch {
		case c.kind == text:
			field.SetString(texts[:len(value)])
			texts = texts[len(value):]
		case c.kind == array:
			*field.Addr().Interface().(*[]string) = elements(value)
		case value == nil:
		case c.kind == integer:
			target(field).SetInt(signed(value))
		case c.kind == boolean:
			target(field).SetBool(value[0] != 0)
		default:
			if err := c.plan.Scan(value, field.Addr().Interface()); err != nil {
				return fmt.Errorf("column %s: %w", c.name, err)
			}
		}
	}
	return nil
}

// target returns the value to set: the field itself or, if the field is a pointer, a new variable that it then points to.
func target(field reflect.Value) reflect.Value {
	if field.Kind() != reflect.Pointer {
		return field
	}
	field.Set(reflect.New(field.Type().Elem()))
	return field.Elem()
}

// signed returns an integer from its bytes, in two's complement and network order.
func signed(value []byte) int64 {
	n := -int64(value[0] >> 7) // all bits are 1 if the number is negative, which extends its sign to 64 bits
	for _, b := range value {
		n = n<<8 | int64(b)
	}
	return n
}

// join returns the texts of a row, one after another.
func (s *scanner) join(values [][]byte) string {
	size := 0
	for _, i := range s.texts {
		size += len(values[i])
	}
	var texts strings.Builder
	texts.Grow(size)
	for _, i := range s.texts {
		texts.Write(values[i])
	}
	return texts.String()
}

// knownArray is the text of an array with its elements.
type knownArray struct {
	text     string
	elements []string
}

// knownArrays has the arrays that were read last, each in the place that the hash of its text gives. Rows repeat them:
// Pagila's films have 15 different lists of special features, which have 15 different places. An LRU cache would take a
// lock for each row.
var knownArrays [256]atomic.Pointer[knownArray]

// maxKnownArray is the size of the longest text in knownArrays, in bytes. It bounds the memory for all of them and their
// elements to a third of a megabyte. The longest of Pagila's lists has 60 bytes.
const maxKnownArray = 128

// elements returns the elements of an array from its text. Other rows may have the same slice, so it must not be changed.
func elements(text []byte) []string {
	if len(text) > maxKnownArray {
		return parseArray(string(text))
	}
	place := &knownArrays[crc32.ChecksumIEEE(text)%uint32(len(knownArrays))]
	if known := place.Load(); known != nil && known.text == string(text) {
		return known.elements
	}
	read := &knownArray{text: string(text)}
	read.elements = slices.Clip(parseArray(read.text))
	place.Store(read)
	return read.elements
}

// parseArray returns the elements of an array's text that are not NULL, of all dimensions (PostgreSQL manual, section
// 8.15.6).
func parseArray(array string) []string {
	_, rest, _ := strings.Cut(array, "{") // before it may be the bounds
	all := make([]string, 0, strings.Count(rest, ",")+1)
	for rest != "" {
		switch rest[0] {
		case '{', '}', ',':
			rest = rest[1:]
		case '"':
			var element string
			element, rest = quotedElement(rest[1:])
			all = append(all, element)
		default:
			end := indexOf(rest, ',', '}')
			if end == len(rest) {
				return append(all, rest)
			}
			if element := rest[:end]; !strings.EqualFold(element, "NULL") {
				all = append(all, element)
			}
			rest = rest[end:]
		}
	}
	return all
}

// quotedElement returns the element before the closing quotation mark, and what follows the mark. A backslash escapes
// the character after it.
func quotedElement(text string) (element, rest string) {
	if end := indexOf(text, '"', '\\'); end < len(text) && text[end] == '"' { // as most
		return text[:end], text[end+1:]
	}
	var unescaped strings.Builder
	for i := 0; i < len(text); i++ {
		switch {
		case text[i] == '"':
			return unescaped.String(), text[i+1:]
		case text[i] == '\\' && i+1 < len(text):
			i++
		}
		unescaped.WriteByte(text[i])
	}
	return unescaped.String(), ""
}

// indexOf returns the index of the first of two characters, or the length. For a few bytes, strings.IndexAny takes
// several times as long.
func indexOf(text string, a, b byte) int {
	i := 0
	for i < len(text) && text[i] != a && text[i] != b {
		i++
	}
	return i
}
