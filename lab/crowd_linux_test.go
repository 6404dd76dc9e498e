package lab

import (
	"net/netip"
	"slices"
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
	begin, err := Uptime()
	if err != nil {
		t.Fatal(err)
	}
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
		if end, err := Uptime(); want.Frames > 0 && (err != nil || got.First.Before(begin) || got.Last.After(end)) {
			t.Errorf("arrivals from %v to %v, want between %v and %v; error %v", got.First, got.Last, begin, end, err)
		}
	}
}

// TestCrowdOfAll asks hosts of a crowd that a kernel would not have: it does not see them.
func TestCrowdOfAll(t *testing.T) {
	if err := MayLoad(); err != nil {
		t.Skip(err)
	}
	n := newWorld(t, World{Crowd: &Crowd{Prefix: netip.MustParsePrefix("0.0.0.0/0"), Share: 1}})
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
	asked := []string{"0.0.0.1", "9.9.9.9", "127.0.0.1", "172.31.255.7", "191.255.255.255", "224.0.0.1", "255.255.255.255"}
	var frames [][]byte
	for _, a := range asked {
		frames = append(frames, appendTCP(nil, p.to(a), segment{sport: testSport, dport: 80, seq: testSeq, flags: flagSYN}))
	}
	p.send(t, frames...)
	var got []string
	for _, a := range p.collect(t, len(asked), 5*time.Second) {
		got = append(got, toAddr(a.src).String())
	}
	slices.Sort(got)
	slices.Sort(asked)
	if !slices.Equal(got, asked) {
		t.Errorf("answers from %v, want them from %v", got, asked)
	}
}
