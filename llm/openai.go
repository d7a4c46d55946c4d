package llm

import (
	"bufio"
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"slices"
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
	sender := newDoer(cfg, openAIDialect{quirks: q, key: cfg.APIKey})
	sender.format.Store(int32(q.format))
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
	return providerModel{Model: model, quirks: q}, nil
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
	quirks quirks
	key    string
}

func (d openAIDialect) edit(body map[string]json.RawMessage, x *exchange, format replyFormat) error {
	if limit, ok := body["max_completion_tokens"]; ok && d.quirks.tokenField != "max_completion_tokens" {
		delete(body, "max_completion_tokens")
		body[d.quirks.tokenField] = limit
	}
	if d.quirks.noSampling {
		delete(body, "temperature")
	} else if x.topP > 0 {
		body["top_p"] = json.RawMessage(strconv.FormatFloat(x.topP, 'f', -1, 64))
	}
	if x.schema == nil {
		return nil
	}
	type named struct {
		Name   string      `json:"name"`
		Strict bool        `json:"strict"`
		Schema *jsonSchema `json:"schema"`
	}
	var responseFormat any
	switch format {
	case formatSchema:
		responseFormat = struct {
			Type   string `json:"type"`
			Schema named  `json:"json_schema"`
		}{"json_schema", named{schemaName, true, x.schema}}
	case formatObject:
		responseFormat = map[string]string{"type": "json_object"}
	default:
		delete(body, "response_format")
		return nil
	}
	raw, err := json.Marshal(responseFormat)
	if err != nil {
		return fmt.Errorf("write the reply's schema: %w", err)
	}
	body["response_format"] = raw
	return nil
}

// accepts wants an event stream where one was asked for. A whole completion proves itself, and
// small servers give it all sorts of types.
func (d openAIDialect) accepts(contentType string, x *exchange) bool {
	return !x.stream || hasMediaType(contentType, "text/event-stream")
}

func (d openAIDialect) refusesFormat(status int, body []byte) bool {
	return (status == http.StatusBadRequest || status == http.StatusUnprocessableEntity) &&
		bytes.Contains(body, []byte("response_format"))
}

func (d openAIDialect) decoder(body io.Reader, x *exchange) func() ([]byte, error) {
	if !x.stream {
		return d.completion(body, x)
	}
	s := eventStream{lines: bufio.NewReaderSize(body, lineSize)}
	return func() ([]byte, error) {
		data, err := s.next()
		if err != nil {
			return nil, err
		}
		if string(data) == doneMark {
			return nil, io.EOF // whether there was a finish reason is for the guard to see
		}
		return d.event(data, x)
	}
}

// lineSize holds a line as most are. It is a size to begin with, no limit.
const lineSize = 512

// doneMark is the data of the event after the last one.
const doneMark = "[DONE]"

// openAIChoice is one choice of a completion, in a stream or whole.
type openAIChoice struct {
	Index        int           `json:"index"`
	Delta        openAIMessage `json:"delta"`
	Message      openAIMessage `json:"message"`
	FinishReason string        `json:"finish_reason"`
}

// openAIMessage is a message's text. Tool calls are not looked at: none are offered.
type openAIMessage struct {
	Content string `json:"content"`
	Refusal string `json:"refusal"`
}

// openAIResponse is a completion or a piece of one, or an error in its place.
type openAIResponse struct {
	Error   json.RawMessage `json:"error"`
	Object  string          `json:"object"`
	Model   string          `json:"model"`
	Choices []openAIChoice  `json:"choices"`
	Usage   *struct {
		PromptTokens     int `json:"prompt_tokens"`
		CompletionTokens int `json:"completion_tokens"`
	} `json:"usage"`
}

// read parses a response and records what both forms have in common.
func (d openAIDialect) read(data []byte, x *exchange) (openAIResponse, error) {
	var r openAIResponse
	if err := json.Unmarshal(data, &r); err != nil {
		return r, &Error{Kind: KindBadResponse, Status: http.StatusOK, Err: errMalformed}
	}
	if (len(r.Error) > 0 && string(r.Error) != "null") || r.Object == "error" {
		return r, upstreamError(http.StatusOK, nil, data, d.key)
	}
	x.model = cmp.Or(x.model, r.Model)
	if r.Usage != nil {
		x.usage = Usage{Prompt: r.Usage.PromptTokens, Completion: r.Usage.CompletionTokens}
	}
	return r, nil
}

// record takes what a choice says. Only the first choice counts; others were not asked for.
func (c openAIChoice) record(x *exchange, m openAIMessage) error {
	if c.Index != 0 {
		return nil
	}
	if m.Refusal != "" {
		return &Error{Kind: KindFiltered, Status: http.StatusOK, Err: errors.New("the model refuses")}
	}
	x.put(m.Content)
	x.finish = cmp.Or(c.FinishReason, x.finish) // some servers send an empty one after the last
	return nil
}

// event reads one event of a stream. The adapter gets an event without text, which makes it call
// the streaming function, and the guard takes the text from the exchange.
func (d openAIDialect) event(data []byte, x *exchange) ([]byte, error) {
	r, err := d.read(data, x)
	if err != nil {
		return nil, err
	}
	if r.Choices == nil && r.Usage == nil {
		return nil, &Error{Kind: KindBadResponse, Status: http.StatusOK, Err: errors.New("an event without choices")}
	}
	for _, c := range r.Choices {
		if err := c.record(x, c.Delta); err != nil {
			return nil, err
		}
	}
	return emptyEvent, nil
}

// emptyEvent is the shortest with which the adapter calls the streaming function.
var emptyEvent = []byte(`data: {"choices":[{}]}` + "\n\n")

// completion reads a whole response at once. The adapter gets one without text.
func (d openAIDialect) completion(body io.Reader, x *exchange) func() ([]byte, error) {
	read := false
	return func() ([]byte, error) {
		if read {
			return nil, io.EOF
		}
		data, err := io.ReadAll(body)
		if err != nil {
			return nil, err
		}
		r, err := d.read(data, x)
		if err != nil {
			return nil, err
		}
		if len(r.Choices) == 0 {
			return nil, &Error{Kind: KindBadResponse, Status: http.StatusOK, Err: errors.New("a completion without choices")}
		}
		for _, c := range r.Choices {
			if err := c.record(x, c.Message); err != nil {
				return nil, err
			}
		}
		read = true
		return []byte(`{"choices":[{"message":{"role":"assistant"}}]}`), nil
	}
}

// eventStream reads server-sent events (WHATWG HTML, section 9.2), as far as upstreams use them:
// only the data counts. It is more patient than the standard with servers that leave out the empty
// line between events: a first line of data that is whole is an event.
type eventStream struct {
	lines *bufio.Reader
	begun bool
	data  []byte // of the last event
}

// next returns the data of the next event, which are good until the one after it. Where the stream
// ends before that, it is io.ErrUnexpectedEOF.
func (s *eventStream) next() ([]byte, error) {
	s.data = s.data[:0]
	for {
		line, err := s.lines.ReadBytes('\n')
		ended := errors.Is(err, io.EOF)
		if ended && len(line) == 0 {
			return nil, io.ErrUnexpectedEOF
		}
		if err != nil && !ended {
			return nil, err
		}
		if !s.begun {
			line = bytes.TrimPrefix(line, []byte("\ufeff"))
			s.begun = true
		}
		line = bytes.TrimRight(line, "\r\n")
		data, ok := bytes.CutPrefix(line, []byte("data:"))
		data = bytes.TrimSpace(data)
		switch {
		case !ok && len(line) == 0 && len(s.data) > 0:
			return s.data, nil // an event of several lines, or a malformed one
		case !ok || len(data) == 0:
			// A comment, another field, or the line after an event.
		case len(s.data) == 0 && (json.Valid(data) || string(data) == doneMark):
			return data, nil
		default:
			// Whether these lines are whole together is not asked before the empty line: to ask at each
			// takes quadratic time.
			s.data = append(append(s.data, data...), '\n')
		}
	}
}

// hasMediaType compares the type of a Content-Type header, without its parameters.
func hasMediaType(contentType string, wanted ...string) bool {
	got, _, err := mime.ParseMediaType(contentType)
	if err != nil {
		return false
	}
	return slices.Contains(wanted, got)
}
