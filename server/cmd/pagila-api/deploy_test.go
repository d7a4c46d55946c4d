package main

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"gopkg.in/yaml.v3"

	"example.com/pagila-api/api"
)

// deployment is how one of the files for deployments runs the server.
type deployment struct {
	environ map[string]string
	grace   string // the time between the signal to stop and the kill
}

// secretsOfOperators are the settings that the files leave to the operator.
var secretsOfOperators = map[string]string{
	"DATABASE_URL":      "postgres://pagila_api@db.example/pagila",
	"API_TOKEN":         "a-token-for-production",
	"API_PASSWORD":      "a password",
	"POSTGRES_PASSWORD": "another password",

	"POSTGRES_API_PASSWORD": "a third password",
}

// The server starts with the settings in the files for deployments, without a warning of a misspelt variable, and has
// the time to finish the requests in flight.
func TestDeployments(t *testing.T) {
	t.Parallel()
	readable := append(knownVariables(), "GOMEMLIMIT", "PGPASSWORD")
	for name, read := range map[string]func(*testing.T) deployment{
		"compose": composed, "Kubernetes": orchestrated, "systemd": supervised,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := read(t)
			var environ []string
			for name, value := range d.environ {
				environ = append(environ, name+"="+value)
				if value != "" && !slices.Contains(readable, name) {
					t.Errorf("nothing reads %s", name)
				}
			}
			c, err := loadConfig(environ, true)
			if err != nil || len(c.warnings) > 0 {
				t.Fatalf("%v, %q", err, c.warnings)
			}
			if !c.production() {
				t.Error("it is not for production")
			}
			if grace, err := time.ParseDuration(d.grace); err != nil || grace < c.DrainDelay+shutdownTimeout {
				t.Errorf("it is killed after %s, %v: stopping takes up to %s", d.grace, err, c.DrainDelay+shutdownTimeout)
			}
		})
	}
}

// repositoryFile reads a file of the repository.
func repositoryFile(t *testing.T, name string) []byte {
	t.Helper()
	content, err := os.ReadFile(filepath.Join("../../..", name))
	if err != nil {
		t.Fatal(err)
	}
	return content
}

func parseYAML(t *testing.T, content []byte, v any) {
	t.Helper()
	if err := yaml.Unmarshal(content, v); err != nil {
		t.Fatal(err)
	}
}

// composed reads compose.yaml, with the variables in it replaced as Docker does.
func composed(t *testing.T) deployment {
	t.Helper()
	text := os.Expand(string(repositoryFile(t, "compose.yaml")), func(expression string) string {
		name, fallback, _ := strings.Cut(expression, ":")
		if operator := strings.TrimLeft(fallback, "-"); operator != fallback {
			return operator
		}
		return secretsOfOperators[name]
	})
	var file struct {
		Services map[string]struct {
			Environment map[string]string
			Grace       string `yaml:"stop_grace_period"`
		}
	}
	parseYAML(t, []byte(text), &file)
	server := file.Services["server"]
	return deployment{server.Environment, server.Grace}
}

// orchestrated reads the Deployment for Kubernetes.
func orchestrated(t *testing.T) deployment {
	t.Helper()
	first, _, _ := strings.Cut(string(repositoryFile(t, "server/deploy/kubernetes/server.yaml")), "\n---\n")
	var file struct {
		Spec struct {
			Template struct {
				Spec struct {
					Grace      string `yaml:"terminationGracePeriodSeconds"`
					Containers []struct {
						Env []struct {
							Name, Value string
							ValueFrom   any `yaml:"valueFrom"`
						}
					}
				}
			}
		}
	}
	parseYAML(t, []byte(first), &file)
	pod := file.Spec.Template.Spec
	d := deployment{map[string]string{}, pod.Grace + "s"}
	for _, variable := range pod.Containers[0].Env {
		d.environ[variable.Name] = variable.Value
		if variable.ValueFrom != nil {
			d.environ[variable.Name] = secretsOfOperators[variable.Name]
		}
	}
	return d
}

// supervised reads the systemd unit.
func supervised(t *testing.T) deployment {
	t.Helper()
	unit := string(repositoryFile(t, "server/deploy/pagila-api.service"))
	d := deployment{environ: map[string]string{}}
	for name, value := range secretsOfOperators {
		if slices.Contains(knownVariables(), name) {
			d.environ[name] = value
		}
	}
	for _, m := range regexp.MustCompile(`(?m)^Environment=(\w+)=(.*)$`).FindAllStringSubmatch(unit, -1) {
		d.environ[m[1]] = m[2]
	}
	if m := regexp.MustCompile(`(?m)^TimeoutStopSec=(.*)$`).FindStringSubmatch(unit); m != nil {
		d.grace = m[1]
	}
	return d
}

// A version that several files for deployments have is the same in all of them.
func TestDeploymentVersions(t *testing.T) {
	t.Parallel()
	contract, err := api.Load(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	versions := func(file, pattern string) []string {
		var found []string
		for _, m := range regexp.MustCompile(pattern).FindAllSubmatch(repositoryFile(t, file), -1) {
			found = append(found, string(m[1]))
		}
		return slices.Compact(found)
	}
	if tags := versions("server/deploy/kubernetes/kustomization.yaml", `newTag: (\S+)`); !slices.Equal(tags, []string{contract.Info.Version}) {
		t.Errorf("the images for Kubernetes are %q, want %s", tags, contract.Info.Version)
	}
	image, release := versions("Dockerfile", `golang:([0-9.]+)`), versions("Makefile", `RELEASE_GO_VERSION := (\S+)`)
	if len(image) != 1 || !slices.Equal(image, release) {
		t.Errorf("the image is built with Go %q, releases with %q", image, release)
	}
}
