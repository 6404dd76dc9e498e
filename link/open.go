package link

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
)

// QdiscMode says whether frames pass through the queueing discipline of the interface.
type QdiscMode uint8

// The choices. Without the bypass, traffic control (shaping, filters on egress) applies to the frames.
const (
	QdiscBypass QdiscMode = iota // straight to the driver
	QdiscUse                     // through the queueing discipline
)

// Defaults that a zero field of [Config] stands for.
const (
	DefaultRingBytes = 16 << 20 // bytes
)

// The largest numbers that make sense in a [Config].
const (
	MaxSenders = 1 << 10
	MaxBatch   = 1<<16 - 1 // frames
	MaxRetries = 1 << 30
)

// DefaultRetries is what C ZMap does; a zero Config.Retries means none.
const DefaultRetries = 10

// Config says what link is wanted.
type Config struct {
	Interface   string    // name of the interface
	Index       int       // its number; 0 means look up the name
	Receive     string    // name of the interface to receive on, if it is another one; "" means Interface
	Senders     int       // transmit queues; 0 means 1
	Receivers   int       // receive queues, which share the frames by flow; 0 means what suits the engine
	Filter      Filter    // frames to receive
	Ether       bool      // frames to send start with an Ethernet header; else with an IP header. Received ones have what their interface has
	Qdisc       QdiscMode // zero means to bypass it
	Batch       int       // frames handed to the kernel at once; 0 means what suits the engine
	Rate        float64   // frames a second that are wanted; 0 means as many as possible
	FrameLen    int       // longest probe that will be sent, which is the length of most; 0 means MaxFrame, and any length
	Longest     int       // longest frame of all, if there are some beside the probes, in bytes; 0 means FrameLen
	Retries     int       // attempts beyond the first for frames that are refused
	RingBytes   int       // memory of each receive queue, rounded up to what the engine needs; 0 means DefaultRingBytes
	Promiscuous bool      // receive frames for other hardware addresses, too
}

// WithDefaults returns c with the defaults in place of zero fields, or an error that names the field that makes no sense.
func (c Config) WithDefaults() (Config, error) {
	for _, f := range []struct {
		name  string
		value *int
		zero  int
		most  int
	}{
		{"senders", &c.Senders, 1, MaxSenders},
		{"receivers", &c.Receivers, 1, 256}, // PACKET_FANOUT_MAX of older kernels
		{"batch", &c.Batch, 0, MaxBatch},
		{"frame length", &c.FrameLen, 0, MaxFrame},
		{"longest frame", &c.Longest, 0, MaxFrame},
		{"retries", &c.Retries, 0, MaxRetries},
		{"ring bytes", &c.RingBytes, DefaultRingBytes, 1 << 30},
	} {
		if *f.value == 0 {
			*f.value = f.zero
		}
		if *f.value < 0 || *f.value > f.most {
			return c, fmt.Errorf("link: %s is %d, want 0 to %d", f.name, *f.value, f.most)
		}
	}
	return c, c.Filter.Validate()
}

// A Link is open queues on one interface. What is in it is owned as the types say; Close closes all of it.
type Link struct {
	Name    string // name of the engine
	Why     string // one line: what was chosen, and why not what comes before it
	Batch   int    // frames that one Submit should have: as asked, or what suits the engine
	TX      []TX   // Config.Senders queues for probes
	RX      []RX   // Config.Receivers queues: as asked, or what suits the engine
	Control TX     // for the few frames that must not wait behind probes (ARP, RST, data of one exchange)
	// Up returns an error that wraps [ErrDown] as long as the interface is switched off, without a carrier or gone. Then the queues are
	// [Reviver]s, and send before Submit returns. Any goroutine may call it. Nil means that a link whose interface was down has ended for good.
	Up func() error
}

// Close closes every queue, the receiving ones last so that none misses an answer to the last frames of another.
func (l *Link) Close() error {
	var errs []error
	for _, tx := range l.TX {
		errs = append(errs, tx.Close())
	}
	if l.Control != nil {
		errs = append(errs, l.Control.Close())
	}
	for _, rx := range l.RX {
		errs = append(errs, rx.Close())
	}
	return errors.Join(errs...)
}

// An Engine is one way to move frames. Engines are values that hold nothing open.
type Engine interface {
	// Name is what a user calls it: a lowercase word.
	Name() string
	// Open opens a link as cfg says, or returns an error that says in one line what is missing: [UnsupportedError] if it is
	// the kernel, an error that wraps [ErrDown] if it is the interface. It releases all that it took before it fails.
	Open(ctx context.Context, cfg Config) (*Link, error)
	// Check returns the error that Open would return, as far as that can be told without a frame sent or received and without
	// a trace on the system, and how many bytes the link would take, the kernel's included.
	Check(ctx context.Context, cfg Config) (memory uint64, err error)
}

// ErrNeedless says that an engine would be of no advantage for the link that is wanted. It explains a choice, and is no
// reason to give when no engine works.
var ErrNeedless = errors.New("sockets serve as well")

// Auto is what a user writes for: the first engine that works.
const Auto = "auto"

// Open opens a link with the first of the engines that works, or with the one named force unless that is empty or [Auto].
// A link that is down, and the end of ctx, are the end of the search: another engine would not help.
func Open(ctx context.Context, cfg Config, force string, engines ...Engine) (*Link, error) {
	var l *Link
	name, why, err := choose(ctx, cfg.Interface, force, engines, func(e Engine) (err error) {
		l, err = e.Open(ctx, cfg)
		return err
	})
	if err != nil {
		return nil, err
	}
	l.Name, l.Why = name, why
	return l, nil
}

// A Choice is the link that [Open] would open.
type Choice struct {
	Name   string // as in [Link]
	Why    string // as in [Link]
	Memory uint64 // bytes that its queues take, the kernel's part included
}

// Choose says which link [Open] would open, without opening one: no frame is sent, none received. Open can still fail where
// only a frame would tell. The error is that of Open.
func Choose(ctx context.Context, cfg Config, force string, engines ...Engine) (Choice, error) {
	var c Choice
	var err error
	c.Name, c.Why, err = choose(ctx, cfg.Interface, force, engines, func(e Engine) (err error) {
		c.Memory, err = e.Check(ctx, cfg)
		return err
	})
	if err != nil {
		return Choice{}, err
	}
	return c, nil
}

// choose returns the name of the first of the engines that works, and why that one.
func choose(ctx context.Context, iface, force string, engines []Engine, works func(Engine) error) (name, reason string, err error) {
	if force != "" && force != Auto {
		i := slices.IndexFunc(engines, func(e Engine) bool { return e.Name() == force })
		if i < 0 {
			return "", "", fmt.Errorf("no link engine is called %q: want %s", force, alternatives(engines))
		}
		engines = engines[i : i+1]
	}
	var passed []string
	var errs []error
	for _, e := range engines {
		if err := ctx.Err(); err != nil {
			return "", "", fmt.Errorf("open link on %s: %w", iface, err)
		}
		err := works(e)
		if err == nil {
			return e.Name(), why(e.Name(), force, passed), nil
		}
		err = fmt.Errorf("%s: %w", e.Name(), err)
		if errors.Is(err, ErrDown) {
			return "", "", fmt.Errorf("open link on %s: %w", iface, err)
		}
		if !errors.Is(err, ErrNeedless) {
			errs = append(errs, err)
		}
		passed = append(passed, err.Error())
	}
	if len(errs) == 0 {
		return "", "", fmt.Errorf("open link on %s: %w", iface, &UnsupportedError{Feature: "link engine"})
	}
	return "", "", fmt.Errorf("open link on %s: %w", iface, errors.Join(errs...))
}

// alternatives lists what can be asked for: "auto, xdp or socket".
func alternatives(engines []Engine) string {
	text := Auto
	for i, e := range engines {
		if i == len(engines)-1 {
			text += " or " + e.Name()
		} else {
			text += ", " + e.Name()
		}
	}
	return text
}

// why writes the line for [Link.Why].
func why(chosen, force string, passed []string) string {
	switch {
	case force != "" && force != Auto:
		return chosen + ": as asked"
	case len(passed) == 0:
		return chosen + ": the first choice"
	}
	return strings.ReplaceAll(chosen+", because not "+strings.Join(passed, "; "), "\n", " ")
}

// An UnsupportedError says that the system lacks what an engine needs. It is an [errors.ErrUnsupported].
type UnsupportedError struct {
	Feature   string // a noun phrase: "packet sockets"
	MinKernel string // the Linux version that brought it, "5.18"; empty if the version is not what matters
}

func (e *UnsupportedError) Error() string {
	if e.MinKernel == "" {
		return "this system has no " + e.Feature
	}
	return "this kernel lacks " + e.Feature + ", which Linux " + e.MinKernel + " brought"
}

// Is makes the error an [errors.ErrUnsupported].
func (e *UnsupportedError) Is(target error) bool { return target == errors.ErrUnsupported }

// HowToAllow says how this program gets capabilities, which are named as for setcap(8).
func HowToAllow(capabilities string) string {
	path, err := os.Executable()
	if err != nil {
		path = os.Args[0]
	}
	return "run as root (sudo), or allow it once with: sudo setcap " + capabilities + "+ep " + path
}
