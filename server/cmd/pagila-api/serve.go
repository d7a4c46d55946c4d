package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os/signal"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/getkin/kin-openapi/openapi3"

	"example.com/pagila-api/api"
	"example.com/pagila-api/llm"
	"example.com/pagila-api/llm/upstream"
	"example.com/pagila-api/schema/migrations"
	"example.com/pagila-api/server"
	"example.com/pagila-api/server/ops"
	"example.com/pagila-api/store"
	"example.com/pagila-api/store/localpg"
)

const (
	// readHeaderTimeout and readTimeout stop clients that send slowly on purpose. Bodies are small.
	readHeaderTimeout = 5 * time.Second
	readTimeout       = 30 * time.Second
	// idleTimeout is longer than that of most load balancers. They should close an idle connection: if the
	// server did, their next request might get lost.
	idleTimeout = 2 * time.Minute
	// shutdownTimeout limits the time for requests in flight once the program is told to stop. With the
	// default DRAIN_DELAY it is less than the 30 s after which Kubernetes kills the program.
	shutdownTimeout = 15 * time.Second
	// maxHeader is ample for the headers of a browser, in bytes.
	maxHeader = 32 << 10
	// writeMargin is the time for a response in addition to that of the language model. Streams extend
	// their deadline for each chunk.
	writeMargin = 30 * time.Second
)

// serve runs the server on HTTP_ADDR until ctx is done.
func serve(ctx context.Context, c config, stdout io.Writer, stderr *nonblockingWriter) error {
	defer limitGarbage()()
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", c.HTTPAddr)
	if err != nil {
		return fmt.Errorf("listen on HTTP_ADDR: %w", err)
	}
	return serveOn(ctx, c, listener, stdout, stderr, func() {})
}

// serveOn runs the server on a listener until ctx is done, and closes the listener. It accepts requests
// from the beginning, and calls ready once the database is usable.
func serveOn(ctx context.Context, c config, listener net.Listener, stdout io.Writer, stderr *nonblockingWriter, ready func()) (err error) {
	defer listener.Close()
	level := c.level()
	logger := c.logger(stderr, level)
	stderr.setOnLoss(func(lost int) { logger.Warn("lines of the log were lost because nobody read them", "lines", lost) })

	hangups := receiveHangups(c)
	defer signal.Stop(hangups)

	// The service is built before the database, so that a mistake in its settings shows before a long
	// restore.
	service, err := newService(ctx, c, level, logger)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, service.close(logger)) }()
	defer reloadTokens(ctx, c, hangups, service.Server, logger)()
	front := newFrontend(c, service.handler, logger)
	defer front.Close() // if the start fails
	served := front.start(listener)

	db, st, err := openStore(ctx, c, service.Server, service.telemetry.metrics, logger, stderr)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.close()) }()
	defer st.Close()
	service.Ready(st)
	announce(ctx, c, stdout, logger, db, st, service.model.Info(), listener.Addr())
	ready()

	select {
	case err := <-served:
		return fmt.Errorf("serve: %w", err)
	case <-db.ended():
		err = errors.New("the private PostgreSQL server ended unexpectedly")
	case <-ctx.Done():
		service.Drain()
		logger.Info("stopping: requests in flight may finish, a second signal ends the program at once", "drain", c.DrainDelay, "longest", shutdownTimeout)
		front.drain(c.DrainDelay, db.ended())
	}
	return errors.Join(err, front.shutdown(logger))
}

// service is the API as a handler.
type service struct {
	*server.Server
	handler      http.Handler
	model        *llm.Client
	telemetry    *telemetry
	undocumented atomic.Int64 // responses that do not follow the contract
	endCheck     func()       // ends the check of the model
}

// newService builds the API without its store, which is not ready yet. The level is that of the log.
func newService(ctx context.Context, c config, level *slog.LevelVar, logger *slog.Logger) (s *service, err error) {
	contract, err := api.Load(ctx)
	if err != nil {
		return nil, err
	}
	otel, err := startTelemetry(ctx, c, contract.Info.Version, level, logger)
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			otel.shutdown(logger)
		}
	}()
	s = &service{telemetry: otel}
	if s.model, err = newModel(c, contract, logger, s.telemetry); err != nil {
		return nil, err
	}
	if s.Server, err = newServer(c, contract, s.model, s.telemetry, logger); err != nil {
		return nil, err
	}
	tokens, err := c.tokens(ctx)
	if err != nil {
		return nil, err
	}
	s.SetTokens(tokens)
	s.handler = s.Server
	if c.CheckResponses {
		if s.handler, err = server.CheckResponses(contract, s.Server, s.report(logger)); err != nil {
			return nil, err
		}
	}
	if c.LLMProvider == "ollama" {
		logger.Warn("Ollama drops what does not fit into its context, and no request can set the length of that",
			"remedy", "set OLLAMA_CONTEXT_LENGTH=16384 where Ollama runs, if you have not")
	}
	s.endCheck = checkModel(ctx, s.model)
	return s, nil
}

// report returns a function that logs and counts the responses that do not follow the contract.
func (s *service) report(logger *slog.Logger) func(server.Response) {
	return func(r server.Response) {
		if r.Err == nil {
			return
		}
		s.undocumented.Add(1)
		logger.Error("the response does not follow the contract", "method", r.Request.Method, "path", r.Request.URL.Path,
			"status", r.Status, "media_type", r.MediaType, "error", r.Err)
	}
}

func (s *service) close(logger *slog.Logger) error {
	s.endCheck()
	s.Close()
	s.telemetry.shutdown(logger)
	if n := s.undocumented.Load(); n > 0 {
		return fmt.Errorf("%d responses did not follow the contract", n)
	}
	return nil
}

func newServer(c config, contract *openapi3.T, model *llm.Client, otel *telemetry, logger *slog.Logger) (*server.Server, error) {
	return server.New(server.Deps{
		Contract:    contract,
		Model:       model,
		Credentials: server.Credentials{Token: c.APIToken, Username: c.APIUsername, Password: c.APIPassword},
		Limits:      server.Limits{InFlight: c.MaxInFlight, PerMinute: c.LLMRateLimit, Concurrent: c.LLMMaxCalls, Logins: c.TokenRateLimit},

		TrustedProxies: c.TrustedProxies,
		Origins:        c.CORSOrigins,
		Replicas:       len(c.ReplicaURLs) > 0,
		Logger:         logger,
		LogSkip:        1 - c.LogSampleRate,
		Observer:       otel.metrics,
		TracerProvider: otel.traces,
		Propagator:     otel.propagator,
	})
}

// openStore opens the database. It restores and migrates a private one. Until it is done, requests are told
// what the server is waiting for.
func openStore(ctx context.Context, c config, srv *server.Server, metrics *ops.Metrics, logger *slog.Logger, stderr io.Writer) (_ *database, _ *store.Store, err error) {
	db, err := openInPhases(ctx, c, progressTo(stderr), srv.Starting)
	if errors.Is(err, localpg.ErrLocked) {
		return nil, nil, fmt.Errorf("%w: stop it, or set another DATA_DIR", err)
	}
	if err != nil {
		return nil, nil, err
	}
	st, err := store.Open(db.url, store.Options{
		MaxConns: c.DatabaseMaxConns, Observer: metrics,
		Replicas: c.ReplicaURLs, ReplicaMaxLag: c.ReplicaMaxLag, OnReplica: func(s store.ReplicaState) {
			metrics.ReplicaInUse(s.Address, s.InUse)
			logReplica(logger, s)
		},
	})
	if err != nil {
		return nil, nil, errors.Join(err, db.close())
	}
	for name, pool := range st.Pools() {
		metrics.AddPool(name, pool)
	}
	if db.server == nil { // migrating it is up to its owner
		return db, st, nil
	}
	srv.Starting("applying the migrations")
	if err := migrations.Apply(ctx, st.DB()); err != nil {
		return nil, nil, errors.Join(fmt.Errorf("migrate: %w", err), st.Close(), db.close())
	}
	return db, st, nil
}

func logReplica(logger *slog.Logger, s store.ReplicaState) {
	if s.InUse {
		logger.Info("reads use the replica", "replica", s.Address)
	} else {
		logger.Warn("reads leave the replica out", "replica", s.Address, "error", s.Reason)
	}
}

func newModel(c config, contract *openapi3.T, logger *slog.Logger, otel *telemetry) (*llm.Client, error) {
	model, err := llm.New(llm.Config{
		Upstream: upstream.Config{
			Provider:         c.LLMProvider,
			Model:            c.LLMModel,
			APIKey:           c.OpenAIAPIKey,
			BaseURL:          c.OpenAIBaseURL,
			OllamaHost:       c.OllamaHost,
			Timeout:          c.LLMTimeout,
			FirstByteTimeout: c.LLMFirstByteTimeout,
			IdleTimeout:      c.LLMIdleTimeout,
			Logger:           logger,
			TracerProvider:   otel.traces,
			MeterProvider:    otel.meters,
			RecordContent:    c.OTLPContent,
		},
		PromptDir: c.LLMPromptDir,
		Summary:   contract.Components.Schemas["FilmSummary"].Value,
	})
	if err != nil {
		return nil, fmt.Errorf("set up the language model: %w", err)
	}
	return model, nil
}

// checkModel checks in the background whether the upstream has the model. The function that it returns
// ends the check.
func checkModel(ctx context.Context, model *llm.Client) (end func()) {
	ctx, cancel := context.WithCancel(ctx)
	var check sync.WaitGroup
	check.Go(func() { model.CheckModel(ctx) })
	return func() {
		cancel()
		check.Wait()
	}
}

// announce logs what the server runs on. In development it also prints a banner with examples.
func announce(ctx context.Context, c config, w io.Writer, logger *slog.Logger, db *database, st *store.Store, model llm.Info, addr net.Addr) {
	status, state, usable := databaseState(ctx, c, logger, db, st)
	logger.Info("serving", "address", addr.String(), "database", status.Server, "dataset", status.Dataset,
		"migration", status.Migration, "llm_provider", model.Provider, "llm_model", model.Model, "log_sample_rate", c.LogSampleRate)
	if c.production() {
		return
	}
	copyID := int32(exampleCopy)
	if usable {
		if free, err := st.CopyInStock(ctx); err == nil && free > 0 {
			copyID = free
		}
	}
	token := c.APIToken
	if token != defaultToken {
		token = "$API_TOKEN"
	}
	fmt.Fprintf(w, banner, baseURL(addr), status.Server, db.label, status.Dataset, model.Provider, model.Model, token, state, copyID)
}

// exampleCopy is the copy in the banner's example if none is known to be in stock.
const exampleCopy = 2

const banner = `
The Pagila API %[8]s.

  The shop        %[1]s/
  Swagger UI      %[1]s/docs
  Contract        %[1]s/openapi.yaml
  Health          %[1]s/readyz
  Database        %[2]s (%[3]s)
  Dataset         %[4]s
  Language model  %[5]s (%[6]s)

Try it:

  curl '%[1]s/films?category=Comedy&page_size=2'
  curl -G -N %[1]s/ai/ask --data-urlencode 'question=Which short comedies are rated PG?'
  curl %[1]s/customers/1/rentals -H "Authorization: Bearer %[7]s" \
    -H 'Content-Type: application/json' -d '{"inventory_id": %[9]d, "staff_id": 1}'

Press Ctrl-C to stop.

`

// databaseState returns what is known about the database, and the state of the API in words. It logs what
// is wrong.
func databaseState(ctx context.Context, c config, logger *slog.Logger, db *database, st *store.Store) (status store.Status, state string, usable bool) {
	status, err := st.Status(ctx)
	switch {
	case err != nil:
		reason := databaseReason(err)
		logger.Warn("the database cannot be used: "+reason, "error", err)
		status.Server, status.Dataset = "not usable", "unknown"
		return status, "is running, but its database cannot be used:\n" + reason, false
	case len(status.Missing) > 0:
		remedy := ""
		if status.Dataset != store.DatasetOther && len(status.Pending) > 0 {
			remedy = "\nRun pagila-api migrate."
		}
		logger.Warn("the database is not ready", "missing", status.Missing, "pending", status.Pending)
		return status, "is running, but its database is not ready: " + strings.Join(status.Missing, "; ") + "." + remedy, true
	case db.server != nil && c.PagilaDir != "" && status.Dataset == store.DatasetSample:
		logger.Warn("PAGILA_DIR is set, but the database has the sample from an earlier start: delete the directory DATA_DIR to restore it again", "data_dir", c.DataDir)
	}
	return status, "is ready", true
}

// baseURL returns the URL of the server for a browser on this machine.
func baseURL(addr net.Addr) string {
	host, port, _ := net.SplitHostPort(addr.String())
	if ip := net.ParseIP(host); ip == nil || ip.IsUnspecified() {
		host = "localhost"
	}
	return "http://" + net.JoinHostPort(host, port)
}
