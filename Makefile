# `make` lists the targets. They need Go, make, git and, for the tests with a real Better Auth server, Node.
SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
MAKEFLAGS += --no-print-directory

GOLANGCI_LINT_VERSION := v2.15.0
GOFUMPT_VERSION       := v0.12.0
GOVULNCHECK_VERSION   := v1.9.0
CYCLONEDX_VERSION     := v1.10.0
GOTESTSUM_VERSION     := v1.13.0

BIN     := $(CURDIR)/bin
CLIENTS := internal/testkit/clients
FIXTURES := examples/auth-server examples/sync internal/testkit/betterauth internal/testkit/graphqljs internal/testkit/httpaudit $(CLIENTS)
EXAMPLE := examples/nextjs
VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)
COMMIT  ?= $(shell git rev-parse HEAD 2>/dev/null)
LDFLAGS := -s -w -X main.version=$(VERSION) -X main.commit=$(COMMIT)

# The version is stamped above; Go's own stamping fails if git distrusts the folder's owner, as in containers. Without
# paths in compiled code, all clones of a machine share the build cache.
export GOFLAGS := $(strip $(GOFLAGS) -buildvcs=false -trimpath)

# As the server is shipped. If all is built so, nothing is compiled twice, but for the race detector.
export CGO_ENABLED := 0

.PHONY: help
help: ## List the targets
	@awk 'BEGIN {FS = ":.*## "} /^[a-z-]+:.*## / {printf "  \033[1m%-16s\033[0m %s\n", $$1, $$2}' $(MAKEFILE_LIST)

##
.PHONY: run
run: ## Start the server on http://localhost:8000, with SQLite and its own sign-in
	go run ./cmd/server

.PHONY: example
example: $(EXAMPLE)/node_modules/.package-lock.json ## Start the app of examples/nextjs on http://localhost:3000, with the server
	@cd $(EXAMPLE) && npm run --silent dev

$(EXAMPLE)/node_modules/.package-lock.json: $(EXAMPLE)/package-lock.json
	@echo "npm ci in $(EXAMPLE)"
	@cd $(EXAMPLE) && npm ci --no-audit --no-fund --loglevel=error && touch node_modules/.package-lock.json

.PHONY: build
build: ## Build bin/server as it is shipped: static, stripped, stamped
	go build -ldflags "$(LDFLAGS)" -o $(BIN)/server ./cmd/server

.PHONY: image
image: ## Build the container image taskql with docker, podman or buildah
	@for engine in docker podman buildah; do \
	  if command -v $$engine >/dev/null; then \
	    exec $$engine build --build-arg VERSION=$(VERSION) --build-arg RAILWAY_GIT_COMMIT_SHA=$(COMMIT) -t taskql .; \
	  fi; \
	done; echo "none of docker, podman and buildah is installed" >&2; exit 1

.PHONY: sbom
sbom: $(BIN)/cyclonedx-gomod-$(CYCLONEDX_VERSION) ## List the binary's modules and their licences in bin/sbom.json (CycloneDX)
	$< app -licenses -json -output $(BIN)/sbom.json -main cmd/server .

.PHONY: reproducible
reproducible: ## Build twice from clean caches, in two folders, and compare the hashes
	.ci/reproducible

.PHONY: clean
clean: ## Remove what was built and installed; the database stays
	rm -rf $(BIN) .cache coverage.out $(addsuffix /node_modules,$(FIXTURES) internal/playground/web internal/testkit/cmd/bench/peers) $(CLIENTS)/.build examples/sync/.build \
	  $(addprefix $(EXAMPLE)/,node_modules .next .data lib/gql)

## Speed

COUNT ?= 6

.PHONY: bench
bench: ## Run the benchmarks of the hot path on PostgreSQL, COUNT=6 times, for benchstat
	@go build -o $(BIN)/withpostgres ./internal/testkit/cmd/withpostgres
	$(BIN)/withpostgres go test ./internal/server -run '^$$' -bench Hot -benchmem -count $(COUNT)

.PHONY: bench-seed
bench-seed: ## Fill DATABASE_URL with WORKSPACES=2000 workspaces of TASKS=250 tasks; never deletes other data
	@go run ./internal/testkit/cmd/bench seed

.PHONY: bench-load
bench-load: build ## Start PostgreSQL and the server, put load on them, print what a request costs
	@go run ./internal/testkit/cmd/bench load

.PHONY: bench-live
bench-live: build ## Measure streams: memory, CPU per delivery, delay, reconnecting. ONLY=idle-ws,fanout,… runs some of it
	@go build -o $(BIN)/bench ./internal/testkit/cmd/bench
	@$(BIN)/bench live

SOAK_MINUTES ?= 20

.PHONY: soak
soak: build ## Put mixed load and faults on the server for SOAK_MINUTES=20: no leak, no loss, no unexpected errors
	@go build -o $(BIN)/bench ./internal/testkit/cmd/bench
	@SOAK_MINUTES=$(SOAK_MINUTES) $(BIN)/bench soak

## Code

.PHONY: generate
generate: ## Generate ent's and gqlgen's code from ent/schema and graph/schema
	go generate ./...

.PHONY: schema
schema: ## Write docs/schema/schema.graphql, the copy of the schema that is served
	go run ./cmd/server schema > docs/schema/schema.graphql

.PHONY: freeze-schema
freeze-schema: schema ## At a release: save the current schema; later versions must stay compatible with it
	cp docs/schema/schema.graphql docs/schema/released.graphql
	sed -i.bak '/^<!-- changes -->$$/q' docs/schema/breaking.md && rm docs/schema/breaking.md.bak

.PHONY: release
release: ## Check, freeze the schema and tag a release: make release VERSION=0.2.0. Nothing is pushed
	@.ci/release "$(VERSION)"

.PHONY: migration
migration: ## Write the next migration for PostgreSQL and SQLite from ent/schema: make migration name=add_tags
	@test -n "$(name)" || { echo "usage: make migration name=add_tags" >&2; exit 2; }
	go run ./internal/database/schemadiff/cmd/migration $(name)

.PHONY: migration-hash
migration-hash: ## Rewrite atlas.sum after a migration was edited by hand
	go run ./internal/database/schemadiff/cmd/migration -hash

.PHONY: fmt
fmt: $(BIN)/gofumpt-$(GOFUMPT_VERSION) ## Format the code
	$< -w .

.PHONY: playground
playground: ## Build the playground's page from internal/playground/web, with the packages of its lock file
	cd internal/playground/web && npm ci --no-audit --no-fund --loglevel=error && npm run --silent build

## Tests and checks

# The server that tests start, built before them.
TEST_SERVER := $(BIN)/test-server

# Prints a line for each package, what failed, and at the end each skipped test with its reason. The limit is for a
# machine that is busy with other work: it ends a test that hangs.
GO_TEST = TEST_SERVER=$(TEST_SERVER) $(BIN)/withpostgres $(BIN)/gotestsum-$(GOTESTSUM_VERSION) --format pkgname -- -shuffle=on -timeout 60m

.PHONY: test-programs
test-programs: fixture $(BIN)/gotestsum-$(GOTESTSUM_VERSION)
	@echo "building the server that tests start, and compiling the tests: the first time takes a few minutes"
	@go build -o $(BIN)/withpostgres ./internal/testkit/cmd/withpostgres
	@go build -ldflags "-X main.version=v0.0.0-test -X main.commit=test" -o $(TEST_SERVER) ./cmd/server

.PHONY: test
test: test-programs ## Run the tests, on SQLite and PostgreSQL (TEST_DATABASE_URL, or one is started) and with Better Auth
	@$(GO_TEST) ./...

# Tests that run on each database run on PostgreSQL here: there requests run at the same time, and SQLite's code, which was
# translated from C, takes most of the time with the detector. Random lists and undos are fewer, as more of them find wrong
# answers, not races. SEQUENTIAL tests are left out: they do one thing after the other, take minutes with the detector, and other
# tests send the same statements. So are the tests with real clients, whose server is a program of its own, built without it.
SEQUENTIAL := TestMigrations|TestFolder|TestFoldEachCharacter|TestStoredKeys|TestGraphQLJS|TestStoredBytesArePaid|TestCacheIsBounded|TestDateutil|TestDocumentLinks|TestReasons|TestRules|TestPartialIndexes|TestIsolationOfRootFields|TestUndoOfEveryMutation|TestEveryKeyIsRemembered|TestStatementsOfBulkChanges|TestMatrix|TestAuthorizationMatrix|TestColumnsSuffice|TestEncodedAsExecuted|TestRolesOfMutations|TestProjectsKeepTheirRules|TestMovedProjectsKeepTheirRules|TestSeriesFollowTheirRules|TestNothingGoesWithoutTombstone|TestFeedOfErasedUsers|TestMonth|TestFilterOperators
CONCURRENT = TEST_DATABASE=postgres TASK_PROPERTY_CASES=100 $(GO_TEST) -skip '^($(SEQUENTIAL))$$'

# The packages whose tests touch the product's PostgreSQL. test-race runs them behind PgBouncer, so that one run finds races and
# what breaks behind a pooler. internal/database runs without it as well, because there are statement timeouts and prepared
# statements only in sessions of their own; so do those of the model, whose servers are in the test's process.
POOLED := ./internal/access ./internal/account ./internal/database ./internal/devauth ./internal/doctor ./internal/importer ./internal/live ./internal/reminder ./internal/server ./internal/task ./internal/workspace ./graph ./cmd/server
WITH_POOLER = $(subst withpostgres,withpostgres -pooler,$(CONCURRENT))

.PHONY: test-race
test-race: test-programs ## Run the same tests with the race detector, which needs a C compiler, on PostgreSQL behind PgBouncer
	@command -v $$(go env CC) >/dev/null || { echo "the race detector needs cgo and a C compiler" >&2; exit 1; }
	@CGO_ENABLED=1 $(WITH_POOLER) -race $(POOLED)
	@CGO_ENABLED=1 $(CONCURRENT) -race ./internal/database $$(go list ./... | grep -vxFf <(go list $(POOLED) ./$(CLIENTS)))

.PHONY: test-pgbouncer
test-pgbouncer: test-programs ## Run the tests that touch PostgreSQL behind PgBouncer, as test-race does, without the detector
	@$(WITH_POOLER) $(POOLED)

# The packages with tests of a suite.
suite = $(sort $(dir $(shell grep -rlF 'testkit.Suite(t, "$(1)")' --include=*_test.go --exclude-dir=node_modules .)))

# The longer variants run one package after the other, because tests at the same time would distort their figures.
.PHONY: test-faults
test-faults: test-programs ## Run soaks, timing checks and faults of the database, the disk and the auth server; FAULTS=long for longer ones
	@TEST_SUITE=faults $(GO_TEST) $(if $(filter long,$(FAULTS)),-p 1) -run '^TestFaults' $(call suite,faults)

.PHONY: test-browser
test-browser: test-programs ## Drive the playground in Chromium
	@TEST_SUITE=browser $(GO_TEST) -run '^TestBrowser' $(call suite,browser)

.PHONY: test-example
test-example: $(EXAMPLE)/node_modules/.package-lock.json ## Build the app of examples/nextjs and drive it in Chromium
	@go build -ldflags "-X main.version=v0.0.0-test -X main.commit=test" -o $(TEST_SERVER) ./cmd/server
	@cd $(EXAMPLE) && TEST_SERVER=$(TEST_SERVER) npm test --silent

.PHONY: test-rollback
test-rollback: ## Run the golden requests of the release before the newest migration on a database of this release
	TEST_ROLLBACK=1 go test -count=1 -v -run '^TestRollback$$' ./internal/testkit

ROLLING ?= 5m

.PHONY: rolling
rolling: test-programs ## Restart two replicas every 10 s for ROLLING=5m, under load, with migrations and 200 stores that watch
	@TEST_ROLLING=$(ROLLING) TEST_SUITE=faults $(GO_TEST) -v -run '^TestFaultsRolling$$' ./cmd/server

MODEL_RUNS ?= 50000

.PHONY: model
model: test-programs ## Compare clients' copies with the database in MODEL_RUNS=50000 random schedules; MODEL_SEED=17 repeats one
	@MODEL_RUNS=$(MODEL_RUNS) TEST_SUITE=faults $(GO_TEST) -timeout 12h -v -run '^TestFaultsModel$$' ./internal/testkit/model

.PHONY: fixture
fixture: ## Install the npm packages that tests run: a Better Auth server, the GraphQL-over-HTTP audits, graphql-js, GraphQL clients
	@if ! command -v npm >/dev/null; then \
	  echo "npm is missing: the tests with a real Better Auth, real clients and the HTTP audits can't run" >&2; exit 0; \
	fi; for dir in $(FIXTURES); do \
	  if ! [ $$dir/node_modules/.package-lock.json -nt $$dir/package-lock.json ]; then \
	    echo "npm ci in $$dir"; \
	    (cd $$dir && npm ci --no-audit --no-fund --loglevel=error && touch node_modules/.package-lock.json); \
	  fi; \
	done

.PHONY: check
check: check-format check-vet check-imports check-tidy check-generated check-migrations check-schema check-playground check-dockerfile check-size lint vuln ## Run every check

.PHONY: check-format
check-format: $(BIN)/gofumpt-$(GOFUMPT_VERSION)
	@files=$$($< -l .); if [ -n "$$files" ]; then echo "not formatted; run make fmt:"; echo "$$files"; exit 1; fi

.PHONY: check-vet
check-vet:
	go vet ./...

.PHONY: check-imports
check-imports:
	go test -run '^TestImportsRunOneWay$$' ./internal/testkit

.PHONY: check-tidy
check-tidy:
	go mod tidy -diff

.PHONY: check-generated
check-generated: ## Check that the generated code is what make generate would write
	.ci/generated

.PHONY: check-migrations
check-migrations: ## Check that the migrations make what ent/schema says, and work with the previous release
	go run ./internal/database/schemadiff/cmd/migration -check

# Bytes. docs/dependencies.md says what weighs how much.
MAX_SIZE := 56000000

.PHONY: check-size
check-size: build ## Check that the binary is at most 56 MB
	@size=$$(wc -c < $(BIN)/server); echo "bin/server: $$size bytes"; \
	if [ $$size -gt $(MAX_SIZE) ]; then \
	  echo "that is more than $(MAX_SIZE); go build -ldflags=-dumpdep says what brings what" >&2; exit 1; \
	fi

.PHONY: check-image
check-image: ## Build the image without a container engine and run it read-only, as its user (Debian, root)
	.ci/image

.PHONY: check-schema
check-schema: fixture ## Check that the schema breaks no client of the last release
	@go run ./cmd/server schema | diff -u docs/schema/schema.graphql - || { echo "run make schema" >&2; exit 1; }
	@node $(CLIENTS)/schema-check.mjs docs/schema/released.graphql docs/schema/schema.graphql docs/schema/breaking.md

.PHONY: check-playground
check-playground: ## Check that the playground's bundle is built from its sources
	go test -run '^(TestBundleIsOfItsSources|TestFiles)$$' ./internal/playground

.PHONY: check-dockerfile
check-dockerfile: ## Lint the Dockerfiles with BuildKit's rules
	@go -C internal/testkit/dockerlint run . $(CURDIR)/Dockerfile
	@go -C internal/testkit/dockerlint run . $(CURDIR)/examples/auth-server/Dockerfile

.PHONY: lint
lint: $(BIN)/golangci-lint-$(GOLANGCI_LINT_VERSION) ## Run golangci-lint
	$< run

.PHONY: vuln
vuln: $(BIN)/govulncheck-$(GOVULNCHECK_VERSION) ## Look for known vulnerabilities in the code that is used
	@output=$$($< ./... 2>&1) && code=0 || code=$$?; echo "$$output"; \
	if [ $$code -ne 0 ] && grep -q 'fetching vulnerabilities' <<<"$$output"; then \
	  echo "SKIPPED: the vulnerability database can't be reached, so nothing is known"; exit 0; \
	fi; exit $$code

# Tools are kept by version, so that a new version here is a new file there. `go install` names them without.
define tool
$(BIN)/$(1)-$(3):
	@echo "installing $(1) $(3)"
	@GOBIN=$(BIN)/.install-$(1) GOFLAGS= go install $(2)@$(3)
	@mv $(BIN)/.install-$(1)/$(1) $$@ && rm -r $(BIN)/.install-$(1)
endef
$(eval $(call tool,golangci-lint,github.com/golangci/golangci-lint/v2/cmd/golangci-lint,$(GOLANGCI_LINT_VERSION)))
$(eval $(call tool,gotestsum,gotest.tools/gotestsum,$(GOTESTSUM_VERSION)))
$(eval $(call tool,gofumpt,mvdan.cc/gofumpt,$(GOFUMPT_VERSION)))
$(eval $(call tool,cyclonedx-gomod,github.com/CycloneDX/cyclonedx-gomod/cmd/cyclonedx-gomod,$(CYCLONEDX_VERSION)))
$(eval $(call tool,govulncheck,golang.org/x/vuln/cmd/govulncheck,$(GOVULNCHECK_VERSION)))
