package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"slices"
	"sync"
	"time"

	"github.com/zmap-go/zmap/grab"
	"github.com/zmap-go/zmap/grab/pool"
	"github.com/zmap-go/zmap/internal/intake"
)

const (
	lookUps   = 32 // names that are looked up at once
	complains = 10 // lines and addresses that the log names one by one
)

// A fed is what the input has next.
type fed struct {
	intake.Entry
	err    error
	passed uint64
}

// feed reads targets and gives them to the pool, until the input or ctx ends. Names are looked up beside.
func (j *grabJob) feed(ctx context.Context) error {
	entries := make(chan fed)
	go j.readEntries(ctx, entries) // a read may outlast the end: nobody waits for it
	var names sync.WaitGroup
	defer names.Wait()
	room := make(chan struct{}, lookUps)
	for {
		var e fed
		select {
		case <-ctx.Done():
			return nil
		case e = <-entries:
		}
		j.account.passed.Store(e.passed)
		var bad *intake.LineError
		switch {
		case errors.Is(e.err, io.EOF):
			return nil
		case errors.As(e.err, &bad):
			j.complain(e.err)
		case e.err != nil:
			return e.err
		case !e.Net.IsValid():
			select {
			case room <- struct{}{}:
			case <-ctx.Done():
				return nil
			}
			names.Go(func() {
				j.byName(ctx, &e.Entry)
				<-room
			})
		default:
			j.expand(ctx, &e.Entry)
		}
		if ctx.Err() == nil {
			j.account.line.Store(max(e.Line, j.account.line.Load()))
		}
	}
}

// readEntries sends what the input has.
func (j *grabJob) readEntries(ctx context.Context, to chan<- fed) {
	r := j.source()
	for {
		e, err := r.Next()
		if err == nil && e.Port == 0 {
			e.Port, err = j.portOf(r.Line())
		}
		select {
		case to <- fed{e, err, r.Passed()}:
		case <-ctx.Done():
			return
		}
		var bad *intake.LineError
		if err != nil && !errors.As(err, &bad) {
			return
		}
	}
}

// portOf is the port for a line that names none.
func (j *grabJob) portOf(line uint64) (uint16, error) {
	if j.o.port != 0 {
		return uint16(j.o.port), nil
	}
	d := j.module.Describe()
	if d.Port == 0 {
		return 0, &intake.LineError{File: j.inName, Line: line, Err: fmt.Errorf("there is no port, and %s has none of its own: --target-port says which", d.Name)}
	}
	return d.Port, nil
}

// complain says of a line that it cannot be used.
func (j *grabJob) complain(err error) {
	switch n := j.account.bad.Add(1); {
	case n < complains:
		j.log.Error(err.Error())
	case n == complains:
		j.log.Error(err.Error() + "; further lines are only counted")
	}
}

// expand offers all addresses of an entry.
func (j *grabJob) expand(ctx context.Context, e *intake.Entry) {
	for a := e.Net.Addr(); e.Net.Contains(a); a = a.Next() {
		if ctx.Err() != nil || j.offer(ctx, e, a) != nil {
			return
		}
	}
}

// offer gives one address to the pool, if it may be contacted. An error means that ctx has ended.
func (j *grabJob) offer(ctx context.Context, e *intake.Entry, a netip.Addr) error {
	if !j.guard.allows(a) {
		switch n := j.account.blocked.Add(1); {
		case n < complains:
			j.log.Warn(fmt.Sprintf("%s:%d: %s is not contacted: the blocklist has it, or the allowlist has it not", j.inName, e.Line, a))
		case n == complains:
			j.log.Warn(fmt.Sprintf("%s:%d: %s is not contacted, either; further ones are only counted", j.inName, e.Line, a))
		}
		return nil
	}
	t := grab.Target{Addr: a, Port: e.Port, Name: e.Name, Tag: e.Tag}
	err := j.pool.Wait(ctx, pool.Work{Target: t})
	if err == nil {
		j.account.targets.Add(1)
	}
	return err
}

// byName looks up the name of an entry and offers the first of its addresses that may be contacted, IPv4 first. Whatever becomes
// of it, there is a row, or a line of the log: entries behind it have been taken meanwhile.
func (j *grabJob) byName(ctx context.Context, e *intake.Entry) {
	looking, cancel := context.WithTimeout(ctx, j.o.limits().WithDefaults().Timeout)
	defer cancel()
	began := time.Now()
	addrs, err := j.lookup(looking, e.Name)
	if err == nil && len(addrs) == 0 {
		err = errors.New("it has no address")
	}
	if err == nil {
		for i := range addrs {
			addrs[i] = addrs[i].Unmap()
		}
		slices.SortStableFunc(addrs, func(a, b netip.Addr) int { return a.BitLen() - b.BitLen() })
		err = j.offer(ctx, e, addrs[max(0, slices.IndexFunc(addrs, j.guard.allows))])
	}
	switch {
	case err == nil:
		return
	case ctx.Err() != nil:
		err = pool.ErrCut
	default:
		err = fmt.Errorf("%w: look up %s: %w", grab.ErrConnect, e.Name, err)
	}
	j.account.targets.Add(1)
	j.account.unresolved.Add(1)
	t := grab.Target{Port: e.Port, Name: e.Name, Tag: e.Tag}
	j.put(&t, grab.New(j.module.Describe(), &t, began, nil, err))
}

// askSystem asks the system's resolver.
func askSystem(ctx context.Context, host string) ([]netip.Addr, error) {
	return net.DefaultResolver.LookupNetIP(ctx, "ip", host)
}
