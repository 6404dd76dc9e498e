# Every target is a command anyone can run by hand; .ci/run calls the ones that guard a change.
GO      ?= go
BIN     := bin
GOFUMPT := mvdan.cc/gofumpt@v0.12.0
LINT    := github.com/golangci/golangci-lint/v2/cmd/golangci-lint@v2.15.0
NFPM    := github.com/goreleaser/nfpm/v2/cmd/nfpm@v2.45.2

.PHONY: full-walk build test test-peers test-services race soak lint fmt fuzz cross demo check generate dist install clean bench bench-go bench-sinks bench-grab bench-pairs bench-page chaos ipv6 pgo

build: ## the program, static, into bin/
	CGO_ENABLED=0 $(GO) build -trimpath -o $(BIN)/zmap ./cmd/zmap

test: ## everything, kernel-facing tests in network namespaces included
	$(GO) test ./...
test-peers: ## whole scans of real servers, which are installed if need be, in network namespaces
	.ci/peers

test-services: ## sinks with a server behind them against the real one, which is installed if need be, killed and stalled
	.ci/services

race: ## the short tests under the race detector, but for the lab, tests of when packets leave, which it delays, scripts, the benchmarks, and SQLite, which takes minutes to compile for it
	$(GO) test -race -short -tags minimal -skip 'Pacing|Scripts|README' ./annotate ./cert ./dedup ./filter ./fingerprint ./grab/... ./internal/... ./link/... ./packet ./permute ./probe ./record ./sink ./sink/remote ./target ./validate .

lint: $(BIN)/gofumpt $(BIN)/golangci-lint ## formatting and static checks
	@test -z "$$($(BIN)/gofumpt -l .)" || { $(BIN)/gofumpt -d .; exit 1; }
	$(GO) vet -tags peers ./...
	$(BIN)/golangci-lint run --allow-parallel-runners ./...
fmt: $(BIN)/gofumpt
	$(BIN)/gofumpt -w .

soak: ## every link for SOAK_MINUTES (default 10): its tests in a loop under the race detector, random frames, wires off and on
	.ci/soak

full-walk: ## all 2^32 addresses in their order, each once, and a million of them listed in the same order: minutes, and 512 MB
	ZMAP_FULL_WALK=1 $(GO) test -v -run Full ./permute

fuzz: ## every fuzz target in turn, FUZZ_SECONDS in all (default 180)
	.ci/fuzz $${FUZZ_SECONDS:-180}

cross: ## builds without cgo, and vets what other systems compile; SQLite and the like, which compile for minutes, have their own tests for that
	for arch in amd64 arm64; do CGO_ENABLED=0 GOARCH=$$arch $(GO) build -trimpath -o /dev/null ./cmd/zmap || exit 1; done
	CGO_ENABLED=0 GOOS=darwin $(GO) vet -tags minimal ./...
	CGO_ENABLED=0 GOOS=windows $(GO) build -tags minimal . ./grab/... ./link/... ./internal/netdev

demo: ## build a test Internet, scan it, show what was found
	$(GO) run ./cmd/zmap demo

bench: bench-go build ## every figure that a bar is set for, beside the scanners that are installed; "go run ./lab/bench help" lists single ones
	$(GO) run ./lab/bench all -zmap $(BIN)/zmap

bench-go: ## stages by themselves: walk, target, tag and patch behind 100,000 blocked prefixes; answers; frames by xdp; allocations
	$(GO) test -run '^$$' -bench 'Generate|Calibrate|Receive' -benchtime 3s -count 3 ./internal/engine
	$(GO) test -run '^$$' -bench Build -benchtime 3x ./target
	$(GO) test -run '^$$' -bench Kernel -benchtime 20x -count 3 ./link/xdp
bench-sinks: ## rows per second into files, beside the programs of others
	$(GO) test -run '^$$' -bench . -benchtime 3x ./sink ./sink/local
bench-grab: build ## handshakes on the scan's own connections, beside dialled ones: hosts lost, SYNs on the wire, grabs a second, memory
	$(GO) run ./lab/bench grab grabpace -zmap $(BIN)/zmap
chaos: build ## scans killed with SIGKILL at 100 random moments and carried on: targets and rows lost or doubled; 15 minutes
	$(GO) run ./lab/bench chaos -zmap $(BIN)/zmap
ipv6: build ## an IPv6 Internet of 2^20 /64s with 65,536 real hosts: those missed or doubled; and the rate over IPv6 against that over IPv4
	ZMAP_IPV6_WHOLE=1 $(GO) test -count 1 -v -run TestScanIPv6Whole .
	$(GO) run ./lab/bench ipv6 -zmap $(BIN)/zmap
bench-pairs: build ## memory of 100 million single targets (GNU time's maximum resident set size), which are made on the way: two minutes
	$(BIN)/zmap ziterate -p 80,443 -e 1 -n 100000000 0.0.0.0/1 | /usr/bin/time -v $(BIN)/zmap --targets-file /dev/stdin --dryrun -n 1 -q -S 192.0.2.1 >/dev/null
bench-page: build ## docs/performance.md and its pictures, in less than nine minutes on a machine that is idle otherwise
	$(GO) run ./lab/bench page -zmap $(BIN)/zmap

pgo: ## the profile that the program is compiled with, from the engine's benchmarks: commit it when the hot path has changed
	@mkdir -p $(BIN)
	$(GO) test ./internal/engine -run '^$$' -bench 'BenchmarkGenerate|BenchmarkReceive' -benchtime 3s -pgo=off \
		-o $(BIN)/engine.test -cpuprofile $(BIN)/new.pgo
	mv $(BIN)/new.pgo cmd/zmap/default.pgo

check: lint test test-peers test-services race cross fuzz demo ## what .ci/run runs

generate: ## BPF objects, with clang, and manual pages and completion scripts, from the table of options; .ci/run finds stale ones
	.ci/bpf generate
	$(GO) test ./internal/cli -run TestGenerated -generate

dist: $(BIN)/nfpm ## static tarballs and Debian packages for amd64 and arm64, with SHA256SUMS, into bin/dist/
	packaging/dist $(BIN)/dist $(BIN)/nfpm

$(BIN)/gofumpt: TOOL := $(GOFUMPT)
$(BIN)/golangci-lint: TOOL := $(LINT)
$(BIN)/nfpm: TOOL := $(NFPM)
$(BIN)/gofumpt $(BIN)/golangci-lint $(BIN)/nfpm:
	GOBIN=$(CURDIR)/$(BIN) $(GO) install $(TOOL)

install: ; CGO_ENABLED=0 $(GO) install -trimpath ./cmd/zmap
clean: ; rm -rf $(BIN)
