package upstream

import (
	"cmp"
	"fmt"
	"net"
	"net/url"
	"strings"
)

const (
	defaultOllamaModel = "llama3.2"
	defaultOllamaHost  = "127.0.0.1"
	defaultOllamaPort  = "11434"
	// ollamaPath is the path of OpenAI's API at Ollama. Ollama's own API has nothing that we need and that this
	// one lacks, and its adapter cannot offer tools.
	ollamaPath = "v1"
	// ollamaModelList is the path of Ollama's own list of models. Unlike OpenAI's it may be empty.
	ollamaModelList = "../api/tags"
)

// newOllama makes an adapter for Ollama, by OpenAI's API. The API key is meant for OpenAI, so it is not sent.
func newOllama(cfg *Config) (adapter, error) {
	cfg.Model = cmp.Or(cfg.Model, defaultOllamaModel)
	base, err := ollamaURL(cfg.OllamaHost)
	if err != nil {
		return adapter{}, fmt.Errorf("address of Ollama: %w", err)
	}
	q := quirksOf(providerOllama, base.Hostname(), cfg.Model)
	return newChat(cfg, base.JoinPath(ollamaPath), "", dialect{tokenField: q.tokenField, ollama: true}, q)
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
