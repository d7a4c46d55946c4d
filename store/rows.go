package store

import (
	"fmt"
	"reflect"
	"strings"
	"sync"

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
	types   *pgtype.Map
	columns []column
}

// scanners keeps scanners, so that their columns are reused.
var scanners = sync.Pool{New: func() any { return new(scanner) }}

// release makes the scanner fit for another result. A scanner in the pool must not keep anything of a connection in
// memory.
func (s *scanner) release() {
	clear(s.columns)
	s.types, s.columns = nil, s.columns[:0]
	scanners.Put(s)
}

// column is a column of a result.
type column struct {
	field *schema.Field
	kind  columnKind
	plan  pgtype.ScanPlan // of any other value
}

// columnKind says how the value of a column is read. pgx needs no plan for the most frequent ones.
type columnKind int

const (
	anyOther columnKind = iota
	text                // whose value is what was received
	array               // the text of an array, for a []string
	integer             // in binary, for an integer that is at least as large or a pointer to one
)

// scan reads the rows of a result into dest, a pointer to a slice of structs, and closes the result. NULL becomes
// the zero value. A []string is read from the text of an array, which can have NULL elements and any dimensions: its
// elements are those that are not NULL.
func scan(models *bun.DB, types *pgtype.Map, rows pgx.Rows, dest any) error {
	defer rows.Close()
	s, slice := scanners.Get().(*scanner), reflect.ValueOf(dest).Elem()
	defer s.release()
	s.types = types
	slice.SetLen(0)
	for n := 0; rows.Next(); n++ {
		slice.Grow(1)
		slice.SetLen(n + 1)
		row := slice.Index(n)
		row.SetZero()
		if n == 0 {
			if err := s.prepare(models.Table(row.Type()), rows.FieldDescriptions(), row); err != nil {
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
func (s *scanner) prepare(model *schema.Table, fields []pgconn.FieldDescription, row reflect.Value) error {
	for _, description := range fields {
		field := model.LookupField(description.Name)
		if field == nil {
			return fmt.Errorf("%s has no field for the column %s", model, description.Name)
		}
		c := column{field: field, kind: kindOf(description, field.StructField.Type)}
		if c.kind == anyOther {
			c.plan = s.types.PlanScan(description.DataTypeOID, description.Format, field.Value(row).Addr().Interface())
		}
		s.columns = append(s.columns, c)
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
	}
	if field.Kind() == reflect.Pointer {
		field = field.Elem()
	}
	bits := integerBits[d.DataTypeOID]
	if d.Format == pgtype.BinaryFormatCode && bits != 0 &&
		(field.Kind() == reflect.Int32 || field.Kind() == reflect.Int64) && bits <= field.Bits() {
		return integer
	}
	return anyOther
}

// integerBits are the sizes of PostgreSQL's types of integers.
var integerBits = map[uint32]int{pgtype.Int2OID: 16, pgtype.Int4OID: 32, pgtype.Int8OID: 64}

// isText reports whether the values of a column are received as they are written in SQL.
func isText(d pgconn.FieldDescription) bool {
	return d.Format == pgtype.TextFormatCode || d.DataTypeOID == pgtype.TextOID || d.DataTypeOID == pgtype.VarcharOID
}

// scan reads a row. Its texts share one string.
func (s *scanner) scan(values [][]byte, row reflect.Value) error {
	texts := s.texts(values)
	for i, c := range s.columns {
		value, field := values[i], c.field.Value(row)
		switch {
		case c.kind == text:
			field.SetString(texts[:len(value)])
			texts = texts[len(value):]
		case c.kind == array:
			*field.Addr().Interface().(*[]string) = elements(texts[:len(value)])
			texts = texts[len(value):]
		case value == nil:
		case c.kind == integer:
			setInteger(field, value)
		default:
			if err := c.plan.Scan(value, field.Addr().Interface()); err != nil {
				return fmt.Errorf("column %s: %w", c.field.Name, err)
			}
		}
	}
	return nil
}

// setInteger sets an integer, or a pointer to one, to a value in binary.
func setInteger(field reflect.Value, value []byte) {
	if field.Kind() == reflect.Pointer {
		field.Set(reflect.New(field.Type().Elem()))
		field = field.Elem()
	}
	n := int64(int8(value[0])) //nolint:gosec // the first byte has the sign (two's complement)
	for _, b := range value[1:] {
		n = n<<8 | int64(b)
	}
	field.SetInt(n)
}

func (c column) isText() bool { return c.kind == text || c.kind == array }

// texts returns the texts of a row, one after another.
func (s *scanner) texts(values [][]byte) string {
	size := 0
	for i, c := range s.columns {
		if c.isText() {
			size += len(values[i])
		}
	}
	var texts strings.Builder
	texts.Grow(size)
	for i, c := range s.columns {
		if c.isText() {
			texts.Write(values[i])
		}
	}
	return texts.String()
}

// elements returns the elements of an array's text that are not NULL, of all dimensions (PostgreSQL manual, section
// 8.15.6).
func elements(array string) []string {
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
			end := strings.IndexAny(rest, ",}")
			if end < 0 {
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
	if end := strings.IndexAny(text, `"\`); end >= 0 && text[end] == '"' { // as most
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
