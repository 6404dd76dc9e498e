package lab

import (
	"math/rand/v2"
	"sync/atomic"
	"time"
)

// A responder plays the hosts that the kernel does not. It knows frames and time only as arguments: one goroutine feeds it
// what arrives and carries away what it emits.
//
//	frame ─> receive ─> answer (what the host says) ─> deliver (now, later, twice) ─> emit
type responder struct {
	truth  *Truth
	link   Link
	emit   func(frame []byte, a Answer) // must not keep the frame
	random *rand.Rand
	kernel bool // plays the Kernel hosts, too

	refused map[endpoint]bool // RefuseThenAccept ports that have refused once
	late    []fifo            // one for each entry of World.Hosts: equal delays keep each sorted
	scratch []byte
	tagged  []byte // scratch for frames with VLAN tags
	counts  responderCounts
}

// responderCounts are written by the responder's goroutine and read by any.
type responderCounts struct {
	probes  atomic.Uint64
	waiting atomic.Int64
	sent    [Forged + 1]atomic.Uint64
}

type endpoint struct {
	addr uint32
	port uint16
}

// A fifo is a queue of frames in the order of their due times.
type fifo struct{ frames []dueFrame }

type dueFrame struct {
	due    time.Duration
	answer Answer
	frame  []byte
}

// newResponder returns a responder for the hosts of t that need one. Each answer that leaves goes through emit.
func newResponder(t *Truth, l Link, emit func([]byte, Answer)) *responder {
	return &responder{
		truth: t, link: l, emit: emit,
		random:  rand.New(rand.NewPCG(1, 2)),
		refused: make(map[endpoint]bool),
		late:    make([]fifo, len(t.hosts)),
	}
}

// responds reports whether hosts of kind k belong to the responder.
func (k Kind) responds() bool { return k != Silent && k != Kernel }

// plays reports whether hosts of kind k are this responder's.
func (r *responder) plays(k Kind) bool { return k.responds() || k == Kernel && r.kernel }

// receive handles a frame that arrived at time now.
func (r *responder) receive(frame []byte, now time.Duration) {
	a, ok := parse(frame)
	if !ok {
		return
	}
	i, ok := find(r.truth.spans, a.dst)
	if !ok || !r.plays(r.truth.hosts[i].Kind) {
		return
	}
	if a.probe() {
		r.counts.probes.Add(1)
	}
	h := r.truth.hosts[i]
	answer, out := r.answer(h, a)
	if answer == None {
		return
	}
	r.scratch = out // keep what append may have grown
	if h.VLANs[0] > 0 {
		r.tagged = appendTagged(r.tagged[:0], out, h.VLANs)
		out = r.tagged
	}
	r.deliver(i, now, dueFrame{answer: answer, frame: out})
}

// probe reports whether a asks for an answer: not so resets and everything within a connection.
func (a arrival) probe() bool {
	switch a.proto {
	case protoTCP:
		return a.tcp.flags&flagSYN != 0 && a.tcp.flags&flagRST == 0
	case protoUDP:
		return true
	}
	return a.proto == protoICMP && a.icmp.typ == icmpEcho
}

// answer returns what the host h says to a: nothing, or one frame, valid until the next call.
func (r *responder) answer(h Hosts, a arrival) (Answer, []byte) {
	if !a.probe() {
		return None, nil
	}
	what := r.truth.answer(h.Kind, Probe{proto: a.proto, port: a.tcp.dport})
	if what == RSTThenSYNACK {
		what = r.refuseOnce(endpoint{a.dst, a.tcp.dport})
	}
	if a.proto == protoTCP && a.tcp.flags&flagACK != 0 && (what == SYNACK || what == RST) {
		return RST, appendTCP(r.scratch[:0], a.back(), unexpected(a.tcp))
	}
	switch what {
	case SYNACK, RST, EchoReply, Reply:
		return what, appendAnswer(r.scratch[:0], what, a, r.random.Uint32())
	case Unreachable:
		return what, r.unreachable(h, a)
	case Forged:
		return what, r.forge(h.Forgery, a)
	default:
		return None, nil
	}
}

// refuseOnce returns RST the first time, SYNACK afterwards.
func (r *responder) refuseOnce(e endpoint) Answer {
	if r.refused[e] {
		return SYNACK
	}
	r.refused[e] = true
	return RST
}

// unexpected is the answer to a SYN-ACK that nobody asked for (RFC 9293 section 3.10.7.1: <SEQ=SEG.ACK><CTL=RST>).
func unexpected(s segment) segment {
	return segment{sport: s.dport, dport: s.sport, seq: s.ack, flags: flagRST}
}

// appendAnswer appends the frame with the plain, valid answer of kind what. isn is the sequence number of a SYN-ACK.
func appendAnswer(b []byte, what Answer, a arrival, isn uint32) []byte {
	s := segment{sport: a.tcp.dport, dport: a.tcp.sport, ack: a.tcp.seq + 1 + uint32(len(a.payload))}
	switch what {
	case SYNACK:
		s.seq, s.ack, s.flags = isn, a.tcp.seq+1, flagSYN|flagACK
		return appendTCP(b, a.back(), s)
	case RST:
		s.flags = flagRST | flagACK // RFC 9293 section 3.10.7.1: <SEQ=0><ACK=SEG.SEQ+SEG.LEN><CTL=RST,ACK>
		return appendTCP(b, a.back(), s)
	case EchoReply:
		return appendICMP(b, a.back(), message{typ: icmpEchoReply, id: a.icmp.id, seq: a.icmp.seq}, a.payload)
	default: // Reply
		return appendUDP(b, a.back(), a.tcp.dport, a.tcp.sport, a.payload)
	}
}

// unreachable is the ICMP error of h's router, or, from a host that is there, port unreachable.
func (r *responder) unreachable(h Hosts, a arrival) []byte {
	p := a.back()
	m := message{typ: icmpUnreachable, code: 3}
	if h.Kind == ICMPError {
		m = message{typ: h.Type, code: h.Code}
		p.src = toUint(r.link.Gateway)
		if h.Router.IsValid() {
			p.src = toUint(h.Router)
		}
	}
	limit := 548 // 576 bytes in all (RFC 1812 section 4.3.2.3)
	if h.Quote == QuoteMinimum {
		limit = int(a.packet[0]&15)*4 + 8
	}
	return appendICMP(r.scratch[:0], p, m, a.packet[:min(limit, len(a.packet))])
}

// forge is the answer that would be right but for f.
func (r *responder) forge(f Forgery, a arrival) []byte {
	switch {
	case f == WrongSource:
		a.dst ^= 1
	case f == WrongPort || a.proto == protoUDP:
		a.tcp.dport++
		a.icmp.id++
	default:
		a.tcp.seq += wrongOffset(r.random)
		a.icmp.seq++
	}
	what := SYNACK
	switch a.proto {
	case protoUDP:
		what = Reply
	case protoICMP:
		what = EchoReply
	}
	return appendAnswer(r.scratch[:0], what, a, r.random.Uint32())
}

// wrongOffset returns a random distance to a right sequence number that no scanner can take for one: a scanner accepts the
// number it sent and the one after it.
func wrongOffset(random *rand.Rand) uint32 { return 2 + random.Uint32N(1<<32-4) }

// deliver sends f at once, later or twice, as hosts[i] is.
func (r *responder) deliver(i int, now time.Duration, f dueFrame) {
	h := r.truth.hosts[i]
	if h.Kind != Late {
		r.send(f)
	}
	switch {
	case h.Kind == Twice && h.Delay == 0:
		r.send(f)
	case h.Kind == Twice || h.Kind == Late:
		f.frame, f.due = append([]byte(nil), f.frame...), now+h.Delay
		r.late[i].frames = append(r.late[i].frames, f)
		r.counts.waiting.Add(1)
	}
}

func (r *responder) send(f dueFrame) {
	r.emit(f.frame, f.answer)
	r.counts.sent[f.answer].Add(1)
}

// release sends what is due at time now and returns how long the responder can wait for the next frame to send; negative
// means that there is none.
func (r *responder) release(now time.Duration) time.Duration {
	wait := time.Duration(-1)
	for i := range r.late {
		q := &r.late[i]
		for len(q.frames) > 0 && q.frames[0].due <= now {
			r.send(q.frames[0])
			q.frames[0] = dueFrame{} // let go of the bytes
			q.frames = q.frames[1:]
			r.counts.waiting.Add(-1)
		}
		if len(q.frames) > 0 {
			if next := q.frames[0].due - now; wait < 0 || next < wait {
				wait = next
			}
		}
	}
	return wait
}
