package server

import (
	"context"
	"strings"

	"example.com/pagila-api/gen"
)

// notReadyError means that the server is not ready.
type notReadyError struct {
	detail   string // full sentences for the client
	expected bool   // temporary, or caused by an operator, so it is not logged as an error
}

func (e *notReadyError) Error() string { return e.detail }

var errShuttingDown = &notReadyError{"The server is shutting down.", true}

// GetHealth responds as long as the process serves requests.
func (s *Server) GetHealth(context.Context, gen.GetHealthRequestObject) (gen.GetHealthResponseObject, error) {
	return gen.GetHealth200JSONResponse{Status: gen.HealthStatusOK}, nil
}

// GetReadiness reports what the server runs on, or that it is not ready. A missing language model does not
// count, since everything else works without one.
func (s *Server) GetReadiness(ctx context.Context, _ gen.GetReadinessRequestObject) (gen.GetReadinessResponseObject, error) {
	if s.draining.Load() {
		return nil, errShuttingDown
	}
	status, err := s.deps.Store.Status(ctx)
	if err != nil {
		return nil, err
	}
	if len(status.Missing) > 0 {
		return nil, &notReadyError{detail: "The server is not ready: " + strings.Join(status.Missing, "; ") + "."}
	}
	model := s.deps.Model.Info()
	language := gen.LanguageModel{Provider: model.Provider, Model: model.Model}
	if model.Problem != "" {
		language.Problem = &model.Problem
	}
	return gen.GetReadiness200JSONResponse{
		Status:    gen.ReadinessStatusReady,
		Version:   s.deps.Contract.Info.Version,
		Database:  status.Server,
		Dataset:   gen.ReadinessDataset(status.Dataset),
		Migration: status.Migration,
		LLM:       language,
	}, nil
}
