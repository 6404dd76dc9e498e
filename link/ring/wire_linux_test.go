package ring

import (
	"bytes"
	"encoding/binary"
	"testing"
	"time"

	"github.com/vishvananda/netlink"

	"github.com/zmap-go/zmap/lab/wire"
	"github.com/zmap-go/zmap/link"
	"github.com/zmap-go/zmap/link/afpacket"
	"github.com/zmap-go/zmap/link/linktest"
)

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// datagram is a frame of n bytes, at least 48, that is like no other.
func datagram(number uint32, n int) []byte {
	b := make([]byte, n)
	copy(b, "\x02\x00\x00\x00\x00\x02\x02\x00\x00\x00\x00\x01\x08\x00\x45\x00\x00\x00\x00\x00\x00\x00\x40\x11"+
		"\x00\x00\xc0\x00\x02\x01\xc0\x00\x02\x02\x00\x35\x9c\x40")
	binary.BigEndian.PutUint16(b[16:], uint16(n-14))
	binary.BigEndian.PutUint16(b[38:], uint16(n-34))
	for i := 42; i+4 <= n; i += 4 {
		binary.BigEndian.PutUint32(b[i:], number)
	}
	return b
}

// datagrams are some that are alike in length.
func datagrams(n, length int) [][]byte {
	frames := make([][]byte, n)
	for i := range frames {
		frames[i] = datagram(uint32(i), length)
	}
	return frames
}

// write reserves a slot for each frame, and fills it.
func write(t testing.TB, tx link.TX, frames [][]byte) []link.Slot {
	t.Helper()
	slots := make([]link.Slot, len(frames))
	if n := tx.Reserve(slots, 5*time.Second); n != len(slots) {
		t.Fatalf("%d slots reserved, want %d", n, len(slots))
	}
	for i := range slots {
		slots[i].N, slots[i].Template = copy(slots[i].Data, frames[i]), 1
	}
	return slots
}

// arrive polls until n frames came and no more for a while, and compares them.
func arrive(t testing.TB, rx link.RX, want [][]byte) {
	t.Helper()
	got, wrong := 0, 0
	for last := time.Now(); ; {
		n, err := rx.Poll(50*time.Millisecond, func(f *link.Frame) {
			if got >= len(want) || !bytes.Equal(f.Data, want[got]) {
				wrong++
			}
			got++
		})
		must(t, err)
		if n > 0 {
			last = time.Now()
		} else if got >= len(want) || time.Since(last) > 5*time.Second {
			break
		}
	}
	if got != len(want) || wrong > 0 {
		t.Errorf("%d frames arrived, %d of them not as sent, want %d", got, wrong, len(want))
	}
}

// account compares the counters, without the retries if those may be any.
func account(t testing.TB, tx link.TX, want link.TXStats, anyRetries bool) {
	t.Helper()
	got := tx.Stats()
	if anyRetries {
		got.Retried = want.Retried
	}
	if got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

// listen receives every datagram at an end.
func listen(t testing.TB, end netlink.Link) link.RX {
	t.Helper()
	return wire.Open(t, afpacket.Engine{}, end, link.Config{Ether: true, Filter: link.Filter{UDP: true}}).RX[0]
}

// tiny opens a transmit queue with a ring of that many frames on an end.
func tiny(t testing.TB, end netlink.Link, frames int, cfg link.Config) *TX {
	t.Helper()
	cfg.Interface, cfg.Ether = end.Attrs().Name, true
	cfg, dev, err := afpacket.Prepare(t.Context(), cfg)
	must(t, err)
	tx, err := openTX(cfg, dev, frames)
	must(t, err)
	t.Cleanup(func() { must(t, tx.Close()) })
	return tx
}

// slow makes an end let frames out at a rate in bytes a second, after those of a tenth of a second, and hold all others in its
// discipline. None may be longer than that tenth.
func slow(t testing.TB, end netlink.Link, rate uint64) {
	t.Helper()
	must(t, netlink.QdiscAdd(&netlink.Tbf{
		QdiscAttrs: netlink.QdiscAttrs{LinkIndex: end.Attrs().Index, Handle: netlink.MakeHandle(1, 0), Parent: netlink.HANDLE_ROOT},
		Rate:       rate, Limit: 10 << 20, Buffer: 1600 * 1000,
	}))
}

// bed returns an opener for a ring at one end of a wire of its own, which change may make special, and a socket at the other.
func bed(change func(*link.Config)) linktest.Opener {
	return func(t *testing.T, cfg link.Config, mtu int) linktest.Bed {
		t.Helper()
		w := wire.Lay(t, wire.Plan{MTU: mtu})
		change(&cfg)
		a, b := wire.Open(t, Engine{}, w.A, cfg), wire.Open(t, afpacket.Engine{}, w.B, cfg)
		return linktest.Bed{TX: a.TX[0], RX: b.RX[0], Cut: func() { w.Cut(t) }, Blink: func() { w.Blink(t) }}
	}
}

func TestConformance(t *testing.T) {
	for name, change := range map[string]func(*link.Config){
		"bypass": func(*link.Config) {},
		"qdisc":  func(c *link.Config) { c.Qdisc, c.Batch, c.Promiscuous = link.QdiscUse, 1000, true },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel() // closing a packet socket waits for every processor
			linktest.Conformance(t, bed(change))
		})
	}
}

func TestSoak(t *testing.T) { linktest.Soak(t, bed(func(*link.Config) {})) }
