package cli

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/netip"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/zmap-go/zmap/internal/outputs"
	"github.com/zmap-go/zmap/lab"
)

// The services of the tests' two days: a network of them, and in it those that the first day has and the second has not, and
// the other way round.
const (
	dayNetwork = "20.0.4.0/23"
)

var (
	stopped = []string{"20.0.4.17", "20.0.5.99", "20.0.5.250"} // the second one refuses from then on
	started = []string{"20.0.4.101", "20.0.5.3"}               // the second one refuses before
)

// day is the Internet of a day, with a cable that loses 5 % of the packets on either way. Which ones follows from the seed.
func day(t *testing.T, kind lab.Kind, seed uint64, silent, refuses string, missing ...string) *lab.Net {
	t.Helper()
	delay := time.Duration(0)
	if kind == lab.Late {
		delay = time.Millisecond
	}
	w := lab.World{
		Ports: []uint16{80}, Loss: lab.Loss{In: 0.05, Out: 0.05, Seed: seed},
		Hosts: []lab.Hosts{{Prefix: netip.MustParsePrefix(dayNetwork), Kind: kind, Delay: delay}},
	}
	for _, a := range append(missing, silent) {
		w.Hosts = append(w.Hosts, lab.Hosts{Prefix: netip.PrefixFrom(netip.MustParseAddr(a), 32)})
	}
	w.Hosts = append(w.Hosts, lab.Hosts{Prefix: netip.PrefixFrom(netip.MustParseAddr(refuses), 32), Kind: lab.Refuse})
	n, err := lab.New(t.Context(), w)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := n.Close(); err != nil {
			t.Error(err)
		}
	})
	return n
}

// The seed of the first day is one with which one probe to each of those that will be stopped, and its answer, come through: a
// service that a scan missed cannot be gone for the next.
func firstDay(t *testing.T, kind lab.Kind) *lab.Net { return day(t, kind, 3, started[0], started[1]) }

func secondDay(t *testing.T, kind lab.Kind) *lab.Net {
	return day(t, kind, 2, stopped[0], stopped[1], stopped[2])
}

// runZMap runs a command line in this process, and returns the exit code and what it wrote.
func runZMap(t *testing.T, args ...string) (code int, out, errs string) {
	t.Helper()
	var o, e bytes.Buffer
	code = Main(append([]string{"zmap"}, args...), Streams{In: strings.NewReader(""), Out: &o, Err: &e})
	return code, o.String(), e.String()
}

// Results are where the scans of both days are kept: two files, and a database.
type results struct{ before, after, db string }

func newResults(t *testing.T) results {
	dir := t.TempDir()
	return results{filepath.Join(dir, "before.csv"), filepath.Join(dir, "after.csv"), filepath.Join(dir, "scan.db")}
}

// each is what diff is told of them.
func (r results) each() map[string][]string {
	return map[string][]string{"CSV": {r.before, r.after}, "SQLite": {r.db}}
}

// scanDay scans the network into a file and the database.
func (r results) scanDay(t *testing.T, file, probes string) {
	t.Helper()
	code, _, errs := runZMap(t, "-p", "80", "-r", "20000", "-c", "1", "-q", "-P", probes,
		"-O", "csv="+file+",fields=saddr,sport,classification,success,filter=repeat = 0", "-O", "sqlite="+r.db, dayNetwork)
	if code != 0 {
		t.Fatalf("scan: exit code %d\n%s", code, errs)
	}
}

// changesOf reads the lines of diff: addresses by what happened to them, and of those that appeared which had an answer before.
func changesOf(t *testing.T, out string) (gone, appeared, refused []string) {
	t.Helper()
	for line := range strings.Lines(out) {
		var l diffLine
		if err := json.Unmarshal([]byte(line), &l); err != nil {
			t.Fatalf("%q: %v", line, err)
		}
		switch {
		case l.Change == "gone":
			gone = append(gone, l.Addr)
		case l.Change == "appeared" && l.Was != nil:
			refused = append(refused, l.Addr)
			fallthrough
		case l.Change == "appeared":
			appeared = append(appeared, l.Addr)
		default:
			t.Errorf("line %q: nothing answers otherwise", line)
		}
	}
	return gone, appeared, refused
}

// TestDiffOverLossyCable scans real kernels on two days over a cable that loses packets. A probe and its answer both come through
// with a chance of 0.95², so ten tries miss a service with one of 0.0975^10 < 8e-11, and both scans together miss any of 512 with
// one below 1e-7, whatever the seed; with the seeds of this test the fates of all SYNs are settled, and none is missed. Then diff says
// what happened and nothing else: three services are gone, two appeared.
func TestDiffOverLossyCable(t *testing.T) {
	if outputs.Minimal {
		t.Skip("SQLite is not in this program")
	}
	if err := lab.MayLoad(); err != nil {
		t.Skip(err)
	}
	r := newResults(t)
	n := firstDay(t, lab.Kernel)
	r.scanDay(t, r.before, "10")
	if st, err := n.Stats(t.Context()); err != nil || st.Loss.InLost < 200 || st.Loss.OutLost < 200 {
		t.Errorf("lost %+v; error %v; want some 256 of 5120 each way", st.Loss, err)
	}
	if err := n.Close(); err != nil {
		t.Fatal(err)
	}
	secondDay(t, lab.Kernel)
	r.scanDay(t, r.after, "10")
	for form, args := range r.each() {
		code, out, errs := runZMap(t, slices.Concat([]string{"diff"}, args, []string{"--confirm", "--cooldown-time", "1"})...)
		gone, appeared, _ := changesOf(t, out)
		if code != exitChanged {
			t.Errorf("%s: exit code %d\n%s", form, code, errs)
		}
		if d := cmp.Diff(stopped, gone); d != "" {
			t.Errorf("%s: gone (-want +got):\n%s", form, d)
		}
		if d := cmp.Diff(started, appeared); d != "" {
			t.Errorf("%s: appeared (-want +got):\n%s", form, d)
		}
		if strings.Contains(errs, "missed") {
			t.Errorf("%s: diff doubts scans that missed nothing:\n%s", form, errs)
		}
	}
}

// TestDiffOfScansThatMissed has both scans ask once, so that each misses some 50 of 512 services. What the second one missed
// answers when it is asked again: eight times, which leaves a chance of 50 * 0.0975^8 < 1e-6 that one is taken for gone. What the
// first one missed nobody can ask for any more, and diff says that, and how many those may be. The hosts are the lab's own, for
// kernels repeat a SYN-ACK that was lost; so what each scan finds follows from the seeds, and is the same in every run.
func TestDiffOfScansThatMissed(t *testing.T) {
	if outputs.Minimal {
		t.Skip("SQLite is not in this program")
	}
	if err := lab.MayLoad(); err != nil {
		t.Skip(err)
	}
	r := newResults(t)
	n := firstDay(t, lab.Late)
	r.scanDay(t, r.before, "1")
	if err := n.Close(); err != nil {
		t.Fatal(err)
	}
	secondDay(t, lab.Late)
	r.scanDay(t, r.after, "1")
	for _, form := range []string{"CSV", "SQLite"} { // in this order: fates are those of the nth SYN
		diff := append([]string{"diff"}, r.each()[form]...)
		_, out, _ := runZMap(t, diff...)
		seeming, _, _ := changesOf(t, out)
		if len(seeming) < 20 {
			t.Errorf("%s: %d services seem gone, want some 50 that the second scan missed", form, len(seeming))
		}
		code, out, errs := runZMap(t, append(diff, "--confirm", "--cooldown-time", "1", "--probes", "8")...)
		gone, appeared, refused := changesOf(t, out)
		if d := cmp.Diff(stopped, gone); d != "" || code != exitChanged {
			t.Errorf("%s: exit code %d, gone (-want +got):\n%s", form, code, d)
		}
		for _, a := range started {
			if !slices.Contains(appeared, a) {
				t.Errorf("%s: %s has not appeared", form, a)
			}
		}
		if d := cmp.Diff(started[1:], refused); d != "" {
			t.Errorf("%s: appeared, and had another answer before (-want +got):\n%s", form, d)
		}
		missed := len(seeming) - len(stopped)
		if want := fmt.Sprintf("the second scan missed %d of the first one's services", missed); !strings.Contains(errs, want) {
			t.Errorf("%s: standard error has no %q:\n%s", form, want, errs)
		}
		t.Logf("%s: %d seemed gone, %d appeared\n%s", form, len(seeming), len(appeared), errs)
	}
}
