package ring

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/vishvananda/netlink"

	"github.com/zmap-go/zmap/lab/wire"
	"github.com/zmap-go/zmap/link"
	"github.com/zmap-go/zmap/link/afpacket"
)

// openFiles counts the file descriptors of this process.
func openFiles(t *testing.T) int {
	t.Helper()
	entries, err := os.ReadDir("/proc/self/fd")
	must(t, err)
	return len(entries)
}

// Each of these must fail with the words that tell the user what to do, and release what it took.
func TestOpenSaysWhatIsWrong(t *testing.T) {
	w := wire.Lay(t, wire.Plan{})
	name := w.A.Attrs().Name
	scattered := link.Filter{TCP: link.TCPAll, Ports: []link.PortRange{{First: 2, Last: 1}}}
	withheld := link.Filter{TCP: link.TCPAll, Ports: []link.PortRange{{First: 1, Last: 2, RST: link.RSTReset}}}
	for _, c := range []struct {
		name   string
		change func(*link.Config)
		before func()
		want   string
		is     error
	}{
		{"no such interface", func(c *link.Config) { c.Interface = "nosuch0" }, nil, "look up interface nosuch0", nil},
		{"no link header", func(c *link.Config) { c.Ether = false }, nil, "--iplayer", nil},
		{"senders", func(c *link.Config) { c.Senders = -1 }, nil, "senders is -1", nil},
		{"filter", func(c *link.Config) { c.Filter = scattered }, nil, "2-1", nil},
		{"answers withheld", func(c *link.Config) { c.Filter = withheld }, nil, "--rst pass", nil},
		{"down", nil, func() { must(t, netlink.LinkSetDown(w.A)) }, "ip link set " + name + " up", link.ErrDown},
	} {
		t.Run(c.name, func(t *testing.T) {
			cfg := link.Config{Interface: name, Ether: true, Receivers: 2}
			if c.change != nil {
				c.change(&cfg)
			}
			if c.before != nil {
				c.before()
			}
			before := openFiles(t)
			l, err := Engine{}.Open(t.Context(), cfg)
			if err == nil || l != nil || !strings.Contains(err.Error(), c.want) {
				t.Fatalf("got link %v, error %v, want no link and an error with %q", l, err, c.want)
			}
			if c.is != nil && !errors.Is(err, c.is) {
				t.Errorf("error %v is not %v", err, c.is)
			}
			if memory, checked := (Engine{}).Check(t.Context(), cfg); memory != 0 || fmt.Sprint(checked) != err.Error() {
				t.Errorf("Check says %d bytes, error %v; Open %v", memory, checked, err)
			}
			if n := openFiles(t); n != before {
				t.Errorf("%d files open, %d before", n, before)
			}
		})
	}
}

// TestCheck says that Check knows what Open will take, and that it leaves nothing open and sends nothing.
func TestCheck(t *testing.T) {
	w := wire.Lay(t, wire.Plan{})
	files, frames := openFiles(t), wire.Find(t, w.B.Attrs().Name).Attrs().Statistics.RxPackets
	for _, cfg := range []link.Config{
		{},
		{Senders: 3, Receivers: 2, Batch: 7, RingBytes: 100_000, Qdisc: link.QdiscUse},
		{Batch: 1<<16 - 1},
	} {
		cfg.Interface, cfg.Ether = w.A.Attrs().Name, true
		memory, err := Engine{}.Check(t.Context(), cfg)
		must(t, err)
		if n := openFiles(t); n != files {
			t.Errorf("%d files open after Check, %d before", n, files)
		}
		l, err := link.Open(t.Context(), cfg, "ring", afpacket.Engine{}, Engine{})
		must(t, err)
		if l.Name != "ring" || l.Why != "ring: as asked" || l.Batch == 0 || len(l.TX) != max(1, cfg.Senders) {
			t.Errorf("%+v: got %+v", cfg, l)
		}
		checked, err := cfg.WithDefaults()
		must(t, err)
		want, err := afpacket.CheckReceivers(checked)
		must(t, err)
		for _, tx := range append(l.TX, l.Control) {
			if n := len(tx.(*TX).Slots); n < l.Batch+spare {
				t.Errorf("a ring of %d frames for batches of %d", n, l.Batch)
			}
			want += tx.(*TX).Memory()
		}
		if memory != want {
			t.Errorf("%+v: Check says %d bytes, the link has %d", cfg, memory, want)
		}
		must(t, l.Close())
		must(t, l.Close())
		if n := openFiles(t); n != files {
			t.Errorf("%d files open after Close, %d before", n, files)
		}
	}
	if n := wire.Find(t, w.B.Attrs().Name).Attrs().Statistics.RxPackets; n != frames {
		t.Errorf("%d frames arrived at the other end", n-frames)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := (Engine{}).Check(ctx, link.Config{Interface: "lo", Ether: true}); !errors.Is(err, context.Canceled) {
		t.Errorf("got error %v, want %v", err, context.Canceled)
	}
}
