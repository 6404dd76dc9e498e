// Package dedup answers one question: has this target answered before? Targets are keyed by their index in the scan's
// target space, so that several ports, address and port pairs and IPv6 prefixes are all alike, and so that an ICMP error
// counts for the target it quotes and not for the router that sent it.
//
//	seen, err := dedup.New(dedup.Config{Method: dedup.MethodFull, Targets: space.Len()})
//	...
//	repeat := seen.See(target.Index, dedup.Success)
//
// An answer is a repeat when the target gave one at least as good before. A refusal never hides a later success. The
// methods differ in what they remember:
//
//	method  remembers                          failure is a repeat after  success is a repeat after
//	none    nothing                            -                          -
//	full    every success, for the whole scan  a success                  a success
//	window  the last answers of so many        any answer                 a success
//	        targets, successes and failures
//
// The first failure after a failure is no repeat under full dedup: as in C ZMap, only successes are written down there.
//
// The package keeps nothing but answers: it does not decide whether repeats are written, and does not know packets.
package dedup

import "fmt"

// An Outcome says how good an answer is.
type Outcome uint8

// The outcomes, worse before better.
const (
	Failure Outcome = iota // a refusal or an ICMP error
	Success                // what the probe module counts as success
)

// Seen remembers which targets have answered. What [New] returns may be shared by the receivers; of the types themselves a
// [Bitmap] may be and a [Window] may not.
type Seen interface {
	// See notes an answer of the target with this index and reports whether it is a repeat. It waits for
	// nothing but another receiver's See.
	See(index uint64, o Outcome) (repeat bool)
	// Warm has the processor fetch what See of these targets will look at. It changes nothing but time: the memory of one
	// is awaited while others are asked for, where a See after the other waits for each.
	Warm(indexes []uint64)
}

// Method is a way to remember. The zero Method is MethodAuto.
type Method uint8

// The methods of --dedup-method.
const (
	MethodAuto   Method = iota // full for one port, window for several
	MethodNone                 // every answer is new
	MethodFull                 // one bit for every target
	MethodWindow               // the last so many targets
)

// String returns the method's name on the command line.
func (m Method) String() string {
	switch m {
	case MethodAuto:
		return "default"
	case MethodNone:
		return "none"
	case MethodFull:
		return "full"
	case MethodWindow:
		return "window"
	}
	return fmt.Sprintf("Method(%d)", uint8(m))
}

// ParseMethod returns the method with that name.
func ParseMethod(name string) (Method, error) {
	for m := MethodAuto; m <= MethodWindow; m++ {
		if m.String() == name {
			return m, nil
		}
	}
	return MethodAuto, fmt.Errorf("unknown dedup method %q: expected default, none, full or window", name)
}

// For returns the method that m means for a scan of so many ports: MethodAuto is decided, the others stay.
func (m Method) For(ports int) Method {
	switch {
	case m != MethodAuto:
		return m
	case ports > 1:
		return MethodWindow
	default:
		return MethodFull
	}
}

// DefaultWindow is the number of targets that a window remembers unless told otherwise.
const DefaultWindow = 1_000_000

// MaxTargets is the largest space that full dedup takes: 2^36 targets, whose bits fill 8 GiB when every one answers. Beyond
// it answers are so far apart that each would cost a page.
const MaxTargets = 1 << 36

// MaxWindow is the largest window: its entries are numbered in 32 bits and fill 24 GiB.
const MaxWindow = 1 << 30

// Config says what to remember.
type Config struct {
	Method  Method // not MethodAuto: see [Method.For]
	Targets uint64 // number of targets: indexes are below it
	Window  int    // for MethodWindow, number of targets to remember

	// Receivers is the number of goroutines that will call See. Zero means unknown, which is safe; one saves a lock.
	Receivers int
}

// New returns the memory that c describes. So many goroutines as c says may share it.
func New(c Config) (Seen, error) {
	switch c.Method {
	case MethodNone:
		return Nothing{}, nil
	case MethodFull:
		if c.Targets > MaxTargets {
			return nil, fmt.Errorf("full dedup takes up to %d targets, and these are %d: use --dedup-method window", uint64(MaxTargets), c.Targets)
		}
		return NewBitmap(c.Targets), nil
	case MethodWindow:
		if c.Window < 1 || c.Window > MaxWindow {
			return nil, fmt.Errorf("dedup window of %d targets: expected 1 to %d (--dedup-window-size)", c.Window, MaxWindow)
		}
		w := NewWindow(c.size())
		if c.Receivers == 1 {
			return w, nil
		}
		return &shared{window: w}, nil
	case MethodAuto:
	}
	return nil, fmt.Errorf("dedup method %v is not decided", c.Method)
}

// Memory returns how many bytes what [New] returns takes, at first and when all targets, or as many as a window remembers,
// have answered. It is 0 for what New refuses.
func (c Config) Memory() (first, most uint64) {
	switch {
	case c.Method == MethodFull && c.Targets <= MaxTargets:
		pages := pagesFor(c.Targets)
		return 8 * pages, (8 + 8*pageWords) * pages
	case c.Method == MethodWindow && c.Window >= 1 && c.Window <= MaxWindow:
		entries, places := windowSize(c.size())
		return 0, 24*uint64(entries) + 4*uint64(places) // the system gives memory as it is touched
	}
	return 0, 0
}

// size returns how many targets a window remembers: no more than there are.
func (c Config) size() int { return int(min(uint64(c.Window), max(c.Targets, 1))) }

// Nothing is the memory of method none. It may be shared.
type Nothing struct{}

// See returns false.
func (Nothing) See(uint64, Outcome) bool { return false }

// Warm implements [Seen].
func (Nothing) Warm([]uint64) {}
