package llm

import (
	"cmp"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strconv"
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
	q := quirksOf(providerOllama, base.Hostname(), cfg.Model)
	sender := newDoer(cfg, base, ollamaDialect{}, q.shape())
	sender.key = "" // the key is OpenAI's: it must not reach Ollama
	model, err := ollama.New(
		ollama.WithServerURL(base.String()),
		ollama.WithModel(cfg.Model),
		ollama.WithHTTPClient(&http.Client{Transport: sender}),
	)
	if err != nil {
		return providerModel{}, fmt.Errorf("set up the adapter: %w", err)
	}
	return providerModel{Model: model, quirks: q, sender: sender}, nil
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

func (ollamaDialect) edit(body map[string]json.RawMessage, x *exchange, s shape) error {
	var options map[string]json.RawMessage
	if err := json.Unmarshal(body["options"], &options); err != nil {
		return fmt.Errorf("read the adapter's options: %w", err)
	}
	options["num_predict"] = json.RawMessage(strconv.Itoa(x.limit()))
	if s.without(extraSampling) {
		delete(options, "temperature")
		delete(options, "top_p")
	}
	raw, err := json.Marshal(options)
	if err != nil {
		return fmt.Errorf("write the options: %w", err)
	}
	body["options"] = raw
	delete(body, "format") // the adapter always sends one, and can only send text
	switch {
	case x.schema == nil:
	case s.format() == formatSchema:
		if body["format"], err = json.Marshal(x.schema); err != nil {
			return fmt.Errorf("write the reply's schema: %w", err)
		}
	case s.format() == formatObject:
		body["format"] = json.RawMessage(`"json"`)
	}
	return nil
}

func (ollamaDialect) weakest(x *exchange) shape { return x.weakest() }

func (ollamaDialect) listing() string { return "api/tags" }

func (ollamaDialect) sameModel(listed, model string) bool { return listed == model }

func (ollamaDialect) remedy(model string) string {
	return "run ollama pull " + model + ", or set LLM_MODEL to a model that it has"
}

func (ollamaDialect) parse(data []byte) (piece, error) {
	var r struct {
		Model            looseText    `json:"model"`
		Message          looseMessage `json:"message"`
		Done             looseBool    `json:"done"`
		DoneReason       looseText    `json:"done_reason"`
		PromptTokens     looseCount   `json:"prompt_eval_count"`
		CompletionTokens looseCount   `json:"eval_count"`
	}
	if err := json.Unmarshal(data, &r); err != nil {
		return piece{}, err
	}
	p := r.Message.piece()
	p.model = string(r.Model)
	p.usage = Usage{Prompt: int(r.PromptTokens), Completion: int(r.CompletionTokens)}
	if r.Done {
		p.end = true
		p.finish = cmp.Or(string(r.DoneReason), finishStop) // versions before 0.2 give no reason
	}
	return p, nil
}

// What Ollama's adapter gets: a line without text, and the last one.
var (
	emptyLine     = []byte(`{"message":{}}` + "\n")
	emptyLastLine = []byte(`{"message":{},"done":true}` + "\n")
)

func (ollamaDialect) adapterGets(*exchange) (wake, last []byte) { return emptyLine, emptyLastLine }
