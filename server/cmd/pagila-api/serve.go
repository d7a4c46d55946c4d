package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/getkin/kin-openapi/openapi3"

	"example.com/pagila-api/api"
	"example.com/pagila-api/llm"
	"example.com/pagila-api/schema/migrations"
	"example.com/pagila-api/server"
	"example.com/pagila-api/store"
	"example.com/pagila-api/store/localpg"
)

const (
	// readHeaderTimeout and readTimeout end clients that send slowly on purpose. Bodies are small.
	readHeaderTimeout = 5 * time.Second
	readTimeout       = 30 * time.Second
	// idleTimeout is longer than most load balancers keep a connection, so that they close it and
	// not we, under their next request.
	idleTimeout = 2 * time.Minute
	// shutdownTimeout is how long requests under way may take once the program is told to stop.
	// With the usual DRAIN_DELAY it is below the 30 s after which Kubernetes kills.
	shutdownTimeout = 15 * time.Second
	// maxHeader is ample for a browser's, in bytes. A longer line of the log helps nobody.
	maxHeader = 32 << 10
	// exampleCopy is the copy in the banner's example where none is known to be in stock.
	exampleCopy = 2
	// writeMargin is what a response may take besides the language model. Streams set deadlines of
	// their own, for each piece.
	writeMargin = 30 * time.Second
)

// serve runs the server on HTTP_ADDR until ctx is done.
func serve(ctx context.Context, c config, stdout io.Writer, stderr *lossyWriter) error {
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", c.HTTPAddr)
	if err != nil {
		return fmt.Errorf("listen on HTTP_ADDR: %w", err)
	}
	return serveOn(ctx, c, listener, stdout, stderr, func() {})
}

// serveOn runs the server on a listener, and closes that, until ctx is done. It serves from the
// beginning and calls ready once the database is in place.
func serveOn(ctx context.Context, c config, listener net.Listener, stdout io.Writer, stderr *lossyWriter, ready func()) (err error) {
	defer listener.Close()
	logger := c.logger(stderr)
	stderr.setOnLoss(func(lost int) { logger.Warn("lines of the log are lost: nobody was reading it", "lines", lost) })
	contract, err := api.Load(ctx)
	if err != nil {
		return err
	}
	// The model and the address come before the database, so that what is wrong with them is not
	// found out after a long restore.
	telemetry, err := newTelemetry(ctx, c, logger)
	if err != nil {
		return err
	}
	defer func() {
		if lost := telemetry.close(); lost != nil { // no reason to fail
			logger.Warn("the last spans and metrics are lost", "error", lost)
		}
	}()
	model, err := newModel(c, contract, logger, telemetry)
	if err != nil {
		return err
	}
	srv, err := newServer(c, contract, model, logger)
	if err != nil {
		return err
	}
	defer srv.Close()
	defer checkModel(ctx, model)()
	handler, astray := http.Handler(srv), new(atomic.Int64)
	if c.CheckAnswers {
		if handler, err = checkAnswers(contract, srv, logger, astray); err != nil {
			return err
		}
		defer func() {
			if n := astray.Load(); n > 0 {
				err = errors.Join(err, fmt.Errorf("%d answers were not in the contract", n))
			}
		}()
	}
	front := newFrontend(c, handler, logger)
	defer front.Close() // for a start that fails
	served := make(chan error, 1)
	go func() { served <- front.Serve(listener) }()

	db, st, err := openStore(ctx, c, srv, stderr)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.close()) }()
	defer st.Close()
	srv.Ready(st)
	announce(ctx, c, stdout, logger, db, st, model.Info(), listener.Addr())
	ready()

	var ended <-chan struct{} // never, for a database that is not ours
	if db.server != nil {
		ended = db.server.Done()
	}
	select {
	case err := <-served:
		return fmt.Errorf("serve: %w", err)
	case <-ended:
		err = errors.New("our own Postgres has ended")
	case <-ctx.Done():
		srv.Drain()
		logger.Info("stopping: requests under way may end, a second signal ends all", "drain", c.DrainDelay, "longest", shutdownTimeout)
		front.drain(c.DrainDelay, ended)
	}
	// Not ctx: that is over, it is what told us to stop.
	shutdown, cancel := context.WithTimeout(context.Background(), shutdownTimeout)
	defer cancel()
	if late := front.Shutdown(shutdown); late != nil {
		logger.Warn("requests were cut short", "error", late)
		return errors.Join(err, front.Close())
	}
	return err
}

// newServer makes the API without its store, which is not ready yet.
func newServer(c config, contract *openapi3.T, model *llm.Client, logger *slog.Logger) (*server.Server, error) {
	return server.New(server.Deps{
		Contract:    contract,
		Model:       model,
		Credentials: server.Credentials{Token: c.APIToken, Username: c.APIUsername, Password: c.APIPassword},
		Limits:      server.Limits{InFlight: c.MaxInFlight, PerMinute: c.LLMRateLimit, Concurrent: c.LLMMaxCalls},

		TrustedProxies: c.TrustedProxies,
		Origins:        c.CORSOrigins,
		Logger:         logger,
	})
}

// openStore opens the database and, where it is our own, restores and migrates it. Requests are told
// meanwhile what they wait for.
func openStore(ctx context.Context, c config, srv *server.Server, stderr io.Writer) (_ *database, _ *store.Store, err error) {
	db, err := openInPhases(ctx, c, progressTo(stderr), srv.Starting)
	if errors.Is(err, localpg.ErrLocked) {
		return nil, nil, fmt.Errorf("%w: stop it, or set another DATA_DIR", err)
	}
	if err != nil {
		return nil, nil, err
	}
	st, err := store.Open(db.url, store.Options{MaxConns: c.DatabaseMaxConns})
	if err != nil {
		return nil, nil, errors.Join(err, db.close())
	}
	if db.server == nil { // its owner migrates it
		return db, st, nil
	}
	srv.Starting("applying the migrations")
	if err := migrations.Apply(ctx, st.DB()); err != nil {
		return nil, nil, errors.Join(fmt.Errorf("migrate: %w", err), st.Close(), db.close())
	}
	return db, st, nil
}

func newModel(c config, contract *openapi3.T, logger *slog.Logger, otel *telemetry) (*llm.Client, error) {
	model, err := llm.New(llm.Config{
		Provider:   c.LLMProvider,
		Model:      c.LLMModel,
		APIKey:     c.OpenAIAPIKey,
		BaseURL:    c.OpenAIBaseURL,
		OllamaHost: c.OllamaHost,
		PromptDir:  c.LLMPromptDir,
		Summary:    contract.Components.Schemas["FilmSummary"].Value,
		Timeout:    c.LLMTimeout,
		Logger:     logger,

		FirstByteTimeout: c.LLMFirstByteTimeout,
		IdleTimeout:      c.LLMIdleTimeout,

		TracerProvider: otel.traces,
		MeterProvider:  otel.metrics,
		RecordContent:  c.OTLPContent,
	})
	if err != nil {
		return nil, fmt.Errorf("set up the language model: %w", err)
	}
	return model, nil
}

// modelCheckTimeout bounds the question whether the upstream has the model. Its answer is only for
// the log and /readyz.
const modelCheckTimeout = 5 * time.Second

// checkModel asks in the background whether the upstream has the model. The function that it returns
// ends that.
func checkModel(ctx context.Context, model *llm.Client) (end func()) {
	ctx, cancel := context.WithTimeout(ctx, modelCheckTimeout)
	var check sync.WaitGroup
	check.Go(func() { model.CheckModel(ctx) })
	return func() {
		cancel()
		check.Wait()
	}
}

// checkAnswers holds each answer against the contract, and counts those that are not in it.
func checkAnswers(contract *openapi3.T, next http.Handler, logger *slog.Logger, astray *atomic.Int64) (http.Handler, error) {
	return server.CheckResponses(contract, next, func(got server.Response) {
		if got.Err == nil {
			return
		}
		astray.Add(1)
		logger.Error("the answer is not in the contract", "method", got.Request.Method, "path", got.Request.URL.Path,
			"status", got.Status, "media_type", got.MediaType, "error", got.Err)
	})
}

// announce says where everything is and what it runs on: in a line of the log and, in
// development, for a person.
func announce(ctx context.Context, c config, w io.Writer, logger *slog.Logger, db *database, st *store.Store, model llm.Info, addr net.Addr) {
	state := "is ready"
	status, err := st.Status(ctx)
	switch {
	case err != nil:
		reason := databaseReason(err)
		logger.Warn("the database cannot be used: "+reason, "error", err)
		status.Server, status.Dataset = "not usable", "unknown"
		state = "is up, but its database cannot be used:\n" + reason
	case len(status.Missing) > 0:
		remedy := ""
		if status.Dataset != store.DatasetOther && len(status.Pending) > 0 {
			remedy = "\nRun pagila-api migrate."
		}
		logger.Warn("the database is not ready", "missing", status.Missing, "pending", status.Pending)
		state = "is up, but its database is not ready: " + strings.Join(status.Missing, "; ") + "." + remedy
	case db.server != nil && c.PagilaDir != "" && status.Dataset == store.DatasetSample:
		logger.Warn("PAGILA_DIR is set, but the database is the sample of an earlier start: remove DATA_DIR to restore it anew", "data_dir", c.DataDir)
	}
	logger.Info("serving", "address", addr.String(), "database", status.Server, "dataset", status.Dataset,
		"migration", status.Migration, "llm_provider", model.Provider, "llm_model", model.Model)
	if c.production() {
		return
	}
	copyID := int32(exampleCopy)
	if err == nil {
		if free, err := st.CopyInStock(ctx); err == nil && free > 0 {
			copyID = free
		}
	}
	base := baseURL(addr)
	token := c.APIToken
	if token != defaultToken {
		token = "$API_TOKEN"
	}
	fmt.Fprintf(w, `
The Pagila API %[8]s.

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

Ctrl-C stops it.

`, base, status.Server, db.label, status.Dataset, model.Provider, model.Model, token, state, copyID)
}

// baseURL is where a browser on this machine finds the server.
func baseURL(addr net.Addr) string {
	host, port, _ := net.SplitHostPort(addr.String())
	if ip := net.ParseIP(host); ip == nil || ip.IsUnspecified() {
		host = "localhost"
	}
	return "http://" + net.JoinHostPort(host, port)
}
