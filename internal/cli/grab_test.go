package cli

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/zmap-go/zmap/citizen"
	"github.com/zmap-go/zmap/grab"
	"github.com/zmap-go/zmap/grab/pool"
	"github.com/zmap-go/zmap/internal/intake"
)

// TestGuardOfIPv6 lets through what is global, is on the lists as the user wrote them, and has no special purpose but the allowed.
func TestGuardOfIPv6(t *testing.T) {
	file := func(text string) string {
		path := filepath.Join(t.TempDir(), "list")
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	special := []string{
		"::", "::1", "::2", "64:ff9b::a00:1", "100::1", "2001::1", "2001:db8::1", "2002:a00:1::", "3fff::1", "4000::1", "fc00::1", "fdff::1", "fe80::1", "ff02::1",
		"10.0.0.1", "::ffff:10.0.0.1", "127.0.0.1",
	}
	for name, c := range map[string]struct {
		lists    guardLists
		yes, not []string
	}{
		"default":     {guardLists{blocklist: citizen.ListSpecial}, []string{"2600::1", "2a00::1", "1.1.1.1", "::ffff:1.1.1.1"}, special},
		"classes":     {guardLists{blocklist: citizen.ListSpecial, special: []citizen.Class{citizen.Private, citizen.Loopback}}, []string{"fc00::1", "::1", "10.0.0.1", "127.0.0.1"}, []string{"::2", "fe80::1", "2001:db8::1"}},
		"blocklist":   {guardLists{blocklist: file("# mine\n2600::/32 x\n192.0.2.0/24\n2a00::1\n")}, []string{"2600:1::", "2a00::2", "10.0.0.1"}, []string{"2600::1", "2a00::1", "192.0.2.1", "fc00::1"}},
		"allowlist":   {guardLists{blocklist: citizen.ListSpecial, allowlist: file("2600::/16\n1.0.0.0/8\nfc00::/7\n")}, []string{"2600::1", "1.1.1.1"}, []string{"2a00::1", "2.2.2.2", "fc00::1"}},
		"IPv6 alone":  {guardLists{blocklist: citizen.ListSpecial, allowlist: file("2600::1\n")}, []string{"2600::1"}, []string{"1.1.1.1", "2600::2"}},
		"IPv4 alone":  {guardLists{blocklist: citizen.ListSpecial, allowlist: file("1.1.1.1\n")}, []string{"1.1.1.1"}, []string{"2600::1"}},
		"nothing but": {guardLists{blocklist: file("::/0\n")}, []string{"1.1.1.1"}, []string{"2600::1"}},
	} {
		g, err := newGuard(t.Context(), c.lists)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		for _, want := range []bool{true, false} {
			for _, a := range map[bool][]string{true: c.yes, false: c.not}[want] {
				if got := g.allows(netip.MustParseAddr(a)); got != want {
					t.Errorf("%s: %s may be contacted: %v", name, a, got)
				}
			}
		}
		if g.allows(netip.Addr{}) || g.allows(netip.MustParseAddr("2600::1%eth0")) {
			t.Errorf("%s: no address, or one with a zone, may be contacted", name)
		}
	}
	for _, text := range []string{"2600::/129\n", "2600:::1\n", "2600::/32-64\n"} {
		if _, err := newGuard(t.Context(), guardLists{blocklist: file(text)}); err == nil {
			t.Errorf("a blocklist of %q is taken", text)
		}
	}
}

// TestNamesAreLookedUp takes the first address that may be contacted, IPv4 first; who has none has a row, or a line of the log.
func TestNamesAreLookedUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log strings.Builder
		j := grabJobFor(t, slog.New(slog.NewTextHandler(&log, nil)))
		addrs := func(list ...string) (all []netip.Addr) {
			for _, a := range list {
				all = append(all, netip.MustParseAddr(a))
			}
			return all
		}
		hosts := map[string][]netip.Addr{
			"both.example": addrs("2600::1", "::ffff:1.2.3.4"), "second.example": addrs("10.0.0.1", "1.2.3.5"), "private.example": addrs("10.0.0.1"), "none.example": nil,
		}
		j.lookup = func(ctx context.Context, host string) ([]netip.Addr, error) {
			if host == "slow.example" {
				<-ctx.Done()
				return nil, ctx.Err()
			}
			a, ok := hosts[host]
			if !ok {
				return nil, errors.New("no such host")
			}
			return a, nil
		}
		for _, host := range []string{"both.example", "second.example", "private.example", "none.example", "wrong.example", "slow.example"} {
			j.byName(t.Context(), &intake.Entry{Name: host, Port: 443, Line: 1})
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		j.byName(ctx, &intake.Entry{Name: "both.example", Port: 443, Line: 1})
		if err := j.pool.Drain(t.Context()); err != nil {
			t.Fatal(err)
		}
		close(j.rows)
		got := map[string]string{}
		for r := range j.rows {
			var data map[string]grab.Grab
			if err := json.Unmarshal(r.values[0].Bytes(), &data); err != nil {
				t.Fatal(err)
			}
			got[r.target.Name+" "+r.target.Addr.String()] = string(data["test"].Status) + " " + data["test"].Error
		}
		want := map[string]string{
			"both.example 1.2.3.4": "success ", "second.example 1.2.3.5": "success ",
			"none.example invalid IP":  "unknown-error no connection: look up none.example: it has no address",
			"wrong.example invalid IP": "unknown-error no connection: look up wrong.example: no such host",
			"slow.example invalid IP":  "connection-timeout no connection: look up slow.example: context deadline exceeded",
			"both.example invalid IP":  "unknown-error " + pool.ErrCut.Error(),
		}
		for k, w := range want {
			if got[k] != w {
				t.Errorf("%s: got %q, want %q", k, got[k], w)
			}
		}
		if len(got) != len(want) || j.account.blocked.Load() != 1 || !strings.Contains(log.String(), "10.0.0.1 is not contacted") {
			t.Errorf("rows %v, %d blocked, log %q", got, j.account.blocked.Load(), log.String())
		}
	})
}

// testModule has nothing to say.
type testModule struct{ result any }

func (testModule) Describe() grab.Description                         { return grab.Description{Name: "test", Port: 1} }
func (m testModule) Grab(context.Context, *grab.Session) (any, error) { return m.result, nil }

// grabJobFor is a job whose pool dials nobody.
func grabJobFor(t *testing.T, log *slog.Logger) *grabJob {
	t.Helper()
	g, err := newGuard(t.Context(), guardLists{blocklist: citizen.ListSpecial})
	if err != nil {
		t.Fatal(err)
	}
	j := &grabJob{o: &grabOptionValues{timeout: 1}, log: log, module: testModule{}, guard: g, rows: make(chan *grabRow, rowQueue), inName: "in"}
	j.pool, err = pool.New(pool.Config{Module: j.module, Main: nowhere{}, Done: j.done})
	if err != nil {
		t.Fatal(err)
	}
	return j
}

// badJSON is a result that cannot be written.
type badJSON struct{ panics bool }

func (b badJSON) MarshalJSON() ([]byte, error) {
	if b.panics {
		panic("a mistake")
	}
	return nil, errors.New("another mistake")
}

// TestResultsThatCannotBeWritten have a row nevertheless.
func TestResultsThatCannotBeWritten(t *testing.T) {
	for want, r := range map[string]badJSON{"a mistake": {true}, "another mistake": {}} {
		j := grabJobFor(t, slog.New(slog.DiscardHandler))
		target := grab.Target{Addr: netip.MustParseAddr("1.2.3.4"), Port: 1}
		j.put(&target, grab.New(j.module.Describe(), &target, time.Now(), r, nil))
		doc := string((<-j.rows).values[0].Bytes())
		if !strings.HasPrefix(doc, `{"test":{"status":"unknown-error","protocol":"test","port":1,`) || !strings.Contains(doc, want) {
			t.Errorf("row %s", doc)
		}
		if err := j.pool.Drain(t.Context()); err != nil {
			t.Error(err)
		}
	}
}

// TestInFlightFitsFiles says so where the user asked for more.
func TestInFlightFitsFiles(t *testing.T) {
	for _, c := range []struct {
		asked     int64
		files     uint64
		want      int
		complains bool
	}{
		{0, 0, pool.DefaultInFlight, false},
		{0, 1 << 20, pool.DefaultInFlight, false},
		{0, 1024, 960, false},
		{2000, 1024, 960, true},
		{2000, 20_000, 2000, false},
		{2000, 10, 1, true},
	} {
		var log strings.Builder
		j := &grabJob{o: &grabOptionValues{inFlight: c.asked}, log: slog.New(slog.NewTextHandler(&log, nil))}
		if got := j.inFlight(c.files); got != c.want || strings.Contains(log.String(), "ulimit") != c.complains {
			t.Errorf("%d asked, %d files: %d, log %q; want %d, %v", c.asked, c.files, got, log.String(), c.want, c.complains)
		}
	}
}

// nowhere is a supplier of connections that lead nowhere.
type nowhere struct{}

func (nowhere) Transport() grab.Transport { return grab.Dial }
func (nowhere) Close() error              { return nil }
func (nowhere) Open(context.Context, *grab.Target, *grab.Half) (net.Conn, error) {
	a, b := net.Pipe()
	return a, b.Close()
}
