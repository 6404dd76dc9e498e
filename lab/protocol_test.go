package lab

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// connectPipe joins a client to a server with handlers. The returned channel gets what serve returned.
func connectPipe(handlers map[operation]handler) (*client, <-chan error) {
	ours, theirs := net.Pipe()
	ended := make(chan error, 1)
	go func() {
		ended <- serve(theirs, handlers)
		theirs.Close()
	}()
	return newClient(ours), ended
}

func TestCallsRunSideBySide(t *testing.T) {
	c, ended := connectPipe(map[operation]handler{
		"double": decode(func(_ context.Context, n int) (any, error) {
			time.Sleep(time.Duration(n%7) * time.Millisecond) // answers change their order
			return 2 * n, nil
		}),
	})
	var calls sync.WaitGroup
	for n := range 100 {
		calls.Go(func() {
			var got int
			if err := c.call(t.Context(), "double", n, &got); err != nil || got != 2*n {
				t.Errorf("double(%d) = %d, %v", n, got, err)
			}
		})
	}
	calls.Wait()
	c.conn.Close()
	if err := <-ended; err != nil {
		t.Errorf("serve: %v", err)
	}
}

func TestCallErrors(t *testing.T) {
	c, _ := connectPipe(map[operation]handler{
		"partial": decode(func(context.Context, struct{}) (any, error) { return "half", errors.New("only half") }),
		"number":  decode(func(context.Context, int) (any, error) { return nil, nil }),
		"channel": decode(func(context.Context, string) (any, error) { return make(chan int), nil }),
	})
	defer c.conn.Close()
	var got string
	if err := c.call(t.Context(), "partial", nil, &got); err == nil || err.Error() != "only half" || got != "half" {
		t.Errorf("partial: %q, %v", got, err)
	}
	for op, want := range map[operation]string{
		"unheard": `does not know "unheard"`,
		"number":  "decode request",
		"channel": "encode channel answer",
	} {
		if err := c.call(t.Context(), op, "text", &got); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", op, err, want)
		}
	}
	if err := c.call(t.Context(), "partial", make(chan int), nil); err == nil || !strings.Contains(err.Error(), "encode partial request") {
		t.Errorf("a request that cannot be encoded: %v", err)
	}
	var number int
	if err := c.call(t.Context(), "partial", nil, &number); err == nil || !strings.Contains(err.Error(), "decode partial answer") {
		t.Errorf("an answer of another type: %v", err)
	}
}

func TestCancelAsksTheHandler(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, ended := connectPipe(map[operation]handler{
			"count": decode(func(ctx context.Context, _ struct{}) (any, error) {
				<-ctx.Done()
				return 7, errors.New("interrupted")
			}),
		})
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		var got int
		err := c.call(ctx, "count", nil, &got)
		if !errors.Is(err, context.DeadlineExceeded) || got != 7 {
			t.Errorf("count = %d, %v; want 7 and the context's error", got, err)
		}
		c.conn.Close()
		if err := <-ended; err != nil {
			t.Errorf("serve: %v", err)
		}
	})
}

// TestEndOfStream: when the other side goes away every caller hears of it, and a handler is cancelled.
func TestEndOfStream(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cancelled := make(chan struct{})
		ours, theirs := net.Pipe()
		ended := make(chan error, 1)
		go func() {
			ended <- serve(theirs, map[operation]handler{
				"wait": decode(func(ctx context.Context, _ struct{}) (any, error) {
					<-ctx.Done()
					close(cancelled)
					return nil, nil
				}),
			})
		}()
		c := newClient(ours)
		result := make(chan error)
		go func() { result <- c.call(t.Context(), "wait", nil, nil) }()
		synctest.Wait()
		ours.Close()
		if err := <-result; err == nil || !strings.Contains(err.Error(), "it has ended") {
			t.Errorf("the waiting call: %v", err)
		}
		if err := c.call(t.Context(), "wait", nil, nil); err == nil || !strings.Contains(err.Error(), "it has ended") {
			t.Errorf("a later call: %v", err)
		}
		<-cancelled
		if err := <-ended; err != nil {
			t.Errorf("serve: %v", err)
		}
	})
}

func TestServeRefusesGarbage(t *testing.T) {
	conn := struct {
		io.Reader
		io.Writer
	}{strings.NewReader("{\"ID\":1,\"Op\":\"hello\"}\n]"), io.Discard}
	if err := serve(conn, nil); err == nil || !strings.Contains(err.Error(), "read request") {
		t.Errorf("serve: %v", err)
	}
}

// TestWorldTravels: what the requests carry survives the journey.
func TestWorldTravels(t *testing.T) {
	b := build{Link: standardLink()}
	b.World.Ports = []uint16{80}
	b.World.Hosts = randomHostsOfAllKinds()
	line, err := json.Marshal(b)
	if err != nil {
		t.Fatal(err)
	}
	var got build
	if err := json.Unmarshal(line, &got); err != nil {
		t.Fatal(err)
	}
	if fmt.Sprint(got) != fmt.Sprint(b) || bytes.ContainsRune(line, '\n') {
		t.Errorf("sent %+v\ngot %+v", b, got)
	}
}
