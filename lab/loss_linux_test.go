package lab

import (
	"fmt"
	"io"
	"net"
	"net/netip"
	"slices"
	"testing"
	"time"
)

// A lossCase is a probe that everyone answers, and the kinds that probe and answer are.
type lossCase struct {
	name             string
	prefix           string
	probe            func(path) []byte
	out, back        packetKind // without host
	answersPerPacket int
}

func lossCases() []lossCase {
	ping := func(p path) []byte { return appendICMP(nil, p, message{typ: icmpEcho}, []byte("lost?")) }
	syn := func(port uint16) func(path) []byte {
		return func(p path) []byte {
			return appendTCP(nil, p, segment{sport: testSport, dport: port, seq: testSeq, flags: flagSYN})
		}
	}
	pings := packetKind{proto: protoICMP, detail: icmpEcho}
	pongs := packetKind{out: true, proto: protoICMP, detail: icmpEchoReply}
	syns := packetKind{proto: protoTCP, port: 81, detail: flagSYN}
	resets := packetKind{out: true, proto: protoTCP, port: 81, detail: flagRST | flagACK}
	return []lossCase{
		{"kernels pinged", "10.1.0.0/20", ping, pings, pongs, 1},
		{"kernels that refuse", "10.1.0.0/20", syn(81), syns, resets, 1},
		{"responder pinged", "10.2.0.0/20", ping, pings, pongs, 1},
		{"responder that refuses", "10.2.0.0/20", syn(81), syns, resets, 1},
		{"responder that answers twice", "10.4.0.0/20", ping, pings, pongs, 2},
		{
			"datagrams sent back", "10.8.0.0/20",
			func(p path) []byte { return appendUDP(nil, p, testSport, 7, []byte("lost?")) },
			packetKind{proto: protoUDP, port: 7},
			packetKind{out: true, proto: protoUDP, port: 7},
			1,
		},
	}
}

// TestLoss sends two probes to each of thousands of hosts, real kernels among them: exactly those answers come that the same
// function in Go lets through, the counts add up, and the shares are right.
func TestLoss(t *testing.T) {
	if err := MayLoad(); err != nil {
		t.Skip(err)
	}
	const perHost = 2
	for i, c := range lossCases() {
		t.Run(c.name, func(t *testing.T) {
			w := kindsWorld()
			w.Loss = Loss{In: 0.05, Out: 0.08, Seed: uint64(i)}
			n := newWorld(t, w)
			p := newProber(t, n)
			socket, err := net.ListenPacket("udp4", fmt.Sprintf("%v:%d", n.Link().Scanner, testSport)) // or the kernel refuses datagrams
			if err != nil {
				t.Fatal(err)
			}
			defer socket.Close()
			want, wanted := expectLoss(w.Loss, c, perHost)
			got, answers := map[uint32]int{}, 0
			for group := range slices.Chunk(hostsOf(c.prefix), 128) {
				groupWants := 0
				for range perHost {
					for _, a := range group {
						p.send(t, c.probe(p.to(a.String())))
					}
				}
				for _, a := range group {
					groupWants += wanted[toUint(a)]
				}
				for _, a := range p.collect(t, groupWants, 5*time.Second) {
					got[a.src]++
					answers++
				}
			}
			wrong := 0
			for _, a := range hostsOf(c.prefix) {
				if got[toUint(a)] != wanted[toUint(a)] {
					if wrong++; wrong < 5 {
						t.Errorf("%d answers of %v, want %d", got[toUint(a)], a, wanted[toUint(a)])
					}
				}
			}
			all := settledStats(t, n, func(st Stats) bool { return st.Loss == want })
			st := all.Loss
			if all.Responder.Lost > 0 || all.Responder.Refused > 0 {
				t.Errorf("the responder did not keep up: %+v", all.Responder)
			}
			if st != want || wrong > 0 {
				t.Errorf("counts %+v, want %+v; %d hosts are wrong", st, want, wrong)
			}
			if uint64(answers) != st.Out-st.OutLost {
				t.Errorf("%d answers came, and %d were not lost", answers, st.Out-st.OutLost)
			}
			if !within(int(st.InLost), int(st.In), w.Loss.In, 3) || !within(int(st.OutLost), int(st.Out), w.Loss.Out, 3) {
				t.Errorf("shares are off: %+v of %+v", st, w.Loss)
			}
		})
	}
}

// expectLoss says what becomes of probes, by the function in Go, and how many answers come from each host.
func expectLoss(l Loss, c lossCase, perHost uint32) (st LossStats, answers map[uint32]int) {
	answers = make(map[uint32]int)
	for _, a := range hostsOf(c.prefix) {
		out, back := c.out, c.back
		out.host, back.host = a, a
		sent := uint32(0)
		for n := range perHost {
			st.In++
			if l.loses(out, n) {
				st.InLost++
				continue
			}
			for range c.answersPerPacket {
				st.Out++
				if l.loses(back, sent) {
					st.OutLost++
				} else {
					answers[toUint(a)]++
				}
				sent++
			}
		}
	}
	return st, answers
}

func hostsOf(prefix string) (all []netip.Addr) {
	p := netip.MustParsePrefix(prefix)
	for a := p.Addr(); p.Contains(a); a = a.Next() {
		if p.Bits() == 20 && prefix == "10.1.0.0/20" && a.As4()[2] == 1 {
			continue // a hole in kindsWorld
		}
		if prefix == "10.4.0.0/20" && a.As4()[2] == 1 {
			continue // who answer the second time later
		}
		all = append(all, a)
	}
	return all
}

// TestLossByDetour counts what leaves by another interface than it came in.
func TestLossByDetour(t *testing.T) {
	if err := MayLoad(); err != nil {
		t.Skip(err)
	}
	for i, c := range lossCases()[:4] {
		w := kindsWorld()
		w.Detour, w.Loss = true, Loss{In: 0.1, Out: 0.2, Seed: uint64(i)}
		n := newWorld(t, w)
		p := newProber(t, n)
		for group := range slices.Chunk(hostsOf(c.prefix), 128) {
			for _, a := range group {
				p.send(t, c.probe(p.to(a.String())))
			}
			time.Sleep(5 * time.Millisecond) // there is no ring to read that would say when
		}
		want, _ := expectLoss(w.Loss, c, 1)
		if st := settledStats(t, n, func(st Stats) bool { return st.Loss == want }); st.Loss != want {
			t.Errorf("%s: counts %+v, want %+v", c.name, st.Loss, want)
		}
		if err := n.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// TestLossOfConnections talks to a real kernel over a cable that loses a tenth: it repeats itself until all has come.
func TestLossOfConnections(t *testing.T) {
	if err := MayLoad(); err != nil {
		t.Skip(err)
	}
	w := kernelWorld()
	w.Loss = Loss{In: 0.1, Out: 0.1, Seed: 3}
	n := newWorld(t, w)
	l, err := n.Listen(bounded(t), "10.1.0.1:4000")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	const size = 200_000
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			_, _ = conn.Write(make([]byte, size))
			_ = conn.Close()
		}
	}()
	var st Stats
	for range 40 { // until packets were lost on both ways: the first few do it, as a rule
		conn, err := dial(bounded(t), "10.1.0.1:4000")
		if err != nil {
			t.Fatal(err)
		}
		_ = conn.SetDeadline(time.Now().Add(30 * time.Second))
		if got, err := io.Copy(io.Discard, conn); got != size || err != nil {
			t.Errorf("%d bytes came, want %d; error %v", got, size, err)
		}
		_ = conn.Close()
		if st, err = n.Stats(bounded(t)); err != nil {
			t.Fatal(err)
		}
		if st.Loss.InLost > 0 && st.Loss.OutLost > 0 && st.Kernel["Tcp.RetransSegs"] > 0 {
			break
		}
	}
	if st.Loss.InLost == 0 || st.Loss.OutLost == 0 || st.Kernel["Tcp.RetransSegs"] == 0 {
		t.Errorf("counts %+v and %d segments repeated: want losses on both ways, and repeats", st.Loss, st.Kernel["Tcp.RetransSegs"])
	}
}

// TestLossOfCrowd loses packets of hosts that a program in the driver plays.
func TestLossOfCrowd(t *testing.T) {
	if err := MayLoad(); err != nil {
		t.Skip(err)
	}
	crowd := &Crowd{Prefix: netip.MustParsePrefix("10.9.0.0/20"), Share: 1}
	w := World{Crowd: crowd, Loss: Loss{In: 0.05, Out: 0.05, Seed: 1}}
	n := newWorld(t, w)
	end, err := n.HearCrowd()
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := end(); err != nil {
			t.Error(err)
		}
	}()
	p := newProber(t, n)
	answers, hosts := 0, 0
	var want LossStats
	for group := range slices.Chunk(hostsOf("10.9.0.0/20"), 256) {
		due := 0
		for _, a := range group {
			hosts++
			want.In++
			switch {
			case w.Loss.loses(packetKind{host: a, port: 80, proto: protoTCP, detail: flagSYN}, 0):
				want.InLost++
			case w.Loss.loses(packetKind{out: true, host: a, port: 80, proto: protoTCP, detail: flagSYN | flagACK}, 0):
				want.Out++
				want.OutLost++
			default:
				want.Out++
				due++
			}
			p.send(t, appendTCP(nil, p.to(a.String()), segment{sport: testSport, dport: 80, seq: testSeq, flags: flagSYN}))
		}
		answers += len(p.collect(t, due, 5*time.Second))
	}
	st, err := n.Stats(bounded(t))
	if err != nil {
		t.Fatal(err)
	}
	resets := st.Loss.In - want.In // of the scanner's kernel, which knows of no SYN; in Out there is nothing beside
	if st.Loss.Out != want.Out || st.Loss.OutLost != want.OutLost || resets > uint64(answers) {
		t.Errorf("counts %+v, want %+v and at most %d resets beside", st.Loss, want, answers)
	}
	if st.Crowd.SYNs != want.In-want.InLost || st.Crowd.Answered != want.Out || uint64(answers) != want.Out-want.OutLost {
		t.Errorf("crowd %+v, %d answers came, want %+v", st.Crowd, answers, want)
	}
	if st.Loss.InLost < want.InLost || st.Crowd.Resets+st.Loss.InLost-want.InLost != resets {
		t.Errorf("counts %+v, crowd %+v: want each of %d resets lost or seen", st.Loss, st.Crowd, resets)
	}
}

// TestNoLoss is the cable as it comes: nothing is lost and nothing counted.
func TestNoLoss(t *testing.T) {
	for _, l := range []Loss{{}, {Seed: 9}} {
		w := kindsWorld()
		w.Loss = l
		n := newWorld(t, w)
		p := newProber(t, n)
		c := lossCases()[0]
		hosts := hostsOf(c.prefix)[:500]
		for _, a := range hosts {
			p.send(t, c.probe(p.to(a.String())))
		}
		if got := len(p.collect(t, len(hosts), 5*time.Second)); got != len(hosts) {
			t.Errorf("%d answers, want %d", got, len(hosts))
		}
		if st, err := n.Stats(bounded(t)); err != nil || st.Loss != (LossStats{}) {
			t.Errorf("counts %+v, want none; error %v", st.Loss, err)
		}
		if err := n.Close(); err != nil {
			t.Fatal(err)
		}
	}
}
