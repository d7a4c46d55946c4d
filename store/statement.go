package store

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// statement is a statement under construction.
type statement struct {
	conditions []string
	slow       []string // more conditions, which cost much for each row
	args       []any
}

// arg adds an argument and returns its placeholder.
func (s *statement) arg(value any) string {
	s.args = append(s.args, value)
	return placeholder(len(s.args))
}

func placeholder(n int) string { return "$" + strconv.Itoa(n) }

// where adds a condition if it is set. The condition numbers its own arguments from $1. They are converted even if it
// is not set, so a condition whose arguments cost something stands in an if.
func (s *statement) where(set bool, condition string, args ...any) {
	if set {
		s.conditions = append(s.conditions, s.numbered(condition, args))
	}
}

// whereSlow is where for a condition that costs much for each row. Capped counts test it last.
func (s *statement) whereSlow(set bool, condition string, args ...any) {
	if set {
		s.slow = append(s.slow, s.numbered(condition, args))
	}
}

// whereAny is where for a list of values, if there are any.
func (s *statement) whereAny(values []string, condition string) {
	if len(values) > 0 {
		s.where(true, condition, values)
	}
}

// numbered returns a condition with the numbers that its arguments have in the statement.
func (s *statement) numbered(condition string, args []any) string {
	first := len(s.args)
	s.args = append(s.args, args...)
	switch {
	case first == 0 || len(args) == 0:
		return condition
	case len(args) == 1: // as most
		return strings.ReplaceAll(condition, placeholder(1), placeholder(first+1))
	}
	var marks []string
	for i := range args {
		marks = append(marks, placeholder(1+i), placeholder(first+1+i))
	}
	return strings.NewReplacer(marks...).Replace(condition)
}

// all returns the conditions as one.
func (s *statement) all() string { return and(slices.Concat(s.conditions, s.slow)) }

func and(conditions []string) string { return strings.Join(conditions, "\n\tAND ") }

// Range are the bounds of a value. Nil is no bound.
type Range[T any] struct{ Min, Max *T }

// where compares with the bounds as the type. As a numeric, an amount with more places than the column has is
// exact.
func (r Range[T]) where(s *statement, value, as string) {
	if r.Min != nil {
		s.where(true, value+` >= $1::text::`+as, fmt.Sprint(*r.Min))
	}
	if r.Max != nil {
		s.where(true, value+` <= $1::text::`+as, fmt.Sprint(*r.Max))
	}
}

// faults returns what is wrong with the bounds of the parameter with this name.
func (r Range[T]) faults(name string, compare func(a, b T) int) []QueryFault {
	if r.Min == nil || r.Max == nil || compare(*r.Min, *r.Max) <= 0 {
		return nil
	}
	detail := name + "_min is greater than " + name + "_max"
	return []QueryFault{{name + "_min", detail}, {name + "_max", detail}}
}
