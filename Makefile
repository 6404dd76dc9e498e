# Every target is a command anyone can run by hand; .ci/run calls the ones that guard a change.
GO      ?= go
BIN     := bin
GOFUMPT := mvdan.cc/gofumpt@v0.12.0
LINT    := github.com/golangci/golangci-lint/v2/cmd/golangci-lint@v2.15.0
NFPM    := github.com/goreleaser/nfpm/v2/cmd/nfpm@v2.45.2

.PHONY: build test test-peers race lint fmt fuzz cross demo check generate dist install clean bench bench-send bench-loss bench-tools bench-generate

build: ## the program, static, into bin/
	CGO_ENABLED=0 $(GO) build -trimpath -o $(BIN)/zmap ./cmd/zmap

test: ## everything, kernel-facing tests in network namespaces included
	$(GO) test ./...

test-peers: ## whole scans of real servers, which are installed if need be, in network namespaces
	.ci/peers

race: ## the same under the race detector, but for the lab's timing and the benchmarks
	$(GO) test -race ./dedup ./filter ./internal/... ./link/... ./packet ./permute ./probe ./record ./sink ./target ./validate .

lint: $(BIN)/gofumpt $(BIN)/golangci-lint ## formatting and static checks
	@test -z "$$($(BIN)/gofumpt -l .)" || { $(BIN)/gofumpt -d .; exit 1; }
	$(GO) vet -tags peers ./...
	$(BIN)/golangci-lint run --allow-parallel-runners ./...

fmt: $(BIN)/gofumpt
	$(BIN)/gofumpt -w .

$(BIN)/gofumpt:
	GOBIN=$(CURDIR)/$(BIN) $(GO) install $(GOFUMPT)

$(BIN)/golangci-lint:
	GOBIN=$(CURDIR)/$(BIN) $(GO) install $(LINT)

fuzz: ## every fuzz target in turn, FUZZ_SECONDS in all (default 180)
	.ci/fuzz $${FUZZ_SECONDS:-180}

cross: ## builds without cgo, and vets what other systems compile
	CGO_ENABLED=0 GOARCH=amd64 $(GO) build -o /dev/null ./cmd/zmap
	CGO_ENABLED=0 GOARCH=arm64 $(GO) build -o /dev/null ./cmd/zmap
	CGO_ENABLED=0 GOOS=darwin $(GO) vet ./...
	CGO_ENABLED=0 GOOS=windows $(GO) build ./...

demo: ## build a test Internet, scan it, show what was found
	$(GO) run ./cmd/zmap demo

bench: bench-generate bench-tools bench-send bench-loss ## every figure that a bar is set for

bench-send: build ## frames per second beside the scanners that are installed, as ratios in one run
	$(GO) run ./lab/bench send -zmap $(BIN)/zmap

bench-loss: build ## answers lost at 100,000 probes a second for 60 s, 2 % of 10.0.0.0/8 answering
	$(GO) run ./lab/bench loss -zmap $(BIN)/zmap

bench-tools: build ## dry runs into a pipe, a list of a million addresses, ziterate and zblocklist, as whole processes
	$(GO) run ./lab/bench tools -zmap $(BIN)/zmap

bench-generate: ## walk, target, tag and patch through the real interfaces, 100,000 prefixes blocked; allocations
	$(GO) test -run '^$$' -bench 'Generate|Calibrate' -benchtime 3s -count 3 ./internal/engine
	$(GO) test -run '^$$' -bench Build -benchtime 3x ./target

check: lint test test-peers race cross fuzz demo ## what .ci/run runs

generate: ## manual pages and completion scripts, from the table of options; tests fail when they are stale
	$(GO) test ./internal/cli -run TestGenerated -generate

dist: $(BIN)/nfpm ## static tarballs and Debian packages for amd64 and arm64, with SHA256SUMS, into bin/dist/
	packaging/dist $(BIN)/dist $(BIN)/nfpm

$(BIN)/nfpm:
	GOBIN=$(CURDIR)/$(BIN) $(GO) install $(NFPM)

install:
	CGO_ENABLED=0 $(GO) install -trimpath ./cmd/zmap

clean:
	rm -rf $(BIN)
