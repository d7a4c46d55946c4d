package llm

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"unicode"

	"github.com/tmc/langchaingo/llms/openai"
)

const (
	defaultOpenAIModel = "gpt-4o-mini"
	defaultOpenAIURL   = "https://api.openai.com/v1"
	// noKey satisfies the adapter, which insists on a key. The doer takes it out again.
	noKey = "none"
)

// newOpenAI makes a model behind OpenAI's chat completions, at OpenAI or a compatible server.
// Everything that the adapter would else read from the environment is passed to it.
func newOpenAI(cfg *Config) (providerModel, error) {
	cfg.Model = cmp.Or(cfg.Model, defaultOpenAIModel)
	if cfg.APIKey == "" && cfg.BaseURL == "" {
		return providerModel{}, errors.New("an API key is needed, or the base URL of a server that needs none")
	}
	if strings.ContainsFunc(cfg.APIKey, func(r rune) bool { return r > unicode.MaxASCII || r <= ' ' || r == 0x7f }) {
		return providerModel{}, errors.New("the API key holds a character that no key has")
	}
	base, err := serverURL(cmp.Or(cfg.BaseURL, defaultOpenAIURL))
	if err != nil {
		return providerModel{}, fmt.Errorf("base URL: %w", err)
	}
	q := quirksOf(providerOpenAI, base.Hostname(), cfg.Model)
	sender := newDoer(cfg, base, openAIDialect{tokenField: q.tokenField}, q.shape())
	model, err := openai.New(
		openai.WithToken(cmp.Or(cfg.APIKey, noKey)),
		openai.WithModel(cfg.Model),
		openai.WithBaseURL(strings.TrimRight(base.String(), "/")),
		openai.WithOrganization(""),
		openai.WithAPIType(openai.APITypeOpenAI),
		openai.WithHTTPClient(sender),
	)
	if err != nil {
		return providerModel{}, fmt.Errorf("set up the adapter: %w", err)
	}
	return providerModel{Model: model, quirks: q, sender: sender}, nil
}

// serverURL checks the address of a server. It may hold no secret, since errors quote it.
func serverURL(raw string) (*url.URL, error) {
	u, err := url.Parse(raw)
	if err != nil {
		// The error would quote the address, which may hold a password.
		return nil, errors.New("not a URL")
	}
	switch {
	case u.Scheme != "http" && u.Scheme != "https":
		return nil, errors.New("want http:// or https://")
	case u.Hostname() == "":
		return nil, errors.New("no host")
	case u.User != nil:
		return nil, errors.New("a user name or password does not belong in it")
	case u.RawQuery != "" || u.Fragment != "":
		return nil, errors.New("a query or fragment does not belong in it")
	}
	return u, nil
}

// openAIDialect speaks chat completions, whole and streamed.
type openAIDialect struct {
	tokenField string // the usual name of the token limit
}

func (d openAIDialect) edit(body map[string]json.RawMessage, x *exchange, s shape) error {
	delete(body, "max_completion_tokens")
	body[d.limitField(s)] = json.RawMessage(strconv.Itoa(x.limit()))
	if s.without(extraUsage) {
		delete(body, "stream_options")
	}
	if s.without(extraSampling) {
		delete(body, "temperature")
	} else if x.topP > 0 {
		body["top_p"] = json.RawMessage(strconv.FormatFloat(x.topP, 'f', -1, 64))
	}
	delete(body, "response_format") // the adapter's own has no schema
	if x.schema == nil || s.format() == formatPrompt {
		return nil
	}
	raw, err := json.Marshal(responseFormat(x.schema, s.format()))
	if err != nil {
		return fmt.Errorf("write the reply's schema: %w", err)
	}
	body["response_format"] = raw
	return nil
}

// limitField is the name of the token limit: the usual one, or the other.
func (d openAIDialect) limitField(s shape) string {
	const older, newer = "max_tokens", "max_completion_tokens"
	if (d.tokenField == newer) != s.without(extraTokenField) {
		return newer
	}
	return older
}

func responseFormat(schema *jsonSchema, format replyFormat) any {
	type named struct {
		Name   string      `json:"name"`
		Strict bool        `json:"strict"`
		Schema *jsonSchema `json:"schema"`
	}
	if format == formatObject {
		return map[string]string{"type": "json_object"}
	}
	return struct {
		Type   string `json:"type"`
		Schema named  `json:"json_schema"`
	}{"json_schema", named{schemaName, true, schema}}
}

func (openAIDialect) weakest(x *exchange) shape {
	s := x.weakest().with(extraTokenField, 1)
	if x.stream {
		s[extraUsage] = 1
	}
	return s
}

func (openAIDialect) listing() string { return "models" }

// sameModel leaves out versions, and the suffixes with which routers choose among the servers of a model.
func (openAIDialect) sameModel(listed, model string) bool {
	routed, _, _ := strings.Cut(model, ":")
	listed = versions.ReplaceAllString(listed, "")
	return listed == versions.ReplaceAllString(model, "") || listed == versions.ReplaceAllString(routed, "")
}

func (openAIDialect) remedy(string) string { return "set LLM_MODEL to a model that it has" }

// openAIChoice is one choice of a completion, in a stream or whole.
type openAIChoice struct {
	Index        looseIndex    `json:"index"`
	Delta        looseMessage  `json:"delta"`
	Message      *looseMessage `json:"message"`
	FinishReason looseText     `json:"finish_reason"`
}

// parse reads a completion or a piece of one. Only the first choice counts; others were not asked
// for.
func (openAIDialect) parse(data []byte) (piece, error) {
	var r struct {
		Model   looseText               `json:"model"`
		Choices looseList[openAIChoice] `json:"choices"`
		Usage   looseUsage              `json:"usage"`
	}
	if err := json.Unmarshal(data, &r); err != nil {
		return piece{}, err
	}
	var p piece
	for _, c := range r.Choices {
		if c.Index.other {
			continue
		}
		said := c.Delta.piece()
		if said.text == "" && c.Message != nil {
			said = c.Message.piece()
			said.whole = true
		}
		p.add(said)
		p.finish = worse(p.finish, string(c.FinishReason))
	}
	p.model, p.usage = string(r.Model), r.Usage.Usage
	p.thought = p.thought || r.Usage.thought
	return p, nil
}

// What the adapter gets: an event without text, with which it calls the streaming function, or a
// whole completion without text.
var (
	emptyEvent      = []byte(`data: {"choices":[{}]}` + "\n\n")
	emptyCompletion = []byte(`{"choices":[{"message":{"role":"assistant"}}]}`)
)

func (openAIDialect) adapterGets(x *exchange) (wake, last []byte) {
	if x.stream {
		return emptyEvent, emptyEvent
	}
	return nil, emptyCompletion
}
