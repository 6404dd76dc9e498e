package lab

import (
	"bytes"
	"errors"
	"io"
	"net"
	"net/netip"
	"testing"
	"time"
)

// TestCrowdThatTalks has a kernel ask the hosts of a crowd over connections of its own, which end as they should.
func TestCrowdThatTalks(t *testing.T) {
	if err := MayLoad(); err != nil {
		t.Skip(err)
	}
	for _, c := range []struct {
		size   int
		hangUp bool
	}{{1, true}, {999, true}, {maxReply, true}, {1000, false}} {
		reply := bytes.Repeat([]byte("hello, "), maxReply)[:c.size]
		n := newWorld(t, World{Tally: true, Crowd: &Crowd{Prefix: netip.MustParsePrefix("10.9.0.0/24"), Share: 1, Reply: reply, HangUp: c.hangUp}})
		end, err := n.HearCrowd()
		if err != nil {
			t.Fatal(err)
		}
		for range 10 {
			say(t, reply, c.hangUp)
		}
		st, err := n.Stats(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if st.Crowd.SYNs != 10 || st.Crowd.Answered != 10 || st.Crowd.Resets != 0 {
			t.Errorf("reply of %d bytes: %+v: want 10 connections and no RST", c.size, st.Crowd)
		}
		if err := errors.Join(end(), n.Close()); err != nil {
			t.Error(err)
		}
	}
}

// say asks one host and reads what it says, to the end if there is one.
func say(t *testing.T, want []byte, end bool) {
	t.Helper()
	conn, err := net.DialTimeout("tcp", "10.9.0.7:80", 5*time.Second)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(5 * time.Second))
	if _, err := io.WriteString(conn, "GET / HTTP/1.1\r\nHost: crowd\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	got := make([]byte, len(want))
	if _, err := io.ReadFull(conn, got); err != nil || !bytes.Equal(got, want) {
		t.Fatalf("got %.20q and %v, want %d times %.20q", got, err, len(want), want)
	}
	if end {
		if n, err := conn.Read(make([]byte, 1)); n != 0 || !errors.Is(err, io.EOF) {
			t.Errorf("behind the reply come %d bytes and %v", n, err)
		}
	}
}
