package afpacket

import (
	"bytes"
	"errors"
	"net/netip"
	"strings"
	"testing"

	"github.com/vishvananda/netlink"

	"github.com/zmap-go/zmap/lab/wire"
	"github.com/zmap-go/zmap/link"
)

// TestReceiveOnAnotherInterface sends on one interface and receives on another, of either kind. What arrives at the first is
// not received.
func TestReceiveOnAnotherInterface(t *testing.T) {
	p, q := wire.Lay(t, wire.Plan{}), wire.Lay(t, wire.Plan{})
	tun, far := newTun(t, "tt2")
	for _, c := range []struct {
		name  string
		on    netlink.Link
		reply func(frame []byte)
		ether bool
	}{
		{"Ethernet", q.A, func(frame []byte) { sendFrame(t, q.B, frame) }, true},
		{"no link header", tun, func(frame []byte) {
			_, err := far.Write(frame[14:])
			must(t, err)
		}, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			filter := anyTCP()
			filter.Local = []netip.Addr{netip.MustParseAddr("10.0.0.2")}
			l := wire.Open(t, Engine{}, p.A, link.Config{Ether: true, Receive: c.on.Attrs().Name, Receivers: 2, Filter: filter})
			frame := segment()
			sendFrame(t, p.B, frame)
			c.reply(frame)
			want := frame
			if !c.ether {
				want = frame[14:]
			}
			got := 0
			for i, rx := range l.RX {
				drain(t, rx, func(f *link.Frame) {
					got++
					t.Logf("queue %d: frame %+v", i, f)
					if f.Ether != c.ether || f.IfIndex != c.on.Attrs().Index || !bytes.Equal(f.Data, want) {
						t.Errorf("got %+v, want %x of interface number %d, Ether %v", f, want, c.on.Attrs().Index, c.ether)
					}
				})
			}
			if got != 1 {
				t.Errorf("%d frames, want that of the other interface", got)
			}
		})
	}
	for want, cfg := range map[string]link.Config{
		"look up interface nosuch1": {Ether: true, Receive: "nosuch1"},
		"wants an Ethernet header":  {Receive: q.A.Attrs().Name}, // the sending end decides about that
	} {
		cfg.Interface = p.A.Attrs().Name
		if _, err := (Engine{}).Open(t.Context(), cfg); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("open: got error %v, want one with %q", err, want)
		}
	}
	must(t, netlink.LinkSetDown(q.A))
	_, err := Engine{}.Open(t.Context(), link.Config{Interface: p.A.Attrs().Name, Ether: true, Receive: q.A.Attrs().Name})
	if !errors.Is(err, link.ErrDown) || !strings.Contains(err.Error(), q.A.Attrs().Name) {
		t.Errorf("open with the receiving end down: got error %v, want %v", err, link.ErrDown)
	}
}

// sendFrame sends one frame on an interface.
func sendFrame(t *testing.T, on netlink.Link, frame []byte) {
	t.Helper()
	tx := wire.Open(t, Engine{}, on, link.Config{Ether: true}).TX[0]
	slots := make([]link.Slot, 1)
	fill(t, tx, slots, frame)
	must(t, tx.Submit(slots))
	if s := tx.Stats(); s.Sent != 1 {
		t.Fatalf("got %+v, want one frame sent", s)
	}
}
