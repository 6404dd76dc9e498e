package zmap

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/zmap-go/zmap"

// A room is a package, or a tree of them, with what it may import of this module and from elsewhere, and why.
type room struct {
	path   string   // below the module; a trailing /... means the whole tree
	ours   []string // rooms it may import; "*" means any but those for tests
	others []string // third-party modules, and of the standard library syscall and unsafe
	why    string
}

// forTests are the rooms that only tests import.
func forTests() []string {
	return []string{"grab/grabtest", "internal/peers", "internal/vectors", "lab/wire", "link/linktest"}
}

// rooms are the arrows of docs/architecture.md section 3. The first row that fits a package counts.
func rooms() []room {
	stages := []string{
		"annotate", "dedup", "filter", "link", "link/afpacket", "link/rawip", "link/ring", "link/xdp", "packet", "permute", "probe", "record", "sink", "target", "validate",
		"internal/netdev",
	}
	grabs := []string{"grab", "grab/handover", "grab/oneshot", "grab/pool", "internal/firewall"}
	return []room{
		{"permute", nil, nil, "level 0: order is arithmetic"},
		{"packet", nil, nil, "level 0: bytes and headers"},
		{"validate", nil, nil, "level 0: tags"},
		{"record", nil, nil, "level 0: rows"},
		{"dedup", nil, nil, "level 0: sets of indexes"},
		{"target", nil, nil, "level 0: what to ask"},
		{"lab", nil, []string{"github.com/vishvananda/netlink", "github.com/cilium/ebpf", "golang.org/x/sys", "syscall", "unsafe"}, "every package's tests may use it, so it imports nothing of ours; netlink, namespaces and BPF are what it is made of"},
		{"lab/bench", []string{"lab"}, []string{"syscall"}, "runs scanners as whole processes in a lab; syscall for signals"},
		{"lab/wire", []string{"link"}, []string{"github.com/vishvananda/netlink", "golang.org/x/sys"}, "virtual cables for the tests of what is below link"},
		{"filter", []string{"record"}, nil, "level 1: conditions on rows"},
		{"annotate", []string{"record"}, []string{"github.com/gaissmai/bart", "github.com/oschwald/maxminddb-golang"}, "level 1: what is known of an address; longest prefixes and MaxMind's format are others' work"},
		{"internal/shell", nil, []string{"syscall"}, "level 0: command lines of the user's; syscall for process groups"},
		{"sink", []string{"record", "internal/shell"}, []string{"github.com/klauspost/compress", "syscall"}, "level 1: rows to bytes and back; gzip and zstd; syscall for EPIPE"},
		{"sink/local", []string{"sink", "record"}, []string{"github.com/parquet-go/parquet-go", "modernc.org/sqlite"}, "level 2: files with structure, each with the library that makes them"},
		{"sink/remote", []string{"record", "sink"}, []string{"github.com/jackc/pgx", "github.com/nats-io/nats.go", "syscall"}, "level 2: rows to servers, each by its library; syscall to lock the folder of the queue"},
		{"link", nil, []string{"golang.org/x/net/bpf"}, "level 1: the declarative filter becomes classic BPF"},
		{"link/batch", []string{"link"}, []string{"golang.org/x/sys"}, "what transmit queues have in common that send at once; x/sys to wait for the kernel"},
		{"link/mmsg", []string{"link", "link/batch"}, []string{"golang.org/x/sys", "unsafe"}, "sendmmsg, for the engines that send through sockets"},
		{"link/afpacket", []string{"link", "link/mmsg"}, []string{"golang.org/x/sys", "golang.org/x/net/bpf", "syscall", "unsafe"}, "packet sockets and their mapped rings"},
		{"link/xdp", []string{"link", "link/batch"}, []string{"github.com/cilium/ebpf", "golang.org/x/sys", "syscall", "unsafe"}, "our BPF program, and the memory that it shares with us"},
		{"link/rawip", []string{"link", "link/afpacket", "link/mmsg"}, []string{"golang.org/x/sys"}, "raw IP sockets; answers come in by the packet sockets of afpacket"},
		{"link/ring", []string{"link", "link/afpacket", "link/batch", "link/mmsg"}, []string{"golang.org/x/sys", "unsafe"}, "transmit rings of packet sockets; answers come in by those of afpacket"},
		{"link/linktest", []string{"link"}, nil, "a network in memory"},
		{"internal/netdev", []string{"link", "packet"}, []string{"github.com/vishvananda/netlink", "golang.org/x/sys", "syscall"}, "routes and neighbours come over netlink, ARP over a packet socket"},
		{"probe", []string{"link", "packet", "record", "target", "validate"}, nil, "level 2: what to send, what comes back"},
		{"cert", nil, nil, "level 0: certificates, as their issuers wrote them"},
		{"cert/lint", []string{"cert"}, []string{"github.com/zmap/zcrypto", "github.com/zmap/zlint"}, "level 1: what is wrong with certificates is others' work, and heavy"},
		{"grab", []string{"packet"}, []string{"syscall"}, "level 1: the seam between connections and protocols; syscall for the names of errors"},
		{"grab/grabtest", []string{"grab", "packet"}, []string{"syscall"}, "what every supplier of connections must pass; syscall for the names of errors"},
		{"grab/hello", []string{"cert", "grab"}, []string{"github.com/hdm/jarm-go"}, "level 2: TLS without its cryptography; the probes of JARM are its author's"},
		{"grab/service", []string{"cert", "grab", "grab/hello"}, []string{"github.com/zmap/zcrypto", "golang.org/x/crypto", "syscall"}, "level 3: one protocol a file; old TLS and SSH are others' work; syscall for the names of errors"},
		{"grab/oneshot", []string{"grab", "link", "packet"}, []string{"syscall"}, "level 2: connections in user space; syscall for the names of errors"},
		{"grab/handover", []string{"grab", "link"}, []string{"golang.org/x/sys"}, "level 2: half-open connections become the kernel's, by TCP_REPAIR"},
		{"grab/pool", []string{"grab"}, []string{"golang.org/x/time"}, "level 2: admits, runs and accounts for grabs"},
		{"grab/name", []string{"grab"}, []string{"golang.org/x/net", "golang.org/x/sys"}, "level 2: host names for addresses; x/net for public suffixes and DNS, x/sys to map files"},
		{"fingerprint", nil, []string{"go.yaml.in/yaml"}, "level 0: rules that name what answered"},
		{"internal/firewall", []string{"link"}, []string{"github.com/google/nftables", "github.com/mdlayher/netlink", "golang.org/x/sys"}, "level 2: keeps answers from the host's own stack, by rules that go with us"},
		{"citizen", []string{"target"}, nil, "level 2: lists of networks that are not to be asked"},
		{"internal/vectors", []string{"record"}, nil, "golden vectors for the tests of any package; record, since some of them are rows"},
		{"internal/tools", []string{"citizen", "target", "permute"}, nil, "the companion tools work on the same lists and the same order"},
		{"internal/intake", []string{"grab/name"}, nil, "level 3: targets of grabs as users have them; what a host name is, grab/name knows"},
		{"internal/engine", append([]string{"grab"}, stages...), []string{"golang.org/x/sys"}, "level 4: runs the stages; x/sys to pin threads and for clock_nanosleep"},
		{"internal/grabrow", []string{"cert", "fingerprint", "grab", "record"}, nil, "level 2: what rows have about a grab, of scans as of lists"},
		{"internal/privilege", nil, []string{"github.com/landlock-lsm/go-landlock", "golang.org/x/sys", "kernel.org/pub/linux/libs/security/libcap"}, "level 0: what a process gives up"},
		{"internal/sealed", nil, nil, "level 0: the form of files that nobody edits"},
		{"internal/checkpoint", []string{"dedup", "internal/engine", "internal/sealed", "validate"}, []string{"syscall"}, "level 4: how far a scan is, on disk; syscall for a lock that goes with the process"},
		{"internal/plan", []string{"internal/sealed", "permute", "target", "validate"}, nil, "level 3: what the shards of a scan have in common, and which packets are its probes"},
		{"internal/hook", nil, nil, "a queue of events for foreign functions; knows nothing of scans"},
		{"", slices.Concat([]string{"citizen", "fingerprint", "internal/checkpoint", "internal/engine", "internal/grabrow", "internal/hook"}, grabs, stages), nil, "level 5: the front door"},
		{"internal/compare", []string{"record", "sink"}, nil, "level 2: two sets of results"},
		{"internal/outputs", []string{"", "annotate", "filter", "internal/engine", "probe", "record", "sink", "sink/local", "sink/remote"}, nil, "level 6: the one table of kinds of outputs; engine, probe and annotate for the types of fields"},
		{"internal/monitor", []string{""}, nil, "level 6: lines and files about a scan"},
		{"internal/cli", []string{"*"}, []string{"github.com/spf13/cobra", "github.com/spf13/pflag", "syscall"}, "the command line sees everything; syscall for signals"},
		{"cmd/...", []string{"internal/cli"}, nil, "main is a dozen lines"},
		{"examples/...", []string{"", "link", "packet", "probe", "record", "sink", "target", "validate"}, nil, "what a program outside this repository can import"},
	}
}

// A listed package is what go list says of it.
type listed struct {
	ImportPath string
	Imports    []string
}

func TestArrowsPointDown(t *testing.T) {
	for _, p := range list(t) {
		name := strings.TrimPrefix(strings.TrimPrefix(p.ImportPath, module), "/")
		r, ok := find(name)
		if !ok {
			t.Errorf("package %s is in no row of the table: add one, with its reason", name)
			continue
		}
		for _, imp := range p.Imports {
			if !allowed(r, imp) {
				t.Errorf("%s imports %s, which its room may not (%s)", p.ImportPath, imp, r.why)
			}
		}
	}
}

func TestArrowsCheckerSeesForbiddenImports(t *testing.T) {
	permute, _ := find("permute")
	cli, _ := find("internal/cli")
	for _, c := range []struct {
		room   room
		imp    string
		expect bool
	}{
		{permute, "math/bits", true},
		{permute, module + "/target", false},
		{permute, "golang.org/x/sys/unix", false},
		{permute, "unsafe", false},
		{cli, module + "/lab", true},
		{cli, module + "/lab/wire", false},
		{cli, "github.com/vishvananda/netlink", false},
	} {
		if got := allowed(c.room, c.imp); got != c.expect {
			t.Errorf("allowed(%s, %s) = %v, want %v", c.room.path, c.imp, got, c.expect)
		}
	}
}

// find returns the room of a package, named below the module.
func find(name string) (room, bool) {
	for _, r := range rooms() {
		tree, isTree := strings.CutSuffix(r.path, "/...")
		if r.path == name || isTree && (name == tree || strings.HasPrefix(name, tree+"/")) {
			return r, true
		}
	}
	return room{}, false
}

// allowed says whether packages in r may import imp.
func allowed(r room, imp string) bool {
	if below, ours := strings.CutPrefix(imp, module); ours {
		below = strings.TrimPrefix(below, "/")
		return slices.Contains(r.ours, below) || slices.Contains(r.ours, "*") && !slices.Contains(forTests(), below)
	}
	first, _, _ := strings.Cut(imp, "/")
	if !strings.Contains(first, ".") && imp != "syscall" && imp != "unsafe" {
		return true // the rest of the standard library
	}
	return slices.ContainsFunc(r.others, func(o string) bool { return imp == o || strings.HasPrefix(imp, o+"/") })
}

// list returns the packages of the module as they are built for Linux, tests left out.
func list(t *testing.T) []listed {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "go", "list", "-pgo=off", "-json=ImportPath,Imports", "./...")
	cmd.Env = append(cmd.Environ(), "GOOS=linux", "CGO_ENABLED=0")
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	var all []listed
	for dec := json.NewDecoder(bytes.NewReader(out)); ; {
		var p listed
		if err := dec.Decode(&p); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatalf("go list: %v", err)
		}
		all = append(all, p)
	}
	if len(all) < 10 {
		t.Fatalf("go list names %d packages: too few to be the module", len(all))
	}
	return all
}
