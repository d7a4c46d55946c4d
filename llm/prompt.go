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
	"regexp"
	"slices"
	"strings"

	"github.com/goccy/go-yaml"
	"github.com/tmc/langchaingo/llms"
)

//go:embed prompts/*.prompt
var embeddedPrompts embed.FS

const (
	askPrompt     = "ask"
	summaryPrompt = "summary"

	// versionDigits of the hash tell two versions of a prompt apart, and fit a log line.
	versionDigits = 8
	// maxTemperature is the highest that any upstream takes.
	maxTemperature = 2
)

// promptVariables are the variables that each prompt is rendered with.
var promptVariables = map[string][]string{
	askPrompt:     {"catalogue", "question"},
	summaryPrompt: {"catalogue"},
}

// prompt is a parsed prompt file: front matter in the names of dotprompt, then messages with plain
// {{name}} variables. There is no logic in a prompt, and nothing that could reach the environment.
type prompt struct {
	version     string // name@hash of the whole file
	temperature float64
	topP        float64 // 0: not sent
	maxTokens   int
	messages    []promptMessage
}

type promptMessage struct {
	role  llms.ChatMessageType
	parts []promptPart
}

// promptPart is either text or the name of a variable.
type promptPart struct{ text, variable string }

// frontMatter is the head of a prompt file. Other keys are refused.
type frontMatter struct {
	Name        string `yaml:"name"`
	Description string `yaml:"description"`
	Config      struct {
		Temperature     float64 `yaml:"temperature"`
		TopP            float64 `yaml:"topP"`
		MaxOutputTokens int     `yaml:"maxOutputTokens"`
	} `yaml:"config"`
	Input struct {
		Schema map[string]string `yaml:"schema"` // each variable, and what it is
	} `yaml:"input"`
	Output struct {
		Format string `yaml:"format"` // text or json
		Schema string `yaml:"schema"` // the contract's component for json
	} `yaml:"output"`
}

// loadPrompts reads all prompts, from a folder or the embedded ones, and reports all faults at once.
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

// parsePrompt parses a prompt file, which has to use exactly the given variables.
func parsePrompt(name string, file []byte, variables []string) (*prompt, error) {
	hash := sha256.Sum256(file)
	p := &prompt{version: name + "@" + hex.EncodeToString(hash[:])[:versionDigits]}

	text := strings.ReplaceAll(string(file), "\r\n", "\n")
	head, found := strings.CutPrefix(text, "---\n")
	head, body, closed := strings.Cut(head, "\n---\n")
	if !found || !closed {
		return nil, errors.New("front matter between two lines of --- is missing")
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
	case name == summaryPrompt && (f.Output.Format != "json" || f.Output.Schema != "FilmSummary"):
		return errors.New("output has to be json of the contract's component FilmSummary")
	case name != summaryPrompt && (f.Output.Format != "text" || f.Output.Schema != ""):
		return errors.New("output has to be text")
	}
	return nil
}

// promptMark is a role mark or a variable.
var promptMark = regexp.MustCompile(`\{\{\s*(?:role\s+"(\w+)"|(\w+))\s*\}\}`)

var promptRoles = map[string]llms.ChatMessageType{
	"system": llms.ChatMessageTypeSystem,
	"user":   llms.ChatMessageTypeHuman,
	"model":  llms.ChatMessageTypeAI,
}

// parseMessages splits a prompt's body at its role marks and variables.
func parseMessages(body string, variables []string) ([]promptMessage, error) {
	var messages []promptMessage
	add := func(part promptPart) error {
		if strings.Contains(part.text, "{{") {
			return fmt.Errorf("not a role or a variable: %.40q", part.text[strings.Index(part.text, "{{"):])
		}
		if len(messages) == 0 {
			if strings.TrimSpace(part.text) == "" && part.variable == "" {
				return nil
			}
			return errors.New("text before the first role")
		}
		m := &messages[len(messages)-1]
		m.parts = append(m.parts, part)
		return nil
	}
	used := map[string]bool{}
	end := 0
	for _, at := range promptMark.FindAllStringSubmatchIndex(body, -1) {
		if err := add(promptPart{text: body[end:at[0]]}); err != nil {
			return nil, err
		}
		end = at[1]
		if at[2] >= 0 {
			role, ok := promptRoles[body[at[2]:at[3]]]
			if !ok {
				return nil, fmt.Errorf("unknown role %q", body[at[2]:at[3]])
			}
			messages = append(messages, promptMessage{role: role})
			continue
		}
		name := body[at[4]:at[5]]
		if !slices.Contains(variables, name) {
			return nil, fmt.Errorf("unknown variable {{%s}}", name)
		}
		used[name] = true
		if err := add(promptPart{variable: name}); err != nil {
			return nil, err
		}
	}
	if err := add(promptPart{text: body[end:]}); err != nil {
		return nil, err
	}
	for _, name := range variables {
		if !used[name] {
			return nil, fmt.Errorf("variable {{%s}} is missing", name)
		}
	}
	for i := range messages {
		messages[i].trim()
		if len(messages[i].parts) == 0 {
			return nil, fmt.Errorf("message %d is empty", i+1)
		}
	}
	return messages, nil
}

// trim takes the blank space off a message's ends.
func (m *promptMessage) trim() {
	if last := len(m.parts) - 1; last >= 0 {
		m.parts[0].text = strings.TrimLeft(m.parts[0].text, " \n\t")
		m.parts[last].text = strings.TrimRight(m.parts[last].text, " \n\t")
	}
	m.parts = slices.DeleteFunc(m.parts, func(p promptPart) bool { return p == promptPart{} })
}

// render fills the variables in. A value is inserted as it is: marks inside it mean nothing.
func (p *prompt) render(values map[string]string) []llms.MessageContent {
	messages := make([]llms.MessageContent, len(p.messages))
	for i, m := range p.messages {
		var b strings.Builder
		for _, part := range m.parts {
			b.WriteString(part.text)
			b.WriteString(values[part.variable])
		}
		messages[i] = llms.TextParts(m.role, b.String())
	}
	return messages
}

// options are the call options that a prompt's front matter sets.
func (p *prompt) options() []llms.CallOption {
	return []llms.CallOption{llms.WithTemperature(p.temperature), llms.WithTopP(p.topP), llms.WithMaxTokens(p.maxTokens)}
}
