package llm

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/tmc/langchaingo/llms"
)

// promptMessage is a message of a prompt.
type promptMessage struct {
	role  llms.ChatMessageType
	parts []promptPart
}

// promptPart is either text or the name of a variable.
type promptPart struct{ text, variable string }

// promptMark matches a role or a variable.
var promptMark = regexp.MustCompile(`\{\{\s*(?:role\s+"(\w+)"|(\w+))\s*\}\}`)

var promptRoles = map[string]llms.ChatMessageType{
	"system": llms.ChatMessageTypeSystem,
	"user":   llms.ChatMessageTypeHuman,
	"model":  llms.ChatMessageTypeAI,
}

// parseMessages parses the body of a prompt, which must use exactly the given variables.
func parseMessages(body string, variables []string) ([]promptMessage, error) {
	p := messageParser{variables: variables, used: map[string]bool{}}
	end := 0
	for _, at := range promptMark.FindAllStringSubmatchIndex(body, -1) {
		if err := p.text(body[end:at[0]]); err != nil {
			return nil, err
		}
		end = at[1]
		var err error
		if at[2] >= 0 {
			err = p.role(body[at[2]:at[3]])
		} else {
			err = p.variable(body[at[4]:at[5]])
		}
		if err != nil {
			return nil, err
		}
	}
	if err := p.text(body[end:]); err != nil {
		return nil, err
	}
	return p.finish()
}

// messageParser collects the messages of a prompt.
type messageParser struct {
	variables []string // that the prompt must use
	used      map[string]bool
	messages  []promptMessage
}

var errBeforeRole = errors.New("text before the first role")

func (p *messageParser) text(text string) error {
	if i := strings.Index(text, "{{"); i >= 0 {
		return fmt.Errorf("not a role or a variable: %.40q", text[i:])
	}
	if len(p.messages) == 0 && strings.TrimSpace(text) == "" {
		return nil
	}
	return p.add(promptPart{text: text})
}

func (p *messageParser) role(name string) error {
	role, ok := promptRoles[name]
	if !ok {
		return fmt.Errorf("unknown role %q", name)
	}
	p.messages = append(p.messages, promptMessage{role: role})
	return nil
}

func (p *messageParser) variable(name string) error {
	if !slices.Contains(p.variables, name) {
		return fmt.Errorf("unknown variable {{%s}}", name)
	}
	p.used[name] = true
	return p.add(promptPart{variable: name})
}

// add adds a part to the current message.
func (p *messageParser) add(part promptPart) error {
	if len(p.messages) == 0 {
		return errBeforeRole
	}
	m := &p.messages[len(p.messages)-1]
	m.parts = append(m.parts, part)
	return nil
}

// finish checks that nothing is missing, and returns the messages.
func (p *messageParser) finish() ([]promptMessage, error) {
	for _, name := range p.variables {
		if !p.used[name] {
			return nil, fmt.Errorf("variable {{%s}} is missing", name)
		}
	}
	for i := range p.messages {
		p.messages[i].trim()
		if len(p.messages[i].parts) == 0 {
			return nil, fmt.Errorf("message %d is empty", i+1)
		}
	}
	return p.messages, nil
}

// trim removes whitespace from both ends of a message.
func (m *promptMessage) trim() {
	if last := len(m.parts) - 1; last >= 0 {
		m.parts[0].text = strings.TrimLeft(m.parts[0].text, " \n\t")
		m.parts[last].text = strings.TrimRight(m.parts[last].text, " \n\t")
	}
	m.parts = slices.DeleteFunc(m.parts, func(p promptPart) bool { return p == promptPart{} })
}

// render fills in the variables. A value is inserted as it is, and marks in it have no meaning.
func (p *prompt) render(values map[string]string) []llms.MessageContent {
	messages := make([]llms.MessageContent, len(p.messages))
	for i, m := range p.messages {
		texts := make([]string, len(m.parts))
		for i, part := range m.parts {
			texts[i] = part.text + values[part.variable]
		}
		messages[i] = llms.TextParts(m.role, strings.Join(texts, "")) // a text without variables is not copied
	}
	return messages
}
