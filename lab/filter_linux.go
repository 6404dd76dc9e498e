package lab

import "golang.org/x/sys/unix"

// Socket filters (classic BPF, Documentation/networking/filter.rst): they keep frames away from a packet socket in the
// kernel, so that the hosts that the kernel plays cost the responder nothing.

// wholeFrame is a filter's verdict for "hand over, uncut".
const wholeFrame = 0x40000

// maxRanges is how many address ranges fit a filter's 4096 instructions (BPF_MAXINSNS), at up to six each.
const maxRanges = 600

func load(size uint16, at uint32) unix.SockFilter {
	return unix.SockFilter{Code: unix.BPF_LD | unix.BPF_ABS | size, K: at}
}

func jump(test uint16, k uint32, yes, no uint8) unix.SockFilter {
	return unix.SockFilter{Code: unix.BPF_JMP | unix.BPF_K | test, K: k, Jt: yes, Jf: no}
}

func verdict(n uint32) unix.SockFilter { return unix.SockFilter{Code: unix.BPF_RET | unix.BPF_K, K: n} }

// towards returns a filter that passes IPv4 frames to addresses in spans, which ascend. With more ranges than a filter
// can hold it passes all IPv4 frames; the receiver decides anyway.
func towards(spans []span) []unix.SockFilter {
	var flips []uint32 // addresses at which "in a span" changes; starts as no
	for _, s := range spans {
		if n := len(flips); n > 0 && flips[n-1] == s.first {
			flips = flips[:n-1]
		} else {
			flips = append(flips, s.first)
		}
		flips = append(flips, s.last+1) // never wraps: 255.255.255.255 is in no World
	}
	prog := []unix.SockFilter{
		load(unix.BPF_H, 12),
		jump(unix.BPF_JEQ, unix.ETH_P_IP, 1, 0),
		verdict(0),
	}
	if len(flips) > 2*maxRanges {
		return append(prog, verdict(wholeFrame))
	}
	prog = append(prog, load(unix.BPF_W, etherLen+16))
	return append(prog, decide(flips, false)...)
}

// decide returns a binary search over flips. in is the verdict below the first of them.
func decide(flips []uint32, in bool) []unix.SockFilter {
	if len(flips) == 0 {
		if in {
			return []unix.SockFilter{verdict(wholeFrame)}
		}
		return []unix.SockFilter{verdict(0)}
	}
	mid := len(flips) / 2
	below := decide(flips[:mid], in)
	above := decide(flips[mid+1:], in != (mid%2 == 0))
	var test []unix.SockFilter
	if len(below) < 256 {
		test = []unix.SockFilter{jump(unix.BPF_JGE, flips[mid], uint8(len(below)), 0)}
	} else { // conditional jumps reach 255 instructions
		test = []unix.SockFilter{
			jump(unix.BPF_JGE, flips[mid], 0, 1),
			{Code: unix.BPF_JMP | unix.BPF_JA, K: uint32(len(below))},
		}
	}
	return append(append(test, below...), above...)
}
