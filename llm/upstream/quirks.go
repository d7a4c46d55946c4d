package upstream

import "regexp"

// quirks are the peculiarities of an upstream that its address and the name of its model reveal.
// Knowing them saves requests. The others are found by trying: see search and thinking.
type quirks struct {
	// tokenField is the name of the token limit in a request. Some servers silently ignore the limit
	// under its other name.
	tokenField string
	// noSampling says that the model refuses a request with a temperature or top_p.
	noSampling bool
	// thinks says that the model thinks before it answers, and counts that towards the token limit.
	thinks bool
	// format is the strongest reply format that the upstream may support.
	format replyFormat
	// schemaPerCall says that each call may have a schema of its own at no cost.
	schemaPerCall bool
}

// shape is the shape of the first request.
func (q quirks) shape() shape {
	s := shape{optFormat: int(q.format)}
	if q.noSampling {
		s[optSampling] = 1
	}
	return s
}

// quirkTable has the quirks of known upstreams. The first row that matches applies.
var quirkTable = []struct {
	provider string
	host     *regexp.Regexp // of the base URL
	model    *regexp.Regexp
	quirks
}{
	{providerOpenAI, openAIHosts, thinkingModels, quirks{tokenField: "max_completion_tokens", noSampling: true, thinks: true}},
	{providerOpenAI, openAIHosts, anyName, quirks{tokenField: "max_completion_tokens"}},
	// Ollama knows only max_tokens. The other servers know both names.
	{providerOpenAI, anyName, thinkingModels, quirks{tokenField: "max_tokens", noSampling: true, thinks: true}},
	{providerOpenAI, deepSeekHosts, anyName, quirks{tokenField: "max_tokens", format: formatObject}}, // no support for schemas
	// Routers pass the schema on to any upstream, including OpenAI.
	{providerOpenAI, routerHosts, anyName, quirks{tokenField: "max_tokens"}},
	// The rest are self-hosted servers with a local grammar, such as llama.cpp and vLLM.
	{providerOpenAI, anyName, anyName, quirks{tokenField: "max_tokens", schemaPerCall: true}},
	{providerOllama, anyName, anyName, quirks{tokenField: "max_tokens", schemaPerCall: true}},
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

// taggedModels are the models whose prompt may end with the opening tag of their thoughts, by name.
var taggedModels = regexp.MustCompile(`(?i)(^|[^a-z])(r1|qwq|think(ing|er)?|reason(ing|er)?|minimax-m)([^a-z]|$)`)

// quirksOf looks up the quirks of an upstream.
func quirksOf(provider, host, model string) quirks {
	for _, row := range quirkTable {
		if row.provider == provider && row.host.MatchString(host) && row.model.MatchString(model) {
			return row.quirks
		}
	}
	return quirks{}
}
