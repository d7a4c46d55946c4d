package server

import (
	"log/slog"
	"net/http"
	"net/netip"

	"golang.org/x/time/rate"
)

// For the tests of the contract's examples.
var (
	CheckEvents   = checkEvents
	CheckDocument = checkDocument
)

// ClientOf is the address of a request's client, behind these proxies.
func ClientOf(trusted []string, r *http.Request) (netip.Addr, error) {
	known, err := newProxies(trusted)
	if err != nil {
		return netip.Addr{}, err
	}
	return known.client(r), nil
}

// InFlight is how many requests use the database.
func InFlight(s *Server) int { return len(s.admission.slots) }

// Fill takes all slots of admission control.
func Fill(s *Server) {
	for len(s.admission.slots) < cap(s.admission.slots) {
		s.admission.slots <- struct{}{}
	}
}

// Free gives all slots of admission control back.
func Free(s *Server) {
	for len(s.admission.slots) > 0 {
		<-s.admission.slots
	}
}

// Unpace has no refusal held back.
func Unpace(s *Server) { s.admission.pace.SetLimit(rate.Inf) }

// NewRefusals makes a count of refusals, and returns what adds one and what ends it.
func NewRefusals(logger *slog.Logger) (add, write func()) {
	r := &refusals{limit: 7, logger: logger}
	return r.add, r.write
}
