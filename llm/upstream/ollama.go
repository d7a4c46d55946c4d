package upstream

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

// newOllama makes an adapter for Ollama's own API.
func newOllama(cfg *Config) (adapter, error) {
	cfg.Model = cmp.Or(cfg.Model, defaultOllamaModel)
	// The adapter ends the whole program if it cannot parse an address, so it only gets checked ones.
	base, err := ollamaURL(cfg.OllamaHost)
	if err != nil {
		return adapter{}, fmt.Errorf("address of Ollama: %w", err)
	}
	q := quirksOf(providerOllama, base.Hostname(), cfg.Model)
	doer := newDoer(cfg, base, ollamaDialect{}, q.shape())
	doer.key = "" // the key is meant for OpenAI
	model, err := ollama.New(
		ollama.WithServerURL(base.String()),
		ollama.WithModel(cfg.Model),
		ollama.WithHTTPClient(&http.Client{Transport: doer}),
	)
	if err != nil {
		return adapter{}, fmt.Errorf("set up the adapter: %w", err)
	}
	return adapter{Model: model, quirks: q, doer: doer}, nil
}

// ollamaURL reads an address as Ollama reads OLLAMA_HOST: the scheme, the host and the port may each
// be missing.
func ollamaURL(address string) (*url.URL, error) {
	hasScheme := strings.Contains(address, "://")
	if !hasScheme {
		address = "http://" + cmp.Or(address, defaultOllamaHost)
	}
	if rest, ok := strings.CutPrefix(address, "http://:"); ok {
		address = "http://" + defaultOllamaHost + ":" + rest
	}
	u, err := serverURL(address)
	if err != nil {
		return nil, err
	}
	if u.Port() == "" && !hasScheme { // with a scheme, the default port is that of the scheme
		u.Host = net.JoinHostPort(u.Hostname(), defaultOllamaPort)
	}
	return u, nil
}

// ollamaDialect is Ollama's /api/chat: one JSON object per line, the last one with done:true.
type ollamaDialect struct{}

func (ollamaDialect) edit(body map[string]json.RawMessage, x *exchange, s shape) error {
	var options map[string]json.RawMessage
	if err := json.Unmarshal(body["options"], &options); err != nil {
		return fmt.Errorf("read the adapter's options: %w", err)
	}
	options["num_predict"] = json.RawMessage(strconv.Itoa(x.limit()))
	if s.without(optSampling) {
		delete(options, "temperature")
		delete(options, "top_p")
	}
	raw, err := json.Marshal(options)
	if err != nil {
		return fmt.Errorf("write the options: %w", err)
	}
	body["options"] = raw
	delete(body, "format") // the adapter always sends one, and can only send a string
	switch {
	case x.schema == nil:
	case s.format() == formatSchema:
		body["format"] = x.schema.JSON
	case s.format() == formatObject:
		body["format"] = json.RawMessage(`"json"`)
	}
	return nil
}

func (ollamaDialect) weakest(x *exchange) shape { return x.weakest() }

func (ollamaDialect) modelList() string { return "api/tags" }

func (ollamaDialect) sameModel(listed, model string) bool { return listed == model }

func (ollamaDialect) remedy(model string) string {
	return "run ollama pull " + model + ", or set LLM_MODEL to a model that it has"
}

func (ollamaDialect) parse(data []byte) (piece, error) {
	var r struct {
		Model            looseString  `json:"model"`
		Message          looseMessage `json:"message"`
		Done             looseBool    `json:"done"`
		DoneReason       looseString  `json:"done_reason"`
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

// What Ollama's adapter gets: a line without text, and the last line.
var (
	emptyLine     = []byte(`{"message":{}}` + "\n")
	emptyLastLine = []byte(`{"message":{},"done":true}` + "\n")
)

func (ollamaDialect) adapterGets(*exchange) (wake, last []byte) { return emptyLine, emptyLastLine }
