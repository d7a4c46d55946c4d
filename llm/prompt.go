package llm

import (
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"slices"
	"strings"

	"github.com/goccy/go-yaml"
	"github.com/tmc/langchaingo/llms"

	"example.com/pagila-api/llm/upstream"
)

//go:embed prompts/*.prompt
var embeddedPrompts embed.FS

const (
	askPrompt     = "ask"
	summaryPrompt = "summary"

	// versionDigits is how many digits of its hash identify a version of a prompt in a log line.
	versionDigits = 8
	// maxTemperature is the highest temperature that any upstream accepts.
	maxTemperature = 2
)

// promptVariables are the variables that each prompt is rendered with.
var promptVariables = map[string][]string{
	askPrompt:     {"question"},
	summaryPrompt: {"film"},
}

// promptOutputs are the outputs that the callers of each prompt expect.
var promptOutputs = map[string]promptOutput{
	askPrompt:     {Format: "text"},
	summaryPrompt: {Format: "json", Schema: "FilmSummary"},
}

// prompt is a parsed prompt file: front matter with the keys of dotprompt, then messages with plain
// {{name}} variables. A prompt has no logic and cannot access the environment.
type prompt struct {
	version     string // name@hash of the whole file
	temperature float64
	topP        float64 // not sent if 0
	maxTokens   int
	messages    []promptMessage
}

// frontMatter is the head of a prompt file. Unknown keys are errors.
type frontMatter struct {
	Name        string `yaml:"name"`
	Description string `yaml:"description"`
	Config      struct {
		Temperature     float64 `yaml:"temperature"`
		TopP            float64 `yaml:"topP"`
		MaxOutputTokens int     `yaml:"maxOutputTokens"`
	} `yaml:"config"`
	Input struct {
		Schema map[string]string `yaml:"schema"` // the variables, each with a description
	} `yaml:"input"`
	Output promptOutput `yaml:"output"`
}

// promptOutput is what a prompt asks for.
type promptOutput struct {
	Format string `yaml:"format"` // text or json
	Schema string `yaml:"schema"` // the contract's component, for json
}

// String describes the output in an error.
func (o promptOutput) String() string {
	if o.Schema == "" {
		return o.Format
	}
	return o.Format + " with the schema " + o.Schema
}

// loadPrompts reads all prompts from a directory, or the embedded ones, and reports all errors at once.
func loadPrompts(dir string) (map[string]*prompt, error) {
	files, err := fs.Sub(embeddedPrompts, "prompts")
	if err != nil {
		return nil, fmt.Errorf("embedded prompts: %w", err)
	}
	if dir != "" {
		files = os.DirFS(dir)
	}
	prompts := map[string]*prompt{}
	var faults []error
	for _, name := range slices.Sorted(maps.Keys(promptVariables)) {
		file, err := fs.ReadFile(files, name+".prompt")
		if err == nil {
			prompts[name], err = parsePrompt(name, file, promptVariables[name])
		}
		if err != nil {
			faults = append(faults, fmt.Errorf("prompt %s: %w", name, err))
		}
	}
	return prompts, errors.Join(faults...)
}

// parsePrompt parses a prompt file, which must use exactly the given variables.
func parsePrompt(name string, file []byte, variables []string) (*prompt, error) {
	hash := sha256.Sum256(file)
	p := &prompt{version: name + "@" + hex.EncodeToString(hash[:])[:versionDigits]}

	text := strings.ReplaceAll(string(file), "\r\n", "\n")
	head, found := strings.CutPrefix(text, "---\n")
	head, body, closed := strings.Cut(head, "\n---\n")
	if !found || !closed {
		return nil, errors.New("the front matter between two lines of --- is missing")
	}
	var front frontMatter
	if err := yaml.UnmarshalWithOptions([]byte(head), &front, yaml.Strict()); err != nil {
		return nil, fmt.Errorf("front matter: %w", err)
	}
	if err := front.check(name, variables); err != nil {
		return nil, fmt.Errorf("front matter: %w", err)
	}
	p.temperature, p.topP, p.maxTokens = front.Config.Temperature, front.Config.TopP, front.Config.MaxOutputTokens

	messages, err := parseMessages(body, variables)
	if err != nil {
		return nil, err
	}
	p.messages = messages
	return p, nil
}

// check checks the front matter of the prompt of a name, which is rendered with the given variables.
func (f *frontMatter) check(name string, variables []string) error {
	declared := slices.Sorted(maps.Keys(f.Input.Schema))
	switch {
	case f.Name != name:
		return fmt.Errorf("name is %q, want %q", f.Name, name)
	case f.Config.Temperature < 0 || f.Config.Temperature > maxTemperature:
		return fmt.Errorf("temperature is %g, want 0 to %d", f.Config.Temperature, maxTemperature)
	case f.Config.TopP < 0 || f.Config.TopP > 1:
		return fmt.Errorf("topP is %g, want 0 to 1", f.Config.TopP)
	case f.Config.MaxOutputTokens < 1:
		return fmt.Errorf("maxOutputTokens is %d, want 1 or more", f.Config.MaxOutputTokens)
	case !slices.Equal(declared, variables):
		return fmt.Errorf("input.schema declares %q, want %q", declared, variables)
	case f.Output != promptOutputs[name]:
		return fmt.Errorf("output has to be %s", promptOutputs[name])
	}
	return nil
}

// request adds the prompt's messages and settings to a request.
func (p *prompt) request(messages []llms.MessageContent, r upstream.Request) upstream.Request {
	r.Messages = messages
	r.Temperature, r.TopP, r.MaxTokens = p.temperature, p.topP, p.maxTokens
	return r
}
