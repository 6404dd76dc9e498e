package name

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/zmap-go/zmap/grab"
	"golang.org/x/net/dns/dnsmessage"
)

// Bounds of questions.
const (
	resolverWait  = 2 * time.Second // for one answer
	resolverTries = 2
	maxAnswer     = 1232 // bytes, that of a UDP answer which is not broken up on the way (dnsflagday.net/2020)
	maxRecords    = 64   // of one answer
	cacheSize     = 4096 // answers kept
)

// A Resolver asks the DNS, through the one server that the user named, over UDP. It may be used by any number of goroutines. A nil
// one knows nothing.
type Resolver struct {
	server netip.AddrPort
	mu     sync.Mutex
	cache  map[question][]string // what was answered; nil is that nothing is known
}

// A question is what a server is asked.
type question struct {
	name string
	kind dnsmessage.Type
}

// NewResolver returns a resolver that asks the server. The guard says whether that may be contacted; nil lets every address pass.
func NewResolver(server netip.AddrPort, guard func(netip.Addr) bool) (*Resolver, error) {
	if guard != nil && !guard(server.Addr().Unmap()) {
		return nil, fmt.Errorf("ask resolver %s: %w", server, grab.ErrBlocked)
	}
	return &Resolver{server: server, cache: make(map[question][]string)}, nil
}

// pointers returns the names of an address.
func (r *Resolver) pointers(ctx context.Context, a netip.Addr) []string {
	if r == nil {
		return nil
	}
	return r.ask(ctx, question{reverse(a), dnsmessage.TypePTR})
}

// elsewhere says that the DNS knows addresses of a name, and that a is none of them.
func (r *Resolver) elsewhere(ctx context.Context, name string, a netip.Addr) bool {
	if r == nil {
		return false
	}
	a = a.Unmap().WithZone("")
	kind := dnsmessage.TypeA
	if a.Is6() {
		kind = dnsmessage.TypeAAAA
	}
	addresses := r.ask(ctx, question{name + ".", kind})
	return len(addresses) > 0 && !slices.Contains(addresses, a.String())
}

// reverse returns the name under which the DNS has the name of an address (RFC 1035 section 3.5, RFC 3596 section 2.5).
func reverse(a netip.Addr) string {
	var b strings.Builder
	if a = a.Unmap(); a.Is4() {
		n := a.As4()
		return fmt.Sprintf("%d.%d.%d.%d.in-addr.arpa.", n[3], n[2], n[1], n[0])
	}
	n := a.As16()
	for i := len(n) - 1; i >= 0; i-- {
		fmt.Fprintf(&b, "%x.%x.", n[i]&15, n[i]>>4)
	}
	return b.String() + "ip6.arpa."
}

// ask returns what the server answers: names or addresses. Nothing is the same as no answer.
func (r *Resolver) ask(ctx context.Context, q question) []string {
	r.mu.Lock()
	answers, known := r.cache[q]
	r.mu.Unlock()
	if known {
		return answers
	}
	for range resolverTries {
		var err error
		if answers, err = r.exchange(ctx, q); err == nil || ctx.Err() != nil {
			break
		}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for old := range r.cache {
		if len(r.cache) < cacheSize {
			break
		}
		delete(r.cache, old) // any one
	}
	r.cache[q] = answers
	return answers
}

// exchange sends one question and waits for its answer.
func (r *Resolver) exchange(ctx context.Context, q question) ([]string, error) {
	ctx, cancel := context.WithTimeout(ctx, resolverWait)
	defer cancel()
	var b [2]byte
	_, _ = rand.Read(b[:]) // never fails
	id := binary.BigEndian.Uint16(b[:])
	query, err := pack(id, q)
	if err != nil {
		return nil, err
	}
	var d net.Dialer
	c, err := d.DialContext(ctx, "udp", r.server.String())
	if err != nil {
		return nil, fmt.Errorf("ask resolver: %w", err)
	}
	defer func() { _ = c.Close() }()
	stop := context.AfterFunc(ctx, func() { _ = c.SetDeadline(time.Unix(1, 0)) })
	defer stop()
	if _, err := c.Write(query); err != nil {
		return nil, fmt.Errorf("ask resolver: %w", err)
	}
	for in := make([]byte, maxAnswer); ; {
		n, err := c.Read(in)
		if err != nil {
			return nil, fmt.Errorf("await resolver: %w", err)
		}
		if answers, ours := parseAnswer(in[:n], id, q); ours {
			return answers, nil
		}
	}
}

func pack(id uint16, q question) ([]byte, error) {
	n, err := dnsmessage.NewName(q.name)
	if err != nil {
		return nil, fmt.Errorf("ask for %q: %w", q.name, err)
	}
	m := dnsmessage.Message{
		Header:    dnsmessage.Header{ID: id, RecursionDesired: true},
		Questions: []dnsmessage.Question{{Name: n, Type: q.kind, Class: dnsmessage.ClassINET}},
	}
	b, err := m.Pack()
	if err != nil {
		return nil, fmt.Errorf("ask for %q: %w", q.name, err)
	}
	return b, nil
}

// parseAnswer reads the records of the question's type. It says whether that is the answer to it.
func parseAnswer(in []byte, id uint16, q question) (answers []string, ours bool) {
	var p dnsmessage.Parser
	h, err := p.Start(in)
	if err != nil || h.ID != id || !h.Response {
		return nil, false
	}
	asked, err := p.Question()
	if err != nil || asked.Type != q.kind || asked.Class != dnsmessage.ClassINET || !strings.EqualFold(asked.Name.String(), q.name) {
		return nil, false
	}
	if p.SkipAllQuestions() != nil {
		return nil, true
	}
	for len(answers) < maxRecords {
		r, err := p.Answer()
		if err != nil {
			break // the end, or a mistake: what stands before it counts
		}
		if r.Header.Type != q.kind {
			continue // an alias
		}
		switch body := r.Body.(type) {
		case *dnsmessage.PTRResource:
			answers = append(answers, body.PTR.String())
		case *dnsmessage.AResource:
			answers = append(answers, netip.AddrFrom4(body.A).String())
		case *dnsmessage.AAAAResource:
			answers = append(answers, netip.AddrFrom16(body.AAAA).String())
		}
	}
	return answers, true
}
