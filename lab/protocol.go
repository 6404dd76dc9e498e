package lab

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"sync"
)

// The two processes talk over a socket pair, one JSON value a line. The scanner's side sends requests, the Internet's side
// answers each exactly once, in any order. A request may take as long as it likes; opCancel (whose ID names it) asks it to
// hurry. The end of the stream ends the Internet.

type operation string

const (
	opHello    operation = "hello"    // verify that the namespace is fresh
	opBuild    operation = "build"    // become the World
	opLink     operation = "link"     // wait until the link carries frames
	opMove     operation = "move"     // give the gateway another hardware address
	opStats    operation = "stats"    // count
	opForge    operation = "forge"    // send forged answers
	opCapture  operation = "capture"  // begin to record frames
	opSettle   operation = "settle"   // end it and summarise
	opArrivals operation = "arrivals" // summarise the crowd's time stamps
	opCancel   operation = "cancel"
)

type request struct {
	ID   uint64
	Op   operation
	Body json.RawMessage `json:",omitempty"`
}

// build is the body of opBuild.
type build struct {
	World World
	Link  Link
}

type reply struct {
	ID    uint64
	Error string          `json:",omitempty"`
	Body  json.RawMessage `json:",omitempty"`
}

// A client is the scanner's side of the protocol. It is safe for concurrent use.
type client struct {
	conn    io.ReadWriteCloser
	writing sync.Mutex // held while writing to conn, and never by the reader: each side always reads, so no writer waits forever

	mu      sync.Mutex // guards the fields below
	last    uint64
	waiting map[uint64]chan reply
	err     error // why the stream ended
}

// newClient takes over conn. A goroutine reads it until it ends.
func newClient(conn io.ReadWriteCloser) *client {
	c := &client{conn: conn, waiting: make(map[uint64]chan reply)}
	go c.read()
	return c
}

// call sends a request and decodes its answer into out, unless that is nil. When ctx ends the request is cancelled, and
// call still waits for the answer, which may then be a partial one together with ctx's error.
func (c *client) call(ctx context.Context, op operation, in, out any) error {
	body, err := json.Marshal(in)
	if err != nil {
		return fmt.Errorf("encode %s request: %w", op, err)
	}
	id, answer, err := c.send(op, body)
	if err != nil {
		return err
	}
	stop := context.AfterFunc(ctx, func() { c.write(request{ID: id, Op: opCancel}) })
	defer stop()
	r, ok := <-answer
	if !ok {
		return fmt.Errorf("ask the test Internet (%s): %w", op, c.reason())
	}
	if out != nil && len(r.Body) > 0 {
		if err := json.Unmarshal(r.Body, out); err != nil {
			return fmt.Errorf("decode %s answer: %w", op, err)
		}
	}
	if r.Error != "" {
		return errors.Join(errors.New(r.Error), ctx.Err())
	}
	return nil
}

func (c *client) send(op operation, body json.RawMessage) (uint64, <-chan reply, error) {
	answer := make(chan reply, 1)
	c.mu.Lock()
	if c.err != nil {
		defer c.mu.Unlock()
		return 0, nil, fmt.Errorf("ask the test Internet (%s): %w", op, c.err)
	}
	c.last++
	id := c.last
	c.waiting[id] = answer
	c.mu.Unlock()
	c.write(request{ID: id, Op: op, Body: body})
	return id, answer, nil
}

// write needs no error: a stream that cannot be written ends for the reader as well.
func (c *client) write(r request) {
	line, _ := json.Marshal(r)
	c.writing.Lock()
	defer c.writing.Unlock()
	_, _ = c.conn.Write(append(line, '\n'))
}

func (c *client) reason() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.err
}

func (c *client) read() {
	dec := json.NewDecoder(c.conn)
	for {
		var r reply
		err := dec.Decode(&r)
		c.mu.Lock()
		if err != nil {
			c.err = fmt.Errorf("it has ended (%w)", err)
			for _, answer := range c.waiting {
				close(answer)
			}
			c.mu.Unlock()
			return
		}
		if answer, ok := c.waiting[r.ID]; ok {
			delete(c.waiting, r.ID)
			answer <- r
		}
		c.mu.Unlock()
	}
}

// A handler carries out one operation. Its result is sent even when it comes with an error.
type handler func(ctx context.Context, body json.RawMessage) (any, error)

// serve is the Internet's side: it runs handlers, each request in its own goroutine, until conn ends; then it cancels what
// still runs and waits for it. An operation without a handler is answered with an error.
func serve(conn io.ReadWriter, handlers map[operation]handler) error {
	ctx, cancel := context.WithCancel(context.Background())
	s := &server{conn: conn, handlers: handlers, running: make(map[uint64]context.CancelFunc)}
	defer s.done.Wait()
	defer cancel()
	dec := json.NewDecoder(conn)
	for {
		var r request
		if err := dec.Decode(&r); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return fmt.Errorf("read request: %w", err)
		}
		s.start(ctx, r)
	}
}

type server struct {
	conn     io.Writer
	handlers map[operation]handler
	done     sync.WaitGroup
	writing  sync.Mutex // held while writing to conn, and never by the reader

	mu      sync.Mutex // guards running
	running map[uint64]context.CancelFunc
}

func (s *server) start(ctx context.Context, r request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if r.Op == opCancel {
		if cancel, ok := s.running[r.ID]; ok {
			cancel()
		}
		return
	}
	ctx, cancel := context.WithCancel(ctx)
	s.running[r.ID] = cancel
	s.done.Go(func() { s.answer(ctx, r) })
}

func (s *server) answer(ctx context.Context, r request) {
	out := reply{ID: r.ID}
	h, ok := s.handlers[r.Op]
	if !ok {
		out.Error = fmt.Sprintf("the test Internet does not know %q", r.Op)
	} else {
		result, err := h(ctx, r.Body)
		if err != nil {
			out.Error = err.Error()
		}
		if out.Body, err = json.Marshal(result); err != nil {
			out.Error = fmt.Sprintf("encode %s answer: %v", r.Op, err)
		}
	}
	line, _ := json.Marshal(out)
	s.mu.Lock()
	s.running[r.ID]()
	delete(s.running, r.ID)
	s.mu.Unlock()
	s.writing.Lock()
	defer s.writing.Unlock()
	_, _ = s.conn.Write(append(line, '\n')) // a stream that cannot be written ends for the reader as well
}

// decode turns a function over a typed request into a handler.
func decode[In any](f func(context.Context, In) (any, error)) handler {
	return func(ctx context.Context, body json.RawMessage) (any, error) {
		var in In
		if len(body) > 0 {
			if err := json.Unmarshal(body, &in); err != nil {
				return nil, fmt.Errorf("decode request: %w", err)
			}
		}
		return f(ctx, in)
	}
}
