package lab

import (
	"net/netip"
	"testing"
	"time"
)

// TestCrowd asks addresses of a crowd: those that have a host answer, and no others.
func TestCrowd(t *testing.T) {
	if err := MayLoad(); err != nil {
		t.Skip(err)
	}
	crowd := &Crowd{Prefix: netip.MustParsePrefix("10.9.0.0/24"), Share: 0.4, Stamps: 200}
	n := newWorld(t, World{Crowd: crowd})
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
	hosts := 0
	var frames [][]byte
	for a := crowd.Prefix.Addr(); crowd.Prefix.Contains(a); a = a.Next() {
		if crowd.Has(a) {
			hosts++
		}
		frames = append(frames, appendTCP(nil, p.to(a.String()), segment{sport: testSport, dport: 4711, seq: testSeq, flags: flagSYN}))
	}
	if hosts < 70 || hosts > 135 {
		t.Errorf("%d of 256 addresses have a host, want about 102", hosts)
	}
	p.send(t, frames...)
	seen := make(map[uint32]bool)
	for _, a := range p.collect(t, hosts, 5*time.Second) {
		if !crowd.Has(toAddr(a.src)) || seen[a.src] || a.tcp.flags != flagSYN|flagACK || a.tcp.sport != 4711 || a.tcp.ack != testSeq+1 {
			t.Errorf("answer %+v: want one SYN-ACK from each host", a.arrival)
		}
		seen[a.src] = true
	}
	if len(seen) != hosts {
		t.Errorf("%d hosts answered, want %d", len(seen), hosts)
	}
	st, err := n.Stats(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if want := (CrowdStats{SYNs: 256, Answered: uint64(hosts), Resets: st.Crowd.Resets}); st.Crowd != want {
		t.Errorf("counts %+v, want %+v", st.Crowd, want)
	}
	// All SYNs are counted and the first ones stamped, then it begins anew.
	for _, want := range []Captured{{Frames: 256, Lost: 56}, {}} {
		got, err := n.Arrivals(t.Context(), time.Hour)
		if err != nil {
			t.Fatal(err)
		}
		if got.Frames != want.Frames || got.Lost != want.Lost || got.MaxInWindow != int(want.Frames-want.Lost) {
			t.Errorf("arrivals %+v, want %d, %d of them lost, the others in one hour", got, want.Frames, want.Lost)
		}
	}
}
