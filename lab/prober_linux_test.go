package lab

import (
	"context"
	"net/netip"
	"testing"
	"time"
)

// A prober is a hand-made scanner in the scanner's namespace: it sends frames of its own and collects what comes back.
type prober struct {
	link Link
	out  *sender
	in   *ring
}

type arrivalAt struct {
	arrival
	at time.Time
}

// newWorld starts a Net for the test.
func newWorld(t *testing.T, w World) *Net {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	n, err := New(ctx, w)
	if err != nil {
		t.Fatalf("New(%+v): %v", w, err)
	}
	t.Cleanup(func() {
		if err := n.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
	})
	return n
}

func newProber(t *testing.T, n *Net) *prober {
	t.Helper()
	if marked, err := isMarked(); err != nil || !marked {
		t.Fatalf("a prober outside of a lab (error %v)", err)
	}
	out, err := openSender(n.Link().Index, true)
	if err != nil {
		t.Fatal(err)
	}
	in, err := openRing(n.Link().Index, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { out.close(); in.close() })
	return &prober{link: n.Link(), out: out, in: in}
}

func (p *prober) to(addr string) path {
	return path{
		fromMAC: mac(p.link.ScannerMAC), toMAC: mac(p.link.GatewayMAC),
		src: toUint(p.link.Scanner), dst: toUint(netip.MustParseAddr(addr)),
	}
}

func (p *prober) send(t *testing.T, frames ...[]byte) {
	t.Helper()
	for _, f := range frames {
		if err := p.out.add(f); err != nil {
			t.Fatal(err)
		}
	}
	if err := p.out.flush(); err != nil {
		t.Fatal(err)
	}
}

// collect returns the IPv4 frames that arrive until there were want of them, plus a moment, or until the deadline. TCP to
// other ports than the prober's is not for it: connections of earlier tests may still be ending.
func (p *prober) collect(t *testing.T, want int, deadline time.Duration) []arrivalAt {
	t.Helper()
	var got []arrivalAt
	end := time.Now().Add(deadline)
	for time.Now().Before(end) {
		wait := time.Until(end)
		if len(got) >= want {
			wait = 15 * time.Millisecond // for what should not come
		}
		n, err := p.in.poll(wait, func(frame []byte, at int64) {
			a, ok := parse(append([]byte(nil), frame...))
			if ok && (a.proto != protoTCP || a.tcp.dport == testSport) {
				got = append(got, arrivalAt{a, time.Unix(0, at)})
			}
		})
		if err != nil {
			t.Fatal(err)
		}
		if n == 0 && len(got) >= want {
			break
		}
	}
	return got
}
