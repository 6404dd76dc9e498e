package main

import (
	"bytes"
	"fmt"
	"io"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/zmap-go/zmap"
	"github.com/zmap-go/zmap/citizen"
	"github.com/zmap-go/zmap/lab"
)

func TestMain(m *testing.M) { lab.Main(m) }

// TestScan scans a network of real kernels and silence while somebody forges answers: every port of every kernel is
// reached, listening or not, and nothing else is reported.
func TestScan(t *testing.T) {
	kernels := netip.MustParsePrefix("10.40.0.64/26")
	net, err := lab.New(t.Context(), lab.World{
		Ports: []uint16{80},
		Hosts: []lab.Hosts{{Prefix: kernels, Kind: lab.Kernel}},
	})
	if err != nil {
		t.Fatal(err)
	}
	defer net.Close()

	var out bytes.Buffer
	c := config("80,81", []string{"10.40.0.0/24"}, &out)
	c.AllowSpecial = []citizen.Class{citizen.Private}
	c.Cooldown = 400 * time.Millisecond
	forged := make(chan error, 1)
	c.Hooks.Start = func(*zmap.Plan, *zmap.Control) {
		go func() {
			_, err := net.Forge(t.Context(), lab.Flood{
				Frames: 6000, Rate: 10_000, Answers: []lab.Answer{lab.RST, lab.Unreachable, lab.SYNACK},
				From: netip.MustParsePrefix("10.40.0.0/24"), Port: 80, FirstSource: 32768, LastSource: 61000, Right: 0.5,
			})
			forged <- err
		}()
	}
	report, err := zmap.Run(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	if err := <-forged; err != nil {
		t.Fatal(err)
	}

	want := []string{"saddr,sport,classification,success,icmp_responder,icmp_unreach_str"}
	for a := kernels.Addr(); kernels.Contains(a); a = a.Next() {
		want = append(want, fmt.Sprintf("%s,80,unfiltered,1,,", a), fmt.Sprintf("%s,81,unfiltered,1,,", a))
	}
	got := strings.Fields(out.String())
	slices.Sort(got)
	slices.Sort(want)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("rows (-want +got):\n%s", diff)
	}
	if report.Sent != 512 || report.SuccessUnique != 128 {
		t.Errorf("sent %d, unique successes %d, want 512 and 128", report.Sent, report.SuccessUnique)
	}
	if report.Failed < 1000 {
		t.Errorf("%d frames were no answers, want most of the 6000 forged ones: was anything forged?", report.Failed)
	}
}

func TestUsage(t *testing.T) {
	for _, args := range [][]string{nil, {"80"}, {"http", "10.40.0.0/24"}, {"80", "10.40.0.0/33"}} {
		err := run(t.Context(), args, io.Discard)
		if err == nil {
			t.Errorf("%q: no error", args)
			continue
		}
		if len(args) == 2 && !strings.Contains(err.Error(), args[0]) && !strings.Contains(err.Error(), args[1]) {
			t.Errorf("%q: error %q names no argument", args, err)
		}
	}
}
