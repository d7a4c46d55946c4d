package server

import (
	"context"
	"fmt"
	"strings"
	"time"

	"example.com/pagila-api/gen"
)

// readinessTimeout is how long the database may take to answer. Who asks does not wait long, and
// asks again soon.
const readinessTimeout = 2 * time.Second

// GetHealth answers that the process serves requests.
func (s *Server) GetHealth(context.Context, gen.GetHealthRequestObject) (gen.GetHealthResponseObject, error) {
	return gen.GetHealth200JSONResponse{Status: gen.HealthStatusOK}, nil
}

// GetReadiness answers what the server runs on, or that it is not ready.
func (s *Server) GetReadiness(ctx context.Context, _ gen.GetReadinessRequestObject) (gen.GetReadinessResponseObject, error) {
	if s.draining.Load() {
		return nil, errDraining
	}
	ctx, cancel := context.WithTimeout(ctx, readinessTimeout)
	defer cancel()
	status, err := s.deps.Store.Status(ctx)
	if err != nil {
		return nil, err
	}
	if len(status.Pending) > 0 {
		return nil, fmt.Errorf("%w: migrations are missing: %s", errNotReady, strings.Join(status.Pending, ", "))
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
