package main

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
)

// sharing writes shapes as TypeScript. An object that occurs several times becomes a constant, so that the SDK is
// smaller in the bundle of a page.
type sharing struct {
	times     map[string]int    // how often each object occurs, by its JSON
	names     map[string]string // the names of the constants
	constants strings.Builder
}

// constant matches what stands for a constant until everything has been encoded as JSON.
var constant = regexp.MustCompile(`"@(shared\d+)"`)

// sharedShapes returns the constants and the shapes, as the source of the SDK has them.
func sharedShapes(shapes map[string]any) (string, error) {
	s := sharing{times: map[string]int{}, names: map[string]string{}}
	if err := s.count(shapes); err != nil {
		return "", err
	}
	all, err := s.share(shapes)
	if err != nil {
		return "", err
	}
	text, err := encode(all)
	if err != nil {
		return "", err
	}
	text = s.constants.String() + "export const shapes: Record<string, Shape> = " + text + ";\n"
	return constant.ReplaceAllString(text, "$1"), nil
}

func (s *sharing) count(shape any) error {
	switch shape := shape.(type) {
	case []any:
		return s.count(shape[0])
	case map[string]any:
		key, err := encode(shape)
		if err != nil {
			return err
		}
		if s.times[key]++; s.times[key] > 1 {
			return nil // its members are counted already
		}
		for _, member := range shape {
			if err := s.count(member); err != nil {
				return err
			}
		}
	}
	return nil
}

// share replaces the objects that occur several times.
func (s *sharing) share(shape any) (any, error) {
	switch shape := shape.(type) {
	case []any:
		item, err := s.share(shape[0])
		return []any{item}, err
	case map[string]any:
		key, err := encode(shape)
		if err != nil {
			return nil, err
		}
		if name, ok := s.names[key]; ok {
			return name, nil
		}
		members := map[string]any{}
		for _, name := range slices.Sorted(maps.Keys(shape)) {
			if members[name], err = s.share(shape[name]); err != nil {
				return nil, err
			}
		}
		if s.times[key] > 1 && len(shape) > 1 {
			return s.declare(key, members)
		}
		return members, nil
	}
	return shape, nil
}

func (s *sharing) declare(key string, members map[string]any) (any, error) {
	text, err := encode(members)
	if err != nil {
		return nil, err
	}
	name := fmt.Sprintf("shared%d", len(s.names)+1)
	fmt.Fprintf(&s.constants, "const %s: Shape = %s;\n\n", name, text)
	s.names[key] = "@" + name
	return s.names[key], nil
}
