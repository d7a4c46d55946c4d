package llm

import (
	"bufio"
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"regexp"
	"strings"

	"github.com/tmc/langchaingo/llms/ollama"
)

const (
	defaultOllamaModel = "llama3.2"
	defaultOllamaHost  = "127.0.0.1"
	defaultOllamaPort  = "11434"
)

// newOllama makes a model behind Ollama's own API.
func newOllama(cfg *Config) (providerModel, error) {
	cfg.Model = cmp.Or(cfg.Model, defaultOllamaModel)
	// The adapter ends the whole program on an address that it cannot parse, so it gets none.
	base, err := ollamaURL(cfg.OllamaHost)
	if err != nil {
		return providerModel{}, fmt.Errorf("address of Ollama: %w", err)
	}
	model, err := ollama.New(
		ollama.WithServerURL(base.String()),
		ollama.WithModel(cfg.Model),
		ollama.WithHTTPClient(&http.Client{Transport: newDoer(cfg, ollamaDialect{})}),
	)
	if err != nil {
		return providerModel{}, fmt.Errorf("set up the adapter: %w", err)
	}
	return providerModel{Model: model, quirks: quirksOf(providerOllama, base.Hostname(), cfg.Model)}, nil
}

// ollamaURL reads an address as Ollama itself reads OLLAMA_HOST: the scheme, the host and the port
// may each be missing.
func ollamaURL(address string) (*url.URL, error) {
	standard := strings.Contains(address, "://")
	if !standard {
		address = "http://" + cmp.Or(address, defaultOllamaHost)
	}
	if rest, ok := strings.CutPrefix(address, "http://:"); ok {
		address = "http://" + defaultOllamaHost + ":" + rest
	}
	u, err := serverURL(address)
	if err != nil {
		return nil, err
	}
	if u.Port() == "" && !standard { // with a scheme, a missing port is the scheme's
		u.Host = net.JoinHostPort(u.Hostname(), defaultOllamaPort)
	}
	return u, nil
}

// ollamaDialect speaks Ollama's /api/chat: one JSON object to a line, the last one with done:true.
type ollamaDialect struct{}

func (ollamaDialect) edit(body map[string]json.RawMessage, x *exchange, format replyFormat) error {
	delete(body, "format") // the adapter always sends one, and can only send text
	if x.schema == nil {
		return nil
	}
	switch format {
	case formatSchema:
		raw, err := json.Marshal(x.schema)
		if err != nil {
			return fmt.Errorf("write the reply's schema: %w", err)
		}
		body["format"] = raw
	case formatObject:
		body["format"] = json.RawMessage(`"json"`)
	case formatPrompt:
	}
	return nil
}

func (ollamaDialect) accepts(contentType string, _ *exchange) bool {
	return hasMediaType(contentType, "application/x-ndjson", "application/json")
}

// formatComplaint is how Ollama words that it cannot do with a format: as an unknown one, as one of
// the wrong JSON type, or as a schema that it can make no grammar of.
var formatComplaint = regexp.MustCompile(`invalid format|ChatRequest\.format|grammar`)

// refusesFormat also looks at 500, which some versions answer to a schema.
func (ollamaDialect) refusesFormat(status int, body []byte) bool {
	return (status == http.StatusBadRequest || status == http.StatusInternalServerError) && formatComplaint.Match(body)
}

func (ollamaDialect) decoder(body io.Reader, x *exchange) func() ([]byte, error) {
	lines := bufio.NewReaderSize(body, lineSize)
	done := false
	return func() ([]byte, error) {
		if done {
			return nil, io.EOF
		}
		line, err := nextLine(lines)
		if err != nil {
			return nil, err
		}
		var r struct {
			Error   json.RawMessage `json:"error"`
			Model   string          `json:"model"`
			Message *struct {
				Content string `json:"content"`
			} `json:"message"`
			Done             bool   `json:"done"`
			DoneReason       string `json:"done_reason"`
			PromptTokens     int    `json:"prompt_eval_count"`
			CompletionTokens int    `json:"eval_count"`
		}
		if err := json.Unmarshal(line, &r); err != nil {
			return nil, &Error{Kind: KindBadResponse, Status: http.StatusOK, Err: errMalformed}
		}
		switch {
		case len(r.Error) > 0 && string(r.Error) != "null":
			return nil, upstreamError(http.StatusOK, nil, line, "")
		case r.Message == nil && !r.Done:
			return nil, &Error{Kind: KindBadResponse, Status: http.StatusOK, Err: errors.New("a line without a message")}
		}
		x.model = cmp.Or(x.model, r.Model)
		if r.Message != nil {
			x.put(r.Message.Content)
		}
		if r.Done {
			done = true
			x.finish = cmp.Or(r.DoneReason, "stop") // versions before 0.2 give no reason
			x.usage = Usage{Prompt: r.PromptTokens, Completion: r.CompletionTokens}
			return []byte(`{"message":{},"done":true}` + "\n"), nil
		}
		return []byte(`{"message":{}}` + "\n"), nil
	}
}

// nextLine returns the next line that is not empty. Where the body ends in the middle of one, or
// before it, it is io.ErrUnexpectedEOF.
func nextLine(lines *bufio.Reader) ([]byte, error) {
	for {
		line, err := lines.ReadBytes('\n')
		line = bytes.TrimSpace(line)
		ended := errors.Is(err, io.EOF)
		switch {
		case ended && !json.Valid(line):
			return nil, io.ErrUnexpectedEOF
		case err != nil && !ended:
			return nil, err
		case len(line) > 0:
			return line, nil
		}
	}
}
