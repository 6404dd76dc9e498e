package lab

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"slices"
	"sync"

	"github.com/vishvananda/netlink"
)

// controlFD is where the Internet's process finds the control socket.
const controlFD = 3

// An internet is the state of the Internet's process. Handlers run concurrently, but the scanner's side sends nothing else
// before opBuild is answered.
type internet struct {
	left    uint64 // the scanner's namespace
	control io.Closer
	link    Link
	index   int           // of the link's end
	station *station      // nil without hosts for it
	tally   *tallier      // nil unless asked for
	crowd   *crowdProgram // nil without one
	loss    *lossProgram  // nil if nothing gets lost

	mu       sync.Mutex // guards the fields below
	failed   error
	captured uint64 // captures begun so far
	captures map[uint64]*recorder
}

// serveInternet is the life of the Internet's process: it does what the control socket says until that ends.
func serveInternet(left uint64) error {
	f := os.NewFile(controlFD, "control")
	conn, err := net.FileConn(f)
	f.Close()
	if err != nil {
		return fmt.Errorf("open the control socket: %w", err)
	}
	defer func() { _ = conn.Close() }()
	in := &internet{left: left, control: conn, captures: make(map[uint64]*recorder)}
	err = serve(conn, map[operation]handler{
		opHello:    decode(in.hello),
		opBuild:    decode(in.build),
		opLink:     decode(in.carries),
		opMove:     decode(in.move),
		opStats:    decode(in.stats),
		opForge:    decode(in.forge),
		opCapture:  decode(in.capture),
		opSettle:   decode(in.settle),
		opArrivals: decode(in.arrivals),
	})
	in.mu.Lock()
	defer in.mu.Unlock()
	if in.failed != nil {
		return in.failed
	}
	return err
}

// fail ends the process with err.
func (in *internet) fail(err error) {
	in.mu.Lock()
	defer in.mu.Unlock()
	in.failed = err
	_ = in.control.Close() // ends serve
}

func (in *internet) hello(context.Context, struct{}) (any, error) {
	if err := requireFresh(in.left); err != nil {
		return nil, err
	}
	return nil, silenceIPv6()
}

func (in *internet) build(ctx context.Context, b build) (any, error) {
	if in.index != 0 {
		return nil, errors.New("there is a world already")
	}
	truth, err := b.World.Truth()
	if err != nil {
		return nil, err
	}
	net0, err := lookUp(internetEnd)
	if err != nil {
		return nil, err
	}
	in.link, in.index = b.Link, net0.Attrs().Index
	if err := becomeKernel(b, truth); err != nil {
		return nil, err
	}
	back := in.index
	if b.World.Detour {
		if back, err = takeDetour(b.Link, b.World.Sources); err != nil {
			return nil, err
		}
	}
	if err := in.attach(b.World, back); err != nil {
		return nil, err
	}
	if b.World.Tally {
		if in.tally, err = openTally(in.index); err != nil {
			return nil, err
		}
	}
	if in.station, err = openStation(truth, b.Link, in.index, back, in.loss != nil); err != nil {
		return nil, err
	}
	if in.station != nil {
		go func() { in.fail(in.station.run()) }() // ends with the process
	}
	return in.carries(ctx, struct{}{})
}

// attach puts the BPF programs of w on this end of the link. Answers leave by the interface back.
func (in *internet) attach(w World, back int) (err error) {
	if w.Loss.any() {
		if in.loss, err = openLoss(w.Loss); err != nil {
			return err
		}
		for _, index := range slices.Compact([]int{in.index, back}) {
			if err := in.loss.leave(index); err != nil {
				return err
			}
		}
	}
	switch {
	case w.Crowd != nil:
		in.crowd, err = openCrowd(w.Crowd, in.index, in.loss)
	case in.loss != nil:
		err = in.loss.arrive(in.index)
	}
	return err
}

// move gives this end of the link another hardware address.
func (in *internet) move(_ context.Context, mac net.HardwareAddr) (any, error) {
	net0, err := lookUp(internetEnd)
	if err != nil {
		return nil, err
	}
	return nil, netlink.LinkSetHardwareAddr(net0, mac)
}

// carries waits until this end of the link carries frames.
func (in *internet) carries(ctx context.Context, _ struct{}) (any, error) {
	return nil, waitOperational(ctx, internetEnd)
}

// stats fills in what can be seen from this end.
func (in *internet) stats(context.Context, struct{}) (any, error) {
	var st Stats
	net0, err := lookUp(internetEnd)
	if err != nil {
		return nil, err
	}
	n := net0.Attrs().Statistics
	st.Link = LinkStats{In: n.RxPackets, InDropped: n.RxDropped, Out: n.TxPackets, OutDropped: n.TxDropped}
	if in.tally != nil {
		if st.Tally, err = in.tally.read(); err != nil {
			return nil, err
		}
	}
	if in.crowd != nil {
		if st.Crowd, err = in.crowd.stats(); err != nil {
			return nil, err
		}
		st.Crowd.Refused = n.TxDropped // also what an XDP program sends (veth_get_stats64 in drivers/net/veth.c)
	}
	if in.loss != nil {
		if st.Loss, err = in.loss.stats(); err != nil {
			return nil, err
		}
	}
	if in.station != nil {
		if st.Responder, err = in.station.stats(); err != nil {
			return nil, err
		}
	}
	st.Kernel = make(map[string]int64)
	for _, file := range []string{"/proc/self/net/snmp", "/proc/self/net/netstat"} {
		text, err := os.ReadFile(file)
		if err != nil {
			return nil, fmt.Errorf("read network counters: %w", err)
		}
		if err := parseCounters(string(text), st.Kernel); err != nil {
			return nil, err
		}
	}
	return st, nil
}
