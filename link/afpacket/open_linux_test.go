package afpacket

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"
	"strings"
	"testing"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/zmap-go/zmap/lab/wire"
	"github.com/zmap-go/zmap/link"
	"github.com/zmap-go/zmap/link/mmsg"
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
	p := wire.Lay(t, wire.Plan{})
	name := p.A.Attrs().Name
	scattered := link.Filter{TCP: link.TCPAll, Ports: []link.PortRange{{First: 2, Last: 1}}}
	for _, c := range []struct {
		name   string
		change func(*link.Config)
		before func()
		want   string
		is     error
	}{
		{"no such interface", func(c *link.Config) { c.Interface = "nosuch0" }, nil, "look up interface nosuch0", nil},
		{"no such number", func(c *link.Config) { c.Interface, c.Index = "", 99999 }, nil, "number 99999", nil},
		{"name too long", func(c *link.Config) { c.Interface, c.Index = strings.Repeat("x", 40), 1 }, nil, "look up", nil},
		{"none", func(c *link.Config) { c.Interface = "" }, nil, "neither a name nor a number", nil},
		{"no link header", func(c *link.Config) { c.Ether = false }, nil, "--iplayer", nil},
		{"senders", func(c *link.Config) { c.Senders = -1 }, nil, "senders is -1", nil},
		{"filter", func(c *link.Config) { c.Filter = scattered }, nil, "2-1", nil},
		{"ring", func(c *link.Config) { c.RingBytes = 1<<31 - 1 }, nil, "ring bytes", nil},
		{"disconnected", nil, func() {
			must(t, netlink.LinkSetDown(p.B))
			wire.Await(t, p.A, false)
		}, "not connected", link.ErrDown},
		{"down", nil, func() { must(t, netlink.LinkSetDown(p.A)) }, "ip link set " + name + " up", link.ErrDown},
	} {
		t.Run(c.name, func(t *testing.T) {
			cfg := link.Config{Interface: name, Ether: true, Filter: anyTCP(), Receivers: 2}
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
	p := wire.Lay(t, wire.Plan{})
	received := func() uint64 {
		l, err := netlink.LinkByIndex(p.B.Attrs().Index)
		must(t, err)
		return l.Attrs().Statistics.RxPackets
	}
	files, frames := openFiles(t), received()
	for _, cfg := range []link.Config{
		{},
		{Senders: 3, Receivers: 2, Batch: 7, RingBytes: 100_000, Filter: anyTCP(), Qdisc: link.QdiscUse},
	} {
		cfg.Interface, cfg.Ether = p.A.Attrs().Name, true
		memory, err := Engine{}.Check(t.Context(), cfg)
		must(t, err)
		if n := openFiles(t); n != files {
			t.Errorf("%d files open after Check, %d before", n, files)
		}
		l, err := Engine{}.Open(t.Context(), cfg)
		must(t, err)
		want := l.Control.(*mmsg.Queue).Memory()
		for _, tx := range l.TX {
			want += tx.(*mmsg.Queue).Memory()
		}
		for _, rx := range l.RX {
			want += uint64(len(rx.(*RX).ring))
		}
		if memory != want {
			t.Errorf("%+v: Check says %d bytes, the link has %d", cfg, memory, want)
		}
		must(t, l.Close())
	}
	if n := received(); n != frames {
		t.Errorf("%d frames arrived at the other end", n-frames)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := (Engine{}).Check(ctx, link.Config{Interface: "lo", Ether: true}); !errors.Is(err, context.Canceled) {
		t.Errorf("got error %v, want %v", err, context.Canceled)
	}
}

func TestOpenByName(t *testing.T) {
	p := wire.Lay(t, wire.Plan{})
	for _, cfg := range []link.Config{{Interface: p.A.Attrs().Name}, {Index: p.A.Attrs().Index}} {
		before := openFiles(t)
		cfg.Ether = true
		l, err := link.Open(t.Context(), cfg, link.Auto, Engine{})
		must(t, err)
		if l.Name != "socket" || len(l.TX) != 1 || len(l.RX) != 1 || l.Control == nil {
			t.Errorf("%+v: got %+v", cfg, l)
		}
		must(t, l.Close())
		must(t, l.Close())
		if n := openFiles(t); n != before {
			t.Errorf("%d files open after Close, %d before", n, before)
		}
	}
}

func TestOpenWithEndedContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := (Engine{}).Open(ctx, link.Config{Interface: "lo", Ether: true}); !errors.Is(err, context.Canceled) {
		t.Errorf("got error %v, want %v", err, context.Canceled)
	}
}

// A thread without the capability must learn how to get it.
func TestOpenWithoutCapability(t *testing.T) {
	p := wire.Lay(t, wire.Plan{})
	errs := make(chan error)
	go func() {
		runtime.LockOSThread() // never unlocked: the thread ends with the goroutine
		hdr := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
		if err := unix.Capset(&hdr, &make([]unix.CapUserData, 2)[0]); err != nil {
			errs <- err
			return
		}
		_, err := Engine{}.Open(t.Context(), link.Config{Interface: p.A.Attrs().Name, Ether: true})
		errs <- err
	}()
	err := <-errs
	if !errors.Is(err, os.ErrPermission) {
		t.Fatalf("got error %v, want %v", err, os.ErrPermission)
	}
	for _, word := range []string{"sudo setcap cap_net_raw+ep /", "root"} {
		if !strings.Contains(err.Error(), word) {
			t.Errorf("error %q does not say %q", err, word)
		}
	}
}
