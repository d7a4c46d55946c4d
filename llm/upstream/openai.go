package upstream

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"unicode"

	"github.com/tmc/langchaingo/llms/openai"
)

const (
	defaultOpenAIModel = "gpt-4o-mini"
	defaultOpenAIURL   = "https://api.openai.com/v1"
	// noKey satisfies the adapter, which insists on a key. The doer removes it again.
	noKey = "none"
)

// newOpenAI makes an adapter for OpenAI's chat completions, at OpenAI or at a compatible server. All
// options are passed explicitly, since the adapter would read missing ones from the environment.
func newOpenAI(cfg *Config) (adapter, error) {
	cfg.Model = cmp.Or(cfg.Model, defaultOpenAIModel)
	if cfg.APIKey == "" && cfg.BaseURL == "" {
		return adapter{}, errors.New("an API key is required, or the base URL of a server that needs none")
	}
	if strings.ContainsFunc(cfg.APIKey, func(r rune) bool { return r > unicode.MaxASCII || r <= ' ' || r == 0x7f }) {
		return adapter{}, errors.New("the API key contains a character that is not allowed in a key")
	}
	base, err := serverURL(cmp.Or(cfg.BaseURL, defaultOpenAIURL))
	if err != nil {
		return adapter{}, fmt.Errorf("base URL: %w", err)
	}
	q := quirksOf(providerOpenAI, base.Hostname(), cfg.Model)
	doer := newDoer(cfg, base, openAIDialect{tokenField: q.tokenField}, q.shape())
	model, err := openai.New(
		openai.WithToken(cmp.Or(cfg.APIKey, noKey)),
		openai.WithModel(cfg.Model),
		openai.WithBaseURL(strings.TrimRight(base.String(), "/")),
		openai.WithOrganization(""),
		openai.WithAPIType(openai.APITypeOpenAI),
		openai.WithHTTPClient(doer),
	)
	if err != nil {
		return adapter{}, fmt.Errorf("set up the adapter: %w", err)
	}
	return adapter{Model: model, quirks: q, doer: doer}, nil
}

// openAIDialect is OpenAI's chat completions API, streamed and not streamed.
type openAIDialect struct {
	tokenField string // the usual name of the token limit
}

func (d openAIDialect) edit(body map[string]json.RawMessage, x *exchange, s shape) error {
	delete(body, "max_completion_tokens")
	body[d.limitField(s)] = json.RawMessage(strconv.Itoa(x.limit()))
	if s.without(optUsage) {
		delete(body, "stream_options")
	}
	if s.without(optSampling) {
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
		return fmt.Errorf("write the response format: %w", err)
	}
	body["response_format"] = raw
	return nil
}

// limitField is the name of the token limit: the usual one or the other one.
func (d openAIDialect) limitField(s shape) string {
	const older, newer = "max_tokens", "max_completion_tokens"
	if (d.tokenField == newer) != s.without(optTokenField) {
		return newer
	}
	return older
}

func responseFormat(schema *Schema, format replyFormat) any {
	type named struct {
		Name   string          `json:"name"`
		Strict bool            `json:"strict"`
		Schema json.RawMessage `json:"schema"`
	}
	if format == formatObject {
		return map[string]string{"type": "json_object"}
	}
	return struct {
		Type   string `json:"type"`
		Schema named  `json:"json_schema"`
	}{"json_schema", named{schema.Name, true, schema.JSON}}
}

func (openAIDialect) weakest(x *exchange) shape {
	s := x.weakest().with(optTokenField, 1)
	if x.stream {
		s[optUsage] = 1
	}
	return s
}

func (openAIDialect) modelList() string { return "models" }

// sameModel ignores versions, and the suffixes with which routers choose among the servers of a model.
func (openAIDialect) sameModel(listed, model string) bool {
	routed, _, _ := strings.Cut(model, ":")
	listed = versionSuffix.ReplaceAllString(listed, "")
	return listed == versionSuffix.ReplaceAllString(model, "") || listed == versionSuffix.ReplaceAllString(routed, "")
}

func (openAIDialect) remedy(string) string { return "set LLM_MODEL to a model that it has" }

// openAIChoice is one choice of a completion, streamed or whole.
type openAIChoice struct {
	Index        looseIndex    `json:"index"`
	Delta        looseMessage  `json:"delta"`
	Message      *looseMessage `json:"message"`
	FinishReason looseString   `json:"finish_reason"`
}

// parse reads a completion or a chunk of one. Only the first choice counts, since no others were
// asked for.
func (openAIDialect) parse(data []byte) (piece, error) {
	var r struct {
		Model   looseString             `json:"model"`
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
		p.finish = worseReason(p.finish, string(c.FinishReason))
	}
	p.model, p.usage = string(r.Model), r.Usage.Usage
	p.thought = p.thought || r.Usage.thought
	return p, nil
}

// What the adapter gets: an event without text, for which it calls the streaming function, or a whole
// completion without text.
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
