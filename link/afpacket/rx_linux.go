package afpacket

import (
	"errors"
	"fmt"
	"os"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/zmap-go/zmap/link"
)

const (
	// retire is the time after which the kernel hands over a block that is not full: the most that a frame waits.
	retire = 10 * time.Millisecond
	// settle is the time to wait for the last block after the interface went down; older kernels round retire up to jiffies.
	settle = 6 * retire
	// refreshEvery is the number of blocks after which Poll collects the kernel's counters, which have 32 bits.
	refreshEvery = 1024
)

// An RX is a receive queue over one socket and its ring. It waits with the Go scheduler's poller, not in ppoll(2): a
// thread that sleeps in a system call keeps others from its place for up to 10 ms, which on one processor are the senders.
type RX struct {
	fd       int
	file     *os.File        // owns fd
	raw      syscall.RawConn // of file
	stir     func(uintptr) bool
	dev      Device
	ring     []byte
	blockLen int
	next     int // offset of the block that the kernel fills next
	blocks   int // handed over since the counters were collected
	frame    link.Frame
	err      error     // until it is revived, or for good
	broken   error     // what the kernel reported; becomes err when the last block is handed over
	until    time.Time // time by which it is
	counts   lossCounts
}

var _ link.RX = (*RX)(nil)

// Poll hands over at most one block, which is what arrived within 10 ms or fills the block.
func (r *RX) Poll(d time.Duration, fn func(f *link.Frame)) (int, error) {
	if r.err != nil {
		return 0, r.err
	}
	var deadline time.Time
	for {
		if b := r.block(); b.ready() {
			n := r.hand(b, fn)
			r.advance(b)
			if n > 0 {
				return n, nil
			}
			continue
		}
		now := time.Now()
		if deadline.IsZero() {
			deadline = now.Add(d)
		}
		if r.broken != nil && now.After(r.until) {
			r.err = r.broken
			return 0, r.err
		}
		left := deadline.Sub(now)
		if left <= 0 {
			return 0, nil
		}
		if err := r.wait(left); err != nil {
			r.err = err
			return 0, err
		}
	}
}

func (r *RX) block() block { return r.ring[r.next:][:r.blockLen] }

// advance releases the block and goes on to the next.
func (r *RX) advance(b block) {
	b.release()
	if r.next += r.blockLen; r.next == len(r.ring) {
		r.next = 0
	}
	if r.blocks++; r.blocks == refreshEvery {
		r.blocks = 0
		r.counts.refresh()
	}
}

// hand calls fn for each frame of the block.
func (r *RX) hand(b block, fn func(f *link.Frame)) int {
	desc := b.desc()
	n, offset := int(desc.Num_pkts), desc.Offset_to_first_pkt
	f, ether := &r.frame, r.dev.ether()
	for range n {
		h := b.header(offset)
		f.Data = b[offset+uint32(h.Mac):][:h.Snaplen:h.Snaplen]
		f.Len = int(h.Len)
		f.At = int64(h.Sec)*1e9 + int64(h.Nsec)
		f.VLAN = 0
		if h.Status&unix.TP_STATUS_VLAN_VALID != 0 {
			f.VLAN = uint16(h.Hv1.Vlan_tci & 0x0fff) // the rest is priority (IEEE 802.1Q section 9.6)
		}
		f.IfIndex, f.Ether = r.dev.Index, ether
		fn(f)
		offset += h.Next_offset
	}
	f.Data = nil
	return n
}

// wait waits until the kernel may have handed over a block, at most d. It returns an error if the socket is of no use.
func (r *RX) wait(d time.Duration) error {
	if r.broken != nil { // there will be no more events: the socket is off the interface
		time.Sleep(min(d, time.Millisecond))
		return nil
	}
	if err := r.file.SetReadDeadline(time.Now().Add(d)); err != nil {
		return fmt.Errorf("wait for receive ring: %w", err)
	}
	err := r.raw.Read(r.stir)
	if err == nil || errors.Is(err, os.ErrDeadlineExceeded) || r.stirs(0) {
		return nil
	}
	return fmt.Errorf("wait for receive ring: %w", err)
}

// Revive implements [link.Reviver]: the kernel binds the socket again by itself when the interface comes up (packet_notifier in
// net/packet/af_packet.c).
func (r *RX) Revive() {
	if errors.Is(r.err, link.ErrDown) {
		r.err, r.broken = nil, nil
	}
}

// stirs says whether there is something to do: a block, or an error of the socket, which it keeps in broken. It is called
// before each wait and after each event.
func (r *RX) stirs(uintptr) bool {
	if r.block().ready() {
		return true
	}
	code, err := unix.GetsockoptInt(r.fd, unix.SOL_SOCKET, unix.SO_ERROR)
	if err == nil && code != 0 {
		err = unix.Errno(code)
	}
	if err == nil {
		return false
	}
	r.broken = fmt.Errorf("receive on %s: %w", r.dev.Name, downOr(err))
	r.until = time.Now().Add(settle)
	return true
}

// Received counts frames that passed the filter.
func (r *RX) Received() uint64 {
	received, _ := r.counts.refresh()
	return received
}

// Lost counts frames for which the ring had no room.
func (r *RX) Lost() uint64 {
	_, lost := r.counts.refresh()
	return lost
}

// Close closes the socket and unmaps the ring.
func (r *RX) Close() error {
	if r.fd < 0 {
		return nil
	}
	r.counts.close()
	err := errors.Join(unix.Munmap(r.ring), r.file.Close())
	r.fd, r.ring, r.err = -1, nil, os.ErrClosed
	if err != nil {
		return fmt.Errorf("close receive ring: %w", err)
	}
	return nil
}

// lossCounts adds up the counters of the kernel, which start at zero again with every look at them.
type lossCounts struct {
	mu             sync.Mutex // look and add are one step; also guards against a look at a closed socket
	fd             int
	received, lost uint64
}

// refresh looks and returns the sums. PACKET_STATISTICS of a ring of version 3 counts dropped frames in both numbers.
func (c *lossCounts) refresh() (received, lost uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.fd >= 0 {
		if st, err := unix.GetsockoptTpacketStatsV3(c.fd, unix.SOL_PACKET, unix.PACKET_STATISTICS); err == nil {
			c.received += uint64(st.Packets)
			c.lost += uint64(st.Drops)
		}
	}
	return c.received, c.lost
}

// close looks for the last time.
func (c *lossCounts) close() {
	c.refresh()
	c.mu.Lock()
	c.fd = -1
	c.mu.Unlock()
}
