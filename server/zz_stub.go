package server

import (
	"context"

	"example.com/pagila-api/llm"
)

// modelTools is a stub until branch tools is merged.
func (s *Server) modelTools(context.Context) llm.Tools { return nil }
