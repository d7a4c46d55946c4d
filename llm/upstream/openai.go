package upstream

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
	return newChat(cfg, base, cfg.APIKey, dialect{tokenField: q.tokenField}, q)
}

// newChat makes an adapter for chat completions at a base URL.
func newChat(cfg *Config, base *url.URL, key string, d dialect, q quirks) (adapter, error) {
	doer := newDoer(cfg, base, key, d, q.shape())
	model, err := openai.New(
		openai.WithToken(cmp.Or(key, noKey)),
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

// dialect is OpenAI's chat completions API as a server has it.
type dialect struct {
	tokenField string // the usual name of the token limit
	ollama     bool   // the server is Ollama
}

// edit turns a request that the adapter has written into one that the server understands.
func (d dialect) edit(body map[string]json.RawMessage, x *exchange, s shape) error {
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
	if s.without(optTools) {
		delete(body, "tools")
	}
	if x.called && !s.without(optNullContent) {
		if err := nullContent(body); err != nil {
			return err
		}
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

// nullContent writes null for the text of messages that only call tools, as OpenAI itself does. The adapter
// writes an empty text, which some servers refuse.
func nullContent(body map[string]json.RawMessage) error {
	var messages []map[string]json.RawMessage
	if err := json.Unmarshal(body["messages"], &messages); err != nil {
		return fmt.Errorf("read the adapter's messages: %w", err)
	}
	for _, m := range messages {
		if m["tool_calls"] != nil && !hasContent(m["content"]) {
			m["content"] = json.RawMessage("null")
		}
	}
	raw, err := json.Marshal(messages)
	body["messages"] = raw
	return err
}

// limitField is the name of the token limit: the usual one or the other one.
func (d dialect) limitField(s shape) string {
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

// modelList is the path of the list of models, relative to the base URL.
func (d dialect) modelList() string {
	if d.ollama {
		return ollamaModelList
	}
	return "models"
}

// sameModel reports whether a name in that list may mean the model. Both are plain names. It ignores versions,
// and the suffixes with which routers choose among the servers of a model. At Ollama these are tags.
func (d dialect) sameModel(listed, model string) bool {
	if d.ollama {
		return listed == model
	}
	routed, _, _ := strings.Cut(model, ":")
	listed = versionSuffix.ReplaceAllString(listed, "")
	return listed == versionSuffix.ReplaceAllString(model, "") || listed == versionSuffix.ReplaceAllString(routed, "")
}

// remedy is what the operator can do if the upstream does not have the model.
func (d dialect) remedy(model string) string {
	const set = "set LLM_MODEL to a model that it has"
	if d.ollama {
		return "run ollama pull " + model + ", or " + set
	}
	return set
}

// completion is a document of a response: a completion or a chunk of one.
type completion struct {
	model  looseString
	usage  looseUsage
	answer fragment // of the first choice
}

// parse reads one document of a response, which is an object. Only the first choice counts, since no others were
// asked for. It fails for a document of another form.
func (dialect) parse(data []byte) (fragment, error) {
	var c completion
	for name, value := range members(data) {
		var err error
		switch string(name) {
		case "model":
			err = c.model.UnmarshalJSON(value)
		case "usage":
			err = c.usage.UnmarshalJSON(value)
		case "choices":
			err = c.readChoices(value)
		}
		if err != nil {
			return fragment{}, err
		}
	}
	f := c.answer
	f.model, f.usage = string(c.model), c.usage.Usage
	f.thought = f.thought || c.usage.thought
	return f, nil
}

// readChoices reads a list of choices, or one without a list. Every empty value is an empty list.
func (c *completion) readChoices(raw []byte) error {
	switch {
	case !hasContent(raw):
		return nil
	case raw[0] == '{':
		return c.readChoice(raw)
	case raw[0] != '[':
		return errMalformed
	}
	for choice := range elements(raw) {
		if string(choice) == "null" {
			continue
		}
		if choice[0] != '{' {
			return errMalformed
		}
		if err := c.readChoice(choice); err != nil {
			return err
		}
	}
	return nil
}

// readChoice reads a choice, and adds it to the answer if it is the first one.
func (c *completion) readChoice(raw []byte) error {
	var (
		index          looseIndex
		finish         looseString
		delta, message looseMessage
	)
	for name, value := range members(raw) {
		var err error
		switch string(name) {
		case "index":
			err = index.UnmarshalJSON(value)
		case "finish_reason":
			err = finish.UnmarshalJSON(value)
		case "delta":
			err = delta.UnmarshalJSON(value)
		case "message":
			err = message.UnmarshalJSON(value)
		}
		if err != nil {
			return err
		}
	}
	if index.other {
		return nil
	}
	said := delta.fragment()
	if whole := message.fragment(); message.given && said.text == "" && len(said.calls) == 0 {
		said = whole
		said.whole = true
	}
	c.answer.add(said)
	c.answer.finish = worseReason(c.answer.finish, string(finish))
	return nil
}

// adapterGets returns what the adapter gets for an answer: one without text. The answer itself does not go through
// the adapter.
func (dialect) adapterGets(x *exchange) string {
	if x.stream {
		return `data: {"choices":[{}]}` + "\n\n"
	}
	return `{"choices":[{"message":{"role":"assistant"}}]}`
}
