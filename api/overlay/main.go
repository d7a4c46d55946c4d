// Command overlay applies headers.overlay.yaml to openapi.yaml, the contract that people edit, and writes the
// result, the whole contract, to openapi.gen.yaml. `go generate ./api` runs it in the directory of these files.
package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/speakeasy-api/openapi/overlay"
	"gopkg.in/yaml.v3"
)

const result = "openapi.gen.yaml"

func main() {
	if err := run("."); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(dir string) error {
	contract, err := wholeContract(dir)
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, result), contract, 0o644) //nolint:gosec // everyone may read source code
}

// wholeContract applies the overlay in a directory to the contract there.
func wholeContract(dir string) ([]byte, error) {
	headers, err := overlay.Parse(filepath.Join(dir, "headers.overlay.yaml"))
	if err == nil {
		err = headers.Validate()
	}
	if err != nil {
		return nil, fmt.Errorf("read the overlay: %w", err)
	}
	source, err := os.ReadFile(filepath.Join(dir, "openapi.yaml")) //nolint:gosec // a file of this repository
	if err != nil {
		return nil, fmt.Errorf("read the contract: %w", err)
	}
	var contract yaml.Node
	if err := yaml.Unmarshal(source, &contract); err != nil {
		return nil, fmt.Errorf("parse the contract: %w", err)
	}
	if err := apply(headers, &contract); err != nil {
		return nil, err
	}
	return encode(&contract)
}

// apply fails if an action of the overlay changes nothing, because then its target is wrong.
func apply(o *overlay.Overlay, contract *yaml.Node) error {
	warnings, err := o.ApplyToStrict(contract)
	if err == nil && len(warnings) > 0 {
		err = errors.New(strings.Join(warnings, "\n"))
	}
	if err != nil {
		return fmt.Errorf("apply the overlay: %w", err)
	}
	return nil
}

func encode(contract *yaml.Node) ([]byte, error) {
	var text bytes.Buffer
	encoder := yaml.NewEncoder(&text)
	encoder.SetIndent(2)
	if err := encoder.Encode(contract); err != nil {
		return nil, fmt.Errorf("write the contract: %w", err)
	}
	return text.Bytes(), nil
}
