//go:build !linux

package main

import "time"

// processTime returns false: the report then has no CPU times.
func processTime(int) (time.Duration, bool) { return 0, false }
