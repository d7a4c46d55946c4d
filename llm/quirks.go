package llm

import (
	"regexp"
	"slices"
	"strings"
)

// quirks is what is odd about an upstream, as far as its address and its model's name tell. That
// saves a try. What they do not tell is found out: see search and thinking.
type quirks struct {
	// tokenField is the name of the token limit in a request. Sent under the other name, servers may
	// ignore it without a word.
	tokenField string
	// noSampling: the model refuses a request that sets a temperature or top_p.
	noSampling bool
	// thinks: the model thinks before it answers, and counts that as answer.
	thinks bool
	// format is the strongest reply format that the upstream is known to have.
	format replyFormat
	// pinned: the schema may differ from call to call at no cost, so the film's facts are pinned
	// in it. OpenAI compiles each new schema, which takes seconds.
	pinned bool
}

// shape is the request's shape to begin with.
func (q quirks) shape() shape {
	s := shape{extraFormat: int(q.format)}
	if q.noSampling {
		s[extraSampling] = 1
	}
	return s
}

// quirkTable holds what is odd about which upstream. The first row that fits counts.
var quirkTable = []struct {
	provider string
	host     *regexp.Regexp // of the base URL
	model    *regexp.Regexp
	quirks
}{
	{providerOpenAI, openAIHosts, thinkingModels, quirks{tokenField: "max_completion_tokens", noSampling: true, thinks: true}},
	{providerOpenAI, openAIHosts, anyName, quirks{tokenField: "max_completion_tokens"}},
	// Ollama's own /v1 knows only max_tokens; the other servers know both.
	{providerOpenAI, anyName, thinkingModels, quirks{tokenField: "max_tokens", noSampling: true, thinks: true}},
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

// taggedModels are those whose prompt may end with the tag that opens their thoughts, by name.
var taggedModels = regexp.MustCompile(`(?i)(^|[^a-z])(r1|qwq|think(ing|er)?|reason(ing|er)?|minimax-m)([^a-z]|$)`)

// quirksOf looks an upstream up in the table.
func quirksOf(provider, host, model string) quirks {
	for _, row := range quirkTable {
		if row.provider == provider && row.host.MatchString(host) && row.model.MatchString(model) {
			return row.quirks
		}
	}
	return quirks{}
}

// errorCodes are the upstreams' error codes and types that say more than the status beside them, in
// lower case.
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
	"too_many_requests":         KindRateLimited,
	"resource_exhausted":        KindRateLimited, // Google
	"unauthenticated":           KindAuth,
	"permission_denied":         KindAuth,
	"model_not_found":           KindNoModel,
	"notfounderror":             KindNoModel, // vLLM
	"invalid_model":             KindNoModel, // Mistral
	"deploymentnotfound":        KindNoModel, // Azure
}

// The finish reasons that clients get.
const (
	finishStop   = "stop"
	finishLength = "length"
)

// finishReasons say which error a reason for the end of an answer is, by the words in it: lower case,
// and without what separates words. The first row that fits counts.
//
// A reason that no row fits is that of a whole answer. Each server has words of its own for that
// ("eos_token", "end_turn"), and it does say that the answer has ended; so what is asked is only
// whether it says that the answer was cut or withheld, or nothing of how it has ended.
var finishReasons = []struct {
	words *regexp.Regexp
	kind  Kind
}{
	{regexp.MustCompile(`error|fail|abort|cancel|interrupt|timeout|overload|insufficient|preempt|shutdown|kill|expire`), KindUnavailable},
	{regexp.MustCompile(`filter|safety|moderat|prohibit|block|refus|sensitive|guardrail|recitation|spii|policy|violat|language`), KindFiltered},
	{regexp.MustCompile(`tool|function|^(un)?load$|pause`), KindBadResponse}, // it ended for something that was not asked for
	{regexp.MustCompile(`length|max|limit|truncat|incomplete|exceed|cutoff|budget`), KindLength},
	{regexp.MustCompile(`other$|unspecified|unknown|undefined|repetition|loop`), KindBadResponse}, // it does not say that the answer is whole
}

// separators are what upstreams put between the words of a finish reason.
var separators = strings.NewReplacer("_", "", "-", "", " ", "", ".", "")

// finishOf reads a finish reason. The name is the one that clients get; it is empty where none was
// given.
func finishOf(reason string) (name string, kind Kind) {
	words := separators.Replace(strings.ToLower(reason))
	switch words {
	case "", "null", "none":
		return "", ""
	}
	for _, row := range finishReasons {
		if row.words.MatchString(words) {
			if row.kind == KindLength {
				return finishLength, KindLength
			}
			return strings.ToLower(identifier(reason, "")), row.kind
		}
	}
	return finishStop, ""
}

// reasonRank orders the kinds of finish reasons, the worst last.
var reasonRank = []Kind{"", KindLength, KindBadResponse, KindFiltered, KindUnavailable}

// worse is the worse one of two finish reasons, the first one where they are alike. Some servers send an
// empty one after the last, and some end every answer with "stop", one cut or withheld too.
func worse(a, b string) string {
	nameA, kindA := finishOf(a)
	nameB, kindB := finishOf(b)
	switch {
	case nameB == "" && kindB == "":
		return a
	case nameA == "" && kindA == "":
		return b
	case slices.Index(reasonRank, kindB) > slices.Index(reasonRank, kindA):
		return b
	}
	return a
}
