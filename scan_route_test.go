package zmap

import (
	"errors"
	"net/netip"
	"os"
	"strings"
	"testing"

	"github.com/zmap-go/zmap/lab"
	"github.com/zmap-go/zmap/packet"
)

// TestNoWayToTheTargets fails before the first probe, with errors that say what to do.
func TestNoWayToTheTargets(t *testing.T) {
	t.Run("no route", func(t *testing.T) {
		// Without a test Internet the namespace has lo and no routes.
		c, rows := synScan("10.0.0.0/24")
		noWay(t, c, rows, "no route to 10.0.0.", "-i", "-G", "lo")
	})
	startNet(t, lab.Hosts{Prefix: prefix("10.15.0.0/24"), Kind: lab.Kernel})
	t.Run("unknown interface", func(t *testing.T) {
		c, rows := synScan("10.15.0.0/24")
		c.Interface = "nope0"
		noWay(t, c, rows, "nope0", "-i", "scan0")
	})
	t.Run("unknown link engine", func(t *testing.T) {
		c, rows := synScan("10.15.0.0/24")
		c.Link = "pigeon"
		noWay(t, c, rows, "pigeon", "auto")
	})
	t.Run("empty list", func(t *testing.T) {
		c, rows := synScan("10.15.0.0/24")
		c.Blocklist = writeList(t, "10.15.0.0/16\n")
		noWay(t, c, rows, "10.15.0.0/16")
	})
	t.Run("missing list", func(t *testing.T) {
		c, rows := synScan("10.15.0.0/24")
		c.Blocklist = "/nowhere/blocklist"
		if err := noWay(t, c, rows, "/nowhere/blocklist"); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("error %v does not wrap %v", err, os.ErrNotExist)
		}
	})
	t.Run("fewer targets than shards", func(t *testing.T) {
		c, rows := synScan("10.15.0.0/30")
		c.Seed, c.Shards = seed(1), 5
		noWay(t, c, rows, "4 targets among 5 shards")
	})
}

// noWay fails the test unless Run returns an error with all of the words, without a probe, a row or a use of the sink.
func noWay(t *testing.T, c Config, rows *table, words ...string) error {
	t.Helper()
	c.Hooks.Start = func(*Plan, *Control) { t.Error("the scan began") }
	r, err := Run(t.Context(), c)
	if err == nil || r == nil {
		t.Fatalf("error %v, report %v; want an error and a report", err, r)
	}
	for _, w := range words {
		if !strings.Contains(err.Error(), w) {
			t.Errorf("error %q does not say %q", err, w)
		}
	}
	if r.Sent != 0 || r.Probes != 0 || rows.schema != nil || r.Probe != "tcp_synscan" {
		t.Errorf("report %+v, want no probes and what was known of the plan; sink opened: %v", r, rows.schema != nil)
	}
	return err
}

// TestWayByHand names everything that is otherwise found out. The gateway's hardware address is a wrong one first: then
// nobody gets the frames.
func TestWayByHand(t *testing.T) {
	net := startNet(t, lab.Hosts{Prefix: prefix("10.15.0.0/24"), Kind: lab.Kernel})
	source := packet.MAC(net.Link().ScannerMAC)
	for _, by := range []struct {
		name    string
		gateway packet.MAC
		want    int
	}{
		{"wrong gateway", packet.MAC{2, 0, 0, 0, 0, 99}, 0},
		{"right gateway", packet.MAC(net.Link().GatewayMAC), 256},
	} {
		t.Run(by.name, func(t *testing.T) {
			c, rows := synScan("10.15.0.0/24")
			c.Interface, c.Sources = "scan0", []netip.Addr{net.Link().Scanner}
			c.SourceMAC, c.GatewayMAC = &source, &by.gateway
			r := run(t, c)
			if len(rows.rows) != by.want || r.Sent != 256 || r.Path.HopMAC != by.gateway {
				t.Errorf("%d rows, %d frames sent to %v; want %d, 256, %v", len(rows.rows), r.Sent, r.Path.HopMAC, by.want, by.gateway)
			}
		})
	}
}
