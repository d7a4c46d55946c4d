package server

import (
	"context"
	"strings"

	"example.com/pagila-api/gen"
)

// notReadyError says why the server is not ready: a sentence, or several with semicolons between,
// without a full stop.
type notReadyError struct {
	reason    string
	announced bool // a state that passes by itself or that an operator has asked for
}

func (e *notReadyError) Error() string { return "not ready: " + e.reason }

// GetHealth answers that the process serves requests.
func (s *Server) GetHealth(context.Context, gen.GetHealthRequestObject) (gen.GetHealthResponseObject, error) {
	return gen.GetHealth200JSONResponse{Status: gen.HealthStatusOK}, nil
}

// GetReadiness answers what the server runs on, or that it is not ready.
func (s *Server) GetReadiness(ctx context.Context, _ gen.GetReadinessRequestObject) (gen.GetReadinessResponseObject, error) {
	if s.draining.Load() {
		return nil, &notReadyError{reason: "it is shutting down", announced: true}
	}
	status, err := s.deps.Store.Status(ctx)
	if err != nil {
		return nil, err
	}
	if len(status.Missing) > 0 {
		return nil, &notReadyError{reason: strings.Join(status.Missing, "; ")}
	}
	model := s.deps.Model.Info()
	return gen.GetReadiness200JSONResponse{
		Status:    gen.ReadinessStatusReady,
		Database:  status.Server,
		Dataset:   gen.ReadinessDataset(status.Dataset),
		Migration: status.Migration,
		LLM:       gen.LanguageModel{Provider: model.Provider, Model: model.Model},
	}, nil
}
