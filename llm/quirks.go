package llm

import "regexp"

// replyFormat is how an upstream is made to reply in JSON, strongest first. One that refuses a
// format is asked for the next weaker one from then on.
type replyFormat int32

const (
	formatSchema replyFormat = iota // the reply follows a JSON Schema
	formatObject                    // the reply is some JSON object
	formatPrompt                    // only the prompt asks for JSON
)

func (f replyFormat) String() string {
	return [...]string{"schema", "object", "prompt"}[f]
}

// quirks is what is odd about an upstream.
type quirks struct {
	// tokenField is the name of the token limit in a request. Sent under the other name, servers
	// ignore it without a word.
	tokenField string
	// noSampling: the model refuses a request that sets a temperature or top_p.
	noSampling bool
	// thinkingTokens come on top of the answer's limit, for models that think before they answer
	// and count that as answer.
	thinkingTokens int
	// format is the strongest reply format that the upstream is known to have. (One that is not known
	// is found out: see doer.format.)
	format replyFormat
	// pinned: the schema may differ from call to call at no cost, so the film's facts are pinned
	// in it. OpenAI compiles each new schema, which takes seconds.
	pinned bool
}

// quirkTable holds what is odd about which upstream. The first row that fits counts.
var quirkTable = []struct {
	provider string
	host     *regexp.Regexp // of the base URL
	model    *regexp.Regexp
	quirks
}{
	{providerOpenAI, openAIHosts, thinkingModels, quirks{tokenField: "max_completion_tokens", noSampling: true, thinkingTokens: 4096}},
	{providerOpenAI, openAIHosts, anyName, quirks{tokenField: "max_completion_tokens"}},
	// Ollama's own /v1 knows only max_tokens; the other servers know both.
	{providerOpenAI, anyName, thinkingModels, quirks{tokenField: "max_tokens", noSampling: true, thinkingTokens: 4096}},
	{providerOpenAI, deepSeekHosts, anyName, quirks{tokenField: "max_tokens", format: formatObject}}, // it has no schemas
	// Routers pass the schema on to any upstream, OpenAI too.
	{providerOpenAI, routerHosts, anyName, quirks{tokenField: "max_tokens"}},
	// What is left are servers of one's own with a local grammar: llama.cpp, vLLM and the like.
	{providerOpenAI, anyName, anyName, quirks{tokenField: "max_tokens", pinned: true}},
	{providerOllama, anyName, anyName, quirks{pinned: true}}, // the adapter names its fields right
}

var (
	anyName       = regexp.MustCompile(``)
	openAIHosts   = regexp.MustCompile(`(?i)(^|\.)(api\.openai\.com|openai\.azure\.com)$`)
	deepSeekHosts = regexp.MustCompile(`(?i)(^|\.)deepseek\.com$`)
	routerHosts   = regexp.MustCompile(`(?i)(^|\.)(openrouter\.ai|litellm\.ai|together\.(ai|xyz)|groq\.com|mistral\.ai|googleapis\.com|anthropic\.com|azure\.com)$`)
	// thinkingModels are OpenAI's o1, o3, o4-mini, gpt-5 and so on, also behind a router
	// ("openai/gpt-5").
	thinkingModels = regexp.MustCompile(`(?i)^(.*/)?(o\d|gpt-5)`)
)

// quirksOf looks an upstream up in the table.
func quirksOf(provider, host, model string) quirks {
	for _, row := range quirkTable {
		if row.provider == provider && row.host.MatchString(host) && row.model.MatchString(model) {
			return row.quirks
		}
	}
	return quirks{}
}

// errorCodes are the upstreams' error codes and types that say more than the status beside them.
var errorCodes = map[string]Kind{
	"insufficient_quota":        KindQuota,
	"invalid_api_key":           KindAuth,
	"authentication_error":      KindAuth,
	"permission_error":          KindAuth,
	"rate_limit_exceeded":       KindRateLimited,
	"rate_limit_error":          KindRateLimited,
	"context_length_exceeded":   KindTooLong,
	"exceed_context_size_error": KindTooLong, // llama.cpp
	"content_filter":            KindFiltered,
	"content_policy_violation":  KindFiltered,
	"overloaded_error":          KindUnavailable,
}

// finishReasons are the upstreams' reasons for the end of an answer, with the error that each one
// is. Empty: a whole answer. A reason that is not here vouches for nothing.
var finishReasons = map[string]Kind{
	"stop":           "",
	"eos":            "",
	"end_turn":       "",
	"length":         KindLength,
	"max_tokens":     KindLength,
	"content_filter": KindFiltered,
	"error":          KindUnavailable, // OpenRouter
}
